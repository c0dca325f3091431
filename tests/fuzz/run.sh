#!/usr/bin/env bash
# Runs fuzz targets that were built, two at a time, each for a while, and shows those that failed.
# usage: tests/fuzz/run.sh BUILD_FOLDER [SECONDS] [TARGET...]
# What it finds goes to BUILD_FOLDER/found: fix the reader, then keep the file in corpus/TARGET.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
seconds=${2:-60}
targets=("${@:3}")
((${#targets[@]} > 0)) || targets=(prototxt weights solver_state datum hdf5_weights lmdb)

# Kinds of images whose header crema does not check first are left to this limit of OpenCV's.
export OPENCV_IO_MAX_IMAGE_PIXELS=16000000
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0"
export ASAN_OPTIONS=allocator_may_return_null=1
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
  cd "$work"
  local end=$((SECONDS + seconds)) left=$seconds
  while ((left > 0)); do
    if "$build/bin/${name}_fuzz" "${limit[@]}" -max_total_time="$left" -artifact_prefix="$work/" \
      "$work/corpus" "${seeds[@]}" >"$work/log" 2>&1; then
      echo "$name: $(grep -E '^(Done|#[0-9]+.DONE)' "$work/log" | tail -1)"
      return
    fi
    if ! fault_of_library "$work/log"; then
      echo "$name: FAILED"
      grep -vE '^#[0-9]+|NEW_FUNC' "$work/log" | tail -60
      return 1
    fi
    echo "$name: passed over a fault inside $(innermost_frame "$work/log")"
    left=$((end - SECONDS))
  done
}

# innermost_frame LOG: the frame of the first stack in LOG that the fault is to be laid to: the
# sanitizer's own, the C library's and the fuzzer's handlers of signals are above it.
innermost_frame() {
  grep -m1 -A40 -E '^==[0-9]+==ERROR: ' "$1" | grep -E '^ +#[0-9]+ ' |
    grep -vE ' in (__interceptor_|__asan|__sanitizer|__ubsan|__lsan|fuzzer::|operator (new|delete))' |
    grep -vE '/sysdeps/|/(libc|libpthread|libstdc\+\+)\.so|\(\+0x|\[vdso\]' | head -1 |
    sed -E 's/ +#[0-9]+ 0x[0-9a-f]+ +(in )?//; s/ \(BuildId.*//'
}

# fault_of_library LOG: whether a library of the system (libhdf5 1.10 does, on damaged heaps) read or
# wrote where it must not, or never came back. crema cannot mend it. Memory that a library takes
# because a file says so is crema's to prevent, so it is no such fault.
fault_of_library() {
  grep -qE '^==[0-9]+==ERROR: (AddressSanitizer: |libFuzzer: timeout)' "$1" &&
    [[ $(innermost_frame "$1") == *"/lib"*.so* ]]
}

failed=0
for name in "${targets[@]}"; do
  while (($(jobs -rp | wc -l) >= 2)); do wait -n || failed=1; done
  run_one "$name" &
done
while (($(jobs -p | wc -l) > 0)); do wait -n || failed=1; done
exit $failed
