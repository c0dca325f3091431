#!/usr/bin/env python3
"""Writes a net as ONNX, by way of PyTorch.

usage: export_onnx.py NET.prototxt OUT.onnx [WEIGHTS.caffemodel]
"""
import sys
import warnings

import torch

import net_config
from pytorch_net import Net


class Positional(torch.nn.Module):
    """Takes the inputs in their order, and gives what the last layer makes."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, *inputs):
        blobs, _ = self.net(dict(zip(self.net.inputs, inputs)))
        return blobs[self.net.plan[-1][2][0]]


def main():
    net = Net(net_config.read_net(sys.argv[1]), 'TEST')
    if len(sys.argv) > 3:
        net.load(net_config.read_weights(sys.argv[3]))
    inputs = net.make_inputs()
    warnings.simplefilter('ignore', DeprecationWarning)  # the newer exporter needs more packages
    torch.onnx.export(Positional(net).eval(), tuple(inputs.values()), sys.argv[2], dynamo=False,
                      input_names=list(inputs), output_names=[net.plan[-1][2][0]])


if __name__ == '__main__':
    try:
        main()
    except net_config.Unsupported as error:
        sys.exit(f'export_onnx.py: {error}')
