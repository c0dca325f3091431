#!/usr/bin/env bash
# Installs what crema needs on Debian 12 and Ubuntu 24.04. Does nothing where all of it is there.
set -euo pipefail

packages=(
  g++ cmake ninja-build python3
  protobuf-compiler libprotobuf-dev
  libopenblas-dev libdnnl-dev
  liblmdb-dev libleveldb-dev libhdf5-dev
  libopencv-dev libjpeg-dev
  libgoogle-glog-dev libgflags-dev zlib1g-dev
  libgtest-dev libgmock-dev
  clang libclang-rt-dev libomp-dev clang-format-14
  pkg-config dpkg-dev file groff-base
)

if ! command -v apt-get >/dev/null; then
  echo "No apt-get here, so nothing is installed. crema needs a C++17 compiler, CMake 3.22, Ninja," \
    "Python 3, protobuf, OpenBLAS, oneDNN, LMDB, LevelDB, HDF5, OpenCV 4, libjpeg-turbo, glog, gflags, zlib and GoogleTest."
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "All packages are installed."
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "error: these packages are missing and need root or sudo to install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# Prints apt-get's lines in short; the whole of them only where it fails.
run_apt() {
  local log
  log=$(mktemp)
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null 2>&1 |
    tee "$log" | awk '/^(Need to get|Fetched)/ { print "  " $0; fflush() }
                      /^(Get:|Setting up)/ && ++n % 50 == 0 { print "  ... " $0; fflush() }'; then
    cat "$log" >&2
    rm -f "$log"
    echo "error: apt-get $1 failed; its output is above" >&2
    exit 1
  fi
  rm -f "$log"
}

echo "Installing ${#missing[@]} packages: ${missing[*]}"
run_apt update
run_apt install --yes --no-install-recommends "${missing[@]}"
