"""The group "limits": commands whose surroundings are hostile.

Descriptors closed, limits set, disks full or read-only, system calls that fail or do less than they
were asked for, mapped files that shrink, odd environments. A command must do its work, or say in
one sentence why not; whatever was saved before stays, and the next run goes on from it.
"""
import os
import re
import resource

import calls
import disks
import folders
import lives
import stock
import verdict
from runner import Bounds
from verdict import Allowance
from weights_files import comparable

BOUNDS = Bounds(stop=25, kill=40)
ALLOWED = Allowance(memory=400 << 20, seconds=20)
NOBODY = 60123  # a user who has no other processes
FAILING = {'reads': calls.READS, 'writes': calls.WRITES, 'names': calls.NAMES, 'locks': calls.LOCKS,
           'memory': calls.MEMORY, 'threads': calls.THREADS, 'close': calls.CLOSE}
ERRORS = {'EINTR': 4, 'EIO': 5, 'EAGAIN': 11, 'ENOMEM': 12, 'EACCES': 13, 'EMFILE': 24,
          'ENOSPC': 28, 'EROFS': 30, 'EDQUOT': 122}
MOST = {'reads': 120, 'writes': 300, 'names': 300, 'locks': 40, 'memory': 250, 'threads': 8,
        'close': 120}
VARIABLES = {
    'LC_ALL': ('de_DE.UTF-8', 'tr_TR.UTF-8', 'POSIX', 'C.UTF-8', 'nonsense', 'a' * 5000, ''),
    'LANG': ('fr_FR.UTF-8', '%s', ''), 'LC_NUMERIC': ('de_DE.UTF-8', 'de_DE'),
    'OMP_NUM_THREADS': ('0', '-1', '1000000', 'many', ''), 'OMP_WAIT_POLICY': ('x', 'ACTIVE', ''),
    'OPENBLAS_NUM_THREADS': ('0', '64', 'x', ''), 'CREMA_ENGINE': ('CAFFE', 'NONE', '', '\x1b[31m'),
    'TMPDIR': ('/nonexistent', '/dev/null', ''), 'HOME': ('', '/dev/null'), 'PATH': ('', ),
    'TZ': ('nonsense', '/dev/zero', ':/etc/passwd'), 'COLUMNS': ('0', '-5', '1', '99999999', 'x'),
    'TERM': ('dumb', 'xterm', '%n'), 'GLOG_minloglevel': ('2', 'x'), 'GLOG_v': ('9', ),
    'GLOG_log_dir': ('/nonexistent', ), 'OPENCV_LOG_LEVEL': ('VERBOSE', 'x'),
    'HDF5_USE_FILE_LOCKING': ('TRUE', 'x'), 'MALLOC_ARENA_MAX': ('1', ),
    'GOMP_SPINCOUNT': ('x', '-1', '99999999999999999999'),
    'LD_BIND_NOW': ('1', ), 'ONEDNN_VERBOSE': ('2', ), 'DNNL_MAX_CPU_ISA': ('SSE41', 'x')}

# Those that change what is printed.
SHOWN_VARIABLES = {'COLUMNS', 'CREMA_ENGINE', 'ONEDNN_VERBOSE', 'DNNL_MAX_CPU_ISA'}

# What is run: the words, what it makes, and its inputs beside those of a life.
COMMANDS = {
    'mean': (['mean', 'lmdb', 'out.binaryproto'], 'out.binaryproto'),
    'mean of leveldb': (['mean', 'leveldb', '--backend=leveldb'], None),
    'convert': (['convert', 'imageset', 'images', 'list.txt', 'out'], 'out/data.mdb'),
    'convert to leveldb': (
        ['convert', 'imageset', 'images', 'list.txt', 'out', '--backend=leveldb'], None),
    'convert mnist': (['convert', 'mnist', 'images.idx.gz', 'labels.idx', 'out'], 'out/data.mdb'),
    'test': (['test', '--model=net.prototxt', '--weights=run_iter_2.caffemodel', '--threads=1',
              '--engine=CAFFE'], None),
    'test of hdf5': (['test', '--model=net.prototxt', '--weights=hrun_iter_2.caffemodel.h5',
                      '--threads=1', '--engine=CAFFE'], None),
    'show': (['show', '--model=net.prototxt', '--engines'], None),
    'plot': (['plot', 'run.jsonl', 'run.log', '--out=out.svg'], 'out.svg'),
    'plot png': (['plot', 'run.jsonl', '--out=out.png'], 'out.png'),
    'write hdf5': (['train', '--solver=output_solver.prototxt', '--threads=1'], 'made.h5'),
    'help': (['help', 'Convolution'], None),
}
NEEDED = ['lmdb', 'leveldb', 'encoded', 'images', 'list.txt', 'windows.txt', 'images.idx.gz',
          'labels.idx', 'run_iter_2.caffemodel', 'run_iter_2.solverstate',
          'hrun_iter_2.caffemodel.h5', 'run.jsonl', 'run.log', 'data.h5', 'h5.txt']
MAPPED = ('lmdb/data.mdb', 'encoded/data.mdb', 'leveldb/*.l*', 'images/cat/0.png', 'list.txt',
          'run_iter_2.caffemodel', 'data.h5')


def random_hardship(rng):
    """(its name, what Hardship.run does with it)"""
    how = rng.choice(('closed', 'streams', 'limit', 'limit', 'error', 'error', 'error', 'error',
                      'short', 'shrink', 'disk', 'environment', 'environment', 'user'))
    if how == 'closed':
        return how, tuple(fd for fd in (0, 1, 2) if rng.random() < 0.6)
    if how == 'streams':
        return how, {rng.choice((1, 2)): '/dev/full'}
    if how == 'limit':
        return how, random_limit(rng)
    if how == 'error':
        kind, error = rng.choice(list(FAILING)), rng.choice(list(ERRORS))
        at = 1 + int(rng.random() ** 1.5 * MOST[kind])
        return how, (kind, error, at, at + rng.choice((0, 0, 0, 1, 1000000)))
    if how == 'short':
        return how, (rng.choice((1, 7, 100)), rng.choice(('reads', 'writes')))
    if how == 'shrink':
        return how, (rng.choice(MAPPED), 1 + int(rng.random() ** 1.5 * 1200))
    if how == 'disk':
        return how, (rng.choice((0, 1, 2, 3, 4, 6, 10, 20)) * 4096, rng.random() < 0.2)
    if how == 'environment':
        names = rng.sample(list(VARIABLES), rng.choice((1, 2, 4)))
        chosen = {name: rng.choice(VARIABLES[name]) for name in names}
        return how, chosen if rng.random() < 0.95 else None
    return how, rng.choice(('read-only', 'one process', 'few processes', 'unreadable'))


def random_limit(rng):
    name = rng.choice(('RLIMIT_NOFILE', 'RLIMIT_AS', 'RLIMIT_FSIZE', 'RLIMIT_STACK',
                       'RLIMIT_MEMLOCK', 'RLIMIT_DATA'))
    amounts = {'RLIMIT_NOFILE': (3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 40),
               'RLIMIT_AS': [m << 20 for m in (60, 100, 150, 200, 250, 300, 400, 600, 1000)],
               'RLIMIT_FSIZE': (0, 1, 100, 1000, 4096, 5000, 8192, 20000, 100000),
               'RLIMIT_STACK': (1 << 19, 1 << 20), 'RLIMIT_MEMLOCK': (0, ),
               'RLIMIT_DATA': [m << 20 for m in (5, 20, 50, 100, 300)]}[name]
    return name, rng.choice(amounts)


def write_inputs(source, life, folder):
    life.write(source, folder)
    (folder / 'output_solver.prototxt').write_text(
        stock.solver(3, 'snapshot_after_train: false').replace('"net.', '"output.'))
    (folder / 'output.prototxt').write_text(stock.output_net('made.h5'))
    folders.copy(source, [name for name in NEEDED if not (folder / name).exists()], folder)


class Limits:
    name = 'limits'
    weight = 0.12

    def __init__(self, campaign):
        self.stock, self.undisturbed = campaign.stock, campaign.undisturbed
        self.scratch, self._expected = campaign.scratch, {}

    def prepare(self, rng, folder):
        command = rng.choice([*COMMANDS, 'train', 'train', 'train', 'train'])
        life = lives.random_life(rng)
        if command != 'train':
            life = lives.Life('lmdb', 'plain', [])
        write_inputs(self.stock.folder, life, folder)
        for name in ('run_iter_2.caffemodel', 'run_iter_2.solverstate'):
            if command == 'train':
                (folder / name).unlink()
        return {'command': command, 'life': life, 'hardship': random_hardship(rng)}

    def attack(self, plan, folder, runner):
        command, life = plan['command'], plan['life']
        hardship = Hardship(*plan['hardship'], folder, runner)
        where = f'{command}, {hardship}'
        if command == 'train':
            where = f'{where}, {life.name}'
            words, expected = life.command(), self.undisturbed.of(life)[0]
        else:
            words, expected = COMMANDS[command][0], None
        before = folders.look(folder)
        result = hardship.run(words)
        if result is None:
            return [], 'impossible here'
        found = [*hardship.judge(result), *hardship.broken]
        if hardship.how != 'shrink':
            after = {path: held for path, held in folders.look(folder).items() if path in before}
            found += folders.differences(before, after, lambda path: path.endswith('lock.mdb'))
        if hardship.how == 'shrink':
            pass
        elif command == 'train':
            found += self._go_on(words, result, folder, runner, expected)
        elif result.status == 0:
            found += self._compare(command, folder, result, runner, hardship)
        kind = f'{command}, {hardship.how}'
        outcome = 'done' if result.status == 0 else 'refused'
        return [verdict.finding(where, complaint, kind) for complaint in found], outcome

    @staticmethod
    def _go_on(words, result, folder, runner, expected):
        """The next run, without hardship."""
        if result.status == 0 and lives.end_of(folder) not in (expected, None):
            yield 'ends well, but with other weights or another state'
        for name in lives.newest_whole(folder)[1]:
            yield f"'{name}' has not its own weights"
        last = runner.crema(folder, *words, bounds=BOUNDS)
        if last.status != 0:
            yield f'the next run fails: {verdict.last_line(last)}'
        elif lives.end_of(folder) != expected:
            yield 'the next run ends with other weights or another state'

    def _expect(self, command, runner):
        """(what the command prints, what it makes) without hardship."""
        if command not in self._expected:
            words, made = COMMANDS[command]
            folder = self.scratch / f'expected{len(self._expected)}'
            folder.mkdir()
            write_inputs(self.stock.folder, lives.Life('lmdb', 'plain', []), folder)
            result = runner.crema(folder, *words, bounds=BOUNDS)
            if result.status != 0:
                raise RuntimeError(f'crema {" ".join(words)}: {result.err}')
            self._expected[command] = result.out, comparable(folder / made) if made else None
        return self._expected[command]

    def _compare(self, command, folder, result, runner, hardship):
        out, data = self._expect(command, runner)
        made = COMMANDS[command][1]
        if hardship.shows_output and result.out != out:
            yield 'ends well, but prints something else'
        if data is None or hardship.how == 'disk':
            return
        if not (folder / made).is_file():
            yield f"ends well without '{made}'"
        elif comparable(folder / made) != data:
            yield f"ends well with another '{made}'"


class Hardship:
    """One kind of surroundings."""

    def __init__(self, how, what, folder, runner):
        self.how, self.what, self.folder, self.runner = how, what, folder, runner
        self.broken = []  # sentences about what is gone with a small disk

    def __str__(self):
        return f'{self.how} {self.what}'

    @property
    def shows_output(self):
        """Whether standard output can be compared."""
        if self.how == 'environment':
            return not SHOWN_VARIABLES.intersection(self.what or {})
        return self.how not in ('closed', 'streams')

    @property
    def may_be_silent(self):
        """Whether the sentence may be lost on its way."""
        if self.how == 'closed':
            return 2 in self.what
        if self.how == 'streams':
            return 2 in self.what
        if self.how == 'error':
            return self.what[0] in ('writes', 'memory')
        return self.how == 'limit' and self.what[0] in ('RLIMIT_FSIZE', 'RLIMIT_AS', 'RLIMIT_DATA')

    def run(self, words):
        """None: not possible on this machine."""
        return getattr(self, '_' + self.how)([self.runner.program, *words])

    def _start(self, command, **how):
        return self.runner.start(self.folder, command, bounds=BOUNDS, natural=True, **how)

    def _closed(self, command):
        return self._start(command, closed=self.what)

    def _streams(self, command):
        return self._start(command, streams=self.what)

    def _limit(self, command):
        name, amount = self.what
        if self.runner.sanitized and name in ('RLIMIT_AS', 'RLIMIT_DATA', 'RLIMIT_STACK'):
            return None
        return self._start(command, limits={getattr(resource, name): amount})

    def _trace(self, options, command):
        if self.runner.helpers.tracer is None:
            return None
        return self._start([self.runner.helpers.tracer, *options, '--', *command])

    def _error(self, command):
        kind, error, at, last = self.what
        if self.runner.helpers.tracer and kind == 'memory':  # the loader crashes without it
            before = calls.before_main(self.runner, calls.MEMORY, natural=True)
            at, last = at + before, last + before
        return self._trace([calls.flag(FAILING[kind]), f'--at={at}', f'--last={last}',
                            f'--error={ERRORS[error]}'], command)

    def _short(self, command):
        most, kind = self.what
        sized = ('read', 'pread64', 'write', 'pwrite64')
        listed = {name: number for name, number in FAILING[kind].items() if name in sized}
        return self._trace([calls.flag(listed), '--at=1', '--last=1000000000', f'--short={most}'],
                           command)

    def _shrink(self, command):
        pattern, at = self.what
        victim = next(iter(sorted(self.folder.glob(pattern))), None)
        if victim is None:
            return None
        return self._trace([f'--at={at}', f'--shrink={victim}'], command)

    def _disk(self, command):
        """Whatever is written goes to a small disk: the inputs are linked into it."""
        size, read_only = self.what
        disk = self.folder / 'disk'
        disk.mkdir()
        with disks.small_disk(disk, size + (1 << 16)) as mounted:
            if not mounted:
                return None
            for path in self.folder.iterdir():
                if path != disk:
                    (disk / path.name).symlink_to(path)
            (disk / 'filling').write_bytes(bytes(1 << 16))
            if read_only:
                disks.make_read_only(disk, size + (1 << 16))
            result = self.runner.start(disk, command, bounds=BOUNDS, natural=True)
            self.broken = [f"'{name}' on the small disk has not its own weights"
                           for name in lives.newest_whole(disk)[1]]
        disk.rmdir()
        return result

    def _environment(self, command):
        if self.what is None:
            return self._start(command, bare_env={})
        return self._start(command, env=self.what)

    def _user(self, command):
        if os.geteuid() != 0:
            return None
        probe = self._start([self.runner.program, 'version'], user=NOBODY)
        if probe.status != 0:
            return None  # that user may not even see the program
        limits = {}
        if self.what == 'unreadable':
            for path in self.folder.rglob('*'):
                if path.name in ('data.mdb', 'list.txt', 'net.prototxt', '0.png'):
                    path.chmod(0)
        elif self.what != 'read-only':
            limits = {resource.RLIMIT_NPROC: 1 if self.what == 'one process' else 3}
            for path in (self.folder, *self.folder.rglob('*')):
                os.chown(path, NOBODY, NOBODY)
        return self._start(command, user=NOBODY, limits=limits)

    def judge(self, result):
        if result.status == 127 and self._is_loader(result):
            return  # the program could not even be loaded
        allowed = Allowance(ALLOWED.memory, ALLOWED.seconds, (0, 1, 2) if self.how == 'environment'
                            else ALLOWED.statuses)
        for complaint in verdict.complaints(result, allowed.of(self.runner)):
            if not (self.may_be_silent and complaint.startswith('said 0 sentences')):
                yield complaint
        if result.stopped:
            yield f'did not end in {result.clock:.0f} s'

    @staticmethod
    def _is_loader(result):
        return not result.err or re.search('loading shared libraries|cannot allocate|version `',
                                           result.err) is not None
