#!/usr/bin/env bash
# Runs fuzz targets that were built, two at a time, each for a while, and shows those that failed.
# usage: tests/fuzz/run.sh BUILD_FOLDER [SECONDS] [TARGET...]
# What it finds goes to BUILD_FOLDER/found: fix the reader, then keep the file in corpus/TARGET.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
seconds=${2:-60}
targets=("${@:3}")
((${#targets[@]} > 0)) || targets=(prototxt weights solver_state datum hdf5_weights lmdb leveldb)

# Kinds of images whose header crema does not check first are left to this limit of OpenCV's.
export OPENCV_IO_MAX_IMAGE_PIXELS=16000000
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0"
export ASAN_OPTIONS=allocator_may_return_null=1:quarantine_size_mb=8
export UBSAN_OPTIONS=print_stacktrace=1
# Files of up to 64 KiB; one allocation of 256 MiB, or 1 GiB in all, is too much for any of them.
limits=(-max_len=65536 -malloc_limit_mb=256 -rss_limit_mb=1024 -timeout=20 -detect_leaks=1)

run_one() {
  local name=$1 work=$build/found/$1
  mkdir -p "$work/corpus"
  local seeds=("$here/corpus/$name")
  local limit=("${limits[@]}")
  [[ $name == prototxt ]] && seeds+=("$here/../../models")
  # The HDF5 library (1.10) asks malloc for the size that a damaged heap or header states, then finds
  # that the file ends before. The memory is never touched, so the limit of all memory in use, which
  # stays, shows what crema itself would take.
  [[ $name == hdf5_weights ]] && limit+=(-malloc_limit_mb=-1)
  # A child process may search a damaged file for 10 s, twice.
  [[ $name == hdf5_weights ]] && limit+=(-timeout=60)
  cd "$work"
  if ! "$build/bin/${name}_fuzz" "${limit[@]}" -max_total_time="$seconds" \
    -artifact_prefix="$work/" "$work/corpus" "${seeds[@]}" >"$work/log" 2>&1 ||
    grep -qE 'runtime error:' "$work/log" || faults "$work/log" | grep -qv '/lib.*\.so'; then
    echo "$name: FAILED"
    grep -vE '^#[0-9]+|NEW_FUNC' "$work/log" | tail -60
    return 1
  fi
  echo "$name: $(grep -E '^(Done|#[0-9]+.DONE)' "$work/log" | tail -1)"
  faults "$work/log" | sort | uniq -c | sed "s/^ */$name: a child process passed over a fault, times /"
}

# faults LOG: for each fault that a sanitizer reports in LOG, the innermost frame, but for the
# sanitizer's own, the C library's and those of the fuzzer. The program itself ends at a fault, so
# with a log of a program that went on these are faults of its children, in which crema tries HDF5
# files: libhdf5 1.10 reads null pointers in damaged heaps. They must be in a library of the system.
faults() {
  awk '/^==[0-9]+==ERROR: / { wanted = 1 }
    wanted && /^ +#[0-9]+ / {
      if ($0 ~ / in (__interceptor_|__asan|__sanitizer|__ubsan|__lsan|fuzzer::|operator (new|delete))/) next
      if ($0 ~ /\/sysdeps\/|\/(libc|libpthread|libstdc\+\+)\.so|\(\+0x|\[vdso\]/) next
      sub(/ +#[0-9]+ 0x[0-9a-f]+ +(in )?/, ""); sub(/ \(BuildId.*/, "")
      print
      wanted = 0
    }' "$1"
}

failed=0
for name in "${targets[@]}"; do
  while (($(jobs -rp | wc -l) >= 2)); do wait -n || failed=1; done
  run_one "$name" &
done
while (($(jobs -p | wc -l) > 0)); do wait -n || failed=1; done
exit $failed
