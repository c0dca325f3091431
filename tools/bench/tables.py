"""Tables of what was measured. Results are {(case, program): [Run]}, and in the tables of a loaded
machine {(load, case, program): [Run]}; a program is a peer's name and its variant."""
import collections
import statistics

Run = collections.namedtuple('Run', 'milliseconds megabytes')


def best_of(case, peer_name, results):
    """(median ms, median MB, variant) of the peer's fastest variant; None if it did not run."""
    rows = [(statistics.median(r.milliseconds for r in runs),
             statistics.median(r.megabytes for r in runs), name[len(peer_name):].strip())
            for (c, name), runs in results.items()
            if c == case and (name == peer_name or name.startswith(peer_name + ' '))]
    return min(rows) if rows else None


def cells(case, names, results):
    own = best_of(case, 'crema', results)
    if own is None:
        return None
    row = [f'{case.net}, {case.batch}', f'{own[0]:.2f}']
    best = []
    for name in names:
        other = best_of(case, name, results)
        row.append('-' if other is None else f'{other[0] / own[0]:.2f}'
                   + (f' ({other[2]})' if other[2] else ''))
        best += [other[0] / own[0]] if other else []
    row.append(f'{min(best):.2f}' if best else '-')
    if case.mode == 'train':
        row.append(f'{own[1]:.0f}')
        for name in names:
            other = best_of(case, name, results)
            row.append('-' if other is None else f'{own[1] / other[1]:.2f}')
    return row


def speed(mode, cases, names, results, markdown):
    """How many times as long as crema the programs `names` take."""
    head = ['net, batch', 'crema ms'] + [f'{n} / crema' for n in names] + ['least']
    if mode == 'train':
        head += ['crema MB'] + [f'crema MB / {n} MB' for n in names]
    rows = [row for row in (cells(c, names, results) for c in cases if c.mode == mode) if row]
    return layout([head] + rows, markdown)


def shares_of(times):
    """From what crema time --json wrote: the share of an iteration that each kind of layer and the
    update take, without the data layer, and the GFLOP/s of convolutions as a share of sgemm's."""
    spent = collections.defaultdict(float)
    work = milliseconds = 0.0
    for layer in times['layers']:
        if layer['name'] == 'data':
            continue
        spent[layer['type']] += layer['forward_ms'] + layer['backward_ms']
        if layer['type'] == 'Convolution':
            for way in ('forward', 'backward'):
                work += layer[way + '_gflops'] * layer[way + '_ms']
                milliseconds += layer[way + '_ms']
    spent['update'] = times['update_ms']
    whole = sum(spent.values())
    shares = {kind: ms / whole for kind, ms in spent.items()}
    rate = work / milliseconds / times['sgemm_gflops'] if milliseconds else 0.0
    return shares, rate


def shares(times_of_cases, markdown):
    """Where crema's time goes; of (case, times) pairs. Empty if there are none."""
    rows = []
    for case, times in times_of_cases:
        spent, rate = shares_of(times)
        kinds = sorted(spent, key=spent.get, reverse=True)
        text = ', '.join(f'{kind} {spent[kind]:.0%}' for kind in kinds if spent[kind] >= 0.01)
        rows.append([f'{case.net}, {case.batch}', text, f'{rate:.0%}'])
    head = ['net, batch', 'share of the time', "convolutions' GFLOP/s, of sgemm's"]
    return layout([head] + rows, markdown) if rows else ''


def loaded_cell(quiet, runs):
    """Quiet and loaded ms, and their ratio."""
    if not quiet or not runs:
        return '-'
    before, now = (statistics.median(r.milliseconds for r in some) for some in (quiet, runs))
    return f'{before:.2f} to {now:.2f} ({now / before:.2f})'


def worst(runs):
    return max(r.milliseconds for r in runs)


def loaded_row(load, case, names, results):
    """None if crema did not run. Of `names` the first is the one that the worst run is compared
    with."""
    own = results.get((load, case, 'crema'))
    if not own:
        return None
    row = [f'{case.net}, {case.batch}', loaded_cell(results.get(('quiet', case, 'crema')), own),
           f'{worst(own):.2f}']
    for name in names:
        row.append(loaded_cell(results.get(('quiet', case, name)), results.get((load, case, name))))
    other = results.get((load, case, names[0])) if names else None
    row.append(f'{worst(own) / statistics.median(r.milliseconds for r in other):.2f}'
               if other else '-')
    return row


def loaded(load, mode, cases, names, results, markdown):
    """Milliseconds on the quiet and on the loaded machine."""
    head = ['net, batch', 'crema: quiet to loaded ms', 'worst run']
    head += [f'{name}: quiet to loaded ms' for name in names]
    head.append(f'worst run / {names[0]} median' if names else 'worst run / peer')
    rows = [loaded_row(load, c, names, results) for c in cases if c.mode == mode]
    return layout([head] + [row for row in rows if row], markdown)


ONE_THREAD, OWN_THREADS = 'crema, one thread', 'crema, own choice'


def quota_row(case, results):
    """With one processor's time against one thread on the quiet machine; None if it did not run."""
    one = results.get(('quiet', case, ONE_THREAD))
    if not one:
        return None
    row = [f'{case.net}, {case.batch}',
           f'{statistics.median(r.milliseconds for r in one):.2f}']
    for name in ('crema', OWN_THREADS):
        runs = results.get(('quota', case, name))
        if not runs:
            row.append('-')
            continue
        now = statistics.median(r.milliseconds for r in runs)
        ratio = now / statistics.median(r.milliseconds for r in one)
        row.append(f'{now:.2f} ({ratio:.2f})')
    return row


def quota(mode, cases, threads, results, markdown):
    head = ['net, batch', 'one thread, quiet, ms', f'{threads} threads, quota',
            'its own choice of threads, quota']
    rows = [quota_row(c, results) for c in cases if c.mode == mode]
    return layout([head] + [row for row in rows if row], markdown)


def layout(lines, markdown):
    """Rows of cells, the first of which is the head, as a table."""
    if markdown:
        lines = lines[:1] + [['---'] * len(lines[0])] + lines[1:]
        return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return '\n'.join('  '.join(cell.ljust(w) for cell, w in zip(line, widths)) for line in lines)
