"""What the structure of an audio file says of its length, without decoding it: how long
it says it is, and how long it is.

Conventions
-----------
Only headers are read, of an Ogg file all pages (their checksums tell what is damaged),
and of an MP3 all frame headers where its own header is missing or does not add up. What
is not among the kinds here is left to the decoders' own words. A size that a program
leaves open because it writes to a pipe is no length: such a file is as long as it is.
Layouts: Microsoft ASF and AVI, FLAC (RFC 9639), Matroska (RFC 9559); see also
`chunked`, `ogg`, `mpeg_audio`.
"""

import struct

from sound_eval.structure import chunked, mpeg_audio, ogg
from sound_eval.structure.layout import (
    MISSING_SECONDS,
    MOST_CHUNKS,
    UNKNOWN_SIZES,
    Layout,
    of_bytes,
)

EXACT = 0.005  # seconds, in place of MISSING_SECONDS where the length is known to the sample
JOINTS = 0.005  # the share of a joined MP3 that may be headers and padding
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MATROSKA_SEGMENT = bytes.fromhex("18538067")
BROADCAST = 1  # a flag of ASF: written as it came, lengths unknown


def read_layout(data, mpeg=False, careful=False):
    """The Layout of a file whose bytes are `data` (anything with `len`, slices and
    `find`).

    `mpeg`: it is known to be MPEG audio, so its first frame is looked for behind
    whatever else comes first. `careful` looks at all frames of it, and for more files
    behind a FLAC file.
    """
    try:
        return _layout_by_mark(data) or _mpeg_layout(data, mpeg, careful)
    except (struct.error, OverflowError):  # cut within a header, or a number in it that is none
        return Layout()


def _layout_by_mark(data):
    """The Layout of a file that its first bytes give away; None of any other."""
    start = data[:64]
    if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        return chunked.wave_layout(data, ">" if start[:4] == b"RIFX" else "<")
    for mark, reader in READERS:
        if start.startswith(mark):
            return reader(data)
    return None


# ---- films and their like ----


def _avi_layout(data):
    """AVI: the size of the whole against the file's."""
    size = struct.unpack("<I", data[4:8])[0]
    if size in UNKNOWN_SIZES:
        return Layout("avi", open_ended=True)
    return of_bytes("avi", 8 + size, data)


def _asf_layout(data):
    """Windows Media: the size and the length in its header, unless it was written while
    it was sent.
    """
    for name, start, size in _asf_objects(data):
        if name == ASF_PROPERTIES and size >= 80:
            file_size, _, _, length, _, preroll, flags = struct.unpack(
                "<7Q", data[start + 16 : start + 72]
            )
            if flags & BROADCAST:
                return Layout("asf", open_ended=True)
            return of_bytes("asf", file_size, data, max(0.0, length / 1e7 - preroll / 1e3))
    return Layout("asf")


def _asf_objects(data):
    """Yield (name, start of the content, size) of the objects in the header of an ASF
    file.
    """
    position = 30
    for _ in range(MOST_CHUNKS):
        head = data[position : position + 24]
        if len(head) < 24:
            return
        size = max(24, struct.unpack_from("<Q", head, 16)[0])
        yield head[:16], position + 24, size - 24
        position += size


def _matroska_layout(data):
    """Matroska and WebM: the size of the segment, which holds all, against the file's."""
    position = 4
    length, position = _vint(data, position)
    position += length or 0
    if data[position : position + 4] != MATROSKA_SEGMENT:
        return Layout("matroska")
    length, position = _vint(data, position + 4)
    return Layout("matroska") if length is None else of_bytes("matroska", position + length, data)


def _vint(data, position):
    """(number, position behind it) of a number of EBML, whose first byte tells how many
    it has; None for one left open.
    """
    width = 9 - data[position : position + 1].rjust(1, b"\xff")[0].bit_length()
    number = int.from_bytes(data[position : position + width], "big") & ((1 << 7 * width) - 1)
    return None if number == (1 << 7 * width) - 1 else number, position + width


# ---- streams ----


def _ogg_layout(data):
    """Ogg: a chain of files whose pages have checksums."""
    chain = ogg.read_chain(data)
    lengths = [link.seconds for link in chain.links]
    known = all(lengths) and not any(link.starts_late for link in chain.links)
    bad = sum(link.bad_pages for link in chain.links)
    lost = sum(link.lost for link in chain.links)
    parts = tuple((link.start, link.end) for link in chain.links)
    return Layout(
        "ogg",
        seconds=sum(lengths) if known else 0.0,
        end=sum(lengths) if known else None,
        cut="it ends within one of its pages" if chain.cut else "",
        damage=f"damaged pages: {bad}, with {lost:.2f} s of sound" if bad else "",
        parts=parts if len(parts) > 1 else (),
    )


def _flac_layout(data, start=0, careful=False):
    """FLAC, by the description that comes first; `careful` looks for more files behind
    the first.
    """
    starts, seconds = [start], [_flac_seconds(data, start)]
    while careful and (start := data.find(b"fLaC", start + 4)) > 0:
        if data[start + 4 : start + 8] in (b"\0\0\0\x22", b"\x80\0\0\x22"):
            starts.append(start)
            seconds.append(_flac_seconds(data, start))
    parts = tuple(zip(starts, [*starts[1:], len(data)], strict=True)) if len(starts) > 1 else ()
    return Layout("flac", sum(seconds) if all(seconds) else 0.0, parts=parts)


def _flac_seconds(data, start):
    """The seconds of the FLAC file that begins at `start`: 20 bits sample rate, 8 of
    form, 36 count of samples.
    """
    bits = int.from_bytes(data[start + 18 : start + 26], "big")
    rate, samples = bits >> 44, bits & ((1 << 36) - 1)
    return samples / rate if rate else 0.0


def _mpeg_layout(data, mpeg, careful):
    """MPEG audio. Frame for frame where the header says no length or the file has
    another size than it says.
    """
    start = mpeg_audio.skip_tags(data, 0)
    if data[start : start + 4] == b"fLaC":
        return _flac_layout(data, start, careful)
    junk_bytes = mpeg_audio.JUNK_BYTES if mpeg else 4
    found = mpeg_audio.next_frame(data, start, start + junk_bytes)
    if not found:
        return Layout()
    start, frame = found
    stated = mpeg_audio.stated(data, start, frame)
    if stated and stated.size and not careful:
        surplus = len(data) - start - stated.size
        if abs(surplus) < mpeg_audio.SURPLUS_BYTES:
            tolerance = EXACT if stated.exact else MISSING_SECONDS
            return Layout("mpeg", stated.samples / frame.samplerate, tolerance=tolerance)
    return _layout_by_frames(mpeg_audio.count_frames(data, start, frame), stated, frame)


def _layout_by_frames(frames, stated, frame):
    """The Layout of an MP3 by all its frames."""
    end = frames.seconds + frames.lost_seconds
    seconds = stated.samples / frame.samplerate if stated else end
    tolerance = EXACT if stated and stated.exact else MISSING_SECONDS
    if end > seconds + 1.0:  # joined files, of which the first is stated
        seconds = end
        tolerance = max(MISSING_SECONDS, JOINTS * end)
    damage = ""
    if frames.gaps:
        damage = f"damaged places: {frames.gaps}, with {frames.lost_seconds:.2f} s of sound"
    return Layout("mpeg", seconds=seconds, end=end, tolerance=tolerance, damage=damage)


READERS = (
    (b"OggS", _ogg_layout),
    (chunked.WAVE64_FIRST, chunked.wave64_layout),
    (b"FORM", chunked.aiff_layout),
    (b".snd", chunked.au_layout),
    (b"dns.", chunked.au_layout),
    (b"caff", chunked.caf_layout),
    (b"Creative Voice File", chunked.voc_layout),
    (b"RIFF", _avi_layout),
    (ASF_HEADER, _asf_layout),
    (b"\x1aE\xdf\xa3", _matroska_layout),
)
