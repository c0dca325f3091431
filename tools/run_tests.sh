#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test:
#   release  the build that people use
#   asan     with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
#   cuda     with the layers compiled for the GPU too, where nvcc is found; on a machine without a
#            GPU its tests run on the CPU
# usage: tools/run_tests.sh [release|asan|cuda]...   (default: all that can run here)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cores=$(nproc)
results=build/test_results
began=$SECONDS

step() { printf '\n== %s (after %d min %02d s)\n' "$1" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)); }

find_nvcc() { command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null; }

wanted=("$@")
if (($# == 0)); then
  wanted=(release asan)
  if find_nvcc >/dev/null; then wanted+=(cuda); else echo "No nvcc here: the CUDA build is left out."; fi
fi

if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache
fi
if [[ -d ../shared && -z ${CREMA_SHARED_DIR:-} ]]; then
  CREMA_SHARED_DIR=$(cd ../shared && pwd)
  export CREMA_SHARED_DIR
fi
# Waiting threads sleep, because several tests share the cores.
export OMP_WAIT_POLICY=passive
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1

# run_suite PRESET [CMAKE_OPTION]...
run_suite() {
  local preset=$1
  shift
  step "$preset: configuring"
  cmake --preset "$preset" -DCREMA_TESTS=ON "$@" || return 1
  step "$preset: building with $cores jobs"
  cmake --build "build/$preset" -j "$cores" || return 1
  step "$preset: testing"
  ctest --test-dir "build/$preset" -j "$cores" --output-on-failure --no-tests=error \
    --output-junit "$PWD/$results/$preset.xml"
}

step "packages"
tools/install_packages.sh

rm -rf "$results"
mkdir -p "$results"
failed=()
for suite in "${wanted[@]}"; do
  case $suite in
    release | asan) run_suite "$suite" || failed+=("$suite") ;;
    cuda)
      # One architecture is enough to see that everything compiles.
      CUDACXX=${CUDACXX:-$(find_nvcc)} run_suite cuda -DCMAKE_CUDA_ARCHITECTURES=90-real \
        -DCREMA_V3=OFF || failed+=(cuda)
      ;;
    *)
      echo "usage: tools/run_tests.sh [release|asan|cuda]..." >&2
      exit 2
      ;;
  esac
done

step "summary"
python3 tools/summarize_tests.py "${wanted[@]/#/$results/}"
if ((${#failed[@]} > 0)); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
