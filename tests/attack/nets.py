"""The group "nets": random nets and solvers.

Those that make sense are trained with every engine, one and two threads, fresh memory filled with
two patterns, straight and killed. Those with mistakes get a sentence, or train as the others do.
"""
import math
import re

import folders
import mistakes
import prototxt
import verdict
import wire
from random_net import random_net
from runner import Bounds
from verdict import Allowance
from weights_files import comparable

ITERATIONS = 3
POISONS = 128, 85  # glibc fills fresh memory with the complement, 3.4e38 or -3e-13 as floats
MOST_MEMORY, MOST_WORK = 48 << 20, 50e6  # of a net with mistakes that is trained all the same
BOUNDS = Bounds(stop=20, kill=40)
SHORT = Bounds(stop=4, kill=20)  # mistakes may ask for any number of iterations
SHOWN = Allowance(memory=200 << 20, seconds=5)
TRAINED = Allowance(memory=400 << 20, seconds=10)
SOLVERS = ('SGD', 'SGD', 'SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam', 'AdamW',
           'SAG')
# The largest difference from CAFFE, as a share of the largest value.
TOLERANCES = {'DEFAULT': 2e-3, 'ONEDNN': 2e-3, 'WINOGRAD': 1e-2, 'BF16': 0.2, '--no_fuse': 2e-3}
SOURCES = {'lmdb': ['lmdb'], 'leveldb': ['leveldb'], 'encoded': ['encoded'],
           'images': ['images', 'list.txt'], 'windows': ['images', 'windows.txt'],
           'hdf5': ['data.h5', 'h5.txt'], 'matrix': ['matrix.binaryproto']}
OPTIONS = ({'momentum': 0.9}, {'weight_decay': 0.01},
           {'weight_decay': 0.01, 'regularization_type': 'L1'},
           {'iter_size': 2}, {'average_loss': 2}, {'clip_gradients': 0.5}, {'ema_decay': 0.9},
           {'lr_policy': 'poly', 'power': 1.0}, {'lr_policy': 'step', 'stepsize': 1, 'gamma': 0.5},
           {'lr_policy': 'inv', 'gamma': 0.1, 'power': 0.5}, {'warmup_iter': 2}, {'larc': True},
           {'snapshot_format': prototxt.Word('HDF5')}, {'snapshot_diff': True},
           {'test_iter': [2], 'test_interval': 2}, {'snapshot_keep': 1})


def random_solver(rng):
    solver = {'net': 'net.prototxt', 'type': rng.choice(SOLVERS), 'base_lr': 0.002,
              'lr_policy': 'fixed', 'random_seed': rng.randrange(1000), 'display': 1, 'snapshot': 1,
              'max_iter': ITERATIONS, 'solver_mode': prototxt.Word('CPU')}
    for options in rng.sample(OPTIONS, rng.choice((0, 1, 1, 2, 3))):
        if 'momentum' not in options or solver['type'] in ('SGD', 'Nesterov', 'Adam'):
            solver.update(options)
    return solver


class Nets:
    name = 'nets'
    weight = 0.40

    def __init__(self, campaign):
        self.schema, self.types = campaign.schema, campaign.layer_types
        self.stock = campaign.stock

    def prepare(self, rng, folder):
        """Writes the inputs; returns what to do with them."""
        net = random_net(rng)
        solver, message = random_solver(rng), net.message()
        sensible = rng.random() < 0.5
        if not sensible and rng.random() < 0.8:
            message = mistakes.spoil_net(rng, self.schema, self.types, message)
        elif not sensible:
            solver = mistakes.spoil_solver(rng, self.schema, solver)
        names = {name for source in net.sources for name in SOURCES[source]}
        folders.copy(self.stock.folder, sorted(names), folder)
        (folder / 'net.prototxt').write_text(prototxt.text(message))
        engines = rng.sample(list(TOLERANCES), 3)
        return {'sensible': sensible, 'solver': solver, 'engines': engines,
                'kill_at': rng.randint(1, 90),
                'checks': rng.sample(('threads', 'killed', 'seen'), 2),
                'images': 'images' in names}

    @staticmethod
    def attack(plan, folder, runner):
        """Returns what went wrong, as sentences, and what to count."""
        before = folders.look(folder)
        session = Session(plan, folder, runner)
        outcome = session.run()
        after = folders.look(folder)
        changed = {path: held for path, held in after.items() if path in before}
        session.found += folders.differences(before, changed, is_lock)
        where = 'a net that makes sense' if plan['sensible'] else 'a net with mistakes'
        return [verdict.finding(where, complaint) for complaint in session.found], outcome


def is_lock(path):
    return path.endswith('lock.mdb')


class Session:
    """One net."""

    def __init__(self, plan, folder, runner):
        self.plan, self.folder, self.runner = plan, folder, runner
        self.found = []

    def run(self):
        if not self._is_small():
            return 'refused' if not self.plan['sensible'] else 'refused though sensible'
        base = self._train('base')
        if base is None or base.status != 0 or base.stopped:
            return 'refused' if not self.plan['sensible'] else 'refused though sensible'
        self._is_random = 'Random seed:' in base.err  # each run draws another one
        self._check_finite(base)
        self._train_the_same('other fresh memory', 'poison', poison=POISONS[1])
        if 'threads' in self.plan['checks']:
            self._train_the_same('two threads', 'threads', threads=2)
        if 'killed' in self.plan['checks']:
            self._kill_and_resume()
        if self.plan['sensible'] and self.plan['solver']['type'] in ('SGD', 'Nesterov'):
            for engine in self.plan['engines']:
                self._compare_engine(engine, base)
        return 'trained'

    def _judge(self, what, result, allowance):
        for complaint in verdict.complaints(result, allowance.of(self.runner)):
            self.found.append(f'{what}: {complaint}')

    def _is_small(self):
        """Looks at the net first: of what is large only the plan is made."""
        extra = ['--phase=TEST'] if 'seen' in self.plan['checks'] else ['--engines']
        result = self.runner.crema(self.folder, 'show', '--model=net.prototxt', *extra,
                                   bounds=BOUNDS, poison=POISONS[0])
        self._judge('show', result, SHOWN)
        if result.status != 0:
            return 'seen' in self.plan['checks']  # the other phase may be fine
        return number_of('memory: ', result.out, 1024) < MOST_MEMORY and \
            number_of('multiply-adds of a forward pass: ', result.out, 1000) < MOST_WORK

    def _write_solver(self, name):
        """`name`: of the variant, and so of its snapshots."""
        solver = dict(self.plan['solver'])
        solver.setdefault('snapshot_prefix', name)
        (self.folder / f'{name}.prototxt').write_text(prototxt.text(solver))

    def _train(self, name, engine='CAFFE', threads=1, poison=POISONS[0], faults=None, more=()):
        self._write_solver(name)
        flags = [engine] if engine.startswith('--') else [f'--engine={engine}']
        result = self.runner.crema(
            self.folder, 'train', f'--solver={name}.prototxt', f'--threads={threads}', *flags,
            *more, bounds=BOUNDS if self.plan['sensible'] else SHORT, poison=poison, faults=faults,
            images=self.plan['images'])
        statuses = (0, 1, -9) if faults else (0, 1)
        self._judge(f'train ({name})', result,
                    Allowance(TRAINED.memory, TRAINED.seconds, statuses) if not faults else
                    Allowance(TRAINED.memory, 60, statuses))
        return result

    def _weights(self, name):
        """The bytes of the last weights; None if there are none."""
        for end in ('', '.h5'):
            path = f'{name}_iter_{ITERATIONS}.caffemodel{end}'
            if (self.folder / path).exists():
                return comparable(self.folder / path)
        return None

    def _train_the_same(self, what, name, **how):
        """It must end with the weights of the first run, bit for bit."""
        result = self._train(name, **how)
        if result.stopped:
            return
        if result.status != 0:
            self.found.append(f'with {what} it fails: {verdict.sentence(result)}')
            return
        weights = None if self._is_random else self._weights('base')
        if weights is not None and weights != self._weights(name):
            self.found.append(f'with {what} it ends with other weights')

    def _kill_and_resume(self):
        if self.runner.helpers.faults is None:
            return
        self._train('killed', faults={'CREMA_KILL_AT': str(self.plan['kill_at'])})
        self._train_the_same('a kill and a resume', 'killed', more=['--resume=auto'])

    def _check_finite(self, result):
        if not self.plan['sensible']:
            return
        bad = [name for name, value in outputs(result.err) if not math.isfinite(value)]
        if bad:
            self.found.append(f"ends well, but the output '{bad[0]}' is not finite")

    def _compare_engine(self, engine, base):
        name = engine.strip('-').lower()
        result = self._train(name, engine=engine)
        if result.stopped or 'not available' in result.err:
            return
        if result.status != 0:
            self.found.append(f'with {engine} it fails: {verdict.sentence(result)}')
            return
        worst = self._distance('base', base, name, result, 1 if engine == 'BF16' else 0.01)
        if worst <= TOLERANCES[engine]:
            return
        if worst > 10 * self._sensitivity(base):
            self.found.append(f'{engine} differs from CAFFE by {worst:.2g} of the largest value')

    def _sensitivity(self, base):
        """How much the results change if the data change by 1e-5, or by 1e-3."""
        path = self.folder / 'net.prototxt'
        text, worst = path.read_text(), 0
        for name, share in (('nudged', 1.00001), ('pushed', 1.001)):
            path.write_text(re.sub(r'std: 1\.0\b', f'std: {share}', text))
            result = self._train(name)
            if result.status == 0:
                worst = max(worst, self._distance('base', base, name, result, 0.01))
        path.write_text(text)
        return worst

    def _distance(self, one, result, other, other_result, least):
        """The largest difference of outputs and weights, as a share of the largest value, or of
        `least` if that is larger: sums of large numbers may be near 0."""
        worst = 0
        for (name, a), (_, b) in zip(outputs(result.err), outputs(other_result.err)):
            worst = max(worst, share(a, b, max(least, abs(a))))
        first, second = self._weights(one), self._weights(other)
        if first is None or second is None or first.startswith(b'\x89HDF'):
            return worst
        first, second = wire.weights(first), wire.weights(second)
        for layer, blobs in first.items():
            for a, b in zip(blobs, second.get(layer, [])):
                scale = max(least, *map(abs, a), 0)
                worst = max(worst, max((share(x, y, scale) for x, y in zip(a, b)), default=0))
        return worst


def share(a, b, scale):
    difference = abs(a - b)
    return difference / scale if math.isfinite(difference) else math.inf


def outputs(log):
    """[(name, value)] of the train net's outputs, in the order of the log."""
    found = re.findall(r'Train net output #\d+: (\S+) = (\S+).*\n', log)  # a long log is cut
    return [(name, float(value)) for name, value in found]


def number_of(start, text, thousand):
    """The number after `start`, such as "431 k" or "1.2 MiB"."""
    match = re.search(re.escape(start) + r'([\d.]+) ?([kKMGTPE]?)', text)
    if match is None:
        return math.inf
    power = ' KMGTPE'.index(match.group(2).upper() or ' ')
    return float(match.group(1)) * thousand ** power
