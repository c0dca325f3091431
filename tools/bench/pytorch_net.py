#!/usr/bin/env python3
"""Runs a net in PyTorch, and prints how long an iteration takes.

Prints one line: ms_per_iter=MEDIAN mean_ms=MEAN. Files are not read: the inputs are made once.
"""
import argparse
import contextlib
import math

import torch
from torch import nn

import net_config
import timing
from net_config import Unsupported
from pytorch_layers import MODULES


class Net(nn.Module):
    """Called with {name: tensor} of the inputs, it gives {name: tensor} of all blobs, and the loss,
    which is None in a net without any."""

    def __init__(self, config, phase, dummy_data=None):
        super().__init__()
        layers = net_config.layers_of(config, phase)
        self.inputs = net_config.input_shapes(config, layers, dummy_data)
        self.layers = nn.ModuleDict()
        self.plan = []  # (module, bottoms, tops, loss weights)
        self.specs = {}  # by parameter: (lr_mult, decay_mult)
        self.fillers = {}  # by parameter
        self.configs = [l for l in layers if l.type not in net_config.DATA_TYPES]
        with torch.device('meta'), torch.no_grad():
            self.build()
        self.to_empty(device='cpu')
        self.share_parameters()
        fill_parameters(self)
        self.train(phase == 'TRAIN')

    def build(self):
        """Makes the modules, each with the shapes that those before it give."""
        blobs = {name: torch.empty(shape) for name, (shape, _) in self.inputs.items()}
        merged = set()
        for at, layer in enumerate(self.configs):
            module = self.make_module(layer, blobs)
            self.layers[module_name(layer)] = module
            if at in merged:
                continue
            tops = list(layer.top)
            if follows_as_scale(self.configs, at):
                scale = self.configs[at + 1]
                merged.add(at + 1)
                tops = list(scale.top)
                module.scale_name = module_name(scale)
            in_place = module.in_place and not any(b in self.inputs for b in layer.bottom)
            module.in_place = False  # not yet: shapes only
            outputs = module(*[blobs[name] for name in layer.bottom])
            module.in_place = in_place
            blobs.update(zip(tops, as_tuple(outputs)))
            self.plan.append((module, list(layer.bottom), tops, loss_weights(layer)))

    def make_module(self, layer, blobs):
        if layer.type not in MODULES:
            raise Unsupported(f'layer "{layer.name}" of type {layer.type}: this runner does not '
                              'have the type')
        missing = [name for name in layer.bottom if name not in blobs]
        if missing:
            raise Unsupported(f'layer "{layer.name}": no layer above makes "{missing[0]}"')
        if layer.propagate_down:
            raise Unsupported(f'layer "{layer.name}": propagate_down is not supported here')
        return MODULES[layer.type](layer, [tuple(blobs[name].shape) for name in layer.bottom])

    def share_parameters(self):
        """Parameters of one name are one; lr_mult and decay_mult are those of the first."""
        owners = {}
        for layer in self.configs:
            module = self.layers[module_name(layer)]
            names = [name for name in module.BLOBS if name in module._parameters]
            for i, name in enumerate(names):
                spec = layer.param[i] if i < len(layer.param) else net_config.message('ParamSpec')
                own = getattr(module, name)
                parameter = owners.setdefault(spec.name or (layer.name, i), own)
                if parameter is own:
                    self.specs[parameter] = (spec.lr_mult, spec.decay_mult)
                    self.fillers[parameter] = module.fillers[name]
                    parameter.requires_grad_(spec.lr_mult != 0)
                setattr(module, name, parameter)
        for module in self.layers.values():
            if hasattr(module, 'scale_name'):
                module.scale = self.layers[module.scale_name]

    def load(self, weights):
        """Takes the values of the layers that are in a .caffemodel, by name."""
        for layer in self.configs:
            if layer.name in weights:
                self.layers[module_name(layer)].load(weights[layer.name])

    def forward(self, inputs):
        blobs, loss = dict(inputs), None
        for module, bottoms, tops, weights in self.plan:
            outputs = as_tuple(module(*[blobs[name] for name in bottoms]))
            blobs.update(zip(tops, outputs))
            for weight, output in zip(weights, outputs):
                if weight:
                    part = weight * output.sum() if output.dim() or weight != 1 else output
                    loss = part if loss is None else loss + part
        return blobs, loss

    def make_inputs(self, seed=1):
        """As their fillers say; normal where there is none."""
        generator = torch.Generator().manual_seed(seed)
        inputs = {}
        for name, (shape, filler) in self.inputs.items():
            inputs[name] = torch.randn(shape, generator=generator)
            if filler is not None:
                fill(inputs[name], filler, generator)
        return inputs

    def optimizer(self, rate=1e-6, momentum=0.9, decay=0.0005):
        """Stochastic gradient descent as crema and Caffe do it, for a rate that does not change."""
        groups = {}
        for parameter, spec in self.specs.items():
            if parameter.requires_grad:
                groups.setdefault(spec, []).append(parameter)
        return torch.optim.SGD(
            [dict(params=params, lr=rate * lr_mult, weight_decay=decay * decay_mult)
             for (lr_mult, decay_mult), params in groups.items()], lr=rate, momentum=momentum)


def module_name(layer):
    return 'layer ' + layer.name.replace('.', ' ')


def as_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else () if outputs is None else (outputs,)


def loss_weights(layer):
    if layer.loss_weight:
        return list(layer.loss_weight)
    return [1.0] if layer.type.endswith('Loss') else []


def follows_as_scale(layers, at):
    """Whether the next layer scales what the BatchNorm `at` makes, and nothing else reads that."""
    if layers[at].type != 'BatchNorm' or at + 1 == len(layers):
        return False
    top, scale = layers[at].top[0], layers[at + 1]
    if scale.type != 'Scale' or list(scale.bottom) != [top] or not scale.scale_param.bias_term:
        return False
    return scale.top[0] == top or not any(top in l.bottom for l in layers[at + 2:])


def fill_parameters(net):
    generator = torch.Generator().manual_seed(1)
    for module in net.layers.values():
        for name, buffer in module.named_buffers(recurse=False):
            buffer.fill_(0 if name == 'mean' else 1)
    for parameter, filler in net.fillers.items():
        with torch.no_grad():
            fill(parameter, filler, generator)


def fill(tensor, filler, generator):
    """Initial values, by FillerParameter."""
    kind = filler.type if filler is not None else 'constant'
    if kind == 'constant':
        tensor.fill_(filler.value if filler is not None else 0)
    elif kind == 'uniform':
        tensor.uniform_(filler.min, filler.max, generator=generator)
    elif kind == 'gaussian':
        tensor.normal_(filler.mean, filler.std, generator=generator)
        if filler.sparse >= 0:
            share = torch.full(tensor.shape, min(1, filler.sparse / tensor.shape[0]))
            tensor.mul_(torch.bernoulli(share, generator=generator))
    elif kind == 'xavier':
        bound = math.sqrt(3 / fan(tensor, filler))
        tensor.uniform_(-bound, bound, generator=generator)
    elif kind == 'msra':
        tensor.normal_(0, math.sqrt(2 / fan(tensor, filler)), generator=generator)
    else:
        raise Unsupported(f'the filler "{kind}" is not supported here')


def fan(tensor, filler):
    fan_in, fan_out = tensor.numel() / tensor.shape[0], tensor.numel() / tensor.shape[1]
    if filler.variance_norm == filler.FAN_OUT:
        return fan_out
    return (fan_in + fan_out) / 2 if filler.variance_norm == filler.AVERAGE else fan_in


def make_step(net, inputs, flags):
    """A function that does one iteration; the other one waits for the device."""
    run = torch.compile(net) if flags.compile else net
    optimizer = net.optimizer() if flags.mode == 'train' else None

    def precision():
        if flags.dtype == 'fp32':
            return contextlib.nullcontext()
        return torch.autocast(flags.device.split(':')[0], torch.bfloat16)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with precision():
            loss = run(inputs)[1]
        loss.backward()
        optimizer.step()

    def infer():
        with torch.inference_mode(), precision():
            run(inputs)

    is_cuda = flags.device.startswith('cuda')
    return train if flags.mode == 'train' else infer, torch.cuda.synchronize if is_cuda else None


def parse_shape(text):
    return tuple(int(extent) for extent in text.split('x'))


def parse_flags():
    flags = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    flags.add_argument('--model', required=True, help='the net, a .prototxt')
    flags.add_argument('--weights', help='a .caffemodel; without it the fillers give the weights')
    flags.add_argument('--mode', choices=('train', 'infer'), default='train',
                       help='train: forward, backward and update; infer: forward')
    flags.add_argument('--dummy-data', type=parse_shape, metavar='NxCxHxW',
                       help='the shape of what layers that read files give')
    flags.add_argument('--iterations', type=int, default=10)
    flags.add_argument('--warmup', type=int, default=2, help='iterations that are not measured')
    flags.add_argument('--threads', type=int, default=0, help="0 for PyTorch's own choice")
    flags.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    flags.add_argument('--dtype', choices=('fp32', 'bf16'), default='fp32')
    flags.add_argument('--channels-last', action='store_true')
    flags.add_argument('--compile', action='store_true', help='run through torch.compile')
    return flags.parse_args()


def main():
    flags = parse_flags()
    if flags.threads:
        torch.set_num_threads(flags.threads)
    phase = 'TRAIN' if flags.mode == 'train' else 'TEST'
    net = Net(net_config.read_net(flags.model), phase, flags.dummy_data)
    if flags.weights:
        net.load(net_config.read_weights(flags.weights))
    net = net.to(flags.device)
    inputs = {name: x.to(flags.device) for name, x in net.make_inputs().items()}
    if flags.channels_last:
        net = net.to(memory_format=torch.channels_last)
        inputs = {name: x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
                  for name, x in inputs.items()}
    step, wait = make_step(net, inputs, flags)
    timing.report(step, flags.iterations, flags.warmup, wait)


if __name__ == '__main__':
    try:
        main()
    except Unsupported as error:
        raise SystemExit(f'pytorch_net.py: {error}')
