"""Trainings with all that has to survive: what they read, keep and write."""
import pathlib
import zlib

import calls
import folders
import stock
import wire
from weights_files import comparable

ITERATIONS = 6
READERS = ('lmdb', 'leveldb', 'encoded', 'images', 'windows', 'hdf5', 'dummy')
NEEDS = {'lmdb': ['lmdb'], 'leveldb': ['leveldb'], 'encoded': ['encoded'],
         'images': ['images', 'list.txt'], 'windows': ['images', 'windows.txt'],
         'hdf5': ['data.h5', 'h5.txt'], 'dummy': []}
SHUFFLED = ('lmdb', 'leveldb', 'encoded', 'images', 'hdf5')
TESTS = 'test_iter: 2 test_interval: 2'
SETTINGS = {
    'plain': '',
    'keep': 'snapshot_keep: 1',
    'best': f'{TESTS} snapshot_best: "accuracy" snapshot_keep: 2',
    'average': f'ema_decay: 0.9 {TESTS}',
    'adam': 'type: "Adam" iter_size: 2 average_loss: 3',
    'hdf5': f'snapshot_format: HDF5 snapshot_keep: 2 {TESTS}',
    'diff': 'snapshot_diff: true clip_gradients: 1',
    'plateau': f'{TESTS} test_initialization: false',
    'two tests': 'test_net: "net.prototxt" test_net: "net.prototxt" test_iter: 1 test_iter: 2 '
                 'test_interval: 3',
}
FLAGS = ([], ['--metrics=metrics.jsonl'], ['--tensorboard=events', '--histograms=2'],
         ['--threads=2'])


class Life:
    """One kind of training. `name` says all about it."""

    def __init__(self, reader, setting, flags, every=2):
        self.reader, self.setting, self.flags, self.every = reader, setting, flags, every
        self.hdf5 = setting == 'hdf5'
        self.name = f'{reader}, {setting}, {" ".join(flags) or "no flags"}, every {every}'

    def write(self, source, folder):
        folders.copy(source, NEEDS[self.reader], folder)
        options = 'shuffle: true' if self.reader in SHUFFLED else ''
        middle = stock.MIDDLE + (stock.RECURRENT if self.setting == 'adam' else '')
        (folder / 'net.prototxt').write_text(stock.net(self.reader, options=options, middle=middle))
        policy = 'lr_policy: "fixed"'
        text = stock.solver(ITERATIONS, f'snapshot: {self.every} {SETTINGS[self.setting]}')
        if self.setting == 'plateau':
            text = text.replace(policy, 'lr_policy: "plateau" plateau_winsize: 1 gamma: 0.5 '
                                        'plateau_metric: "accuracy"')
        if self.setting == 'two tests':
            text = text.replace('net: "net.prototxt"', 'train_net: "net.prototxt"', 1)
        (folder / 'solver.prototxt').write_text(text)

    def __repr__(self):
        return self.name

    @property
    def images(self):
        return 'images' in NEEDS[self.reader]

    def command(self, resume=True):
        threads = [] if '--threads=2' in self.flags else ['--threads=1']
        return ['train', '--solver=solver.prototxt', '--engine=CAFFE', *threads, *self.flags,
                *(['--resume=auto'] if resume else [])]


def random_life(rng):
    return Life(rng.choice(READERS), rng.choice(list(SETTINGS)), rng.choice(FLAGS),
                rng.choice((1, 2, 3)))


def end_of(folder, iteration=ITERATIONS):
    """What must be equal at the end of two runs: the weights, and the state but for its list of old
    snapshots and its checksums."""
    folder = pathlib.Path(folder)
    for end in ('', '.h5'):
        weights = folder / f'run_iter_{iteration}.caffemodel{end}'
        state = folder / f'run_iter_{iteration}.solverstate{end}'
        if weights.exists() and state.exists():
            return comparable(weights), b'' if end else state_core(state.read_bytes())
    return None


def state_core(data):
    """HDF5 states are not looked into."""
    core = []
    for number, value in wire.fields(data):
        if number == 20000:
            value = [(n, v) for n, v in wire.fields(value) if n not in (22, 23)]
        if number <= 20000:
            core.append((number, value))
    return core


def newest_whole(folder):
    """The iteration of the newest snapshot whose state and weights belong together, and the names
    of states that lack their weights."""
    newest, broken = 0, []
    for state in pathlib.Path(folder).glob('run_iter_*.solverstate*'):
        if '.tmp.' in state.name:
            continue
        weights = state.with_name(state.name.replace('.solverstate', '.caffemodel'))
        iteration = int(state.name.split('_')[-1].split('.')[0])
        if weights.is_file() and (state.name.endswith('.h5') or belong(state, weights)):
            newest = max(newest, iteration)
        else:
            broken.append(state.name)
    return newest, broken


def belong(state, weights):
    try:
        progress = wire.get(state.read_bytes(), 20000, b'')
        data = weights.read_bytes()
        return (wire.get(progress, 20) == len(data) and
                wire.get(progress, 21) == zlib.crc32(data))
    except ValueError:
        return False


class Undisturbed:
    """The ends of runs that nothing disturbs; each is made when it is first asked for."""

    def __init__(self, source, folder, runner):
        self._source, self._folder, self._runner = source, pathlib.Path(folder), runner
        self._known, self._calls = {}, {}

    def calls(self, life):
        """{which: how many} system calls such a life makes, about; counted for each reader."""
        if life.reader not in self._calls:
            folder = self._folder / f'counted {life.reader}'
            folder.mkdir(parents=True)
            life.write(self._source, folder)
            words = life.command(resume=False)
            self._calls[life.reader] = {
                'call': calls.count(self._runner, folder, words),
                'visible call': calls.count(self._runner, folder, words, calls.VISIBLE)}
        return self._calls[life.reader]

    def of(self, life):
        """(the end, the files there, what went wrong or "")"""
        if life.name not in self._known:
            folder = self._folder / f'life{len(self._known)}'
            folder.mkdir(parents=True)
            life.write(self._source, folder)
            result = self._runner.crema(folder, *life.command(resume=False), images=life.images)
            wrong = '' if result.status == 0 else f'status {result.status}: {result.err[-500:]}'
            names = {path.name for path in folder.iterdir()}
            self._known[life.name] = end_of(folder), names, wrong
        return self._known[life.name]
