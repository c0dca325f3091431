#!/bin/sh
# Makes mnist_train_lmdb and mnist_test_lmdb in this folder, or in the one named, from the files in
# CREMA_MNIST_DIR (by default: those that get_mnist.sh put here). With --pairs:
# mnist_siamese_train_lmdb and mnist_siamese_test_lmdb, of pairs of images.
#   data/mnist/create_mnist.sh [--pairs] [OUT_FOLDER]
# CREMA names the crema program; by default it is looked for in build/release/bin, then in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=mnist set=mnist
if [ "${1:-}" = --pairs ]; then source=mnist_pairs set=mnist_siamese; shift; fi
from=${CREMA_MNIST_DIR:-$here}
out=${1:-$here}
crema=${CREMA:-$here/../../build/release/bin/crema}
[ -x "$crema" ] || crema=$(command -v crema) || {
  echo "create_mnist.sh: no crema program found; build it or set CREMA to its path" >&2
  exit 1
}

file() {  # NAME: the plain file, or the compressed one
  for candidate in "$from/$1" "$from/$1.gz"; do
    if [ -f "$candidate" ]; then echo "$candidate"; return; fi
  done
  echo "create_mnist.sh: $from has no $1 or $1.gz; run data/mnist/get_mnist.sh, or set" \
       "CREMA_MNIST_DIR" >&2
  return 1
}

make_set() {  # PREFIX DATABASE
  images=$(file "$1-images-idx3-ubyte")
  labels=$(file "$1-labels-idx1-ubyte")
  "$crema" convert "$source" "$images" "$labels" "$2"
}

mkdir -p "$out"
rm -rf "$out/${set}_train_lmdb" "$out/${set}_test_lmdb"
make_set train "$out/${set}_train_lmdb"
make_set t10k "$out/${set}_test_lmdb"
