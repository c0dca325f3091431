"""Writes messages as text. A message is a dict; a list is a repeated field."""
import math


class Word(str):
    """Stands without quotes: an enum's value, or a number in a form of its own."""


def scalar(value):
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, float):
        return 'nan' if math.isnan(value) else repr(value)
    if isinstance(value, int):
        return str(value)
    raw = value if isinstance(value, bytes) else value.encode('utf-8', 'surrogateescape')
    plain = ''.join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f'\\{b:03o}' for b in raw)
    return f'"{plain}"'


def lines(message, indent=''):
    for name, values in message.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict):
                yield f'{indent}{name} {{'
                yield from lines(value, indent + '  ')
                yield indent + '}'
            else:
                yield f'{indent}{name}: {scalar(value)}'


def text(message):
    return '\n'.join(lines(message)) + '\n'
