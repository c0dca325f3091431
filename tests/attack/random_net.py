"""Random nets that make sense: every layer fits the blobs that it reads."""
import math

from prototxt import Word
from stock import CROP

MOST_ELEMENTS = 6000  # of a blob
IN_PLACE = ('BatchNorm', 'Bias', 'Dropout', 'ELU', 'Exp', 'Log', 'Power', 'PReLU', 'ReLU', 'Scale',
            'Sigmoid', 'TanH')
SMOOTH = ('AbsVal', 'BNLL', 'ELU', 'Exp', 'Log', 'Power', 'PReLU', 'ReLU', 'Sigmoid', 'Swish',
          'TanH', 'Clip', 'Dropout', 'Scale', 'Bias', 'MVN', 'Softmax')


class Blob:
    """`shape`: None if this program does not know it. `labels`: that many classes, or 0.
    `learns`: a gradient may be sent to it."""

    def __init__(self, name, shape, labels=0, learns=True):
        self.name, self.shape, self.labels, self.learns = name, shape, labels, learns
        self.readers = 0

    @property
    def rank(self):
        return -1 if self.shape is None else len(self.shape)

    @property
    def count(self):
        return math.prod(self.shape) if self.shape is not None else 0


class Net:
    """`layers` are messages; `sources` what of the stock the net reads."""

    def __init__(self, rng):
        self.rng = rng
        self.layers, self.blobs, self.sources = [], [], []
        self._names = 0

    def name(self, start):
        self._names += 1
        return f'{start}{self._names}'

    def pick(self, test=lambda blob: True):
        """A blob of numbers, the newest more often; None if there is none."""
        fitting = [b for b in self.blobs if b.labels == 0 and test(b)]
        if not fitting:
            return None
        return fitting[-1] if self.rng.random() < 0.6 else self.rng.choice(fitting)

    def add(self, kind, bottoms, shapes, options=None, learns=True, labels=0, **more):
        """A layer whose tops have these shapes; returns the tops."""
        layer = {'name': self.name('l'), 'type': kind, 'bottom': [b.name for b in bottoms]}
        same = len(shapes) == 1 and bottoms and bottoms[0].shape == shapes[0]
        in_place = same and kind in IN_PLACE and not bottoms[0].readers and self.rng.random() < 0.4
        if in_place:
            layer['top'] = [bottoms[0].name]
            self.layers.append({**layer, **(options or {}), **more})
            return [bottoms[0]]
        learns = learns and all(bottom.learns for bottom in bottoms)
        tops = [Blob(self.name('b'), shape, labels, learns) for shape in shapes]
        for bottom in bottoms:
            bottom.readers += 1
        layer['top'] = [top.name for top in tops]
        self.layers.append({**layer, **(options or {}), **more})
        self.blobs += [top for top in tops if top.count <= MOST_ELEMENTS]
        return tops

    def message(self):
        return {'name': 'random', 'layer': self.layers}


def filler(rng):
    kind = rng.choice(('constant', 'uniform', 'gaussian', 'gaussian', 'xavier', 'msra',
                       'positive_unitball'))
    if kind == 'constant':
        return {'type': kind, 'value': rng.choice((0.0, 0.1, -0.3))}
    if kind == 'uniform':
        return {'type': kind, 'min': -0.4, 'max': 0.5}
    if kind == 'gaussian':
        sparse = {'sparse': rng.randint(1, 3)} if rng.random() < 0.2 else {}
        return {'type': kind, 'std': 0.3, **sparse}
    if kind in ('xavier', 'msra'):
        return {'type': kind, 'variance_norm': Word(rng.choice(('FAN_IN', 'FAN_OUT', 'AVERAGE')))}
    return {'type': kind}


def params(rng, count):
    """Sometimes settings of the parameters."""
    if rng.random() < 0.7:
        return {}
    return {'param': [{'lr_mult': rng.choice((0.0, 1.0, 2.0)), 'decay_mult': rng.choice((0.0, 1.0))}
                      for _ in range(rng.randint(1, count))]}


def engine(rng, *names):
    return {'engine': Word(rng.choice(names))} if rng.random() < 0.15 else {}


def unary_options(rng, kind, blob):
    """The layer's own field; None if the type cannot take the blob."""
    if kind == 'ELU':
        return {'elu_param': {'alpha': rng.choice((1.0, 0.5, 0.0))}}
    if kind in ('Exp', 'Log'):
        base = rng.choice((-1.0, 2.0, 1.5))
        shift = rng.choice((0.0, 0.5)) if kind == 'Exp' else 8.0
        return {f'{kind.lower()}_param': {'base': base, 'scale': 0.1, 'shift': shift}}
    if kind == 'Power':
        power, shift = rng.choice(((1.0, 0.5), (2.0, 0.0), (0.0, 1.0), (3.0, 0.1)))
        scale = rng.choice((0.5, -1.0, 1.0))
        return {'power_param': {'power': power, 'scale': scale, 'shift': shift}}
    if kind == 'PReLU':
        shared = rng.random() < 0.3
        return {'prelu_param': {'channel_shared': shared}} if blob.rank >= 2 else None
    if kind == 'ReLU':
        return {'relu_param': {'negative_slope': rng.choice((0.0, 0.1, -0.5)),
                               **engine(rng, 'CAFFE', 'DEFAULT')}}
    if kind == 'Swish':
        return {'swish_param': {'beta': rng.choice((1.0, 0.3, -1.0, 0.0))}}
    if kind == 'Clip':
        return {'clip_param': {'min': -0.7, 'max': 0.9}}
    if kind == 'Dropout':
        return {'dropout_param': {'dropout_ratio': rng.choice((0.0, 0.3, 0.5, 0.9))}}
    if kind == 'MVN':
        return {'mvn_param': {'normalize_variance': rng.random() < 0.6, 'eps': 0.1,
                              'across_channels': rng.random() < 0.4}} if blob.rank == 4 else None
    if kind == 'Softmax':
        if blob.rank == 0:
            return None
        return {'softmax_param': {'axis': rng.randrange(-blob.rank, blob.rank)}}
    return {}


def add_unary(net, rng):
    kind = rng.choice(SMOOTH)
    blob = net.pick(lambda b: b.rank >= 0)
    if blob is None:
        return
    if kind in ('Scale', 'Bias'):
        return add_scale(net, rng, kind, blob)
    options = unary_options(rng, kind, blob)
    if options is not None:
        net.add(kind, [blob], [blob.shape], options, **(params(rng, 1) if kind == 'PReLU' else {}))


def add_scale(net, rng, kind, blob):
    field, rank = f'{kind.lower()}_param', blob.rank
    if rank > 0 and rng.random() < 0.3:
        axis = rng.randrange(rank)
        other = net.pick(lambda b: b.rank > 0 and b is not blob and b.shape == blob.shape[axis:])
        if other is not None:
            return net.add(kind, [blob, other], [blob.shape], {field: {'axis': axis}})
    if rank == 0:
        return net.add(kind, [blob], [blob.shape], {field: {'axis': 0, 'num_axes': 0}})
    axis = rng.randrange(rank)
    options = {'axis': axis - rank * rng.randrange(2),
               'num_axes': rng.choice((-1, *range(rank - axis + 1)))}
    if kind == 'Scale':
        options['bias_term'] = rng.random() < 0.5
    return net.add(kind, [blob], [blob.shape], {field: options}, **params(rng, 1))


def add_batch_norm(net, rng):
    blob = net.pick(lambda b: b.rank >= 2 and b.shape[0] > 0)
    if blob is None:
        return
    options = {'moving_average_fraction': rng.choice((0.9, 0.999, 0.5)), 'eps': 0.01}
    if rng.random() < 0.2:
        options['use_global_stats'] = rng.random() < 0.5
    net.add('BatchNorm', [blob], [blob.shape], {'batch_norm_param': options})


def add_lrn(net, rng):
    blob = net.pick(lambda b: b.rank == 4)
    if blob is None:
        return
    region = rng.choice(('ACROSS_CHANNELS', 'WITHIN_CHANNEL'))
    options = {'local_size': rng.choice((1, 3, 5)), 'alpha': rng.choice((0.1, 1.0)),
               'beta': rng.choice((0.75, 0.5, 1.0)), 'norm_region': Word(region),
               'k': rng.choice((1.0, 2.0)), **engine(rng, 'CAFFE', 'DEFAULT')}
    net.add('LRN', [blob], [blob.shape], {'lrn_param': options})


def window(rng, extent, pads=True):
    """(kernel, stride, pad) that fit; strides above the kernel and kernels above the image too."""
    pad = rng.choice((0, 0, 1, 2)) if pads else 0
    kernel = rng.randint(1, min(extent + 2 * pad, 5))
    return kernel, rng.choice((1, 1, 2, 3, kernel, kernel + 2)), min(pad, kernel - 1)


def convolved(extent, kernel, stride, pad, dilation=1):
    return (extent + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1


def conv_options(rng, spatial):
    """The settings of the windows, and for each axis (kernel, stride, pad, dilation)."""
    axes = [(*window(rng, extent), 1) for extent in spatial]
    if len(spatial) == 2 and rng.random() < 0.4:
        (kh, sh, ph, _), (kw, sw, pw, _) = axes
        return {'kernel_h': kh, 'kernel_w': kw, 'stride_h': sh, 'stride_w': sw, 'pad_h': ph,
                'pad_w': pw}, axes
    if rng.random() < 0.5:
        axes = [window(rng, min(spatial)) + (1,)] * len(spatial)
        kernel, stride, pad, _ = axes[0]
        return {'kernel_size': kernel, 'stride': stride, 'pad': pad}, axes
    if rng.random() < 0.3:
        axes = [(k, s, p, 2 if e + 2 * p >= 2 * k - 1 else 1)
                for (k, s, p, _), e in zip(axes, spatial)]
    return {'kernel_size': [a[0] for a in axes], 'stride': [a[1] for a in axes],
            'pad': [a[2] for a in axes], 'dilation': [a[3] for a in axes]}, axes


def add_convolution(net, rng):
    kind = rng.choice(('Convolution', 'Convolution', 'Convolution', 'Deconvolution', 'Im2col'))
    blob = net.pick(lambda b: 2 <= b.rank <= 5 and b.count > 0)
    if blob is None:
        return
    if blob.rank == 2:  # there is nothing to slide over
        if rng.random() < 0.1:
            net.add(kind, [blob], [blob.shape], {'convolution_param': {
                'kernel_size': 1, **({} if kind == 'Im2col' else {'num_output': blob.shape[1]})}})
        return
    channels, spatial = blob.shape[1], blob.shape[2:]
    options, axes = conv_options(rng, spatial)
    out = [convolved(e, *a) for e, a in zip(spatial, axes)]
    if min(out) < 1:
        return
    if kind == 'Im2col':
        kernel = math.prod(a[0] for a in axes)
        net.add(kind, [blob], [[blob.shape[0], channels * kernel, *out]],
                {'convolution_param': options})
        return
    if kind == 'Deconvolution':
        out = [s * (e - 1) + d * (k - 1) + 1 - 2 * p for e, (k, s, p, d) in zip(spatial, axes)]
        if min(out) < 1 or max(out) > 40:
            return
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    group = rng.choice(groups) if rng.random() < 0.4 else 1
    options.update(num_output=group * rng.randint(1, max(1, 16 // group)), group=group,
                   bias_term=rng.random() < 0.7, weight_filler=filler(rng),
                   **engine(rng, 'CAFFE', 'DEFAULT'))
    if rng.random() < 0.1:
        options['force_nd_im2col'] = True
    net.add(kind, [blob], [[blob.shape[0], options['num_output'], *out]],
            {'convolution_param': options}, **params(rng, 1 + options['bias_term']))


def pooled(extent, kernel, stride, pad, ceil):
    span = extent + 2 * pad - kernel
    out = (-(-span // stride) if ceil else span // stride) + 1
    return out - 1 if pad and (out - 1) * stride >= extent + pad else out


def add_pooling(net, rng):
    blob = net.pick(lambda b: b.rank == 4 and b.count > 0)
    if blob is None:
        return
    method = rng.choice(('MAX', 'MAX', 'AVE', 'STOCHASTIC'))
    options = {'pool': Word(method), **engine(rng, 'CAFFE', 'DEFAULT')}
    n, c, h, w = blob.shape
    if rng.random() < 0.15:
        options['global_pooling'] = True
        out = [1, 1]
    else:
        ceil = rng.random() < 0.6
        axes = [window(rng, e, method != 'STOCHASTIC') for e in (h, w)]
        if rng.random() < 0.5:
            axes = [window(rng, min(h, w), method != 'STOCHASTIC')] * 2
            options.update(zip(('kernel_size', 'stride', 'pad'), axes[0]))
        else:
            options.update(zip(('kernel_h', 'stride_h', 'pad_h'), axes[0]))
            options.update(zip(('kernel_w', 'stride_w', 'pad_w'), axes[1]))
        if not ceil:
            options['round_mode'] = Word('FLOOR')
        out = [pooled(e, *a, ceil) for e, a in zip((h, w), axes)]
        if min(out) < 1:
            return
    tops = [[n, c, *out]]
    if method == 'MAX' and rng.random() < 0.15:
        tops.append([n, c, *out])
    made = net.add('Pooling', [blob], tops, {'pooling_param': options})
    for mask in made[1:]:
        mask.learns = False


def add_spp(net, rng):
    blob = net.pick(lambda b: b.rank == 4 and min(b.shape) >= 4)
    if blob is None:
        return
    height = rng.randint(1, 3)
    size = blob.shape[1] * (4 ** height - 1) // 3
    net.add('SPP', [blob], [[blob.shape[0], size]],
            {'spp_param': {'pyramid_height': height, 'pool': Word(rng.choice(('MAX', 'AVE')))}})


def add_inner_product(net, rng):
    blob = net.pick(lambda b: b.rank >= 1 and b.count > 0)
    if blob is None:
        return
    axis = rng.randrange(blob.rank) if rng.random() < 0.3 else min(1, blob.rank - 1)
    outputs = rng.randint(1, 9)
    options = {'num_output': outputs, 'axis': axis, 'transpose': rng.random() < 0.3,
               'bias_term': rng.random() < 0.7, 'weight_filler': filler(rng),
               **engine(rng, 'CAFFE', 'DEFAULT')}
    net.add('InnerProduct', [blob], [[*blob.shape[:axis], outputs]],
            {'inner_product_param': options}, **params(rng, 1 + options['bias_term']))


def add_shape_change(net, rng):
    blob = net.pick(lambda b: b.rank >= 1 and b.count > 0)
    if blob is None:
        return
    shape, rank = blob.shape, blob.rank
    kind = rng.choice(('Flatten', 'Reshape', 'Tile', 'Reduction', 'ArgMax', 'Slice', 'Threshold'))
    if kind == 'Flatten':
        first = rng.randrange(rank)
        last = rng.randrange(first, rank)
        net.add(
            kind, [blob],
            [[*shape[:first], math.prod(shape[first:last + 1]), *shape[last + 1:]]],
            {'flatten_param': {'axis': first, 'end_axis': last - rank * rng.randrange(2)}})
    elif kind == 'Reshape':
        add_reshape(net, rng, blob)
    elif kind == 'Tile':
        axis, tiles = rng.randrange(rank), rng.randint(1, 3)
        net.add(kind, [blob], [[e * tiles if a == axis else e for a, e in enumerate(shape)]],
                {'tile_param': {'axis': axis, 'tiles': tiles}})
    elif kind == 'Reduction':
        axis = rng.randrange(rank)
        operation = Word(rng.choice(('SUM', 'ASUM', 'SUMSQ', 'MEAN')))
        net.add(kind, [blob], [shape[:axis]], {'reduction_param': {
            'operation': operation, 'axis': axis, 'coeff': rng.choice((1.0, 0.01))}})
    elif kind == 'ArgMax':
        axis = rng.randrange(rank)
        net.add(kind, [blob], [[1 if a == axis else e for a, e in enumerate(shape)]],
                {'argmax_param': {'axis': axis, 'out_max_val': rng.random() < 0.5}}, learns=False)
    elif kind == 'Threshold':
        net.add(kind, [blob], [shape], {'threshold_param': {'threshold': 0.1}}, learns=False)
    else:
        add_slice(net, rng, blob)


def add_reshape(net, rng, blob):
    shape = blob.shape
    dims = rng.choice(([-1], [0, -1], [1, -1], [-1, 1], [0, -1, 1], [1, -1, 1, 1]))
    out = [shape[i] if d == 0 else d for i, d in enumerate(dims) if d != 0 or i < len(shape)]
    if 0 in dims and len(out) < len(dims):
        return
    rest = blob.count // math.prod(d for d in out if d > 0)
    net.add('Reshape', [blob], [[rest if d < 0 else d for d in out]],
            {'reshape_param': {'shape': {'dim': dims}}})


def add_slice(net, rng, blob):
    axis = rng.randrange(blob.rank)
    extent = blob.shape[axis]
    if extent < 2:
        return
    points = sorted(rng.sample(range(1, extent), rng.randint(1, min(3, extent - 1))))
    edges = [0, *points, extent]
    shapes = [[*blob.shape[:axis], b - a, *blob.shape[axis + 1:]] for a, b in zip(edges, edges[1:])]
    net.add('Slice', [blob], shapes, {'slice_param': {'axis': axis, 'slice_point': points}})


def add_joint(net, rng):
    """Layers of several bottoms."""
    first = net.pick(lambda b: b.rank >= 1 and b.count > 0)
    if first is None:
        return
    kind = rng.choice(('Eltwise', 'Eltwise', 'Concat', 'Concat', 'Crop', 'BatchReindex', 'Filter'))
    if kind == 'Eltwise':
        other = net.pick(lambda b: b.shape == first.shape) or first
        bottoms = [first, other] + [other] * (rng.random() < 0.2)
        operation = rng.choice(('PROD', 'SUM', 'MAX'))
        options = {'operation': Word(operation)}
        if operation == 'SUM' and rng.random() < 0.4:
            options['coeff'] = [rng.choice((1.0, -0.5)) for _ in bottoms]
        net.add(kind, bottoms, [first.shape], {'eltwise_param': options})
    elif kind == 'Concat':
        axis = rng.randrange(first.rank)

        def fits(b):
            return b.rank == first.rank and all(
                a == axis or x == y for a, (x, y) in enumerate(zip(b.shape, first.shape)))
        bottoms = [first] + [net.pick(fits) for _ in range(rng.randint(0, 2))]
        extent = sum(b.shape[axis] for b in bottoms)
        net.add(kind, bottoms, [[extent if a == axis else e for a, e in enumerate(first.shape)]],
                {'concat_param': {'axis': axis - first.rank * rng.randrange(2)}})
    elif kind == 'Crop':
        add_crop(net, rng, first)
    else:
        add_choice(net, rng, kind, first)


def add_crop(net, rng, first):
    axis = rng.randrange(first.rank)
    other = net.pick(lambda b: b.rank == first.rank and
                     all(x <= y for x, y in zip(b.shape[axis:], first.shape[axis:])))
    offsets = [rng.randint(0, x - y) for x, y in zip(first.shape[axis:], other.shape[axis:])]
    net.add('Crop', [first, other], [[*first.shape[:axis], *other.shape[axis:]]],
            {'crop_param': {'axis': axis, 'offset': offsets}})


def add_choice(net, rng, kind, blob):
    """BatchReindex, or Filter by a selector of ones and zeros."""
    items = blob.shape[0]
    if kind == 'Filter':
        value, shape = {'type': 'constant', 'value': 1.0}, [items]
    else:
        value = {'type': 'constant', 'value': float(rng.randrange(items))}
        shape = [rng.randint(1, 5)]
    choice, = net.add('DummyData', [], [shape], {'dummy_data_param': {
        'shape': {'dim': shape}, 'data_filler': value}}, learns=False, labels=-1)
    net.add(kind, [blob, choice], [[shape[0], *blob.shape[1:]]])


def add_recurrent(net, rng):
    blob = net.pick(lambda b: b.rank >= 3 and b.count > 0 and b.shape[0] * b.shape[1] <= 64)
    if blob is None:
        return
    kind, outputs = rng.choice(('LSTM', 'RNN')), rng.randint(1, 4)
    marks = rng.choice(({'type': 'constant', 'value': 1.0}, {'type': 'constant', 'value': 0.0}))
    cont, = net.add('DummyData', [], [blob.shape[:2]], {'dummy_data_param': {
        'shape': {'dim': blob.shape[:2]}, 'data_filler': marks}}, learns=False, labels=-1)
    net.add(kind, [blob, cont], [[*blob.shape[:2], outputs]], {'recurrent_param': {
        'num_output': outputs, 'weight_filler': filler(rng), 'bias_filler': filler(rng)}})


def add_parameter(net, rng):
    shape = [rng.randint(1, 4) for _ in range(rng.randint(1, 4))]
    net.add('Parameter', [], [shape], {'parameter_param': {'shape': {'dim': shape}}})


def add_embed(net, rng):
    labels = [b for b in net.blobs if b.labels > 0]
    if not labels:
        return
    source, outputs = rng.choice(labels), rng.randint(1, 4)
    net.add('Embed', [source], [[*source.shape, outputs]], {'embed_param': {
        'num_output': outputs, 'input_dim': source.labels, 'weight_filler': filler(rng),
        'bias_term': rng.random() < 0.5}})


def add_lstm_unit(net, rng):
    n, d = rng.randint(1, 3), rng.randint(1, 3)
    shapes = [[1, n, d], [1, n, 4 * d], [1, n]]
    made = [net.add('DummyData', [], [s], {'dummy_data_param': {
        'shape': {'dim': s}, 'data_filler': {'type': 'gaussian', 'std': 0.5} if i < 2 else
        {'type': 'constant', 'value': 1.0}}}, labels=-1)[0] for i, s in enumerate(shapes)]
    net.add('LSTMUnit', made, [[1, n, d], [1, n, d]])


STEPS = (add_unary, add_unary, add_unary, add_batch_norm, add_lrn, add_convolution, add_convolution,
         add_convolution, add_pooling, add_pooling, add_spp, add_inner_product, add_inner_product,
         add_shape_change, add_shape_change, add_joint, add_joint, add_recurrent, add_parameter,
         add_embed, add_lstm_unit)


def data_layer(rng, source, batch):
    """A layer that reads the stock's `source`, with all options that do no harm."""
    layer = {'name': 'data', 'type': 'Data', 'top': ['data', 'label']}
    if rng.random() < 0.1:
        layer['include'] = {'phase': Word('TRAIN')}
    if source == 'hdf5':
        options = {'source': 'h5.txt', 'batch_size': batch, 'shuffle': rng.random() < 0.5}
        return {**layer, 'type': 'HDF5Data', 'hdf5_data_param': options}
    layer['transform_param'] = {'crop_size': CROP, 'mirror': rng.random() < 0.5,
                                'scale': rng.choice((0.01, 0.003))}
    if rng.random() < 0.3:
        layer['transform_param']['mean_value'] = rng.choice(([100.0], [90.0, 100.0, 110.0]))
    if source == 'images':
        options = {'source': 'list.txt', 'root_folder': 'images/', 'batch_size': batch,
                   'shuffle': rng.random() < 0.5, 'rand_skip': rng.choice((0, 3))}
        return {**layer, 'type': 'ImageData', 'image_data_param': options}
    if source == 'windows':
        options = {'source': 'windows.txt', 'root_folder': 'images/', 'batch_size': batch,
                   'fg_fraction': 0.5, 'context_pad': rng.choice((0, 1, 2)),
                   'crop_mode': rng.choice(('warp', 'square')), 'cache_images': rng.random() < 0.3}
        return {**layer, 'type': 'WindowData', 'window_data_param': options}
    options = {'source': source, 'batch_size': batch, 'shuffle': rng.random() < 0.5,
               'backend': Word('LEVELDB' if source == 'leveldb' else 'LMDB'),
               'prefetch': rng.choice((1, 4)), 'rand_skip': rng.choice((0, 0, 3))}
    return {**layer, 'data_param': options}


def add_data(net, rng):
    """Where the numbers come from."""
    source = rng.choice(
        (None, None, None, 'lmdb', 'leveldb', 'encoded', 'images', 'hdf5', 'windows'))
    rank = rng.choice((4, 4, 4, 2, 3, 5, 1))
    shape = [rng.randint(1, 4), *(rng.randint(1, 9) for _ in range(rank - 1))]
    classes, batch = 3, shape[0]
    if source is not None:
        net.sources.append(source)
        net.layers.append(data_layer(rng, source, batch))
        net.blobs += [Blob('data', [batch, 3, CROP, CROP]), Blob('label', [batch], classes, False)]
        return
    net.add('DummyData', [], [shape], {'dummy_data_param': {
        'shape': {'dim': shape}, 'data_filler': {'type': 'gaussian', 'std': 1.0}}})
    value = float(rng.randrange(classes))
    net.add('DummyData', [], [[batch]], {'dummy_data_param': {
        'shape': {'dim': [batch]}, 'data_filler': {'type': 'constant', 'value': value}}},
        labels=classes, learns=False)


def add_classifier(net, rng, labels):
    """A loss over scores of some classes for each item, and perhaps an accuracy."""
    blob = net.pick(
        lambda b: b.learns and b.rank >= 2 and b.shape[0] == labels.shape[0] and b.count > 0)
    if blob is None:
        return False
    classes = max(labels.labels, 3)
    scores, = net.add('InnerProduct', [blob], [[blob.shape[0], classes]], {'inner_product_param': {
        'num_output': classes, 'weight_filler': {'type': 'xavier'}}})
    kind = rng.choice(('SoftmaxWithLoss', 'SoftmaxWithLoss', 'HingeLoss', 'InfogainLoss',
                       'MultinomialLogisticLoss'))
    options = {}
    if kind == 'InfogainLoss':
        options = {'infogain_loss_param': {'source': 'matrix.binaryproto'}}
        net.sources.append('matrix')
    elif kind == 'HingeLoss':
        options = {'hinge_loss_param': {'norm': Word(rng.choice(('L1', 'L2')))}}
    elif kind == 'MultinomialLogisticLoss':
        scores, = net.add('Softmax', [scores], [scores.shape])
    elif rng.random() < 0.4:
        options = {'loss_param': {'normalization': Word(rng.choice(('FULL', 'VALID', 'BATCH_SIZE',
                                                                    'NONE')))}}
    net.add(kind, [scores, labels], [[]], options, learns=False)
    if rng.random() < 0.3:
        net.add('Accuracy', [scores, labels], [[]],
                {'accuracy_param': {'top_k': rng.randint(1, 2)}}, learns=False)
    return True


def add_regression(net, rng):
    blob = net.pick(lambda b: b.learns and b.rank >= 1 and b.count > 0 and b.shape[0] > 0)
    if blob is None:
        return False
    other = net.pick(lambda b: b.shape == blob.shape and b is not blob)
    kind = rng.choice(('EuclideanLoss', 'SigmoidCrossEntropyLoss', 'Reduction'))
    if kind == 'Reduction' or other is None or blob.rank > 4:
        net.add('Reduction', [blob], [[]], {'reduction_param': {
            'operation': Word('MEAN')}}, learns=False, loss_weight=rng.choice((1.0, 0.1)))
        return True
    if kind == 'SigmoidCrossEntropyLoss':
        other, = net.add('Sigmoid', [other], [other.shape])
        net.add(kind, [blob, other], [[]], learns=False, propagate_down=[True, False])
        return True
    net.add(kind, [blob, other], [[]], learns=False)
    return True


def random_net(rng):
    net = Net(rng)
    add_data(net, rng)
    for _ in range(rng.choice((1, 2, 3, 4, 6, 10))):
        rng.choice(STEPS)(net, rng)
    labels = next((b for b in net.blobs if b.labels > 0), None)
    done = labels is not None and rng.random() < 0.6 and add_classifier(net, rng, labels)
    if not done or rng.random() < 0.3:
        add_regression(net, rng)
    return net
