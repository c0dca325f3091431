"""Damages bytes in the ways in which files get damaged, by chance or on purpose."""
import re

EXTREMES = (0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
            1 << 33, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
NUMBERS = (b'0', b'-1', b'1', b'2147483647', b'-2147483648', b'4294967295', b'99999999999999999999',
           b'1e38', b'1e-45', b'nan', b'inf', b'-inf', b'1e999', b'0x10', b'', b'00', b'1.5', b'+1')


def place(rng, data):
    """Somewhere in it; more often at the start and the end, where headers are."""
    size = len(data)
    window = min(size, 64)
    where = rng.random()
    if where < 0.3:
        return rng.randrange(window + 1)
    if where < 0.4:
        return size - rng.randrange(window + 1)
    return rng.randrange(size + 1)


def run_length(rng, data):
    return min(len(data), 1 << rng.randrange(max(1, len(data).bit_length())))


def flip_bits(rng, data):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8)) if changed else 0):
        at = min(place(rng, data), len(changed) - 1)
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def change_bytes(rng, data):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4)) if changed else 0):
        at = min(place(rng, data), len(changed) - 1)
        changed[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
    return bytes(changed)


def cut_end(rng, data):
    return data[:place(rng, data)]


def remove_run(rng, data):
    at = place(rng, data)
    return data[:at] + data[at + run_length(rng, data):]


def insert_run(rng, data):
    at, size = place(rng, data), run_length(rng, data)
    filling = rng.choice((rng.randbytes(size), bytes(size), b'\xff' * size, b'\n' * size))
    return data[:at] + filling + data[at:]


def repeat_run(rng, data):
    at, size = place(rng, data), run_length(rng, data)
    return data[:at + size] + data[at:at + size] * rng.choice((1, 2, 50)) + data[at + size:]


def swap_runs(rng, data):
    size = run_length(rng, data) // 2
    if size == 0:
        return flip_bits(rng, data)
    a, b = sorted((rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)))
    if b < a + size:
        return flip_bits(rng, data)
    return data[:a] + data[b:b + size] + data[a + size:b] + data[a:a + size] + data[b + size:]


def zero_run(rng, data):
    at = place(rng, data)
    size = min(run_length(rng, data), len(data) - at)
    return data[:at] + rng.choice((b'\0', b'\xff')) * size + data[at + size:]


def extreme_field(rng, data):
    """A number of 1 to 8 bytes, in either order, at an even place."""
    size = rng.choice((1, 2, 4, 4, 8, 8))
    at = place(rng, data) // size * size
    number = rng.choice(EXTREMES) & (1 << 8 * size) - 1
    number = number.to_bytes(size, rng.choice(('little', 'big')))
    return data[:at] + number + data[at + size:]


def extreme_varint(rng, data):
    at = place(rng, data)
    long = b'\xff' * rng.choice((1, 2, 4, 9)) + rng.choice((b'\x01', b'\x7f', b'\x0f'))
    return data[:at] + long + data[at + 1:]


def change_number(rng, data):
    """A number that is written in digits."""
    found = list(re.finditer(rb'-?\d+(\.\d+)?(e[-+]?\d+)?', data[:1 << 16]))
    if not found:
        return flip_bits(rng, data)
    match = rng.choice(found)
    number = rng.choice(NUMBERS)
    if rng.random() < 0.1:
        number = match.group() * rng.choice((2, 20, 2000))
    return data[:match.start()] + number + data[match.end():]


def swap_lines(rng, data):
    lines = data.split(b'\n')
    for _ in range(rng.choice((1, 3))):
        a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
        what = rng.randrange(4)
        if what == 0:
            lines[a], lines[b] = lines[b], lines[a]
        elif what == 1:
            lines.insert(a, lines[b])
        elif what == 2 and len(lines) > 1:
            del lines[a]
        else:
            lines[a] += rng.choice((b' ', b'\r', b'\t\t', b' x', b'\0', b'\xff', b'\x1b[31m', b'}',
                                    b'{', b'"', b'#', b' 1', b'\xe2\x80\xae')) + lines[b]
    return b'\n'.join(lines)


def nest_deeply(rng, data):
    depth = rng.choice((10, 100, 10000))
    brackets = (b'{', b'}'), (b'[', b']'), (b'layer {', b'}'), (b'{"a":', b'}')
    opening, closing = rng.choice(brackets)
    at = place(rng, data)
    end = closing * depth if rng.random() < 0.5 else b''
    return data[:at] + opening * depth + end + data[at:]


BINARY = (flip_bits, flip_bits, flip_bits, change_bytes, change_bytes, cut_end, remove_run,
          insert_run, repeat_run, swap_runs, zero_run, extreme_field, extreme_field, extreme_varint)
TEXT = (flip_bits, change_bytes, cut_end, remove_run, insert_run, repeat_run, swap_runs,
        change_number, change_number, change_number, swap_lines, swap_lines, nest_deeply)


def damage(rng, data, is_text):
    """Once, or several times."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(TEXT if is_text else BINARY)(rng, data)
    return data[:8 << 20]
