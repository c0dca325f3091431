"""The programs that are compared: how each is called for a case, and where its time is in what it
prints. A case is a net, a mode (train or infer) and a batch size.

All times are those of fixed images: the time in which crema and Caffe make random ones is left out.
"""
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess

import nets

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Case:
    net: str
    mode: str
    batch: int


class Unable(Exception):
    """A peer cannot run a case; the text says why."""


class Peer:
    """`variants` are the ways to run it; the best one counts."""
    name = ''
    variants = ('',)
    only_infers = False
    needs = 'the Python packages that tools/bench/setup.sh installs'

    def command(self, case, variant, iterations, folder):
        """The arguments of the process that runs the case; it may write into `folder`."""
        raise NotImplementedError

    def milliseconds(self, output, folder, mean=False):
        """The median or mean time of an iteration, from what the process printed or wrote."""
        name = 'mean_ms' if mean else 'ms_per_iter'
        match = re.search(name + r'=([0-9.]+)', output)
        if not match:
            raise Unable(f'printed no {name}=')
        return float(match.group(1))


def net_file(case, folder, use_input=False):
    path = folder / 'net.prototxt'
    nets.write_net(case.net, case.mode, case.batch, path, use_input)
    return str(path)


def average_times(log):
    """From the lines of `caffe time`: (the averages by name, the data layer's forward time)."""
    averages = {name: float(ms) for name, ms in
                re.findall(r'Average (Forward pass|Forward-Backward): ([0-9.e+-]+)', log)}
    if 'Forward pass' not in averages:
        raise Unable('printed no averages')
    data = re.search(r'\bdata\tforward: ([0-9.e+-]+) ms', log)
    return averages, float(data.group(1)) if data else 0.0


class Crema(Peer):
    """This build, or under another name an earlier one."""

    def __init__(self, program, flags=(), name='crema'):
        self.program, self.name = program, name
        self.flags = list(flags)
        usage = subprocess.run([program, 'time', '--help'], capture_output=True, text=True).stdout
        self.has_json = '--json' in usage

    def command(self, case, variant, iterations, folder):
        phase = 'TRAIN' if case.mode == 'train' else 'TEST'
        self.mode = case.mode
        arguments = [self.program, 'time',
                     '--model=' + net_file(case, folder, use_input=case.mode == 'infer'),
                     f'--iterations={iterations}', '--phase=' + phase] + self.flags
        if self.has_json:
            arguments.append(f'--json={folder / self.name}.json')
        return arguments

    def milliseconds(self, output, folder, mean=False):
        if not self.has_json:
            averages, data = average_times(output)
            part = 'Forward-Backward' if self.mode == 'train' else 'Forward pass'
            return averages[part] - data
        times = json.loads((folder / f'{self.name}.json').read_text())
        data = sum(layer['forward_ms'] for layer in times['layers'] if layer['name'] == 'data')
        if mean and 'iteration_mean_ms' in times:
            return times['iteration_mean_ms'] - data
        return times['iteration_ms' if self.mode == 'train' else 'forward_ms'] - data

    def endless_inference(self, case, folder):
        """The command of a process that runs the case's net on one image until it is ended."""
        folder.mkdir(parents=True, exist_ok=True)
        case = Case(case.net, 'infer', 1)
        return [self.program, 'time', '--model=' + net_file(case, folder, use_input=True),
                '--iterations=1000000000', '--phase=TEST']


class Caffe(Peer):
    """BVLC Caffe, which times no update."""
    name = 'Caffe'
    needs = 'BVLC Caffe, built for the CPU: name its program by --caffe'

    def __init__(self, program):
        self.program = program

    def command(self, case, variant, iterations, folder):
        self.mode = case.mode
        return [self.program, 'time', '--model=' + net_file(case, folder),
                f'--iterations={iterations}', '--phase=' + ('TRAIN', 'TEST')[case.mode == 'infer']]

    def milliseconds(self, output, folder, mean=False):
        averages, data = average_times(output)
        return averages['Forward-Backward' if self.mode == 'train' else 'Forward pass'] - data


class Torch(Peer):
    name = 'PyTorch'
    variants = ('eager', 'eager channels-last', 'compiled', 'compiled channels-last')

    def __init__(self, python, threads):
        self.python, self.threads = python, threads

    def command(self, case, variant, iterations, folder):
        arguments = [self.python, str(HERE / 'pytorch_net.py'), '--model', net_file(case, folder),
                     '--mode', case.mode, f'--threads={self.threads}', f'--iterations={iterations}']
        if 'channels-last' in variant:
            arguments.append('--channels-last')
        if 'compiled' in variant:
            arguments.append('--compile')
        return arguments


class OpenCv(Peer):
    name = 'OpenCV'
    only_infers = True
    needs = ('OpenCV before version 5, which cannot read the nets: tools/bench/setup.sh or the '
             'package python3-opencv')

    def __init__(self, python, weights, threads):
        self.python, self.weights, self.threads = python, weights, threads

    def command(self, case, variant, iterations, folder):
        return [self.python, str(HERE / 'opencv_net.py'), net_file(case, folder, use_input=True),
                self.weights(case.net), str(self.threads), str(iterations)]


class OnnxPeer(Peer):
    """One that reads ONNX, which PyTorch writes."""
    only_infers = True
    script = ''

    def __init__(self, python, threads):
        self.python, self.threads = python, threads

    def command(self, case, variant, iterations, folder):
        onnx = folder / 'net.onnx'
        export = [self.python, str(HERE / 'export_onnx.py'), net_file(case, folder), str(onnx)]
        if not onnx.exists():
            done = subprocess.run(export, capture_output=True, text=True)
            if done.returncode != 0:
                raise Unable('no ONNX file: ' + (done.stderr.strip().splitlines() or [''])[-1])
        return [self.python, str(HERE / self.script), str(onnx), str(self.threads), str(iterations)]


class OnnxRuntime(OnnxPeer):
    name = 'onnxruntime'
    script = 'onnx_net.py'


class OpenVino(OnnxPeer):
    name = 'OpenVINO'
    script = 'openvino_net.py'


def make_weights(program, net, folder):
    """A .caffemodel with random weights for the net: what one iteration of a training that learns
    nothing saves."""
    weights = folder / 'weights_iter_1.caffemodel'
    if not weights.exists():
        folder.mkdir(parents=True, exist_ok=True)
        nets.write_net(net, 'train', 1, folder / 'train.prototxt')
        (folder / 'solver.prototxt').write_text(
            f'net: "{folder}/train.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1 '
            f'snapshot_prefix: "{folder}/weights" solver_mode: CPU\n')
        subprocess.run([program, 'train', f'--solver={folder}/solver.prototxt'], check=True,
                       capture_output=True)
    return str(weights)


def runs(python, code):
    """Whether a Python interpreter is there and runs a line of code, such as an import."""
    if not python or not shutil.which(python):
        return False
    return subprocess.run([python, '-c', code], capture_output=True).returncode == 0
