#!/usr/bin/env python3
"""Times a net in OpenCV's dnn module, before version 5, which reads Caffe's files no more.

usage: opencv_net.py NET.prototxt WEIGHTS.caffemodel THREADS ITERATIONS
"""
import re
import sys

import cv2
import numpy

import timing

model, weights, threads, iterations = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cv2.setNumThreads(threads)
net = cv2.dnn.readNetFromCaffe(model, weights)
net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
shape = [int(d) for d in re.findall(r'dim: (\d+)', open(model).read())[:4]]
images = numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)


def step():
    net.setInput(images, 'data')
    net.forward()


timing.report(step, iterations)
