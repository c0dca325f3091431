#!/usr/bin/env python3
"""Times a net in onnxruntime, on the CPU.

usage: onnx_net.py NET.onnx THREADS ITERATIONS
"""
import sys

import numpy
import onnxruntime

import timing

model, threads, iterations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
images = session.get_inputs()[0]
values = numpy.random.default_rng(1).standard_normal(images.shape, dtype=numpy.float32)
timing.report(lambda: session.run(None, {images.name: values}), iterations)
