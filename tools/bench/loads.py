"""What else the machine does while a program is measured.

quiet         nothing
pinned        a busy loop on each core, pinned there
loops=N       N busy loops that the system may move
inferences=N  N other processes that run inference of the same net
quota         one processor's time for the measured program, by a cgroup if one can be made, else by
              letting it run on one core only
"""
import contextlib
import os
import pathlib
import re
import signal
import time

import processes

ALL = 'quiet,pinned,loops=4,loops=8,inferences=4,quota'
PERIOD_US = 100000
CGROUPS = pathlib.Path('/sys/fs/cgroup')


def parse(text):
    """The loads named in a list such as "pinned,loops=8", quiet first; ValueError for others."""
    names = (ALL if text == 'all' else text).split(',')
    for name in names:
        if not re.fullmatch(r'quiet|pinned|quota|(loops|inferences)=[1-9]\d*', name):
            raise ValueError(f'"{name}" is no load; there are quiet, pinned, loops=N, '
                             'inferences=N, quota and all')
    return ['quiet'] + [name for name in dict.fromkeys(names) if name != 'quiet']


class Load:
    """`how` tells what was done, `prepare` is for run_process."""

    def __init__(self, how, prepare=None, background=None):
        self.how, self.prepare, self.background = how, prepare, background

    def check(self):
        """Throws Unable if a part of the load has ended."""
        if self.background:
            self.background.check()


@contextlib.contextmanager
def running(name, inference=None, env=None):
    """The load while the `with` block runs; `inference` is the command for inferences=N, which must
    go on for as long as it is let."""
    if name == 'quota':
        with quota() as load:
            yield load
        return
    background = processes.Background()
    try:
        yield start(name, background, inference, env)
    finally:
        background.close()


def start(name, background, inference, env):
    kind, _, count = name.partition('=')
    cores = sorted(os.sched_getaffinity(0))
    if kind == 'pinned':
        for core in cores:
            background.start_busy_loop(core)
        how = f'a busy loop pinned on each of {len(cores)} cores'
    elif kind == 'loops':
        for _ in range(int(count)):
            background.start_busy_loop()
        how = f'{count} busy loops'
    elif kind == 'inferences':
        for _ in range(int(count)):
            background.start(inference, env=env)
        how = f'{count} inferences of the same net by crema'
    else:
        how = 'nothing else'
    background.wait_until_busy()
    return Load(how, background=background)


@contextlib.contextmanager
def quota():
    group = make_cgroup(CGROUPS, f'crema_bench_{os.getpid()}')
    if group is None:
        core = min(os.sched_getaffinity(0))
        yield Load(f'on core {core} only (no cgroup can be made here)',
                   lambda: os.sched_setaffinity(0, {core}))
        return
    members = str(group / 'cgroup.procs')

    def join():
        with open(members, 'w') as file:
            file.write(str(os.getpid()))
    try:
        yield Load(f'a quota of one processor by a cgroup in {group.parent}', join)
    finally:
        remove_cgroup(group)


def remove_cgroup(group, timeout=10):
    """Ends what still runs in it; the system takes a moment to forget ended processes."""
    deadline = time.monotonic() + timeout
    while True:
        for pid in (group / 'cgroup.procs').read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            return group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def make_cgroup(root, name):
    """The folder of a new cgroup that may use one processor's time; None if there can be none."""
    second, first = root / name, root / 'cpu' / name
    settings = [(second, {'cpu.max': f'{PERIOD_US} {PERIOD_US}'}),
                (first, {'cpu.cfs_period_us': PERIOD_US, 'cpu.cfs_quota_us': PERIOD_US})]
    for group, values in settings:
        if not (group.parent / 'cgroup.procs').exists():
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        if all(write(group / file, value) for file, value in values.items()):
            return group
        group.rmdir()
    return None


def write(path, value):
    """Whether an existing file takes the value."""
    try:
        with open(path, 'r+') as file:
            file.write(str(value))
    except OSError:
        return False
    return True
