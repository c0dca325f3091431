"""Reads TensorBoard event files with nothing but Python's standard library.

Written from the format's description, apart from crema's writer: a test compares the two.
usage: read_events.py FILE    prints one JSON object a record
"""
import json
import struct
import sys


def crc32c(data):
    """CRC-32C bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check(data, stored, what):
    crc = crc32c(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != stored:
        raise ValueError(f"the checksum of {what} is wrong")


def records(data):
    at = 0
    while at < len(data):
        if len(data) - at < 12:
            raise ValueError("a record is cut off")
        length, length_crc = struct.unpack_from("<QI", data, at)
        check(data[at:at + 8], length_crc, "a length")
        record = data[at + 12:at + 12 + length]
        if len(data) < at + 16 + length:
            raise ValueError("a record is cut off")
        check(record, struct.unpack_from("<I", data, at + 12 + length)[0], "a record")
        yield record
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, wire type, value) of each field of a message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = data[at:at + 8], at + 8
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        elif wire == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {wire}")
        yield number, wire, value


def double(value):
    return struct.unpack("<d", value)[0]


def doubles(value):
    return list(struct.unpack(f"<{len(value) // 8}d", value))


def histogram(data):
    names = {1: "min", 2: "max", 3: "num", 4: "sum", 5: "sum_squares"}
    result = {}
    for number, _, value in fields(data):
        if number in names:
            result[names[number]] = double(value)
        elif number == 6:
            result["limits"] = doubles(value)
        elif number == 7:
            result["counts"] = doubles(value)
    return result


def summary(data):
    result = {}
    for number, _, value in fields(data):
        if number != 1:
            continue
        tag, content = None, None
        for inner, _, part in fields(value):
            if inner == 1:
                tag = part.decode()
            elif inner == 2:
                content = struct.unpack("<f", part)[0]
            elif inner == 5:
                content = histogram(part)
        result[tag] = content
    return result


def event(data):
    result = {"step": 0}
    time = None
    for number, _, value in fields(data):
        if number == 1:
            time = double(value)
        elif number == 2:
            result["step"] = value
        elif number == 3:
            result["version"] = value.decode()
        elif number == 5:
            result["values"] = summary(value)
        elif number == 7:
            result["session"] = {1: "start"}[next(v for n, _, v in fields(value) if n == 1)]
    result["time"] = time
    return result


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        for record in records(file.read()):
            print(json.dumps(event(record)))
