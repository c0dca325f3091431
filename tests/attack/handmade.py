"""Images of types that crema reads but does not write for a small picture in colour."""
import struct


def box(kind, data):
    return struct.pack('>I', len(data) + 8) + kind + data


def jpeg2000(width, height):
    """Grey all over: the packets of the three components are empty."""
    size = struct.pack('>HHIIIIIIIIH', 47, 0, width, height, 0, 0, width, height, 0, 0, 3)
    start = b'\xff\x4f\xff\x51' + size + b'\x07\x01\x01' * 3
    coding = b'\xff\x52' + struct.pack('>HBBHBBBBBB', 12, 0, 0, 1, 0, 0, 4, 4, 0, 1)
    quantities = b'\xff\x5c' + struct.pack('>HBB', 4, 0x40, 0x40)
    packets = b'\0' * 3
    tile = b'\xff\x90' + struct.pack('>HHIBB', 10, 0, 14 + len(packets), 0, 1)
    tile += b'\xff\x93' + packets
    return start + coding + quantities + tile + b'\xff\xd9'


def jp2(width, height):
    header = box(b'ihdr', struct.pack('>IIHBBBB', height, width, 3, 7, 7, 0, 0))
    colours = box(b'colr', b'\x01\0\0' + struct.pack('>I', 16))
    return (box(b'jP  ', b'\r\n\x87\n') + box(b'ftyp', b'jp2 \0\0\0\0jp2 ') +
            box(b'jp2h', header + colours) + box(b'jp2c', jpeg2000(width, height)))


def hdr(width, height):
    head = f'#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n'
    return head.encode() + bytes(range(4)) * (width * height)


def pfm(width, height):
    return f'PF\n{width} {height}\n-1.0\n'.encode() + struct.pack('<f', 0.5) * (3 * width * height)


def gif(width, height):
    """Every pixel is a code of its own, and the table starts anew after each two."""
    bits, count = 0, 0
    codes = [4]
    for i in range(width * height):
        codes += [i % 4] + [4] * (i % 2)
    for code in [*codes, 5]:
        bits |= code << count
        count += 3
    data = bits.to_bytes((count + 7) // 8, 'little')
    blocks = b''.join(
        bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))
    palette = bytes((0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255))
    size = struct.pack('<HH', width, height)
    return (b'GIF89a' + size + b'\x81\0\0' + palette + b',\0\0\0\0' + size + b'\0\x02' + blocks +
            b'\0;')


def images(width, height):
    """{ending: bytes}"""
    made = {'jp2': jp2, 'j2k': jpeg2000, 'hdr': hdr, 'pfm': pfm, 'gif': gif}
    return {name: make(width, height) for name, make in made.items()}
