#!/bin/sh
# Makes mnist_train_lmdb and mnist_test_lmdb in this folder, or in the one named, from the files in
# CREMA_MNIST_DIR (by default: those that get_mnist.sh put here). With --pairs:
# mnist_siamese_train_lmdb and mnist_siamese_test_lmdb, of pairs of images.
#   data/mnist/create_mnist.sh [--pairs] [OUT_FOLDER]
# CREMA names the crema program; by default it is looked for in build/release/bin, then in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stop() {
  echo "create_mnist.sh: $1" >&2
  exit 1
}

source=mnist set=mnist
if [ "${1:-}" = --pairs ]; then source=mnist_pairs set=mnist_siamese; shift; fi
from=${CREMA_MNIST_DIR:-$here}
out=${1:-$here}
[ -z "${CREMA:-}" ] || command -v "$CREMA" >/dev/null || stop "CREMA is '$CREMA', which is no program"
crema=${CREMA:-$here/../../build/release/bin/crema}
command -v "$crema" >/dev/null || crema=$(command -v crema) ||
  stop "no crema program found; build it or set CREMA to its path"

file() {  # NAME: the plain file, or the compressed one
  for candidate in "$from/$1" "$from/$1.gz"; do
    if [ -f "$candidate" ]; then echo "$candidate"; return; fi
  done
  stop "'$from' has no $1 or $1.gz; run data/mnist/get_mnist.sh, or set CREMA_MNIST_DIR"
}

# All files are found before what was made earlier is removed.
train_images=$(file train-images-idx3-ubyte)
train_labels=$(file train-labels-idx1-ubyte)
test_images=$(file t10k-images-idx3-ubyte)
test_labels=$(file t10k-labels-idx1-ubyte)
mkdir -p "$out"
rm -rf "$out/${set}_train_lmdb" "$out/${set}_test_lmdb"
"$crema" convert "$source" "$train_images" "$train_labels" "$out/${set}_train_lmdb"
"$crema" convert "$source" "$test_images" "$test_labels" "$out/${set}_test_lmdb"
