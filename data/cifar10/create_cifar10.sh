#!/bin/sh
# Makes cifar10_train_lmdb, cifar10_test_lmdb and mean.binaryproto in this folder, or in the one
# named, from the binary files in CREMA_CIFAR10_DIR (by default: those of get_cifar10.sh).
#   data/cifar10/create_cifar10.sh [OUT_FOLDER]
# CREMA names the crema program; by default it is looked for in build/release/bin, then in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
from=${CREMA_CIFAR10_DIR:-$here}
out=${1:-$here}
crema=${CREMA:-$here/../../build/release/bin/crema}
[ -x "$crema" ] || crema=$(command -v crema) || {
  echo "create_cifar10.sh: no crema program found; build it or set CREMA to its path" >&2
  exit 1
}

mkdir -p "$out"
rm -rf "$out/cifar10_train_lmdb" "$out/cifar10_test_lmdb"
"$crema" convert cifar10 "$from" "$out"
"$crema" mean "$out/cifar10_train_lmdb" "$out/mean.binaryproto"
