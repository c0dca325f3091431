"""Keeps findings, each in a folder with all that repeats it."""
import collections
import pathlib
import shutil

class Findings:
    """`folder` is made when there is something to keep; `command` repeats a case; `most` findings
    of one kind are new."""

    def __init__(self, folder, command, most):
        self.folder, self._command, self._most = pathlib.Path(folder), command, most
        self.kinds = collections.Counter()
        self.suffix = ''  # of the names of folders
        self._first = {}

    def count(self, group, seed, found):
        """Returns those of a kind that was not seen before, or seldom."""
        new = []
        for finding in found:
            kind = f'{group}: {finding.kind}'
            self.kinds[kind] += 1
            self._first.setdefault(kind, (seed, finding.text))
            if self.kinds[kind] <= self._most:
                new.append(finding)
        return new

    def keep(self, group, seed, found, campaign, left):
        """Moves `left`, the folder of the case as it was left, here. Returns the folder."""
        place = self.folder / f'{group}-{seed}{self.suffix}'
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        move(left, place / 'after')
        plan = campaign.prepare(group, seed, left)
        move(left, place / 'inputs')
        told = [f'{name}: {value}' for name, value in plan.items()]
        repeat = f'{self._command} --only={group}:{seed}'
        texts = [finding.text for finding in found] or ['nothing was found']
        (place / 'finding.txt').write_text(
            '\n'.join([*texts, '', 'repeat: ' + repeat, '', *told]) + '\n',
            errors='backslashreplace')
        return place

    def lines(self):
        """One for each kind of finding, the commonest first."""
        for kind, count in self.kinds.most_common():
            seed, text = self._first[kind]
            group = kind.split(':')[0]
            yield f'{count:6}  --only={group}:{seed}  {printable(text)[:400]}'


def printable(text):
    return text.encode('ascii', 'backslashreplace').decode()


def move(source, target):
    """Moves a folder, holes, pipes and links as they are."""
    try:
        source.rename(target)
    except OSError:
        shutil.copytree(source, target, symlinks=True, ignore=unfit)
        shutil.rmtree(source)


def unfit(folder, names):
    """What cannot be copied to another file system: pipes, sockets and files with large holes."""
    paths = {name: pathlib.Path(folder, name) for name in names}
    return [name for name, path in paths.items() if not path.is_symlink() and not path.is_dir() and
            not (path.is_file() and path.stat().st_size < 1 << 28)]
