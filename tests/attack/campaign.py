"""What the cases of a worker share, and how one case is run."""
import pathlib
import random
import shutil

import lives
import schema
from files import Files
from helpers import HERE, Helpers
from kills import Kills
from limits import Limits
from nets import Nets
from runner import Runner
from stock import Stock

GROUPS = {group.name: group for group in (Nets, Files, Kills, Limits)}


class Ground:
    """The schema, the helpers and the stock: made once, before the workers start."""

    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.schema = schema.Schema((HERE.parents[1] / 'proto/crema.proto').read_text())
        self.helpers = Helpers(self.folder)
        runner = Runner(program, self.helpers, self.folder)
        help_run = runner.crema(self.folder, 'help', 'layers')
        self.layer_types, self.baseline = help_run.out.split(), help_run.memory
        self.stock = Stock(self.folder / 'stock', runner)
        runner.close()


class Campaign:
    """One worker's."""

    def __init__(self, ground, number, plain=False):
        self.schema, self.layer_types, self.stock = ground.schema, ground.layer_types, ground.stock
        self.scratch = ground.folder / f'worker{number}'
        self.scratch.mkdir()
        self.scratch.chmod(0o755)
        self.runner = Runner(ground.program, ground.helpers, self.scratch, plain)
        self.runner.baseline = ground.baseline
        self.undisturbed = lives.Undisturbed(self.stock.folder, self.scratch / 'lives', self.runner)
        self.groups = {name: group(self) for name, group in GROUPS.items()}

    def run(self, name, seed):
        """Runs a case. Returns what went wrong, what to count, and the folder as it was left, which
        the caller removes."""
        group, folder = self.groups[name], self.scratch / f'{name}-{seed}'
        plan = self.prepare(name, seed, folder)
        found, outcome = group.attack(plan, folder, self.runner)
        return found, outcome, folder

    def prepare(self, name, seed, folder):
        """Writes the inputs of a case, which follow from its group and seed alone."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return self.groups[name].prepare(random.Random(f'{name}:{seed}'), folder)

    def close(self):
        self.runner.close()
