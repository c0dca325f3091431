#!/bin/sh
# Downloads the binary version of CIFAR-10 (170 MB) into this folder, checks and unpacks it.
set -eu
cd "$(dirname "$0")"
url=https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
archive=cifar-10-binary.tar.gz
md5=c32a1d4ab5d03f1284b67883e8d87530

is_good() { [ -f "$archive" ] && [ "$(md5sum <"$archive" | cut -d' ' -f1)" = "$md5" ]; }

if ! is_good; then
  if command -v curl >/dev/null; then
    curl -fL --retry 2 -C - -o "$archive" "$url"
  else
    wget -c -O "$archive" "$url"
  fi
fi
if ! is_good; then
  echo "get_cifar10.sh: $archive is damaged (its md5 should be $md5); remove it and try again" >&2
  exit 1
fi
tar -xzf "$archive"
echo "The data is in $(pwd)/cifar-10-batches-bin"
