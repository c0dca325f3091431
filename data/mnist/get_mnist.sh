#!/bin/sh
# Downloads MNIST's four files (11 MB) into this folder, and checks them.
set -eu
cd "$(dirname "$0")"
mirrors="https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist"

fetch() {  # URL FILE
  if command -v curl >/dev/null; then curl -fL --retry 2 -o "$2" "$1"; else wget -O "$2" "$1"; fi
}

is_good() {  # FILE MD5
  [ -f "$1" ] && [ "$(md5sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

get() {  # FILE MD5
  if is_good "$1" "$2"; then echo "$1: is here already"; return; fi
  for mirror in $mirrors; do
    echo "$1: from $mirror"
    fetch "$mirror/$1" "$1.part" && is_good "$1.part" "$2" && mv "$1.part" "$1" && return
  done
  rm -f "$1.part"
  echo "get_mnist.sh: $1 could not be downloaded; put it here by hand (md5 $2)" >&2
  exit 1
}

get train-images-idx3-ubyte.gz f68b3c2dcbeaaa9fbdd348bbdeb94873
get train-labels-idx1-ubyte.gz d53e105ee54ea40749a09fcbcd1e9432
get t10k-images-idx3-ubyte.gz 9fb629c4189551a2d022fa330f9573f3
get t10k-labels-idx1-ubyte.gz ec29112dd5afa0611ce80d1b7f02629c
