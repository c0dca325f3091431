"""The group "kills": trainings that are ended, by signals, at any system call or moment.

`--resume=auto` must end bit for bit where an undisturbed run ends, and nothing that was saved may
be lost on the way.
"""
import signal
import subprocess

import calls
import folders
import lives
import verdict
from runner import Bounds
from verdict import Allowance

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT,
           signal.SIGHUP)
# How a run may end, besides well: Ctrl-C ends it well.
ENDS = {signal.SIGKILL: (-9,), signal.SIGTERM: (143,), signal.SIGINT: (), signal.SIGHUP: ()}
MOST_EVENTS = 400  # of tests/tools/preload
BOUNDS = Bounds(stop=60, kill=90)
ALLOWED = Allowance(memory=400 << 20, seconds=60)


class Kills:
    name = 'kills'
    weight = 0.13

    def __init__(self, campaign):
        self.stock, self.undisturbed = campaign.stock, campaign.undisturbed

    def prepare(self, rng, folder):
        life = lives.random_life(rng)
        life.write(self.stock.folder, folder)
        other = '' if life.hdf5 else '.h5'
        for iteration in range(1, lives.ITERATIONS):  # somebody's, in the other format
            (folder / f'run_iter_{iteration}.caffemodel{other}').write_text('notes\n')
        return {'life': life, 'kills': [self._kill(rng) for _ in range(rng.choice((1, 1, 2, 3)))]}

    @staticmethod
    def _kill(rng):
        """How one life ends: at a share of its calls, or of its time."""
        how = rng.choice(('call', 'call', 'call', 'visible call', 'visible call', 'visible call',
                          'event', 'event', 'time', 'time', 'twice'))
        return {'how': how, 'share': rng.random(), 'signal': rng.choice(SIGNALS),
                'after': rng.random() < 0.5}

    def attack(self, plan, folder, runner):
        life = plan['life']
        expected, names, wrong = self.undisturbed.of(life)
        if wrong:
            return [verdict.finding(life.name, f'an undisturbed run fails: {wrong}')], 'failed'
        before = folders.look(folder)
        killed = Killed(life, folder, runner, self.undisturbed.calls(life))
        for kill in plan['kills']:
            killed.die(kill)
        killed.finish(expected, names)
        after = folders.look(folder)
        known = {path: held for path, held in after.items() if path in before}
        killed.found += folders.differences(before, known, lambda path: path.endswith('lock.mdb'))
        return [verdict.finding(life.name, complaint) for complaint in killed.found], 'killed'


class Killed:
    """A run and its lives."""

    def __init__(self, life, folder, runner, counts):
        self.life, self.folder, self.runner, self._counts = life, folder, runner, counts
        self.found, self._newest = [], 0

    def die(self, kill):
        result, what = self._run_twice() if kill['how'] == 'twice' else self._end_at(kill)
        if not self._may_end_so(kill, result):
            self.found.append(f'{what}: ended with status {result.status}: '
                              f'{verdict.last_line(result)}')
        newest, broken = lives.newest_whole(self.folder)
        if newest < self._newest and result.status != 0:
            self.found.append(f'{what}: the newest whole snapshot was {self._newest}, is {newest}')
        for name in broken:
            self.found.append(f"{what}: '{name}' has not its own weights")
        self._newest = max(newest, self._newest)

    def _may_end_so(self, kill, result):
        status = result.status
        if kill['how'] == 'twice':
            return status in (0, 1)
        if status in (0, *ENDS[kill['signal']]):
            return True
        if status != -kill['signal'] or kill['how'] == 'time' or has_nothing_to_save(result, kill):
            return status == -kill['signal']
        return self._moment(kill) <= calls.before_main(self.runner, kind_of(kill))

    def _end_at(self, kill):
        """Runs until the kill. Returns the result, and what was done in words."""
        words = self.life.command()
        if kill['how'] == 'event' and self.runner.helpers.faults:
            at = 1 + int(kill['share'] * MOST_EVENTS)
            kill['signal'] = signal.SIGKILL
            result = self.runner.crema(self.folder, *words, faults={'CREMA_KILL_AT': str(at)},
                                       bounds=BOUNDS, images=self.life.images)
            return result, f'SIGKILL at event {at}'
        if kill['how'] == 'time' or self.runner.helpers.tracer is None:
            seconds = kill['share'] * kill['share'] * 0.5
            ends_at_once = kill['signal'] == signal.SIGKILL
            if not ends_at_once:
                kill['signal'] = signal.SIGTERM
            result = self.runner.start(self.folder, [self.runner.program, *words],
                                       bounds=Bounds(seconds, seconds if ends_at_once else 60))
            return result, f'{signal.Signals(kill["signal"]).name} after {seconds:.3f} s'
        return self._end_at_call(kill, words)

    def _end_at_call(self, kill, words):
        at = self._moment(kill)
        options = [f'--at={at}', f'--kill={int(kill["signal"])}'] + ['--after'] * kill['after']
        if kind_of(kill):
            options.append(calls.flag(kind_of(kill)))
        result = self.runner.start(self.folder, [self.runner.helpers.tracer, *options, '--',
                                                 self.runner.program, *words], bounds=BOUNDS)
        when = 'after' if kill['after'] else 'before'
        return result, f'{signal.Signals(kill["signal"]).name} {when} {kill["how"]} {at}'

    def _moment(self, kill):
        return 1 + int(kill['share'] * self._counts[kill['how']])

    def _run_twice(self):
        """Two at once: the second is refused, or both end well."""
        command = [self.runner.program, *self.life.command()]
        environment = self.runner.environment()
        with subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            result = self.runner.start(self.folder, command, bounds=BOUNDS)
        return result, 'two runs at once'

    def finish(self, expected, names):
        result = self.runner.crema(self.folder, *self.life.command(), bounds=BOUNDS,
                                   images=self.life.images)
        for complaint in verdict.complaints(result, ALLOWED.of(self.runner)):
            self.found.append(f'resuming: {complaint}')
        if result.status != 0:
            self.found.append(f'resuming fails: {verdict.last_line(result)}')
            return
        if lives.end_of(self.folder) != expected:
            self.found.append('resuming ends with other weights or another state than an '
                              'undisturbed run')
        left = sorted(p.name for p in self.folder.iterdir() if '.tmp.' in p.name)
        for name in left:
            self.found.append(f"left '{name}' behind")
        for name in names:
            is_old = '_iter_' in name and f'_iter_{lives.ITERATIONS}.' not in name  # may be gone
            if not is_old and not (self.folder / name).exists():
                self.found.append(f"an undisturbed run leaves '{name}', this one does not")
        self._start_again()

    def _start_again(self):
        """There is nothing left to do, so nothing may be written but to the log files."""
        before = folders.look(self.folder)
        self.runner.crema(self.folder, *self.life.command(), bounds=BOUNDS, images=self.life.images)
        for change in folders.differences(before, folders.look(self.folder), is_log):
            self.found.append(f'starting a finished run again {change}')


def is_log(path):
    return path.endswith(('lock.mdb', '.jsonl')) or path.startswith('events')


def has_nothing_to_save(result, kill):
    """While the nets are built, a stop ends the process at once."""
    return kill['signal'] != signal.SIGHUP and 'Starting Optimization' not in result.err


def kind_of(kill):
    """The calls that are counted; None for all."""
    return calls.VISIBLE if kill['how'] == 'visible call' else None
