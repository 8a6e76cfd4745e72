"""Files that keep plain samples in one chunk: the size in its header against the size
of the file.

Layouts: RIFF, RF64 (EBU Tech 3306), Sony Wave64, AIFF 1.3, Sun AU, Apple CAF, Creative
VOC. Data are `bytes`, or an `audio_file.Bytes`.
"""

import struct

from sound_eval.structure.layout import MOST_CHUNKS, UNKNOWN_SIZES, Layout, of_bytes, of_samples

# Format tags: whole numbers, floats, A-law, u-law, and what an extension says.
EXACT_WAVE = (1, 3, 6, 7, 0xFFFE)
EXACT_AIFF = {
    *(b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32"),
    *(b"fl32", b"FL32", b"fl64", b"FL64", b"alaw", b"ALAW", b"ulaw", b"ULAW"),
}
MOST_HZ = 10_000_000.0
WAVE64_FIRST = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")


def _chunks(data, position, header, align=2):
    """Yield (name, start of the content, size) of chunks one after another from
    `position` on; `header` is the struct of name and size.
    """
    header = struct.Struct(header)
    for _ in range(MOST_CHUNKS):
        head = data[position : position + header.size]
        if len(head) < header.size:
            return
        name, size = header.unpack(head)
        yield name, position + header.size, size
        position += header.size + size + -size % align


def wave_layout(data, order):
    """RIFF, RIFX and RF64 wave files."""
    rate, long_size = 0, None
    for name, start, size in _chunks(data, 12, f"{order}4sI"):
        if name == b"fmt " and size >= 16:
            tag, rate = struct.unpack(f"{order}H6xI", data[start : start + 12])
            rate *= tag in EXACT_WAVE
        elif name == b"ds64" and size >= 16:
            long_size = struct.unpack("<Q", data[start + 8 : start + 16])[0]
        elif name == b"data":
            declared = long_size if size == 0xFFFFFFFF and long_size else size
            return of_samples(
                "wav", data, start, None if declared in UNKNOWN_SIZES else declared, rate
            )
    return Layout("wav")


def wave64_layout(data):
    """Sony Wave64: chunk names of 16 bytes, sizes of 8 that count the chunk's own
    header.
    """
    rate = 0
    for name, start, size in _wave64_chunks(data):
        if name == b"fmt " and size >= 16:
            tag, rate = struct.unpack("<H6xI", data[start : start + 12])
            rate *= tag in EXACT_WAVE
        elif name == b"data":
            return of_samples("w64", data, start, size if 0 < size < 1 << 62 else None, rate)
    return Layout("w64")


def _wave64_chunks(data):
    """Yield (name, start of the content, size) of the chunks of a Wave64 file."""
    position = 40
    for _ in range(MOST_CHUNKS):
        head = data[position : position + 24]
        if len(head) < 24:
            return
        size = max(24, struct.unpack_from("<Q", head, 16)[0])
        yield head[:4], position + 24, size - 24
        position += size + -size % 8


def aiff_layout(data):
    """AIFF and AIFF-C; their rate is a float of 80 bits."""
    rate = frames = 0
    for name, start, size in _chunks(data, 12, ">4sI"):
        if name == b"COMM" and size >= 18:
            frames, _, exponent, mantissa = struct.unpack(">IhHQ", data[start + 2 : start + 18])
            rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)
            rate *= size == 18 or data[start + 18 : start + 22] in EXACT_AIFF
        elif name == b"SSND":
            size = max(0, size - 8)
            if size in UNKNOWN_SIZES:
                return Layout("aiff", open_ended=True)
            return of_samples("aiff", data, start + 8, size, size * rate / frames if frames else 0)
    return Layout("aiff")


def au_layout(data):
    """Sun AU, in either byte order."""
    order = "<" if data[:4] == b"dns." else ">"
    if len(data) < 24:
        return Layout("au")
    offset, size, encoding, rate, channels = struct.unpack(f"{order}5I", data[4:24])
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(encoding, 0)  # bytes in a sample
    return of_samples(
        "au", data, offset, None if size in UNKNOWN_SIZES else size, rate * channels * width
    )


def caf_layout(data):
    """Apple CAF. With packets of one size the rate in bytes is known; with a table of
    packets that holds the length.
    """
    rate = packet_bytes = packet_frames = 0
    seconds = 0.0
    for name, start, size in _chunks(data, 8, ">4sq", align=1):
        if name == b"desc" and size >= 32:
            rate, packet_bytes, packet_frames = struct.unpack(">d8xII", data[start : start + 24])
            rate = rate if 1 <= rate <= MOST_HZ else 0  # the file may have any float there
        elif name == b"pakt" and size >= 24 and rate:
            seconds = struct.unpack(">q", data[start + 8 : start + 16])[0] / rate
        elif name == b"data":
            bytes_a_second = rate * packet_bytes / packet_frames if packet_frames else 0
            if not bytes_a_second:
                return Layout("caf", seconds)
            return of_samples(
                "caf", data, start + 4, size - 4 if size > 4 else None, bytes_a_second
            )
    return Layout("caf", seconds)


def voc_layout(data):
    """Creative VOC: blocks with sizes of three bytes, closed by one zero. Only whether
    they are all there is of interest.
    """
    position = struct.unpack("<H", data[20:22])[0] if len(data) > 26 else 0
    for _ in range(MOST_CHUNKS):
        head = data[position : position + 4]
        if not position or len(head) < 4 or not head[0]:
            break
        position += 4 + int.from_bytes(head[1:4], "little")
    return of_bytes("voc", position, data)
