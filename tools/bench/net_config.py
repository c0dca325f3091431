"""Reads nets (.prototxt) and weights (.caffemodel) in Python, by proto/crema.proto.

protoc compiles the schema to a descriptor at run time, and the messages are made from that. No
Python code is generated, so the versions of protoc and of the package protobuf need not match.
"""
import functools
import pathlib
import shutil
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

PROTO = pathlib.Path(__file__).resolve().parents[2] / 'proto/crema.proto'
DATA_TYPES = ('Data', 'DummyData', 'HDF5Data', 'ImageData', 'Input', 'MemoryData', 'WindowData')


class Unsupported(Exception):
    """The net has something that the runner does not do; the text names the layer."""


@functools.lru_cache(maxsize=None)
def schema():
    if not shutil.which('protoc'):
        raise Unsupported('protoc is not found: install the package protobuf-compiler')
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'schema'
        subprocess.run(['protoc', f'--proto_path={PROTO.parent}', f'--descriptor_set_out={path}',
                        PROTO.name], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def message(name):
    """An empty message of the schema, such as message('NetParameter')."""
    descriptor = schema().FindMessageTypeByName('crema.proto.' + name)
    if hasattr(message_factory, 'GetMessageClass'):
        return message_factory.GetMessageClass(descriptor)()
    return message_factory.MessageFactory(schema()).GetPrototype(descriptor)()


def read_net(path):
    net = message('NetParameter')
    try:
        text_format.Parse(pathlib.Path(path).read_text(), net)
    except text_format.ParseError as error:
        raise Unsupported(f'{path}: {error}') from error
    if net.layers:
        raise Unsupported(f'{path}: the net is written with the old "layers"; "layer" is needed')
    return net


def read_weights(path):
    """The blobs of each layer by the layer's name."""
    net = message('NetParameter')
    net.ParseFromString(pathlib.Path(path).read_bytes())
    return {layer.name: list(layer.blobs) for layer in net.layer if layer.blobs}


def meets(rule, state):
    """Whether a net in `state` meets a layer's include or exclude rule."""
    return ((not rule.HasField('phase') or rule.phase == state.phase)
            and (not rule.HasField('min_level') or state.level >= rule.min_level)
            and (not rule.HasField('max_level') or state.level <= rule.max_level)
            and all(stage in state.stage for stage in rule.stage)
            and not any(stage in state.stage for stage in rule.not_stage))


def layers_of(net, phase):
    """The layers that run in a phase, 'TRAIN' or 'TEST'."""
    state = message('NetState')
    state.CopyFrom(net.state)
    state.phase = state.DESCRIPTOR.fields_by_name['phase'].enum_type.values_by_name[phase].number

    def runs(layer):
        if layer.include:
            return any(meets(rule, state) for rule in layer.include)
        return not any(meets(rule, state) for rule in layer.exclude)
    return [layer for layer in net.layer if runs(layer)]


def input_shapes(net, layers, dummy_data=None):
    """{blob: (shape, filler or None)} of what the net reads. `dummy_data` is the shape of the first
    top of each layer that reads files; its other tops are labels, one for each image."""
    shapes = {}
    for i, name in enumerate(net.input):
        dims = net.input_shape[i].dim if net.input_shape else net.input_dim[4 * i:4 * i + 4]
        shapes[name] = (tuple(dims), None)
    for layer in layers:
        if layer.type in DATA_TYPES:
            shapes.update(tops_of(layer, dummy_data))
    return shapes


def tops_of(layer, dummy_data):
    if layer.type == 'Input':
        options, fillers = layer.input_param, []
    elif layer.type == 'DummyData':
        options, fillers = layer.dummy_data_param, layer.dummy_data_param.data_filler
    elif dummy_data:
        label = message('FillerParameter')  # a constant 0
        return {top: (dummy_data[:1], label) if i else (dummy_data, None)
                for i, top in enumerate(layer.top)}
    else:
        raise Unsupported(f'layer "{layer.name}" of type {layer.type} reads files, which this '
                          'runner does not: give the shape with --dummy-data=NxCxHxW')
    if not options.shape:
        raise Unsupported(f'layer "{layer.name}": the shape is missing, or in the old form')

    def pick(items, i):
        return items[min(i, len(items) - 1)] if items else None
    return {top: (tuple(pick(options.shape, i).dim), pick(fillers, i))
            for i, top in enumerate(layer.top)}
