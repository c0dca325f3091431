#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test:
#   release  the build that people use
#   asan     with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
#   fuzz     each reader of files for 15 seconds on damaged files (tests/fuzz), where clang and its
#            libFuzzer are found
#   cuda     the release build with the layers compiled for the GPU too; on a machine without a GPU
#            its tests run on the CPU
#   tsan     the tests in which threads meet (crema_thread_tests) with ThreadSanitizer, where clang
#            and its OpenMP are found
# usage: tools/run_tests.sh [release|asan|tsan|fuzz|cuda]...
#        (default: cuda asan tsan fuzz where nvcc is found, else release asan tsan fuzz)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cores=$(nproc)
results=build/test_results
began=$SECONDS

step() { printf '\n== %s (after %d min %02d s)\n' "$1" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)); }

find_nvcc() { command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null; }

wanted=("$@")
if (($# == 0)); then
  first=cuda
  find_nvcc >/dev/null || { first=release && echo "No nvcc here: skipping the GPU layers."; }
  wanted=("$first" asan tsan fuzz)
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
# The tests' files: two clones that are tested at once do not meet.
export TEST_TMPDIR=$PWD/build/test_files

# run_suite PRESET [CMAKE_OPTION]...
run_suite() {
  local preset=$1
  shift
  step "$preset: configuring"
  # Everything is built once here, so that layers are compiled in batches.
  cmake --preset "$preset" -DCREMA_TESTS=ON -DCREMA_LAYER_BATCH=8 "$@" || return 1
  step "$preset: building with $cores jobs"
  cmake --build "build/$preset" -j "$cores" || return 1
  step "$preset: testing"
  run_parts "$preset"
  ctest --test-dir "build/$preset" -LE gtest -j "$cores" --output-on-failure --no-tests=error \
    --output-junit "$PWD/$results/$preset.xml" && ((parts_failed == 0))
}

# Runs the parts of crema_tests, one on each core at a time. A process for each test, as ctest has
# it, would spend most of its time on starting.
parts=8
run_parts() {
  parts_failed=0
  seq 0 $((parts - 1)) | xargs -P "$cores" -I{} tools/run_tests.sh part "$1" {} || parts_failed=1
}

run_part() {
  export GTEST_TOTAL_SHARDS=$parts GTEST_SHARD_INDEX=$2
  export GTEST_OUTPUT=xml:$PWD/$results/$1.part$2.xml
  local status=0
  timeout 2400 "build/$1/bin/crema_tests" --gtest_brief=1 >"$results/$1.part$2.log" 2>&1 ||
    status=$?
  ((status == 0)) && return
  printf 'part %d of the tests: status %d\n' "$2" "$status"
  tail -n 300 "$results/$1.part$2.log"
  return 1
}

has_fuzzer() {
  echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -x c++ - -fsanitize=fuzzer,address,undefined -o "$results/probe" >/dev/null 2>&1
}

run_fuzz() {
  if ! has_fuzzer; then
    echo "No clang++ with libFuzzer here: skipping the fuzz targets."
    return
  fi
  step "fuzz: building with $cores jobs"
  cmake --preset fuzz && cmake --build build/fuzz -j "$cores" || return 1
  step "fuzz: running each target for 15 seconds, two at a time"
  tests/fuzz/run.sh build/fuzz 15
}

# g++'s OpenMP synchronises by system calls that ThreadSanitizer does not see, so that every parallel
# loop looks like a race. Clang's tells it of its threads, by the library Archer that comes with it.
has_tsan() {
  printf '#include <omp.h>\nint main() { return omp_get_max_threads() > 0 ? 0 : 1; }' |
    clang++ -x c++ - -fopenmp -fsanitize=thread -o "$results/probe" >/dev/null 2>&1 &&
    "$results/probe"
}

run_tsan() {
  if ! has_tsan; then
    echo "No clang++ with ThreadSanitizer and OpenMP (libomp-dev) here: skipping tsan."
    return
  fi
  step "tsan: building with $cores jobs"
  cmake --preset tsan && cmake --build --preset tsan -j "$cores" || return 1
  step "tsan: testing"
  # Of libraries that were built without the sanitizer only their callers are looked at. Two
  # processors or more, so that there are lanes to look at.
  OMP_NUM_THREADS=$((cores > 4 ? 4 : cores)) OPENBLAS_NUM_THREADS=1 \
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 die_after_fork=0" \
    timeout 1200 build/tsan/bin/crema_thread_tests --gtest_brief=1
}

if [[ ${1:-} == part ]]; then
  run_part "$2" "$3"
  exit
fi

step "packages"
tools/install_packages.sh

rm -rf "$results"
mkdir -p "$results" "$TEST_TMPDIR"
failed=()
for suite in "${wanted[@]}"; do
  case $suite in
    release | asan) run_suite "$suite" || failed+=("$suite") ;;
    fuzz) run_fuzz || failed+=(fuzz) ;;
    tsan) run_tsan || failed+=(tsan) ;;
    cuda)
      # One architecture is enough to see that everything compiles.
      CUDACXX=${CUDACXX:-$(find_nvcc)} run_suite cuda -DCMAKE_CUDA_ARCHITECTURES=90-real ||
        failed+=(cuda)
      ;;
    *)
      echo "usage: tools/run_tests.sh [release|asan|tsan|fuzz|cuda]..." >&2
      exit 2
      ;;
  esac
done

step "summary"
suites=()
for suite in "${wanted[@]}"; do
  [[ $suite == fuzz || $suite == tsan ]] || suites+=("$results/$suite")
done
((${#suites[@]} == 0)) || python3 tools/summarize_tests.py "${suites[@]}"
if ((${#failed[@]} > 0)); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
