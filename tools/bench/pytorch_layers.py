"""The layer types of models/ as PyTorch modules.

A module is made from the layer's configuration and the shapes of its bottoms; called with the
bottoms, it gives one tensor, a tuple of several, or None. BLOBS names its parameters and buffers in
the order in which a .caffemodel stores them. A field that a module does not understand is refused,
see `options`.
"""
import torch
from torch import nn
from torch.nn import functional as F

from net_config import Unsupported

MODULES = {}


def registered(*types):
    def add(module):
        MODULES.update({name: module for name in types})
        return module
    return add


def refuse(layer, text):
    raise Unsupported(f'layer "{layer.name}" of type {layer.type}: {text}')


def options(layer, name, known):
    """The layer's options `name`, of which the fields `known` (and `engine`) are understood; others
    must have their default value."""
    message = getattr(layer, name)
    for field, value in message.ListFields():
        if field.name in known.split() or field.name == 'engine':
            continue
        if field.has_default_value and value == field.default_value:
            continue
        refuse(layer, f'{field.name} is not supported here')
    return message


def pair(layer, message, name, default):
    """An extent given as NAME, NAME_h and NAME_w, as (rows, columns)."""
    short = name.split('_')[0]
    if message.HasField(short + '_h') or message.HasField(short + '_w'):
        return getattr(message, short + '_h'), getattr(message, short + '_w')
    value = getattr(message, name)
    if isinstance(value, int):
        value = [value] if message.HasField(name) else []
    value = list(value) or [default]
    if len(value) > 2:
        refuse(layer, f'{name} for {len(value)} axes is not supported here')
    return (value[0], value[-1])


class Module(nn.Module):
    BLOBS = ()

    def __init__(self, layer):
        super().__init__()
        self.layer_name = layer.name
        self.fillers = {}
        self.in_place = bool(layer.bottom) and list(layer.bottom) == list(layer.top)

    def add_learned(self, name, shape, filler):
        setattr(self, name, nn.Parameter(torch.empty(shape)))
        self.fillers[name] = filler

    def load(self, blobs):
        """Takes values from a .caffemodel's blobs."""
        if len(blobs) != len(self.BLOBS):
            raise Unsupported(f'layer "{self.layer_name}": the weights have {len(blobs)} blobs, '
                              f'{len(self.BLOBS)} expected')
        for name, blob in zip(self.BLOBS, blobs):
            target = getattr(self, name)
            values = torch.tensor(blob.data)
            if values.numel() != target.numel():
                raise Unsupported(f'layer "{self.layer_name}": the weights have {values.numel()} '
                                  f'values for {name}, {target.numel()} expected')
            with torch.no_grad():
                target.copy_(values.reshape(target.shape))


@registered('Convolution')
class Convolution(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'convolution_param',
                    'num_output bias_term kernel_size kernel_h kernel_w pad pad_h pad_w stride '
                    'stride_h stride_w dilation group weight_filler bias_filler force_nd_im2col')
        if len(shapes[0]) != 4 or len(layer.bottom) != 1:
            refuse(layer, 'one bottom with 4 axes is needed')
        kernel = pair(layer, o, 'kernel_size', 0) if o.kernel_size else (o.kernel_h, o.kernel_w)
        self.how = dict(stride=pair(layer, o, 'stride', 1), padding=pair(layer, o, 'pad', 0),
                        dilation=tuple(o.dilation) or 1, groups=o.group)
        shape = (o.num_output, shapes[0][1] // o.group) + kernel
        self.add_learned('weight', shape, o.weight_filler)
        self.bias = None
        if o.bias_term:
            self.add_learned('bias', (o.num_output,), o.bias_filler)
        self.BLOBS = ('weight', 'bias') if o.bias_term else ('weight',)

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, **self.how)


@registered('InnerProduct')
class InnerProduct(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'inner_product_param',
                    'num_output bias_term weight_filler bias_filler axis')
        self.axis = o.axis % len(shapes[0])
        inputs = torch.Size(shapes[0][self.axis:]).numel()
        self.add_learned('weight', (o.num_output, inputs), o.weight_filler)
        self.bias = None
        if o.bias_term:
            self.add_learned('bias', (o.num_output,), o.bias_filler)
        self.BLOBS = ('weight', 'bias') if o.bias_term else ('weight',)

    def forward(self, x):
        return F.linear(x.flatten(self.axis), self.weight, self.bias)


@registered('BatchNorm')
class BatchNorm(Module):
    """A Scale that follows it is done in the same call, as users of PyTorch do: see `scale`. The
    running statistics are PyTorch's, which begin at 0 and 1."""
    BLOBS = ('mean', 'variance', 'factor')

    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'batch_norm_param', 'use_global_stats moving_average_fraction eps')
        self.eps, self.momentum = o.eps, 1 - o.moving_average_fraction
        self.use_stored = o.use_global_stats if o.HasField('use_global_stats') else None
        self.register_buffer('mean', torch.zeros(shapes[0][1]))
        self.register_buffer('variance', torch.ones(shapes[0][1]))
        self.register_buffer('factor', torch.ones(1))
        self.scale = None

    def load(self, blobs):
        super().load(blobs)
        factor = self.factor.item()
        for stored in (self.mean, self.variance):
            stored.mul_(1 / factor if factor else 0)
        self.factor.fill_(1)

    def forward(self, x):
        use_stored = not self.training if self.use_stored is None else self.use_stored
        weight = self.scale.weight if self.scale is not None else None
        bias = self.scale.bias if self.scale is not None else None
        return F.batch_norm(x, self.mean, self.variance, weight, bias, not use_stored,
                            self.momentum, self.eps)


@registered('Scale')
class Scale(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'scale_param', 'filler bias_term bias_filler')
        if len(layer.bottom) != 1:
            refuse(layer, 'a second bottom is not supported here')
        if not o.HasField('filler'):
            o.filler.value = 1
        self.add_learned('weight', (shapes[0][1],), o.filler)
        self.bias = None
        if o.bias_term:
            self.add_learned('bias', (shapes[0][1],), o.bias_filler)
        self.BLOBS = ('weight', 'bias') if o.bias_term else ('weight',)
        self.view = (1, -1) + (1,) * (len(shapes[0]) - 2)

    def forward(self, x):
        x = x * self.weight.view(self.view)
        return x if self.bias is None else x + self.bias.view(self.view)


@registered('Parameter')
class Parameter(Module):
    BLOBS = ('value',)

    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'parameter_param', 'shape')
        self.add_learned('value', tuple(o.shape.dim), None)

    def forward(self):
        return self.value


@registered('Pooling')
class Pooling(Module):
    """The last window may reach over the edge, and a mean counts padding but not what lies beyond
    it: PyTorch's ceil_mode does both."""

    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'pooling_param', 'pool kernel_size kernel_h kernel_w pad pad_h pad_w '
                    'stride stride_h stride_w global_pooling round_mode')
        if o.pool == o.STOCHASTIC:
            refuse(layer, 'pool: STOCHASTIC is not supported here')
        if len(layer.top) != 1 or len(shapes[0]) != 4:
            refuse(layer, 'one top, and a bottom with 4 axes, are needed')
        self.is_global, self.is_max = o.global_pooling, o.pool == o.MAX
        if self.is_global:
            return
        kernel, stride = pair(layer, o, 'kernel_size', 0), pair(layer, o, 'stride', 1)
        self.how = dict(kernel_size=kernel, stride=stride, padding=pair(layer, o, 'pad', 0),
                        ceil_mode=o.round_mode == o.CEIL)
        if max(stride[0] - kernel[0], stride[1] - kernel[1]) > 0:
            refuse(layer, 'a stride larger than the kernel is not supported here')

    def forward(self, x):
        if self.is_global:
            return x.amax((2, 3), keepdim=True) if self.is_max else F.adaptive_avg_pool2d(x, 1)
        return F.max_pool2d(x, **self.how) if self.is_max else F.avg_pool2d(x, **self.how)


class LrnForExport(torch.autograd.Function):
    """ONNX has an operator for what PyTorch does in six."""

    @staticmethod
    def forward(context, x, size, alpha, beta, k):
        return F.local_response_norm(x, size, alpha, beta, k)

    @staticmethod
    def symbolic(graph, x, size, alpha, beta, k):
        return graph.op('LRN', x, size_i=size, alpha_f=alpha, beta_f=beta, bias_f=k)


@registered('LRN')
class Lrn(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'lrn_param', 'local_size alpha beta norm_region k')
        self.size, self.alpha, self.beta = o.local_size, o.alpha, o.beta
        self.within = o.norm_region == o.WITHIN_CHANNEL
        self.k = 1.0 if self.within else o.k

    def forward(self, x):
        if self.within:
            mean = F.avg_pool2d(x * x, self.size, 1, self.size // 2)
            return x * (self.k + self.alpha * mean) ** -self.beta
        if torch.onnx.is_in_onnx_export():
            return LrnForExport.apply(x, self.size, self.alpha, self.beta, self.k)
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)


@registered('ReLU')
class Relu(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.slope = options(layer, 'relu_param', 'negative_slope').negative_slope

    def forward(self, x):
        if self.slope:
            return F.leaky_relu(x, self.slope, inplace=self.in_place)
        return F.relu(x, inplace=self.in_place)


@registered('ELU')
class Elu(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.alpha = options(layer, 'elu_param', 'alpha').alpha

    def forward(self, x):
        return F.elu(x, self.alpha, inplace=self.in_place)


@registered('PReLU')
class Prelu(Module):
    BLOBS = ('slope',)

    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'prelu_param', 'filler channel_shared')
        if not o.HasField('filler'):
            o.filler.value = 0.25
        self.add_learned('slope', (1 if o.channel_shared else shapes[0][1],), o.filler)

    def forward(self, x):
        return F.prelu(x, self.slope)


@registered('Sigmoid')
class Sigmoid(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        options(layer, 'sigmoid_param', '')

    def forward(self, x):
        return torch.sigmoid(x)


@registered('TanH')
class Tanh(Sigmoid):
    def forward(self, x):
        return torch.tanh(x)


@registered('Threshold')
class Threshold(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.threshold = options(layer, 'threshold_param', 'threshold').threshold

    def forward(self, x):
        return (x > self.threshold).to(x.dtype)


@registered('Dropout')
class Dropout(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.ratio = options(layer, 'dropout_param', 'dropout_ratio').dropout_ratio

    def forward(self, x):
        return F.dropout(x, self.ratio, self.training)


@registered('Concat')
class Concat(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'concat_param', 'axis concat_dim')
        self.axis = o.concat_dim if o.HasField('concat_dim') else o.axis

    def forward(self, *bottoms):
        return torch.cat(bottoms, self.axis)


@registered('Slice')
class Slice(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'slice_param', 'axis slice_point slice_dim')
        self.axis = o.slice_dim if o.HasField('slice_dim') else o.axis
        extent = shapes[0][self.axis]
        parts = len(layer.top)
        points = list(o.slice_point) or [i * extent // parts for i in range(1, parts)]
        self.sizes = [b - a for a, b in zip([0] + points, points + [extent])]

    def forward(self, x):
        return torch.split(x, self.sizes, self.axis)


@registered('Eltwise')
class Eltwise(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'eltwise_param', 'operation coeff stable_prod_grad')
        self.factors = list(o.coeff) or [1] * len(layer.bottom)
        self.join = {o.SUM: torch.add, o.PROD: torch.mul, o.MAX: torch.maximum}[o.operation]

    def forward(self, *bottoms):
        parts = [x if f == 1 else f * x for f, x in zip(self.factors, bottoms)]
        result = parts[0]
        for part in parts[1:]:
            result = self.join(result, part)
        return result


@registered('Flatten')
class Flatten(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'flatten_param', 'axis end_axis')
        self.axes = o.axis, o.end_axis

    def forward(self, x):
        return x.flatten(*self.axes)


@registered('Reshape')
class Reshape(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        dims = options(layer, 'reshape_param', 'shape').shape.dim
        self.shape = [d if d else shapes[0][i] for i, d in enumerate(dims)]

    def forward(self, x):
        return x.reshape(self.shape)


@registered('LSTM')
class Lstm(Module):
    """Sequences are steps x sequences x ...; the second bottom is 0 where a sequence begins."""
    BLOBS = ('input_weight', 'bias', 'hidden_weight')

    def __init__(self, layer, shapes):
        super().__init__(layer)
        o = options(layer, 'recurrent_param', 'num_output weight_filler bias_filler')
        if len(layer.bottom) != 2:
            refuse(layer, 'a static input is not supported here')
        self.units, rows = o.num_output, 4 * o.num_output
        inputs = torch.Size(shapes[0][2:]).numel()
        self.add_learned('input_weight', (rows, inputs), o.weight_filler)
        self.add_learned('bias', (rows,), o.bias_filler)
        self.add_learned('hidden_weight', (rows, self.units), o.weight_filler)

    def forward(self, x, go_on):
        sums = F.linear(x.flatten(2), self.input_weight, self.bias)
        hidden = cell = sums.new_zeros(x.shape[1], self.units)
        steps = []
        for inputs, keep in zip(sums, go_on.unsqueeze(-1)):
            gates = inputs + F.linear(hidden * keep, self.hidden_weight)
            i, f, o, g = gates.chunk(4, 1)
            cell = torch.sigmoid(f) * cell * keep + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            steps.append(hidden)
        return torch.stack(steps)


@registered('Softmax')
class Softmax(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.axis = options(layer, 'softmax_param', 'axis').axis

    def forward(self, x):
        return torch.softmax(x, self.axis)


class Loss(Module):
    """Divides a sum over positions as loss_param tells."""

    def __init__(self, layer, shapes, default):
        super().__init__(layer)
        o = options(layer, 'loss_param', 'ignore_label normalization normalize')
        self.ignored = o.ignore_label if o.HasField('ignore_label') else None
        self.mode = default
        if o.HasField('normalization'):
            modes = {o.FULL: 'FULL', o.VALID: 'VALID', o.BATCH_SIZE: 'BATCH_SIZE', o.NONE: 'NONE'}
            self.mode = modes[o.normalization]
        elif o.HasField('normalize'):
            self.mode = 'VALID' if o.normalize else 'BATCH_SIZE'

    def mean(self, losses, counts):
        """`losses` (N x ...) are 0 at positions that do not count."""
        if self.mode == 'VALID' and counts is not None:
            return losses.sum() / counts.sum().clamp(min=1)
        divisor = {'NONE': 1, 'BATCH_SIZE': losses.shape[0]}.get(self.mode, losses.numel())
        return losses.sum() / divisor


@registered('SoftmaxWithLoss')
class SoftmaxWithLoss(Loss):
    def __init__(self, layer, shapes):
        super().__init__(layer, shapes, 'VALID')
        options(layer, 'softmax_param', '')
        if len(layer.top) > 1:
            refuse(layer, 'a second top is not supported here')

    def forward(self, scores, labels):
        scores = scores.flatten(2) if scores.dim() > 2 else scores.unsqueeze(2)
        labels = labels.long().reshape(scores.shape[0], scores.shape[2])
        counts = None if self.ignored is None else labels != self.ignored
        ignored = -100 if self.ignored is None else self.ignored
        losses = F.cross_entropy(scores.float(), labels, ignore_index=ignored, reduction='none')
        return self.mean(losses, counts)


@registered('SigmoidCrossEntropyLoss')
class SigmoidCrossEntropyLoss(Loss):
    def __init__(self, layer, shapes):
        super().__init__(layer, shapes, 'BATCH_SIZE')
        if self.ignored is not None:
            refuse(layer, 'ignore_label is not supported here')

    def forward(self, scores, targets):
        return self.mean(F.binary_cross_entropy_with_logits(scores.float(), targets,
                                                            reduction='none'), None)


@registered('EuclideanLoss')
class EuclideanLoss(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        options(layer, 'loss_param', '')

    def forward(self, a, b):
        return (a.float() - b).square().sum() / (2 * a.shape[0])


@registered('ContrastiveLoss')
class ContrastiveLoss(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.margin = options(layer, 'contrastive_loss_param', 'margin').margin

    def forward(self, a, b, alike):
        squared = (a - b).flatten(1).square().sum(1)
        distance = squared.clamp(min=1e-8).sqrt()
        apart = (self.margin - distance).clamp(min=0).square()
        losses = torch.where(alike.flatten() != 0, squared, apart)
        return losses.sum() / (2 * a.shape[0])


@registered('Accuracy')
class Accuracy(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)
        self.top_k = options(layer, 'accuracy_param', 'top_k').top_k
        if len(layer.top) != 1 or torch.Size(shapes[1]).numel() != shapes[0][0]:
            refuse(layer, 'one top, and one label for each image, are needed')

    def forward(self, scores, labels):
        best = scores.flatten(1).topk(self.top_k, 1).indices
        return (best == labels.long().reshape(-1, 1)).any(1).float().mean()


@registered('Silence')
class Silence(Module):
    def __init__(self, layer, shapes):
        super().__init__(layer)

    def forward(self, *bottoms):
        return None
