"""Reads and writes the binary form of protobuf messages, without knowing their schema."""
import struct


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError('a number of more than ten bytes')


def fields(data):
    """[(number, value)]: an int, or bytes; ValueError if it is no message."""
    found, at = [], 0
    try:
        while at < len(data):
            tag, at = read_varint(data, at)
            kind = tag & 7
            if kind == 0:
                value, at = read_varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                value, at = int.from_bytes(data[at:at + size], 'little'), at + size
            elif kind == 2:
                size, at = read_varint(data, at)
                value, at = data[at:at + size], at + size
            else:
                raise ValueError(f'wire type {kind}')
            if at > len(data):
                raise ValueError('cut off')
            found.append((tag >> 3, value))
    except IndexError as error:
        raise ValueError('cut off') from error
    return found


def get(message, number, default=None):
    """The last value of a field in the bytes of a message."""
    return next((v for n, v in reversed(fields(message)) if n == number), default)


def get_all(message, number):
    return [v for n, v in fields(message) if n == number]


def field(number, value):
    """The bytes of one field: an int as a varint, a float as 32 bits, text or bytes."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack('<f', value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def blob_floats(blob):
    """The values of a BlobProto that stores them as 32-bit floats."""
    values = []
    for packed in get_all(blob, 5):
        raw = packed if isinstance(packed, bytes) else packed.to_bytes(4, 'little')
        values.extend(struct.unpack(f'<{len(raw) // 4}f', raw))
    return values


def weights(caffemodel):
    """{layer name: [values of each blob]} of a .caffemodel file's bytes."""
    found = {}
    for layer in get_all(caffemodel, 100):
        name = get(layer, 1, b'').decode('utf-8', 'replace')
        blobs = [blob_floats(blob) for blob in get_all(layer, 7)]
        if blobs:
            found[name] = blobs
    return found
