#!/usr/bin/env python3
"""Times a net in OpenVINO, on the CPU: one request at a time, numbers of 32 bits.

usage: openvino_net.py NET.onnx THREADS ITERATIONS
"""
import sys

import numpy
import openvino

import timing

model, threads, iterations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
net = openvino.Core().compile_model(model, 'CPU', {
    'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY',
    'INFERENCE_PRECISION_HINT': 'f32'})
request = net.create_infer_request()
shape = list(net.input(0).shape)
values = numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)
tensor = openvino.Tensor(values)
timing.report(lambda: request.infer([tensor]), iterations)
