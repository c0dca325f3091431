"""The group "files": damaged files of every kind that crema reads.

Every command must end with one sentence, or well, within bounds, and leave all inputs and whatever
else lies beside them as they were.
"""
import re

import folders
import mutate
import oddities
import prototxt
import stock
import verdict
from random_net import random_net
from runner import Bounds
from verdict import Allowance
from weights_files import comparable

QUICK = Bounds(stop=6, kill=20)
PATIENT = Bounds(stop=45, kill=70)  # HDF5 files are tried in a process of their own, with bounds
ALLOWED = Allowance(memory=150 << 20, seconds=5)
OF_HDF5 = Allowance(memory=250 << 20, seconds=25)
OF_FLAGS = Allowance(memory=150 << 20, seconds=5, statuses=(0, 1, 2))  # a part of the command line
RECORDS = stock.IMAGES_PER_CLASS * len(stock.CLASSES)
SOLVER = stock.solver(2, 'snapshot_after_train: false')
# Resumes a run, and saves its end elsewhere.
ENDING = stock.solver(4, stock.RUN_OPTIONS).replace('"run"', '"out"')
TRAIN = ['train', '--solver=solver.prototxt', '--threads=1']
# What may come through a pipe, as in --model=<(sed ...), and is waited for.
OF_PIPES = ('net', 'solver', 'flags', 'log', 'metrics', 'list', 'windows', 'h5 list', 'weights',
            'state', 'mean', 'matrix')
# What a user may keep in a folder under names that are like ours.
BYSTANDERS = ('run_iter_5_my_notes.tmp.2', 'out_iter_1.caffemodel.tmp.notes',
              'other_iter_2.caffemodel', 'mine.txt', 'out.tmp')


class Kind:
    """`needs`: files of the stock; `victims`: those to be damaged; `texts`: files to write first,
    by name; `commands`: what reads them; `may_change`: a pattern of paths that they may write."""

    def __init__(self, name, needs, victims, commands, texts=None, is_text=False, bounds=QUICK,
                 allowed=ALLOWED, may_change='out.*', weight=1, images=False):
        self.name, self.needs, self.victims, self.commands = name, needs, victims, commands
        self.texts, self.is_text, self.bounds, self.allowed = texts or {}, is_text, bounds, allowed
        self.may_change, self.weight, self.images = may_change, weight, images


def reading(source, options=''):
    """A net that reads data, and its solver."""
    net = stock.net(source, options=options, middle='').replace('"pool"', '"data"')
    return {'net.prototxt': net, 'solver.prototxt': SOLVER}


def with_option(text, old, new):
    return {'net.prototxt': text.replace(old, new), 'solver.prototxt': SOLVER}


def database_kinds():
    show = ['show', '--model=net.prototxt']
    for name in ('lmdb', 'leveldb', 'encoded'):
        backend = ['--backend=leveldb'] if name == 'leveldb' else []
        commands = [['mean', name, *backend], ['mean', name, 'out.binaryproto', *backend], TRAIN,
                    show]
        for options in ('', 'shuffle: true'):
            yield Kind(name, [name], [name + '/*'], commands, reading(name, options), weight=2)
    yield Kind('tables', ['tables'], ['tables/*.ldb', 'tables/*.ldb', 'tables/*'],
               [['mean', 'tables', '--backend=leveldb'], TRAIN],
               {**reading('leveldb'), 'net.prototxt': reading('leveldb')['net.prototxt'].replace(
                   '"leveldb"', '"tables"')}, weight=3)


def list_kinds():
    images = ['convert', 'imageset', 'images', 'list.txt', 'out']
    encoded = [*images, '--encoded', '--skip_bad']
    yield Kind('list', ['images', 'list.txt'], ['list.txt'], [images, encoded, TRAIN],
               reading('images'), is_text=True, images=True)
    yield Kind('windows', ['images', 'windows.txt'], ['windows.txt'], [TRAIN],
               reading('windows'), is_text=True, images=True)
    yield Kind('h5 list', ['data.h5', 'h5.txt'], ['h5.txt'], [TRAIN], reading('hdf5'), is_text=True,
               bounds=PATIENT, allowed=OF_HDF5)
    yield Kind('image', ['images', 'list.txt'], ['images/cat/0.png', 'images/dog/0.png'],
               [images, encoded, TRAIN], reading('images'), images=True)
    yield Kind('window image', ['images', 'windows.txt'], ['images/cat/0.png'], [TRAIN],
               reading('windows', 'cache_images: true'), images=True)


def image_kinds(codecs):
    """Files of each type that this build writes."""
    for codec in codecs:
        name = f'codecs/image.{codec}'
        texts = reading('images')
        texts['list.txt'] = ''.join(f'{name} {label}\n' for label in (0, 1, 2))
        texts['net.prototxt'] = texts['net.prototxt'].replace('"images/"', '""')
        make = ['convert', 'imageset', '.', 'list.txt', 'out']
        yield Kind(f'image ({codec})', [name], [name],
                   [make, [*make, '--encoded'], [*make, '--gray'], TRAIN], texts, images=True)


def net_kinds():
    show = ['show', '--model=net.prototxt']
    yield Kind('net', ['lmdb'], ['net.prototxt'],
               [show, [*show, '--phase=TEST', '--verbose'], TRAIN], is_text=True, weight=3)
    yield Kind('solver', ['lmdb'], ['solver.prototxt'], [TRAIN],
               {'net.prototxt': stock.net(), 'solver.prototxt':
                stock.solver(2, 'test_iter: 1 test_interval: 1 type: "Adam" stepsize: 3 gamma: 0.5 '
                             'snapshot: 1').replace('"run"', '"out"')}, is_text=True, weight=2)
    yield Kind(
        'flags', ['lmdb'], ['flags.txt'], [['train', '--flagfile=flags.txt']],
        {**reading('lmdb'), 'flags.txt': '--solver=solver.prototxt\n--threads=1\n--verbose\n'},
        is_text=True, allowed=OF_FLAGS)


def snapshot_kinds():
    net = {'net.prototxt': stock.net(), 'solver.prototxt': SOLVER}
    ending = {**net, 'solver.prototxt': ENDING}
    for name, end, bounds, allowed in (('run', '', QUICK, ALLOWED),
                                       ('hrun', '.h5', PATIENT, OF_HDF5)):
        weights, state = f'{name}_iter_2.caffemodel{end}', f'{name}_iter_2.solverstate{end}'
        score = ['test', '--model=net.prototxt', f'--weights={weights}', '--threads=1']
        yield Kind('weights' + end, ['lmdb', weights], [weights],
                   [score, [*TRAIN, f'--weights={weights}']], net, bounds=bounds, allowed=allowed,
                   weight=2)
        yield Kind('state' + end, ['lmdb', weights, state], [state, state, weights],
                   [[*TRAIN, f'--snapshot={state}']], ending, bounds=bounds, allowed=allowed,
                   weight=2)
        if not end:
            yield Kind('moved state', ['lmdb', weights, state], [weights],
                       [[*TRAIN, f'--snapshot=copy/{state}']], ending)
        later = [f'{name}_iter_4.caffemodel{end}', f'{name}_iter_4.solverstate{end}']
        form = 'snapshot_format: HDF5' if end else ''
        auto = stock.solver(4, f'snapshot: 2 {stock.RUN_OPTIONS} {form}')
        yield Kind('snapshots' + end, ['lmdb', weights, state, *later], [weights, state, *later],
                   [[*TRAIN, '--resume=auto']],
                   {**net, 'solver.prototxt': auto.replace('"run"', f'"{name}"')}, bounds=bounds,
                   allowed=allowed, may_change=rf'{name}_iter_[24]\.(caffemodel|solverstate).*')


def other_kinds():
    with_mean = with_option(stock.net(), 'crop_size', 'mean_file: "mean.binaryproto" crop_size')
    yield Kind('mean', ['lmdb', 'mean.binaryproto'], ['mean.binaryproto'], [TRAIN], with_mean)
    matrix = with_option(stock.net(), '"SoftmaxWithLoss"',
                         '"InfogainLoss" infogain_loss_param { source: "matrix.binaryproto" }')
    yield Kind('matrix', ['lmdb', 'matrix.binaryproto'], ['matrix.binaryproto'], [TRAIN], matrix)
    yield Kind('hdf5', ['data.h5', 'h5.txt'], ['data.h5'], [TRAIN], reading('hdf5'), bounds=PATIENT,
               allowed=OF_HDF5)
    for end in ('', '.gz'):
        files = ['images.idx' + end, 'labels.idx' + end]
        yield Kind('idx' + end, files, files, [['convert', source, *files, 'out']
                                               for source in ('mnist', 'mnist_pairs')])
    yield Kind('metrics', ['lmdb', 'run.jsonl'], ['run.jsonl'],
               [['plot', 'run.jsonl', '--out=out.svg'], ['plot', 'run.jsonl', '--out=out.png']],
               is_text=True)
    yield Kind('old metrics',
               ['lmdb', 'run.jsonl'], ['run.jsonl'], [[*TRAIN, '--metrics=run.jsonl']],
               reading('lmdb'), is_text=True, may_change='run.jsonl')
    yield Kind('log', ['run.log'], ['run.log'],
               [['plot', 'run.log', '--out=out.svg'],
                ['plot', 'run.log', '--out=out.png', '--x=time', '--smooth=3']], is_text=True)
    yield Kind('events',
               ['lmdb', 'run_events'], ['run_events/*'], [[*TRAIN, '--tensorboard=run_events']],
               reading('lmdb'), may_change='run_events/events.*')


def all_kinds(codecs):
    return [*database_kinds(), *list_kinds(), *image_kinds(codecs), *net_kinds(), *snapshot_kinds(),
            *other_kinds()]


class Files:
    name = 'files'
    weight = 0.35

    def __init__(self, campaign):
        self.stock = campaign.stock
        self.kinds = all_kinds(self.stock.codecs)
        self.codecs = self.stock.codecs

    def prepare(self, rng, folder):
        kind = rng.choices(self.kinds, [kind.weight for kind in self.kinds])[0]
        folders.copy(self.stock.folder, kind.needs, folder)
        for name, text in kind.texts.items():
            (folder / name).write_text(text)
        if kind.name == 'net':
            self._write_net(rng, folder)
        if kind.name == 'moved state':  # what is damaged is not the copy's
            (folder / 'copy').mkdir()
            folders.copy(folder, kind.needs[1:], folder / 'copy')
        victim = rng.choice(sorted(p for v in [rng.choice(kind.victims)] for p in folder.glob(v)))
        damage = self._damage(rng, victim, kind)
        self._add_bystanders(rng, folder)
        return {'kind': kind.name, 'command': rng.choice(kind.commands), 'bounds': kind.bounds,
                'allowed': kind.allowed, 'may_change': kind.may_change, 'images': kind.images,
                'victim': str(victim.relative_to(folder)), 'damage': damage}

    def _write_net(self, rng, folder):
        text = stock.net() if rng.random() < 0.3 else prototxt.text(random_net(rng).message())
        (folder / 'net.prototxt').write_text(text)
        (folder / 'solver.prototxt').write_text(SOLVER)

    def _damage(self, rng, victim, kind):
        if rng.random() < 0.1:
            return oddities.replace(rng, victim, self.stock.folder)
        victim.write_bytes(mutate.damage(rng, victim.read_bytes(), kind.is_text))
        return 'bytes'

    def _add_bystanders(self, rng, folder):
        for name in BYSTANDERS:
            (folder / name).write_text('notes\n')
        what = rng.random()
        if what < 0.03:
            (folder / 'out.partial').mkdir()
            (folder / 'out.partial/mine.txt').write_text('notes\n')
        elif what < 0.05:
            (folder / 'mine').mkdir()
            (folder / 'mine/notes.txt').write_text('notes\n')
            (folder / 'out.partial').symlink_to('mine')
        lock = folder / 'lmdb/lock.mdb'
        if lock.exists() and rng.random() < 0.1:
            lock.unlink()
            lock.symlink_to('../mine.txt')

    def attack(self, plan, folder, runner):
        before = folders.look(folder)
        result = runner.crema(folder, *plan['command'], bounds=plan['bounds'],
                              images=plan['images'])
        size = sum(int(held.split()[0]) for held in before.values() if held[0].isdigit())
        allowed = plan['allowed']
        allowed = Allowance(allowed.memory + 1000 * min(size, 1 << 17), allowed.seconds,
                            allowed.statuses)
        found = verdict.complaints(result, allowed.of(runner))
        found += self._of_stopping(plan, result)
        may_change = re.compile(plan['may_change'] + r'|.*lock\.mdb')
        found += folders.differences(before, folders.look(folder), self._exempt(plan, may_change))
        if result.status == 0 and not result.stopped:
            found += self._of_success(plan, folder, result)
        elif plan['kind'] == 'moved state':
            found.append(f'refused a good snapshot: {verdict.last_line(result)}')
        where = f"{plan['kind']}, {plan['victim']} ({plan['damage']}), {plan['command'][0]}"
        kind = f"{plan['kind']}, {plan['command'][0]}"
        outcome = 'accepted' if result.status == 0 else 'refused'
        return [verdict.finding(where, complaint, kind) for complaint in found], outcome

    @staticmethod
    def _exempt(plan, may_change):
        """What may change: outputs, and the lock of an LMDB, but not what it links to."""
        mine = set(BYSTANDERS) | {'out.partial', 'out.partial/mine.txt'}

        def exempt(path):
            return path not in mine and may_change.fullmatch(path) is not None
        return exempt

    @staticmethod
    def _of_stopping(plan, result):
        """Only training may go on for long, and it must be at work."""
        if not result.stopped or result.killed:
            return
        if plan['damage'] == 'pipe' and plan['kind'] in OF_PIPES:
            return
        if result.seconds < 0.3 * result.clock:
            yield f'waited for {result.clock:.0f} s'
        elif plan['command'][0] != 'train':
            yield f'did not end in {result.clock:.0f} s'

    def _of_success(self, plan, folder, result):
        """What is read must be all of it; a resumed run ends where the first one did."""
        command, kind = plan['command'], plan['kind']
        counted = re.findall(r'Processed (\d+) files', result.err)
        if command[0] == 'mean' and counted and int(counted[-1]) != RECORDS:
            yield f'read {counted[-1]} of {RECORDS} records without a word'
        end = '.h5' if kind.endswith('.h5') else ''
        name = 'hrun' if end else 'run'
        if kind.startswith('snapshots'):
            yield from self._compare(folder, f'{name}_iter_4.caffemodel{end}', f'{name}_iter_4',
                                     end)
        elif kind.startswith(('state', 'moved state')) and command[0] == 'train':
            yield from self._compare(folder, 'out_iter_4.caffemodel', 'run_iter_4', '')

    def _compare(self, folder, made, good, end):
        path = folder / made
        expected = comparable(self.stock.folder / f'{good}.caffemodel{end}')
        if not path.is_file():
            yield f"ended well without '{made}'"
        elif comparable(path) != expected:
            yield 'ended well, but with other weights than an undisturbed run'
