#!/usr/bin/env python3
"""Times a net in onnxruntime, on the CPU.

usage: onnx_net.py NET.onnx THREADS ITERATIONS
"""
import sys
import time

import numpy
import onnxruntime

model, threads, iterations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
shape = session.get_inputs()[0].shape
images = numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)
times = []
for i in range(iterations + 2):
    begin = time.perf_counter()
    session.run(None, {'data': images})
    times.append((time.perf_counter() - begin) * 1e3)
times = sorted(times[2:])
print(f'ms_per_iter={times[len(times) // 2]:.4f}')
