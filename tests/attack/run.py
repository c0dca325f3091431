#!/usr/bin/env python3
"""Attacks crema with random nets, damaged files, kills and hostile surroundings.

Runs cases until the time or their number is up, prints counts, and ends with status 1 if anything
was found. Each case follows from its group and seed alone. See README.md.
"""
import argparse
import itertools
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from campaign import GROUPS, Campaign, Ground  # noqa: E402
from findings import Findings, printable  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS_OF_A_RUN = 10 ** 8
MOST_OF_A_KIND = 3  # findings that a worker keeps
FORK = multiprocessing.get_context('fork')


def parse_flags():
    flags = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add = flags.add_argument
    add('--crema', default=str(ROOT / 'build/release/bin/crema'), help='the program')
    add('--groups', default=','.join(GROUPS), help='which, separated by commas')
    add('--minutes', type=float, default=1, help='how long to attack')
    add('--cases', type=int, help='this many cases of each group, instead of a time')
    add('--seed', type=int, help='the first seed; default: a new one')
    add('--jobs', type=int, default=len(os.sched_getaffinity(0)), help='cases at once')
    add('--only', metavar='GROUP:SEED', help='run one case')
    add('--plain', action='store_true', help='start the program anew for each run')
    add('--findings', default=str(ROOT / 'build/attack_findings'), help='where to keep findings')
    add('--work', help='a folder for the files of the cases; default: in memory if possible')
    chosen = flags.parse_args()
    chosen.groups = chosen.groups.split(',')
    for group in chosen.groups:
        if group not in GROUPS:
            flags.error(f'--groups={group}: there are {", ".join(GROUPS)}')
    if not os.access(chosen.crema, os.X_OK):
        flags.error(f'--crema={chosen.crema}: there is no such program; build it first')
    if chosen.only:
        group, _, seed = chosen.only.partition(':')
        if group not in GROUPS or not seed.isdigit():
            flags.error(f'--only={chosen.only}: write GROUP:SEED, with one of {", ".join(GROUPS)}')
    if chosen.seed is None:
        chosen.seed = int(time.time()) % 1000000
    return chosen


class Worker:
    """A process that runs cases; `busy` is the group and seed of its case."""

    def __init__(self, ground, number, flags):
        self.pipe, theirs = FORK.Pipe()
        self.busy = None
        self._process = FORK.Process(target=work, args=(ground, number, flags, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, group, seed):
        self.busy = group, seed
        self.pipe.send((group, seed))

    def close(self):
        self.pipe.send(None)
        self._process.join()


def work(ground, number, flags, pipe):
    """Runs cases as they come. Findings are kept here, where the case can be prepared again."""
    campaign = Campaign(ground, number, flags.plain)
    findings = findings_of(flags, MOST_OF_A_KIND)
    try:
        while case := pipe.recv():
            pipe.send(run_case(campaign, findings, *case))
    except KeyboardInterrupt:
        pass
    finally:
        campaign.close()


def findings_of(flags, most):
    return Findings(flags.findings, f'tests/attack/run.py --crema={flags.crema}', most)


def run_case(campaign, findings, group, seed):
    """(what was found, the outcome, the runs, the seconds of the processor); or None and a
    traceback: then this program is at fault."""
    try:
        runner = campaign.runner
        runs, seconds = runner.runs, runner.seconds + time.process_time()
        found, outcome, folder = campaign.run(group, seed)
        if findings.count(group, seed, found):
            findings.keep(group, seed, found, campaign, folder)
        shutil.rmtree(folder, ignore_errors=True)
        spent = runner.seconds + time.process_time() - seconds
        return found, outcome, runner.runs - runs, spent
    except Exception:  # pylint: disable=broad-except
        return None, traceback.format_exc(), 0, 0


class Count:
    """Of one group."""

    def __init__(self):
        self.seconds = self.cases = self.runs = self.found = 0  # seconds of the processor
        self.outcomes = {}

    def add(self, seconds, found, outcome, runs):
        self.seconds += seconds
        self.cases += 1
        self.runs += runs
        self.found += bool(found)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def line(self, group):
        rate = 60 * self.cases / self.seconds if self.seconds else 0
        outcomes = ', '.join(f'{count} {name}' for name, count in sorted(self.outcomes.items()))
        return (f'{group}: {self.cases} cases ({outcomes}), {self.runs} runs, '
                f'{rate:.0f} cases a minute of processor time, {self.found} with findings')


class Attack:
    """Gives cases to workers, the groups in turn by their shares of the time."""

    def __init__(self, flags, ground):
        self.flags = flags
        self.counts = {group: Count() for group in flags.groups}
        self.findings = findings_of(flags, 1)
        self.broken = 0
        first = flags.seed * SEEDS_OF_A_RUN
        self._seeds = {group: itertools.count(first) for group in flags.groups}
        self._given = dict.fromkeys(flags.groups, 0)
        self._end = time.monotonic() + flags.minutes * 60
        self._workers = [Worker(ground, n, flags) for n in range(flags.jobs)]

    def _next_group(self):
        """The one that is furthest behind; None at the end."""
        if self.flags.cases is not None:
            open_groups = [g for g in self.flags.groups if self._given[g] < self.flags.cases]
        else:
            open_groups = self.flags.groups if time.monotonic() < self._end else []
        return min(open_groups, default=None, key=lambda g: self._spent(g) / GROUPS[g].weight)

    def _spent(self, group):
        under_way = sum(w.busy is not None and w.busy[0] == group for w in self._workers)
        return self.counts[group].seconds + under_way * 0.1

    def _give(self, worker):
        group = self._next_group()
        if group is None:
            worker.busy = None
            return
        self._given[group] += 1
        worker.give(group, next(self._seeds[group]))

    def run(self):
        for worker in self._workers:
            self._give(worker)
        try:
            while busy := {w.pipe: w for w in self._workers if w.busy}:
                for pipe in multiprocessing.connection.wait(list(busy)):
                    self._take(busy[pipe], pipe.recv())
                    self._give(busy[pipe])
            for worker in self._workers:
                worker.close()
        except KeyboardInterrupt:
            print('stopped')

    def _take(self, worker, answer):
        group, seed = worker.busy
        found, outcome, runs, seconds = answer
        if found is None:
            self.broken += 1
            print(f'{group}:{seed}: the attack itself failed:\n{outcome}', flush=True)
            return
        self.counts[group].add(seconds, found, outcome, runs)
        for finding in self.findings.count(group, seed, found):
            print(f'{group}:{seed}: {printable(finding.text)[:600]}', flush=True)


def repeat(flags, ground):
    """One case; its folder stays, beside that of the finding."""
    group, seed = flags.only.split(':')
    campaign = Campaign(ground, 0, flags.plain)
    findings = findings_of(flags, 1)
    findings.suffix = '-again'
    found, outcome, folder = campaign.run(group, int(seed))
    place = findings.keep(group, int(seed), found, campaign, folder)
    campaign.close()
    for finding in found:
        print(printable(finding.text))
    print(f'{outcome}; the files are in {place}')
    return 1 if found else 0


def attack(flags, ground):
    for reason in ground.helpers.missing:
        print(f'not used: {reason}')
    print(f'seed {flags.seed}: the cases are numbered from {flags.seed * SEEDS_OF_A_RUN}',
          flush=True)
    whole = Attack(flags, ground)
    whole.run()
    print()
    for group, count in whole.counts.items():
        print(count.line(group))
    if whole.findings.kinds:
        print(f'\n{len(whole.findings.kinds)} kinds of findings, kept in {flags.findings}:')
        print('\n'.join(whole.findings.lines()))
    if whole.broken:
        return 2
    return 1 if whole.findings.kinds else 0


def main():
    flags = parse_flags()
    in_memory = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    work_folder = tempfile.mkdtemp(prefix='crema_attack_', dir=flags.work or in_memory)
    os.chmod(work_folder, 0o755)
    try:
        ground = Ground(flags.crema, work_folder)
        return repeat(flags, ground) if flags.only else attack(flags, ground)
    finally:
        shutil.rmtree(work_folder, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
