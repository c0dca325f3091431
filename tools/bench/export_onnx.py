#!/usr/bin/env python3
"""Writes a deploy net as ONNX, by way of the PyTorch module that torch_net.py makes of it.

usage: export_onnx.py TORCH_NET.py FILE.proto NET.prototxt OUT.onnx
"""
import runpy
import sys

import torch

script, proto, net, out = sys.argv[1:]
sys.argv = [script, '--proto', proto, '--model', net, '--mode', 'infer', '--iters', '1',
            '--warmup', '0']
made = runpy.run_path(script, run_name='__main__')


class OneInput(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model({'data': x})


torch.onnx.export(OneInput(made['model']).eval(), (made['inp']['data'],), out, dynamo=False,
                  input_names=['data'], output_names=['prob'])
