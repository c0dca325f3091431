#!/usr/bin/env bash
# Makes a Python environment with the programs that the benchmark compares crema with.
# usage: tools/bench/setup.sh [FOLDER]     (default: build/bench_venv, which bench.py looks for)
# BVLC Caffe is not among them: build it, and name its program by bench.py --caffe.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=${1:-build/bench_venv}
python3 -m venv "$folder"
pip=("$folder/bin/python" -m pip install --quiet)

echo "Installing into $folder; PyTorch is large."
# PyTorch's own index has it for the CPU alone, which is a tenth of the size.
"${pip[@]}" --index-url https://download.pytorch.org/whl/cpu torch 2>/dev/null ||
  "${pip[@]}" torch
# Version 5 of OpenCV no longer reads Caffe's nets.
"${pip[@]}" numpy protobuf onnx onnxruntime openvino 'opencv-python-headless<5'
command -v protoc >/dev/null ||
  echo "protoc is missing, which reads the schema of nets: install protobuf-compiler" >&2
"$folder/bin/python" -c 'import torch, onnx, onnxruntime, openvino, cv2' && echo "Done."
