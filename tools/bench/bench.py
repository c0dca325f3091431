#!/usr/bin/env python3
"""Measures crema against other programs on the nets of models/, and prints the ratios.

The runs of all programs alternate, each in a process of its own; the medians over the rounds are
compared. The first round runs every variant of a program (formats, compiled or not), the later ones
only the best. See README.md for what is needed.
"""
import argparse
import collections
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import nets
import peers

Run = collections.namedtuple('Run', 'milliseconds megabytes')


def parse_flags():
    flags = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    flags.add_argument('--crema', default='build/release/bin/crema', help='the crema program')
    flags.add_argument('--crema-flags', default='', help='more flags for crema time')
    flags.add_argument('--caffe', default='caffe', help="BVLC Caffe's program")
    flags.add_argument('--torch-net', default='', help='torch_net.py, which runs a net in PyTorch')
    flags.add_argument('--python', default=sys.executable,
                       help='the Python that has torch, onnx and onnxruntime')
    flags.add_argument('--opencv-python', default='/usr/bin/python3', help='the one that has cv2')
    flags.add_argument('--nets', default=','.join(nets.NETS), help='which, separated by commas')
    flags.add_argument('--modes', default='train,infer')
    flags.add_argument('--peers', default='Caffe,PyTorch,OpenCV,onnxruntime')
    flags.add_argument('--torch-variants', default=','.join(peers.Torch.variants))
    flags.add_argument('--rounds', type=int, default=3)
    flags.add_argument('--seconds', type=float, default=1.5, help='about how long a run measures')
    flags.add_argument('--timeout', type=float, default=600, help='of a run, in seconds')
    flags.add_argument('--threads', type=int, default=2)
    flags.add_argument('--folder', default='build/bench',
                       help='keeps weights, ONNX files, what torch.compile made, and results.json')
    flags.add_argument('--variants-from', default='',
                       help='the results.json of an earlier run: only its best variants run')
    flags.add_argument('--markdown', action='store_true', help='print tables for a page')
    return flags.parse_args()


def environment(flags):
    threads = str(flags.threads)
    caches = str(pathlib.Path(flags.folder).resolve() / 'torch')
    return dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads,
                MKL_NUM_THREADS=threads, TORCHINDUCTOR_CACHE_DIR=caches,
                TORCHINDUCTOR_FX_GRAPH_CACHE='1', GLOG_logtostderr='1')


def find_peers(flags):
    """The programs that are here; says which are not."""
    wanted = flags.peers.split(',')
    found, folder = [], pathlib.Path(flags.folder).resolve()

    def add(peer, is_here, where):
        if peer.name not in wanted:
            return
        if is_here:
            found.append(peer)
        else:
            print(f'{peer.name} is not here: {where}', file=sys.stderr)

    def weights(net):
        return peers.make_weights(flags.crema, net, folder / nets.NETS[net][0])

    script = flags.torch_net
    has_torch = bool(script) and peers.runs(flags.python, 'torch')
    torch = peers.Torch(flags.python, script, flags.threads)
    torch.variants = flags.torch_variants.split(',')
    add(peers.Caffe(flags.caffe), shutil.which(flags.caffe), 'see --caffe')
    add(torch, has_torch, 'see --torch-net and --python')
    add(peers.OpenCv(flags.opencv_python, weights, flags.threads),
        peers.runs(flags.opencv_python, 'cv2'), 'see --opencv-python')
    add(peers.OnnxRuntime(flags.python, script, flags.threads),
        has_torch and peers.runs(flags.python, 'onnxruntime, onnx'), 'see --python')
    return found


def cases_of(flags):
    for net in flags.nets.split(','):
        batch = nets.NETS[net][1]
        for mode in flags.modes.split(','):
            for size in [batch] if mode == 'train' else [1, batch]:
                yield peers.Case(net, mode, size)


def run_process(arguments, env, timeout):
    """Returns all that it printed and its peak resident memory in MB."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT, env=env)
        deadline, pid = time.monotonic() + timeout, 0
        while pid == 0:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid == 0 and time.monotonic() > deadline:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                raise peers.Unable(f'took more than {timeout:g} s')
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        output = log.read().decode(errors='replace')
    if process.returncode != 0:
        last = (output.strip().splitlines() or ['no output'])[-1]
        raise peers.Unable(f'exit status {process.returncode}: {last}')
    return output, usage.ru_maxrss / 1024


def folder_of(case, flags):
    folder = pathlib.Path(flags.folder).resolve() / nets.NETS[case.net][0]
    return folder / f'{case.mode}{case.batch}'


def measure(peer, case, variant, iterations, flags):
    folder = folder_of(case, flags)
    folder.mkdir(parents=True, exist_ok=True)
    command = peer.command(case, variant, iterations, folder)
    output, megabytes = run_process(command, environment(flags), flags.timeout)
    return Run(peer.milliseconds(output, folder), megabytes)


def iterations_for(crema, case, flags):
    """As many as fill the time of a run, from a short run of crema."""
    short = measure(crema, case, '', 2, flags)
    return max(3, min(200, round(flags.seconds * 1e3 / max(short.milliseconds, 1e-3))))


def key(peer, variant):
    return f'{peer.name} {variant}'.strip()


def variants_now(peer, case, results, chosen):
    """All variants at first, then the fastest."""
    if chosen and (case, peer.name) in chosen:
        return [chosen[case, peer.name]]
    seen = [(statistics.median(r.milliseconds for r in results[case, key(peer, v)]), v)
            for v in peer.variants if results.get((case, key(peer, v)))]
    return [min(seen)[1]] if seen else list(peer.variants)


def measure_case(case, crema, found, flags, chosen, results):
    iterations = iterations_for(crema, case, flags)
    unable = set()
    for round_ in range(flags.rounds):
        for peer in [crema] + [p for p in found if case.mode == 'infer' or not p.only_infers]:
            for variant in variants_now(peer, case, results, chosen):
                name = key(peer, variant)
                if name in unable:
                    continue
                try:
                    run = measure(peer, case, variant, iterations, flags)
                except peers.Unable as error:
                    unable.add(name)
                    print(f'{case.net}, {case.mode} {case.batch}: {name}: {error}', file=sys.stderr)
                    continue
                results.setdefault((case, name), []).append(run)
                print(f'{case.net}, {case.mode} {case.batch}, round {round_ + 1}: {name} '
                      f'{run.milliseconds:.2f} ms, {run.megabytes:.0f} MB', file=sys.stderr)


def best_of(case, peer_name, results):
    """(median ms, median MB, variant) of the peer's fastest variant; None where it did not run."""
    rows = [(statistics.median(r.milliseconds for r in runs),
             statistics.median(r.megabytes for r in runs), name[len(peer_name):].strip())
            for (c, name), runs in results.items() if c == case and name.startswith(peer_name)]
    return min(rows) if rows else None


def write_results(path, results):
    rows = [dict(net=c.net, mode=c.mode, batch=c.batch, program=name, runs=[list(r) for r in runs])
            for (c, name), runs in results.items()]
    path.write_text(json.dumps(rows, indent=1))


def read_variants(path):
    results = {(peers.Case(row['net'], row['mode'], row['batch']), row['program']):
               [Run(*run) for run in row['runs']]
               for row in json.loads(pathlib.Path(path).read_text())}
    return {(case, name): best_of(case, name, results)[2]
            for case, _ in results for name in ('PyTorch',) if best_of(case, name, results)}


def cells(case, names, results):
    own = best_of(case, 'crema', results)
    if own is None:
        return None
    row = [f'{case.net}, {case.batch}', f'{own[0]:.2f}']
    best = []
    for name in names:
        other = best_of(case, name, results)
        row.append('-' if other is None else f'{other[0] / own[0]:.2f}'
                   + (f' ({other[2]})' if other[2] else ''))
        best += [other[0] / own[0]] if other else []
    row.append(f'{min(best):.2f}' if best else '-')
    if case.mode == 'train':
        row.append(f'{own[1]:.0f}')
        for name in names:
            other = best_of(case, name, results)
            row.append('-' if other is None else f'{own[1] / other[1]:.2f}')
    return row


def table(mode, cases, found, results, markdown):
    names = [p.name for p in found if mode == 'infer' or not p.only_infers]
    head = ['net, batch', 'crema ms'] + [f'{n} / crema' for n in names] + ['least']
    if mode == 'train':
        head += ['crema MB'] + [f'crema MB / {n} MB' for n in names]
    rows = [row for row in (cells(c, names, results) for c in cases if c.mode == mode) if row]
    return layout([head] + rows, markdown)


def shares_of(times):
    """From what crema time --json wrote: the share of an iteration that each kind of layer and the
    update take, without the data layer, and the GFLOP/s of convolutions as a share of sgemm's."""
    spent = collections.defaultdict(float)
    work = milliseconds = 0.0
    for layer in times['layers']:
        if layer['name'] == 'data':
            continue
        spent[layer['type']] += layer['forward_ms'] + layer['backward_ms']
        if layer['type'] == 'Convolution':
            for way in ('forward', 'backward'):
                work += layer[way + '_gflops'] * layer[way + '_ms']
                milliseconds += layer[way + '_ms']
    spent['update'] = times['update_ms']
    whole = sum(spent.values())
    shares = {kind: ms / whole for kind, ms in spent.items()}
    rate = work / milliseconds / times['sgemm_gflops'] if milliseconds else 0.0
    return shares, rate


def shares_table(cases, flags, markdown):
    """Where crema's time goes in training; empty where crema time wrote no JSON."""
    rows = []
    for case in cases:
        path = folder_of(case, flags) / 'crema.json'
        if case.mode != 'train' or not path.exists():
            continue
        shares, rate = shares_of(json.loads(path.read_text()))
        kinds = sorted(shares, key=shares.get, reverse=True)
        text = ', '.join(f'{kind} {shares[kind]:.0%}' for kind in kinds if shares[kind] >= 0.01)
        rows.append([f'{case.net}, {case.batch}', text, f'{rate:.0%}'])
    head = ['net, batch', 'share of the time', "convolutions' GFLOP/s, of sgemm's"]
    return layout([head] + rows, markdown) if rows else ''


def layout(lines, markdown):
    """Rows of cells, the first of which is the head, as a table."""
    if markdown:
        lines = lines[:1] + [['---'] * len(lines[0])] + lines[1:]
        return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return '\n'.join('  '.join(cell.ljust(w) for cell, w in zip(line, widths)) for line in lines)


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


def main():
    flags = parse_flags()
    for net in flags.nets.split(','):
        if net not in nets.NETS:
            sys.exit(f'there is no net "{net}"; there are: {", ".join(nets.NETS)}')
    if not shutil.which(flags.crema):
        sys.exit(f'{flags.crema} is no program; build crema, or see --crema')
    flags.crema = str(pathlib.Path(shutil.which(flags.crema)).resolve())
    crema, found = peers.Crema(flags.crema, flags.crema_flags.split()), find_peers(flags)
    chosen = read_variants(flags.variants_from) if flags.variants_from else None
    results, cases, begin = {}, list(cases_of(flags)), time.monotonic()
    for case in cases:
        try:
            measure_case(case, crema, found, flags, chosen, results)
        except peers.Unable as error:
            print(f'{case.net}, {case.mode} {case.batch}: crema: {error}', file=sys.stderr)
        write_results(pathlib.Path(flags.folder) / 'results.json', results)
    print(f'{machine()}; {flags.threads} threads; medians of {flags.rounds} rounds; '
          f'{(time.monotonic() - begin) / 60:.1f} minutes')
    for mode in flags.modes.split(','):
        print(f'\n{"Training" if mode == "train" else "Inference"}\n')
        print(table(mode, cases, found, results, flags.markdown))
    shares = shares_table(cases, flags, flags.markdown)
    if shares:
        print(f'\nWhere the time of training goes\n\n{shares}')


if __name__ == '__main__':
    main()
