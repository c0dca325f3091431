#!/usr/bin/env bash
# From a fresh clone to a trained net: installs packages, builds, makes a data set, trains
# models/lenet, and prints its accuracy. Run again, it does only what is left to do, and trains.
#
# The data set is MNIST where its four files are in data/mnist or in CREMA_MNIST_DIR (see
# data/mnist/get_mnist.sh); else digits that are rendered here. The net finds it at data/lenet,
# a link to the set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build/release
began=$SECONDS
current=start

step() {
  current=$1
  printf '\n== %s (after %d min %02d s)\n' "$1" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60))
}

report_failure() {
  local status=$?
  ((status == 0)) || echo "quickstart: failed at '$current'; see the error above" >&2
}
trap report_failure EXIT

step "packages"
tools/install_packages.sh

step "build ($(nproc) jobs)"
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset release -DCREMA_TESTS=OFF
cmake --build "$build" -j "$(nproc)" --target crema_tool make_digits
crema=$build/bin/crema

has_mnist() {  # FOLDER
  local name
  for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
    [[ -f $1/$name-ubyte || -f $1/$name-ubyte.gz ]] || return 1
  done
}

has_sets() { [[ -f $1/data.mdb && -f $2/data.mdb ]]; }

step "data set"
mnist=${CREMA_MNIST_DIR:-data/mnist}
if has_mnist "$mnist"; then
  name=MNIST test_batches=100
  train=data/mnist/mnist_train_lmdb test=data/mnist/mnist_test_lmdb
  has_sets "$train" "$test" || CREMA=$crema CREMA_MNIST_DIR=$mnist data/mnist/create_mnist.sh
elif [[ -n ${CREMA_MNIST_DIR:-} ]]; then
  echo "error: CREMA_MNIST_DIR is '$CREMA_MNIST_DIR', but not all four MNIST files are there;" \
    "unset it to train on rendered digits" >&2
  exit 1
else
  echo "MNIST is not here (data/mnist/get_mnist.sh downloads it); rendering digits instead."
  name="rendered digits" test_batches=40
  train=data/digits/train_lmdb test=data/digits/test_lmdb
  if ! has_sets "$train" "$test"; then
    rm -rf "$train" "$test"
    "$build/bin/make_digits" data/digits
  fi
fi
mkdir -p data/lenet
ln -sfn "../../$train" data/lenet/train_lmdb
ln -sfn "../../$test" data/lenet/test_lmdb
echo "data/lenet now points to: $name"

solver=models/lenet/quick_solver.prototxt
weights=models/lenet/lenet_quick_iter_2000.caffemodel
step "training LeNet on $name, 2000 iterations of 64 images"
rm -f "$weights"  # of an earlier run
# Ctrl-C is for crema, which then saves what it has; tee waits for its last words.
"$crema" train --solver="$solver" 2>&1 | tee --ignore-interrupts "$build/quickstart_train.log"
[[ -f $weights ]] || { echo "error: training was stopped before its end" >&2; exit 1; }

step "testing"
"$crema" test --model=models/lenet/train_val.prototxt --weights="$weights" \
  --iterations="$test_batches" 2>"$build/quickstart_test.log" ||
  { tail -n 5 "$build/quickstart_test.log" >&2; exit 1; }
accuracy=$(sed -n 's/.*\] accuracy = //p' "$build/quickstart_test.log" | tail -n 1)
[[ -n $accuracy ]] || { echo "error: no accuracy in $build/quickstart_test.log" >&2; exit 1; }

cat <<END

LeNet reached a test accuracy of $accuracy on $name, after $((SECONDS - began)) seconds in all.

What you may want next:

  $crema show --model=models/lenet/train_val.prototxt
      the compiled net: shapes, parameters, memory
  $crema train --solver=models/lenet/solver.prototxt
      the whole training, 10,000 iterations
  $crema time --model=models/lenet/train_val.prototxt
      how long each layer takes
END
