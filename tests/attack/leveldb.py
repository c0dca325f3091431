"""Writes a LevelDB whose records lie in a table; one made by a program that has just written a few
records has them in its log."""
import struct

from wire import field, varint

MAGIC = 0xdb4775248b80fb57
BLOCK_RECORDS = 4


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82f63b78 * (crc & 1)
    return crc ^ 0xffffffff


def masked(data):
    """The checksum as LevelDB stores it."""
    crc = crc32c(data)
    return struct.pack('<I', ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff)


def prefixed(data):
    return varint(len(data)) + data


def block(entries):
    """[(key, value)] without shared beginnings, each a place to start from."""
    body, starts = b'', []
    for key, value in entries:
        starts.append(len(body))
        body += b'\0' + varint(len(key)) + varint(len(value)) + key + value
    return body + b''.join(struct.pack('<I', s) for s in starts or [0]) + \
        struct.pack('<I', len(starts or [0]))


def table(records):
    """[(internal key, value)], sorted."""
    file, index = b'', []

    def append(data):
        nonlocal file
        handle = varint(len(file)) + varint(len(data))
        file += data + b'\0' + masked(data + b'\0')
        return handle
    for first in range(0, len(records), BLOCK_RECORDS):
        part = records[first:first + BLOCK_RECORDS]
        index.append((part[-1][0], append(block(part))))
    footer = append(block([])) + append(block(index))
    return file + footer.ljust(40, b'\0') + struct.pack('<Q', MAGIC)


def log_record(data):
    return masked(b'\x01' + data) + struct.pack('<HB', len(data), 1) + data


def write(folder, values):
    """A data set of these records, with keys that count them."""
    records = [(b'%08d' % i + struct.pack('<Q', (i + 1) << 8 | 1), value)
               for i, value in enumerate(values)]
    data = table(records)
    new_file = varint(7) + varint(0) + varint(5) + varint(len(data)) + \
        prefixed(records[0][0]) + prefixed(records[-1][0])
    numbers = b''.join(varint(tag) + varint(number)
                       for tag, number in ((2, 6), (9, 0), (3, 7), (4, len(records))))
    edit = varint(1) + prefixed(b'leveldb.BytewiseComparator') + numbers + new_file
    folder.mkdir()
    (folder / '000005.ldb').write_bytes(data)
    (folder / 'MANIFEST-000004').write_bytes(log_record(edit))
    (folder / 'CURRENT').write_text('MANIFEST-000004\n')


def datum(channels, height, width, pixels, label):
    return (field(1, channels) + field(2, height) + field(3, width) + field(4, pixels) +
            field(5, label))
