#!/usr/bin/env python3
"""Measures crema against other programs on the nets of models/, and prints the ratios.

Runs of all programs alternate, each in a process of its own, and medians are compared. --load
measures on a machine that does something else as well. See README.md.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import time

import loads
import nets
import peers
import tables
from processes import run_process
from tables import OWN_THREADS, ONE_THREAD, Run

VENV = nets.ROOT / 'build/bench_venv/bin/python'
PEERS = 'OpenVINO,onnxruntime,OpenCV,PyTorch,Caffe'


def parse_flags(arguments=None):
    flags = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add = flags.add_argument
    add('--crema', default=str(nets.ROOT / 'build/release/bin/crema'), help='the crema program')
    add('--crema-flags', default='', help='more flags for crema time')
    add('--caffe', default='caffe', help="BVLC Caffe's program")
    add('--python', default=str(VENV) if VENV.exists() else sys.executable,
        help='the Python of the other programs; the one that setup.sh makes if it is there')
    add('--nets', default=','.join(nets.NETS), help='which, separated by commas')
    add('--modes', default='train,infer')
    add('--load', default='quiet', type=check_loads, metavar='LIST',
        help='what else runs: ' + loads.ALL.replace('=4', '=N').replace('loops=8,', '')
        + ', separated by commas, or all')
    add('--peers', default=PEERS, help='the programs to compare with')
    add('--torch-variants', default=','.join(peers.Torch.variants))
    add('--rounds', type=int, default=3, help='runs of each program on the quiet machine')
    add('--loaded-rounds', type=int, default=10, help='runs of each program under a load')
    add('--seconds', type=float, default=1.5, help='about how long a run measures')
    add('--timeout', type=float, default=600, help='of a run, in seconds')
    add('--threads', type=int, default=2)
    add('--folder', default=str(nets.ROOT / 'build/bench'),
        help='keeps weights, ONNX files, what torch.compile made, and the results')
    add('--variants-from', default='',
        help='the results.json of an earlier run: only its best variants run')
    add('--markdown', action='store_true', help='print Markdown; FOLDER/results.md always has it')
    return flags.parse_args(arguments)


def check_loads(text):
    try:
        return loads.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def environment(flags, program='crema'):
    """With the number of threads for the program; crema's own choice has none."""
    threads = '1' if program == ONE_THREAD else str(flags.threads)
    caches = str(pathlib.Path(flags.folder) / 'torch')
    env = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads,
               MKL_NUM_THREADS=threads, TORCHINDUCTOR_CACHE_DIR=caches,
               TORCHINDUCTOR_FX_GRAPH_CACHE='1', GLOG_logtostderr='1')
    if program == OWN_THREADS:
        for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
            del env[name]
    return env


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
    wanted = [(peer, is_here) for peer, is_here in candidates if peer.name in flags.peers.split(',')]
    for peer, is_here in wanted:
        if not is_here:
            print(f'{peer.name} is left out; it needs {peer.needs}', file=sys.stderr)
    return [peer for peer, is_here in wanted if is_here]


def cases_of(flags):
    for net in flags.nets.split(','):
        batch = nets.NETS[net][1]
        for mode in flags.modes.split(','):
            for size in [batch] if mode == 'train' else [1, batch]:
                yield peers.Case(net, mode, size)


def folder_of(case, flags):
    return pathlib.Path(flags.folder) / nets.NETS[case.net][0] / f'{case.mode}{case.batch}'


def key(peer, variant):
    return f'{peer.name} {variant}'.strip()


@dataclasses.dataclass
class Bench:
    """One run of the benchmark. `results` are {(load, case, program): [Run]}."""
    flags: argparse.Namespace
    crema: peers.Crema
    found: list
    chosen: dict  # variants of an earlier run, by (case, name of the peer)
    results: dict = dataclasses.field(default_factory=dict)
    unable: set = dataclasses.field(default_factory=set)

    def measure(self, peer, case, variant, iterations, program='crema', load=None):
        """The median time; under a load the mean, which a few very slow iterations show in."""
        folder = folder_of(case, self.flags)
        folder.mkdir(parents=True, exist_ok=True)
        command = peer.command(case, variant, iterations, folder)
        done = run_process(command, environment(self.flags, program), self.flags.timeout,
                           load.prepare if load else None)
        return Run(peer.milliseconds(done.output, folder, load is not None), done.megabytes)

    def iterations_for(self, case):
        """As many as fill the time of a run, from a short run of crema."""
        short = self.measure(self.crema, case, '', 2)
        return max(3, min(200, round(self.flags.seconds * 1e3 / max(short.milliseconds, 1e-3))))

    def quiet_results(self):
        return {(c, name): runs for (load, c, name), runs in self.results.items()
                if load == 'quiet'}

    def attempt(self, load_name, case, program, peer, variant, iterations, load=None):
        """Adds a run to the results, or says why there is none and does not try again."""
        if self.unable & {('quiet', case, program), (load_name, case, program)}:
            return
        where = f'{case.net}, {case.mode} {case.batch}, {load_name}: {program}'
        try:
            run = self.measure(peer, case, variant, iterations, program, load)
            if load:
                load.check()
        except peers.Unable as error:
            self.unable.add((load_name, case, program))
            print(f'{where}: {error}', file=sys.stderr)
            return
        self.results.setdefault((load_name, case, program), []).append(run)
        print(f'{where} {run.milliseconds:.2f} ms, {run.megabytes:.0f} MB', file=sys.stderr)

    def peers_for(self, case):
        return [self.crema] + [p for p in self.found if case.mode == 'infer' or not p.only_infers]

    def measure_quiet(self, case, iterations):
        for _ in range(self.flags.rounds):
            for peer in self.peers_for(case):
                for variant in variants_now(peer, case, self.quiet_results(), self.chosen):
                    self.attempt('quiet', case, key(peer, variant), peer, variant, iterations)
            if 'quota' in self.flags.load:
                self.attempt('quiet', case, ONE_THREAD, self.crema, '', iterations)

    def measure_loaded(self, name, case, iterations):
        inference = self.crema.endless_inference(case, folder_of(case, self.flags) / 'load')
        with loads.running(name, inference, environment(self.flags)) as load:
            for _ in range(self.flags.loaded_rounds):
                for peer in self.peers_for(case):
                    for variant in variants_now(peer, case, self.quiet_results(), self.chosen):
                        self.attempt(name, case, key(peer, variant), peer, variant, iterations,
                                     load)
                if name == 'quota':
                    self.attempt(name, case, OWN_THREADS, self.crema, '', iterations, load)
            return load.how

    def measure_case(self, case):
        """Under all loads; returns how each was made."""
        iterations = self.iterations_for(case)
        self.measure_quiet(case, iterations)
        return {name: self.measure_loaded(name, case, iterations)
                for name in self.flags.load if name != 'quiet'}

    def loaded_results(self):
        """Of each program's fastest variant, under the name of the program alone."""
        quiet, merged = self.quiet_results(), {}
        for (load, case, name), runs in self.results.items():
            merged[load, case, name] = runs
            for peer in self.found:
                best = tables.best_of(case, peer.name, quiet)
                if best and name == f'{peer.name} {best[2]}'.strip():
                    merged[load, case, peer.name] = runs
        return merged


def variants_now(peer, case, results, chosen):
    """All variants at first, then the fastest."""
    if chosen and (case, peer.name) in chosen:
        return [chosen[case, peer.name]]
    seen = [(statistics.median(r.milliseconds for r in results[case, key(peer, v)]), v)
            for v in peer.variants if results.get((case, key(peer, v)))]
    return [min(seen)[1]] if seen else list(peer.variants)


def write_results(path, results):
    rows = [dict(load=load, net=c.net, mode=c.mode, batch=c.batch, program=name,
                 runs=[list(r) for r in runs]) for (load, c, name), runs in results.items()]
    path.write_text(json.dumps(rows, indent=1))


def read_variants(path):
    results = {(peers.Case(row['net'], row['mode'], row['batch']), row['program']):
               [Run(*run) for run in row['runs']]
               for row in json.loads(pathlib.Path(path).read_text())
               if row.get('load', 'quiet') == 'quiet'}
    return {(case, name): tables.best_of(case, name, results)[2]
            for case, _ in results for name in ('PyTorch',) if tables.best_of(case, name, results)}


TITLES = {'train': 'Training', 'infer': 'Inference'}


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
    for net in flags.nets.split(','):
        if net not in nets.NETS:
            sys.exit(f'there is no net "{net}"; there are: {", ".join(nets.NETS)}')
    if not shutil.which(flags.crema):
        sys.exit(f'{flags.crema} is not a program: build it with cmake --preset release && '
                 'cmake --build build/release, or name it by --crema')
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
