#!/usr/bin/env python3
"""Tests that tools/bench/pytorch_net.py computes what crema does: nets of models/ with the same
weights and data give the same scores, and the same weights after some steps of training.

usage: pytorch_net_test.py [CREMA]
It skips without PyTorch, which tools/bench/setup.sh installs, or without crema.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / 'build/bench_venv/bin/python'
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'tools/bench'))
try:
    import torch
    from google.protobuf import text_format

    import net_config
    from pytorch_net import Net, module_name
except ImportError as error:
    if VENV.exists() and pathlib.Path(sys.prefix) != VENV.parents[1]:
        os.execv(VENV, [str(VENV)] + sys.argv)
    torch, MISSING = None, error

CREMA = ROOT / 'build/release/bin/crema'
STEPS = 3
RATE, MOMENTUM, DECAY = 0.01, 0.9, 0.004


def parse(text):
    return text_format.Parse(text, net_config.message('NetParameter'))


def with_stored_data(config, phase, dummy_data):
    """(the net, {layer: tensor}): its data are those of Parameter layers, so that a file of weights
    has them, too. Softmax, which hides differences, is left out."""
    layers = net_config.layers_of(config, phase)
    plain = Net(config, phase, dummy_data)
    net, data = net_config.message('NetParameter'), {}
    for name, values in plain.make_inputs().items():
        layer = net.layer.add(name='input ' + name, type='Parameter', top=[name])
        layer.parameter_param.shape.dim.extend(values.shape)
        layer.param.add(lr_mult=0, decay_mult=0)
        is_label = values.dim() == 1
        data[layer.name] = torch.arange(len(values)) * 7 % 10 if is_label else values
    net.layer.extend(l for l in layers if l.type not in net_config.DATA_TYPES + ('Softmax',))
    return net, data


def write_weights(net, path):
    """Also fills the statistics of BatchNorm layers, with a factor that divides them."""
    weights = net_config.message('NetParameter')
    for config in net.configs:
        module = net.layers[module_name(config)]
        layer = weights.layer.add(name=config.name, type=config.type)
        for name in module.BLOBS:
            values = getattr(module, name).detach()
            if config.type == 'BatchNorm':
                values = {'mean': torch.randn(values.shape) / 5, 'factor': torch.full((1,), 2.0),
                          'variance': torch.rand(values.shape) / 2 + 0.1}[name]
            blob = layer.blobs.add()
            blob.shape.dim.extend(values.shape)
            blob.data.extend(values.flatten().tolist())
    path.write_bytes(weights.SerializeToString())


class Twins:
    """A net in a folder for crema, and in PyTorch, with the same weights and data."""

    def __init__(self, folder, model, phase, dummy_data=None):
        torch.manual_seed(1)
        self.folder = pathlib.Path(folder)
        config, data = with_stored_data(net_config.read_net(ROOT / 'models' / model), phase,
                                        dummy_data)
        (self.folder / 'net.prototxt').write_text(text_format.MessageToString(config))
        self.net = Net(config, phase)
        for name, values in data.items():
            with torch.no_grad():
                self.net.layers['layer ' + name].value.copy_(values)
        write_weights(self.net, self.folder / 'first.caffemodel')
        self.net.load(net_config.read_weights(self.folder / 'first.caffemodel'))

    def run_crema(self, *arguments):
        done = subprocess.run([str(CREMA), *arguments], cwd=self.folder, capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout + done.stderr


@unittest.skipIf(torch is None, 'PyTorch or protobuf is not installed: see tools/bench/setup.sh')
class PytorchNetTest(unittest.TestCase):
    def check_scores(self, model, dummy_data=None):
        with tempfile.TemporaryDirectory() as folder:
            twins = Twins(folder, model + '/deploy.prototxt', 'TEST', dummy_data)
            log = twins.run_crema('test', '--model=net.prototxt', '--weights=first.caffemodel',
                                  '--iterations=1')
            top = twins.net.plan[-1][2][0]
            found = re.findall(r'Batch 0, ' + re.escape(top) + r' = (\S+)', log)
            with torch.inference_mode():
                expected = twins.net({})[0][top].flatten()
            self.assertGreater(expected.std().item(), 0, model)
            self.check_close(torch.tensor([float(x) for x in found]), expected, model)

    def check_training(self, model, dummy_data=None):
        with tempfile.TemporaryDirectory() as folder:
            twins = Twins(folder, model + '/train_val.prototxt', 'TRAIN', dummy_data)
            (twins.folder / 'solver.prototxt').write_text(
                f'net: "net.prototxt" base_lr: {RATE} lr_policy: "fixed" momentum: {MOMENTUM} '
                f'weight_decay: {DECAY} max_iter: {STEPS} snapshot_prefix: "last" '
                'solver_mode: CPU')
            twins.run_crema('train', '--solver=solver.prototxt', '--weights=first.caffemodel')
            optimizer = twins.net.optimizer(RATE, MOMENTUM, DECAY)
            for _ in range(STEPS):
                optimizer.zero_grad()
                twins.net({})[1].backward()
                optimizer.step()
            self.check_weights(twins, net_config.read_weights(
                twins.folder / f'last_iter_{STEPS}.caffemodel'), model)

    def check_weights(self, twins, stored, model):
        moved = False
        first = net_config.read_weights(twins.folder / 'first.caffemodel')
        for config in twins.net.configs:
            module = twins.net.layers[module_name(config)]
            for i, name in enumerate(module.BLOBS):
                found = torch.tensor(stored[config.name][i].data)
                moved |= list(first[config.name][i].data) != found.tolist()
                self.check_close(found, getattr(module, name).detach().flatten(),
                                 f'{model}, {config.name}, {name}')
        self.assertTrue(moved)

    def test_the_exported_net_gives_the_same_scores(self):
        try:
            import onnxruntime
        except ImportError:
            self.skipTest('onnxruntime is not installed: see tools/bench/setup.sh')
        with tempfile.TemporaryDirectory() as folder:
            twins = Twins(folder, 'cifar10_full/deploy.prototxt', 'TEST')
            model, out = ROOT / 'models/cifar10_full/deploy.prototxt', f'{folder}/net.onnx'
            weights = str(twins.folder / 'first.caffemodel')
            subprocess.run([sys.executable, str(ROOT / 'tools/bench/export_onnx.py'), str(model),
                            out, weights], check=True, capture_output=True)
            net = Net(net_config.read_net(model), 'TEST')
            net.load(net_config.read_weights(weights))
            inputs = net.make_inputs()
            with torch.inference_mode():
                expected = net(inputs)[0]['prob']
            session = onnxruntime.InferenceSession(out, providers=['CPUExecutionProvider'])
            found = session.run(None, {name: x.numpy() for name, x in inputs.items()})[0]
            self.check_close(torch.from_numpy(found), expected, 'cifar10_full')

    def check_close(self, found, expected, what):
        self.assertEqual(found.shape, expected.shape, what)
        scale = max(expected.abs().max().item(), 1e-3)
        self.assertLess((found - expected).abs().max().item(), 1e-4 * scale, what)

    @classmethod
    def setUpClass(cls):
        if not CREMA.exists():
            raise unittest.SkipTest(f'{CREMA} is not built')

    def test_scores_are_those_of_crema(self):
        self.check_scores('cifar10_full')
        self.check_scores('squeezenet_v1.1')
        self.check_scores('mobilenet_v1')

    def test_training_of_lenet_is_that_of_crema(self):
        self.check_training('lenet', (4, 1, 28, 28))

    def test_training_of_cifar10_full_is_that_of_crema(self):
        self.check_training('cifar10_full', (4, 3, 32, 32))

    def test_training_of_shared_weights_is_that_of_crema(self):
        self.check_training('mnist_siamese', (4, 2, 28, 28))

    def test_training_of_the_autoencoder_is_that_of_crema(self):
        self.check_training('mnist_autoencoder', (4, 1, 28, 28))

    def test_training_of_the_lstm_is_that_of_crema(self):
        self.check_training('adding_lstm')


NET = '''layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 7
dim: 7 } } }
'''


@unittest.skipIf(torch is None, 'PyTorch or protobuf is not installed: see tools/bench/setup.sh')
class RefusalTest(unittest.TestCase):
    def check_refused(self, layers, pattern, phase='TEST'):
        with self.assertRaisesRegex(net_config.Unsupported, pattern):
            Net(parse(NET + layers), phase)

    def test_every_model_is_understood(self):
        sizes = {'lenet': (2, 1, 28, 28), 'mnist_autoencoder': (2, 1, 28, 28),
                 'mnist_siamese': (2, 2, 28, 28), 'cifar10_full': (2, 3, 32, 32),
                 'cifar10_quick': (2, 3, 32, 32)}
        for path in sorted(ROOT.glob('models/*/*.prototxt')):
            if 'solver' in path.name:
                continue
            config = net_config.read_net(path)
            layers = net_config.layers_of(config, 'TRAIN')
            self.assertTrue(layers, path)
            if path.parent.name in sizes:
                Net(config, 'TRAIN', sizes[path.parent.name])

    def test_what_is_not_supported_is_named(self):
        self.check_refused('layer { name: "s" type: "SPP" bottom: "data" top: "s" }',
                           'layer "s" of type SPP: .* not have the type')
        self.check_refused('layer { name: "p" type: "Pooling" bottom: "data" top: "p" '
                           'pooling_param { pool: STOCHASTIC kernel_size: 2 } }',
                           'layer "p" of type Pooling: pool: STOCHASTIC')
        self.check_refused('layer { name: "i" type: "InnerProduct" bottom: "data" top: "i" '
                           'inner_product_param { num_output: 2 transpose: true } }',
                           'layer "i" of type InnerProduct: transpose is not supported')
        self.check_refused('layer { name: "r" type: "ReLU" bottom: "x" top: "r" }',
                           'layer "r": no layer above makes "x"')
        self.check_refused('layer { name: "d" type: "Data" top: "d" }', '"d" of type Data reads')

    def test_rules_choose_layers(self):
        config = parse('state { stage: "a" } layer { name: "1" include { phase: TRAIN } }'
                       'layer { name: "2" exclude { stage: "a" } } layer { name: "3" include {'
                       'min_level: 1 } include { stage: "a" not_stage: "b" } } layer { name: "4" }')
        for phase, expected in (('TRAIN', '134'), ('TEST', '34')):
            names = ''.join(layer.name for layer in net_config.layers_of(config, phase))
            self.assertEqual(names, expected)


if __name__ == '__main__':
    if len(sys.argv) > 1 and not sys.argv[1].startswith('-'):
        CREMA = pathlib.Path(sys.argv.pop(1)).resolve()
    if torch is None:
        print(f'Skipped, because PyTorch or protobuf is not installed ({MISSING}); see '
              'tools/bench/setup.sh')
    unittest.main()
