"""Weights files as bytes that can be compared."""
import pathlib
import re
import struct

DAY = 24 * 60 * 60


def comparable(path):
    """The bytes of a file; in HDF5 files, without the times at which its objects were made: numbers
    within a day of the file's own time, after the start of that kind of message."""
    path = pathlib.Path(path)
    data = path.read_bytes()
    if not data.startswith(b'\x89HDF'):
        return data
    now = path.stat().st_mtime

    def without_time(match):
        seconds, = struct.unpack('<I', match.group(1))
        return match.group(0)[:4] + bytes(4) if abs(seconds - now) < DAY else match.group(0)
    return re.sub(rb'\x01\0\0\0(....)', without_time, data, flags=re.S)
