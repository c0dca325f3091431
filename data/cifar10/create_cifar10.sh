#!/bin/sh
# Makes cifar10_train_lmdb, cifar10_test_lmdb and mean.binaryproto in this folder, or in the one
# named, from the binary files in CREMA_CIFAR10_DIR (by default: those of get_cifar10.sh).
#   data/cifar10/create_cifar10.sh [OUT_FOLDER]
# CREMA names the crema program; by default it is looked for in build/release/bin, then in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stop() {
  echo "create_cifar10.sh: $1" >&2
  exit 1
}

from=${CREMA_CIFAR10_DIR:-$here}
out=${1:-$here}
[ -z "${CREMA:-}" ] || command -v "$CREMA" >/dev/null || stop "CREMA is '$CREMA', which is no program"
crema=${CREMA:-$here/../../build/release/bin/crema}
command -v "$crema" >/dev/null || crema=$(command -v crema) ||
  stop "no crema program found; build it or set CREMA to its path"
# Before what was made earlier is removed.
for file in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
  [ -f "$from/$file.bin" ] || [ -f "$from/cifar-10-batches-bin/$file.bin" ] ||
    stop "'$from' has no $file.bin; run data/cifar10/get_cifar10.sh, or set CREMA_CIFAR10_DIR"
done

mkdir -p "$out"
rm -rf "$out/cifar10_train_lmdb" "$out/cifar10_test_lmdb"
"$crema" convert cifar10 "$from" "$out"
"$crema" mean "$out/cifar10_train_lmdb" "$out/mean.binaryproto"
