#!/usr/bin/env python3
"""Measures how long crema takes from its start to its end if it does the least: `show`, `test` and
`train` with one iteration, of LeNet and ResNet-50. --before compares with another build, in turn
with this one. See README.md.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import nets
import peers

NETS = 'LeNet,ResNet-50'
COMMANDS = 'show,test,train'


def parse_flags(arguments=None):
    flags = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add = flags.add_argument
    add('--crema', default=str(nets.ROOT / 'build/release/bin/crema'), help='the crema program')
    add('--before', default='',
        help='another crema program, such as an earlier build, that is compared with this one')
    add('--nets', default=NETS, help='which of tools/bench/nets.py, separated by commas')
    add('--rounds', type=int, default=9, help='runs of each program')
    add('--threads', type=int, default=2)
    add('--folder', default=str(nets.ROOT / 'build/bench/startup'), help='keeps nets and weights')
    found = flags.parse_args(arguments)
    for net in found.nets.split(','):
        if net not in nets.NETS:
            flags.error(f'there is no net "{net}"; there are: {", ".join(nets.NETS)}')
    if found.rounds < 1:
        flags.error('--rounds must be at least 1')
    for program in filter(None, (found.crema, found.before)):
        if not shutil.which(program):
            flags.error(f'{program} is not a program')
    return found


def write_files(program, net, folder):
    """The net in both forms, a solver that saves nothing, and weights."""
    folder.mkdir(parents=True, exist_ok=True)
    batch = nets.NETS[net][1]
    for mode in ('infer', 'train'):
        nets.write_net(net, mode, batch, folder / f'{mode}.prototxt')
    (folder / 'startup.prototxt').write_text(
        f'net: "{folder}/train.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1 '
        'snapshot_after_train: false solver_mode: CPU\n')
    return peers.make_weights(program, net, folder / 'weights')


def arguments_of(command, folder, weights):
    if command == 'train':
        return ['train', f'--solver={folder}/startup.prototxt']
    arguments = [command, f'--model={folder}/infer.prototxt']
    return arguments + (['--iterations=1', f'--weights={weights}'] if command == 'test' else [])


def seconds(program, arguments, threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads))
    begin = time.perf_counter()
    done = subprocess.run([program, *arguments], env=env, capture_output=True, text=True)
    taken = time.perf_counter() - begin
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ['no output'])[-1]
        sys.exit(f'{program} {" ".join(arguments)}: exit status {done.returncode}: {last}')
    return taken


def measure(programs, arguments, rounds, threads):
    """The times of each program, which take turns. A first run, which fills the system's cache, is
    not counted."""
    times = {program: [] for program in programs}
    for i in range(rounds + 1):
        for program in programs:
            taken = seconds(program, arguments, threads)
            if i > 0:
                times[program].append(taken)
    return times


def row(net, command, programs, times):
    cells = [net, command]
    for program in programs:
        all_times = times[program]
        cells.append(f'{statistics.median(all_times):.3f} '
                     f'({min(all_times):.3f} to {max(all_times):.3f})')
    if len(programs) > 1:
        here, before = (statistics.median(times[program]) for program in programs)
        cells.append(f'{before / here:.2f}')
    return '| ' + ' | '.join(cells) + ' |'


def main():
    flags = parse_flags()
    programs = list(dict.fromkeys(filter(None, (flags.crema, flags.before))))
    titles = ['net', 'command', 'seconds (range)', 'before', 'before / now'][:2 * len(programs) + 1]
    print('| ' + ' | '.join(titles) + ' |\n' + '|---' * len(titles) + '|')
    for net in flags.nets.split(','):
        folder = pathlib.Path(flags.folder).resolve() / nets.NETS[net][0]
        weights = write_files(flags.crema, net, folder)
        for command in COMMANDS.split(','):
            times = measure(programs, arguments_of(command, folder, weights), flags.rounds,
                            flags.threads)
            print(row(net, command, programs, times), flush=True)


if __name__ == '__main__':
    main()
