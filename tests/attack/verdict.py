"""What every run of crema promises, whatever it is given."""
import re
import typing

LOG_LINE = re.compile(r'^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.]+:\d+\] ')
SANITIZER = re.compile(r'(ERROR: \w+Sanitizer[^\n]*|runtime error:[^\n]*)')
LONGEST_SENTENCE = 6000


class Allowance:
    """What a run may use. `statuses` are those with which it may end."""

    def __init__(self, memory=300 << 20, seconds=8, statuses=(0, 1)):
        self.memory, self.seconds, self.statuses = memory, seconds, statuses

    def of(self, runner):
        """The same beside what the program takes anyway, which is more with CUDA's libraries, and
        for one with sanitizers, which take more of everything."""
        if not runner.sanitized:
            return Allowance(self.memory + runner.baseline, self.seconds, self.statuses)
        return Allowance(self.memory * 4 + (1 << 30), self.seconds * 10, self.statuses)


def complaints(result, allowance):
    """Sentences about what the run did that it must not do."""
    found = list(of_the_end(result, allowance))
    sanitizer = SANITIZER.search(result.err)
    if sanitizer:
        found.append(sanitizer.group(1))
    if result.memory > allowance.memory:
        found.append(f'took {result.memory >> 20} MiB of memory, more than '
                     f'{allowance.memory >> 20} MiB')
    if result.left_behind:
        found.append('left a process behind')
    control = re.search(r'[\x00-\x08\x0b-\x1f\x7f]', result.err + result.out)
    if control:
        found.append(f'wrote the control character {ord(control.group()):#04x}')
    return found


def of_the_end(result, allowance):
    if result.killed:
        yield 'did not end, even after SIGTERM'
        return
    if result.stopped:
        return  # it was at work, and did as it was told
    if result.status < 0 and result.status not in allowance.statuses:
        yield f'was ended by signal {-result.status}'
        return
    if result.seconds > allowance.seconds:
        yield f'took {result.seconds:.1f} s of the processor, more than {allowance.seconds}'
    if result.status not in allowance.statuses:
        yield f'ended with status {result.status}: {last_line(result)}'
    elif result.status == 1:
        yield from of_the_sentence(result)


def plain_lines(text):
    """Those that are not of the log."""
    return [line for line in text.split('\n') if line and not LOG_LINE.match(line)]


def sentence(result):
    """What the program says at its end; "" if nothing."""
    said = [line for line in plain_lines(result.err) if line.startswith('crema: ')]
    return said[-1] if said else ''


def of_the_sentence(result):
    said = [line for line in plain_lines(result.err) if line.startswith('crema: ')]
    if len(said) != 1:
        yield f'said {len(said)} sentences at its end: {last_line(result)}'
        return
    if result.err.rstrip('\n').split('\n')[-1] != said[0]:
        yield f'wrote more after its sentence: {last_line(result)}'
    if len(said[0]) > LONGEST_SENTENCE:
        yield f'said a sentence of {len(said[0])} characters'


def last_line(result):
    lines = result.err.strip().split('\n')
    return lines[-1][:300]


class Finding(typing.NamedTuple):
    """A complaint with where it was; `kind` is the same for those that are likely one fault."""
    text: str
    kind: str


def finding(where, complaint, kind=''):
    return Finding(f'{where}: {complaint}', f'{kind}: {signature(complaint)}')


def signature(complaint):
    """The same for complaints that differ in names and numbers only."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "''", complaint)
    text = re.sub(r'\S*/\S*', 'PATH', text)
    text = re.sub(r'-?\d[\d.e+x]*', 'N', text)
    return text[:160]
