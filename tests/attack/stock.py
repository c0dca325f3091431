"""Makes one good file of every kind that crema reads, most of them by crema itself."""
import gzip
import pathlib
import random
import re
import struct
import zlib

import handmade
import leveldb
import wire

CLASSES = ('cat', 'dog', 'owl')
IMAGES_PER_CLASS = 5
HEIGHT, WIDTH, CROP = 9, 10, 8
CODECS = ('jpg', 'png', 'bmp', 'tiff', 'webp', 'ppm', 'pgm', 'pbm', 'pam', 'sr', 'exr', 'avif')
MAGIC = {'jpg': b'\xff\xd8\xff', 'png': b'\x89PNG', 'bmp': b'BM', 'tiff': b'II*', 'webp': b'RIFF',
         'ppm': b'P6', 'pgm': b'P5', 'pbm': b'P4', 'pam': b'P7', 'sr': b'\x59\xa6',
         'exr': b'v/1\x01', 'avif': b'\0\0\0'}

RUN_OPTIONS = 'test_iter: 3 test_interval: 2 average_loss: 3'
TRAIN, TEST = 'include { phase: TRAIN }', 'include { phase: TEST }'
CROPPED = f'transform_param {{ crop_size: {CROP} mirror: true scale: 0.01 }}'


def data_layer(source, rules='', batch=4, options=''):
    """A layer with the tops data and label, that reads the stock's `source`."""
    head = f'layer {{ name: "data" top: "data" top: "label" {rules} '
    if source in ('lmdb', 'leveldb', 'encoded'):
        backend = 'LEVELDB' if source == 'leveldb' else 'LMDB'
        return (f'{head} type: "Data" {CROPPED} data_param {{ source: "{source}" '
                f'batch_size: {batch} backend: {backend} {options} }} }}\n')
    if source == 'images':
        return (f'{head} type: "ImageData" {CROPPED} image_data_param {{ source: "list.txt" '
                f'root_folder: "images/" batch_size: {batch} {options} }} }}\n')
    if source == 'windows':
        return (f'{head} type: "WindowData" {CROPPED} window_data_param {{ source: "windows.txt" '
                f'root_folder: "images/" batch_size: {batch} fg_fraction: 0.5 context_pad: 1 '
                f'{options} }} }}\n')
    if source == 'hdf5':
        return (f'{head} type: "HDF5Data" hdf5_data_param {{ source: "h5.txt" '
                f'batch_size: {batch} {options} }} }}\n')
    return dummy_layer(head, batch)


def dummy_layer(head, batch):
    return (
        f'{head} type: "DummyData" dummy_data_param {{ shape {{ dim: {batch} dim: 3 '
        f'dim: {CROP} dim: {CROP} }} shape {{ dim: {batch} }} data_filler {{ type: "gaussian" }} '
        f'data_filler {{ type: "constant" value: 1 }} }} }}\n')


MIDDLE = '''layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
'''
END = '''layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
'''
RECURRENT = '''layer { name: "cont" type: "DummyData" top: "cont" dummy_data_param {
  shape { dim: 4 dim: 4 } data_filler { type: "constant" value: 1 } } }
layer { name: "steps" type: "Reshape" bottom: "pool" top: "steps"
  reshape_param { shape { dim: 4 dim: 4 dim: -1 } } }
layer { name: "lstm" type: "LSTM" bottom: "steps" bottom: "cont" top: "lstm"
  recurrent_param { num_output: 2 weight_filler { type: "uniform" min: -0.1 max: 0.1 } } }
layer { name: "mean" type: "Reduction" bottom: "lstm" top: "mean" loss_weight: 0.1 }
'''


def net(train='lmdb', test=None, middle=MIDDLE, options=''):
    """A small net with everything that keeps a state or draws random numbers."""
    return ('name: "small"\n' + data_layer(train, TRAIN, options=options) +
            data_layer(test or train, TEST, batch=5) + middle + END)


def output_net(name):
    """Writes what it reads to an HDF5 file."""
    return (data_layer('lmdb', batch=5) +
            'layer { name: "out" type: "HDF5Output" bottom: "data" bottom: "label" '
            f'hdf5_output_param {{ file_name: "{name}" }} }}\n'
            'layer { name: "l" type: "Reduction" bottom: "data" top: "l" loss_weight: 1 }\n')


def solver(iterations=4, more=''):
    return (f'net: "net.prototxt" base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" random_seed: 3 '
            f'display: 1 max_iter: {iterations} snapshot_prefix: "run" solver_mode: CPU {more}\n')


def png(width, height, pixels):
    """8-bit RGB."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack(
            '>I', zlib.crc32(kind + data))
    rows = b''.join(b'\0' + pixels[r * width * 3:(r + 1) * width * 3] for r in range(height))
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) +
            chunk(b'IEND', b''))


class Stock:
    """Files in `folder`; `codecs` are the image types that this crema writes."""

    def __init__(self, folder, runner):
        self.folder, self._runner = pathlib.Path(folder), runner
        self._random = random.Random('stock')
        self.folder.mkdir()
        self._images()
        self._idx()
        self._databases()
        self.codecs = self._codecs()
        self._hdf5()
        self._matrix()
        self._run('run', '')
        self._run('hrun', 'snapshot_format: HDF5')

    def _crema(self, *arguments):
        result = self._runner.crema(self.folder, *arguments)
        if result.status != 0:
            raise RuntimeError(f'crema {" ".join(map(str, arguments))}: {result.err[-2000:]}')
        return result

    def _write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def _images(self):
        lines, windows = [], []
        for i in range(IMAGES_PER_CLASS):
            for label, name in enumerate(CLASSES):
                path = f'{name}/{i}.png'
                pixels = self._random.randbytes(WIDTH * HEIGHT * 3)
                self._write(f'images/{path}', png(WIDTH, HEIGHT, pixels))
                lines.append(f'{path} {label}')
                windows += [f'# {len(windows) // 8}', path, '3', str(HEIGHT), str(WIDTH), '2',
                            f'{1 + label % 2} 0.9 1 1 7 6', '0 0.1 0 2 5 8']
        self._write('list.txt', '\n'.join(lines) + '\n')
        self._write('windows.txt', '\n'.join(windows) + '\n')

    def _idx(self):
        count, side = 12, 7
        images = struct.pack('>IIII', 2051, count, side, side) + self._random.randbytes(count * 49)
        labels = struct.pack('>II', 2049, count) + bytes(i % 10 for i in range(count))
        self._write('images.idx', images)
        self._write('labels.idx', labels)
        self._write('images.idx.gz', gzip.compress(images, mtime=0))
        self._write('labels.idx.gz', gzip.compress(labels, mtime=0))

    def _databases(self):
        self._crema('convert', 'imageset', 'images', 'list.txt', 'lmdb')
        self._crema('convert', 'imageset', 'images', 'list.txt', 'leveldb', '--backend=leveldb')
        self._crema('convert', 'imageset', 'images', 'list.txt', 'encoded', '--encode_type=jpg')
        self._crema('mean', 'lmdb', 'mean.binaryproto')
        leveldb.write(self.folder / 'tables', [
            leveldb.datum(3, HEIGHT, WIDTH, self._random.randbytes(3 * HEIGHT * WIDTH), i % 3)
            for i in range(IMAGES_PER_CLASS * len(CLASSES))])

    def _codecs(self):
        """One image of each type; most are taken out of a database of compressed images."""
        made = handmade.images(WIDTH, HEIGHT)
        for kind, image in made.items():
            self._write(f'codecs/image.{kind}', image)
        found = list(made)
        self._write('one.txt', 'cat/0.png 1\n')
        for kind in CODECS:
            gray = ['--gray'] if kind in ('pgm', 'pbm') else []
            result = self._runner.crema(self.folder, 'convert', 'imageset', 'images', 'one.txt',
                                        f'one_{kind}', f'--encode_type={kind}', *gray)
            if result.status != 0:
                continue
            image = compressed_image((self.folder / f'one_{kind}/data.mdb').read_bytes(),
                                     MAGIC[kind])
            if image:
                self._write(f'codecs/image.{kind}', image)
                found.append(kind)
        return found

    def _hdf5(self):
        self._write('net.prototxt', output_net('data.h5'))
        self._write('solver.prototxt', solver(3, 'snapshot_after_train: false'))
        self._crema('train', '--solver=solver.prototxt')
        self._write('h5.txt', 'data.h5\n')

    def _matrix(self):
        values = struct.pack('<9f', 1, 0, 0, 0, 1, 0, 0, 0, 1)
        shape = wire.field(1, b'\x01\x01\x03\x03')
        self._write('matrix.binaryproto', wire.field(7, shape) + wire.field(5, values))

    def _run(self, prefix, more):
        """A trained net: its snapshots after 2 and 4 iterations, its log, metrics and events."""
        self._write('net.prototxt', net())
        text = solver(4, f'snapshot: 2 {RUN_OPTIONS} {more}').replace('"run"', f'"{prefix}"')
        self._write('solver.prototxt', text)
        result = self._crema('train', '--solver=solver.prototxt', '--threads=1',
                             f'--metrics={prefix}.jsonl',
                             f'--tensorboard={prefix}_events')
        metrics = self.folder / f'{prefix}.jsonl'
        metrics.write_text(without_times(metrics.read_text()))
        self._write(f'{prefix}.log', without_times(result.err))


def without_times(text):
    """The same in every run, as far as damage to it goes."""
    text = re.sub(r'"(time|seconds|waited)":[\d.e+-]+', r'"\1":0.125', text)
    text = re.sub(r'^([IW])\d{4} [\d:.]+ +\d+', r'\g<1>0102 03:04:05.000006   789', text,
                  flags=re.M)
    return re.sub(r'\([\d.e+-]+ iter/s, [\d.e+-]+s', '(8 iter/s, 0.125s', text)


def compressed_image(database, magic):
    """The image in the one Datum of a database; its field 4 comes before the label."""
    for match in re.finditer(b'\x22', database):
        try:
            size, start = wire.read_varint(database, match.end())
        except IndexError:
            break
        image = database[start:start + size]
        if image.startswith(magic) and len(image) == size and size > 20:
            return image
    return None
