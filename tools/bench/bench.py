#!/usr/bin/env python3
"""Measures crema against other programs on the nets of models/, and prints the ratios.

Runs of all programs alternate, each in a process of its own, and medians are compared. --load
measures on a machine that does something else as well. See README.md.
"""
import argparse
import json
import pathlib
import platform
import shutil
import signal
import sys
import time

import loads
import nets
import peers
import tables
from measuring import Bench, folder_of

VENV = nets.ROOT / 'build/bench_venv/bin/python'
PEERS = 'OpenVINO,onnxruntime,OpenCV,PyTorch,Caffe'
TITLES = {'train': 'Training', 'infer': 'Inference'}


def parse_flags(arguments=None):
    flags = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add = flags.add_argument
    add('--crema', default=str(nets.ROOT / 'build/release/bin/crema'), help='the crema program')
    add('--crema-flags', default='', help='more flags for crema time')
    add('--before', default='',
        help='another crema program, such as an earlier build, that is compared with this one')
    add('--caffe', default='caffe', help="BVLC Caffe's program")
    add('--python', default=str(VENV) if VENV.exists() else sys.executable,
        help='the Python of the other programs; the one that setup.sh makes if it is there')
    add('--nets', default=','.join(nets.NETS), type=names_among(nets.NETS),
        help='which, separated by commas')
    add('--modes', default=','.join(TITLES), type=names_among(TITLES),
        help='train, infer or both, separated by a comma')
    add('--load', default='quiet', type=check_loads, metavar='LIST',
        help='what else runs: ' + loads.ALL.replace('=4', '=N').replace('loops=8,', '')
        + ', separated by commas, or all')
    add('--peers', default=PEERS, type=names_among(PEERS.split(','), may_be_none=True),
        help='the programs to compare with, separated by commas; may be empty')
    add('--torch-variants', default=','.join(peers.Torch.variants),
        type=names_among(peers.Torch.variants))
    add('--rounds', type=int, default=3, help='runs of each program on the quiet machine')
    add('--loaded-rounds', type=int, default=10, help='runs of each program under a load')
    add('--loaded-peer-rounds', type=int, default=10,
        help='runs of the other programs under a load, if they are to be fewer')
    add('--seconds', type=float, default=1.5, help='about how long a run measures')
    add('--timeout', type=float, default=600, help='of a run, in seconds')
    add('--threads', type=int, default=2)
    add('--folder', default=str(nets.ROOT / 'build/bench'),
        help='keeps weights, ONNX files, what torch.compile made, and the results')
    add('--variants-from', default='',
        help='the results.json of an earlier run: only its best variants run')
    add('--markdown', action='store_true', help='print Markdown; FOLDER/results.md always has it')
    return flags.parse_args(arguments)


def names_among(known, may_be_none=False):
    """The type of a flag that is a list of known names: anything else would measure nothing, or
    something else, after minutes."""
    def check(text):
        for name in text.split(',') if text or not may_be_none else []:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f'there is no "{name}"; there are: {", ".join(known)}')
        return text
    return check


def check_loads(text):
    try:
        return loads.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def find_peers(flags):
    """The programs that are here, in the order of PEERS; says what those that are not here need."""
    folder = pathlib.Path(flags.folder)

    def weights(net):
        return peers.make_weights(flags.crema, net, folder / nets.NETS[net][0])

    reads_caffe = 'import cv2; cv2.dnn.readNetFromCaffe'
    opencv = next((p for p in (flags.python, '/usr/bin/python3') if peers.runs(p, reads_caffe)), '')
    torch = peers.Torch(flags.python, flags.threads)
    torch.variants = flags.torch_variants.split(',')
    has_torch = peers.runs(flags.python, 'import torch, google.protobuf')
    has_onnx = has_torch and peers.runs(flags.python, 'import onnx, onnxruntime')
    has_openvino = has_torch and peers.runs(flags.python, 'import onnx, openvino')
    candidates = [(peers.OpenVino(flags.python, flags.threads), has_openvino),
                  (peers.OnnxRuntime(flags.python, flags.threads), has_onnx),
                  (peers.OpenCv(opencv, weights, flags.threads), opencv),
                  (torch, has_torch), (peers.Caffe(flags.caffe), shutil.which(flags.caffe))]
    names = flags.peers.split(',')
    wanted = [(peer, is_here) for peer, is_here in candidates if peer.name in names]
    for peer, is_here in wanted:
        if not is_here:
            print(f'{peer.name} is left out; it needs {peer.needs}', file=sys.stderr)
    earlier = [peers.Crema(flags.before, name='before')] if flags.before else []
    return [peer for peer, is_here in wanted if is_here] + earlier


def cases_of(flags):
    for net in flags.nets.split(','):
        batch = nets.NETS[net][1]
        for mode in flags.modes.split(','):
            for size in [batch] if mode == 'train' else [1, batch]:
                yield peers.Case(net, mode, size)


def write_results(path, results):
    rows = [dict(load=load, net=c.net, mode=c.mode, batch=c.batch, program=name,
                 runs=[list(r) for r in runs]) for (load, c, name), runs in results.items()]
    path.write_text(json.dumps(rows, indent=1))


def read_variants(path):
    results = {(peers.Case(row['net'], row['mode'], row['batch']), row['program']):
               [tables.Run(*run) for run in row['runs']]
               for row in json.loads(pathlib.Path(path).read_text())
               if row.get('load', 'quiet') == 'quiet'}
    return {(case, name): tables.best_of(case, name, results)[2]
            for case, _ in results for name in ('PyTorch',) if tables.best_of(case, name, results)}


def times_of(cases, flags):
    for case in cases:
        path = folder_of(case, flags) / 'crema.json'
        if case.mode == 'train' and path.exists():
            yield case, json.loads(path.read_text())


def quiet_text(bench, cases, markdown):
    for mode in bench.flags.modes.split(','):
        names = [p.name for p in bench.found if mode == 'infer' or not p.only_infers]
        yield TITLES[mode], tables.speed(mode, cases, names, bench.quiet_results(), markdown)
    if bench.flags.load == ['quiet']:  # else the last times are those of a loaded machine
        shares = tables.shares(times_of(cases, bench.flags), markdown)
        if shares:
            yield 'Where the time of training goes', shares


def loaded_text(bench, cases, how, markdown):
    results = bench.loaded_results()
    for load in bench.flags.load[1:]:
        if load not in how:
            continue
        for mode in bench.flags.modes.split(','):
            names = [p.name for p in bench.found if mode == 'infer' or not p.only_infers]
            title = f'{TITLES[mode]}, {load}: {how[load]}'
            yield title, tables.loaded(load, mode, cases, names, results, markdown)
            if load == 'quota':
                yield (f'{TITLES[mode]}, {load}: crema against one thread',
                       tables.quota(mode, cases, bench.flags.threads, results, markdown))


def report(bench, cases, how, minutes, markdown):
    parts = [f'{machine()}; {bench.flags.threads} threads; medians of {bench.flags.rounds} runs, '
             f'under a load of {bench.flags.loaded_rounds}; {minutes:.1f} minutes']
    for title, table in [*quiet_text(bench, cases, markdown),
                         *loaded_text(bench, cases, how, markdown)]:
        parts += [title, table]
    return '\n\n'.join(parts) + '\n'


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo') as info:
            model = next(line.split(':')[1].strip() for line in info if 'model name' in line)
            info.seek(0)
            cpu_flags = next(line for line in info if line.startswith('flags')).split()
        level = 'v4' if 'avx512vl' in cpu_flags else 'v3' if 'avx2' in cpu_flags else 'v2'
        return f'{model}, x86-64-{level}'
    except (OSError, StopIteration):
        return model


def prepare(flags):
    """Checks what was asked for; returns the benchmark."""
    if not shutil.which(flags.crema):
        sys.exit(f'{flags.crema} is not a program: build it with cmake --preset release && '
                 'cmake --build build/release, or name it by --crema')
    if flags.before and not shutil.which(flags.before):
        sys.exit(f'--before: {flags.before} is not a program')
    flags.crema = str(pathlib.Path(shutil.which(flags.crema)).resolve())
    flags.folder = str(pathlib.Path(flags.folder).resolve())
    pathlib.Path(flags.folder).mkdir(parents=True, exist_ok=True)
    chosen = read_variants(flags.variants_from) if flags.variants_from else {}
    return Bench(flags, peers.Crema(flags.crema, flags.crema_flags.split()), find_peers(flags),
                 chosen)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that loads are ended
    flags = parse_flags()
    bench = prepare(flags)
    cases, how, begin = list(cases_of(flags)), {}, time.monotonic()
    for case in cases:
        try:
            how.update(bench.measure_case(case))
        except peers.Unable as error:
            print(f'{case.net}, {case.mode} {case.batch}: {error}', file=sys.stderr)
        write_results(pathlib.Path(flags.folder) / 'results.json', bench.results)
    minutes = (time.monotonic() - begin) / 60
    (pathlib.Path(flags.folder) / 'results.md').write_text(
        report(bench, cases, how, minutes, markdown=True))
    print(report(bench, cases, how, minutes, flags.markdown), end='')


if __name__ == '__main__':
    main()
