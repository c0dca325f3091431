"""The nets of the benchmark, and copies of their prototxt files with another batch size.

Copies read no data set: a DummyData layer (or, for programs that set the input themselves, an Input
layer) stands in the place of the net's own.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: (folder in models/, batch size, C x H x W)
NETS = {
    'LeNet': ('lenet', 64, (1, 28, 28)),
    'CIFAR-10 full': ('cifar10_full', 100, (3, 32, 32)),
    'CaffeNet': ('caffenet', 16, (3, 227, 227)),
    'GoogLeNet': ('googlenet', 8, (3, 224, 224)),
    'SqueezeNet v1.1': ('squeezenet_v1.1', 8, (3, 227, 227)),
    'ResNet-50': ('resnet50', 4, (3, 224, 224)),
    'VGG-16': ('vgg16', 2, (3, 224, 224)),
    'MobileNet v1': ('mobilenet_v1', 8, (3, 224, 224)),
}

DATA_TYPES = ('Data', 'Input')


def split_layers(text):
    """The parts of a net's text: what stands before the first layer, and one string a layer."""
    text = re.sub(r'#[^\n]*', '', text)
    parts, depth, begin = [], 0, 0
    for match in re.finditer(r'"[^"]*"|[{}]', text):
        if match.group() == '{':
            depth += 1
        elif match.group() == '}':
            depth -= 1
            if depth == 0:
                parts.append(text[begin:match.end()].strip())
                begin = match.end()
    if depth != 0 or not parts:
        raise ValueError('the net is empty, or its braces do not match')
    first = re.search(r'\blayer\s*\{', parts[0]).start()
    return parts[0][:first].strip(), [parts[0][first:]] + parts[1:]


def layer_type(layer):
    return re.search(r'\btype\s*:\s*"([^"]*)"', layer).group(1)


def shape_text(dims):
    return 'shape { ' + ' '.join(f'dim: {d}' for d in dims) + ' }'


def dummy_layer(images, with_label):
    """Random images, new ones in each pass, and labels that are all of class 0."""
    tops, shapes = 'top: "data"', shape_text(images)
    fillers = 'data_filler { type: "gaussian" std: 1 }'
    if with_label:
        tops += ' top: "label"'
        shapes += ' ' + shape_text(images[:1])
        fillers += ' data_filler { type: "constant" }'
    return (f'layer {{ name: "data" type: "DummyData" {tops} '
            f'dummy_data_param {{ {shapes} {fillers} }} }}')


def input_layer(images):
    return (f'layer {{ name: "data" type: "Input" top: "data" input_param {{ '
            f'{shape_text(images)} }} }}')


def write_net(net, mode, batch, path, use_input=False):
    """Writes the net for `mode` (train or infer) to `path`, with its own data in its place."""
    folder, _, image = NETS[net]
    source = 'train_val.prototxt' if mode == 'train' else 'deploy.prototxt'
    head, layers = split_layers((ROOT / 'models' / folder / source).read_text())
    layers = [layer for layer in layers if layer_type(layer) not in DATA_TYPES]
    images = (batch,) + image
    data = input_layer(images) if use_input else dummy_layer(images, mode == 'train')
    path.write_text('\n'.join([head, data] + layers) + '\n')
