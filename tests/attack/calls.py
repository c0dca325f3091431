"""System calls of x86-64 Linux, by number."""
READS = {'read': 0, 'pread64': 17, 'readv': 19, 'getdents64': 217}
WRITES = {'write': 1, 'pwrite64': 18, 'writev': 20, 'fsync': 74, 'fdatasync': 75, 'ftruncate': 77,
          'msync': 26, 'fallocate': 285}
NAMES = {'open': 2, 'openat': 257, 'rename': 82, 'renameat': 264, 'renameat2': 316, 'unlink': 87,
         'unlinkat': 263, 'mkdir': 83, 'mkdirat': 258, 'rmdir': 84, 'link': 86, 'linkat': 265,
         'stat': 4, 'fstat': 5, 'newfstatat': 262, 'statx': 332}
LOCKS = {'flock': 73, 'fcntl': 72}
MEMORY = {'mmap': 9, 'mprotect': 10, 'brk': 12}
THREADS = {'clone': 56, 'clone3': 435}
CLOSE = {'close': 3}
# Those that another process can see something of.
VISIBLE = {**WRITES, **NAMES, **CLOSE, **LOCKS}


def flag(calls):
    return '--calls=' + ','.join(str(number) for number in calls.values())


def count(runner, folder, words, calls=None, natural=False):
    """How many of these calls, or of all, a run of crema makes; 0 if there is no tracer."""
    if runner.helpers.tracer is None:
        return 0
    counted = runner.folder / 'counted'
    options = [flag(calls)] if calls else []
    runner.start(folder, [runner.helpers.tracer, *options, f'--log={counted}', '--', runner.program,
                          *words], natural=natural)
    return int(counted.read_text())


def before_main(runner, calls=None, natural=False):
    """Those that a run makes until main() can take care of anything, and some more: those of a run
    that only reads its command line."""
    return count(runner, runner.folder, ['train'], calls, natural)
