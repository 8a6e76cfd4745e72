"""MPEG audio (mp1, mp2, mp3) as its own frames tell it: how long it says it is, and how
long it is.

Conventions
-----------
Data are `bytes`, or an `audio_file.Bytes`. Positions are in bytes. A *frame* is a
header of four bytes with 1152, 576 or 384 samples. A Xing (or Info, or VBRI) header
fills a frame of its own without sound, and says how many follow. Layout: ISO/IEC
11172-3 section 2.4.1; the Xing header as LAME writes it; ID3v2.4 section 3.1; APEv2;
Lyrics3v2.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache

JUNK_BYTES = 1 << 20  # how much junk in front of the first frame is looked through
# More or less than the Xing header says by so much: there may be more frames, or fewer.
SURPLUS_BYTES = 8192
RUN_BYTES = 1 << 16  # looked through at once; more than the largest frame
BIT_RATES = {  # (version 1, layer) -> kbit/s
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
VERSION_1, VERSION_2, VERSION_25 = 3, 2, 0  # as the header has them
SAMPLE_RATES = {
    VERSION_1: (44100, 48000, 32000),
    VERSION_2: (22050, 24000, 16000),
    VERSION_25: (11025, 12000, 8000),
}


@dataclass(frozen=True)
class Frame:
    """What a frame's header says: size in bytes, samples, Hz, and the bytes between it
    and a Xing header.
    """

    size: int
    samples: int
    samplerate: int
    side_bytes: int
    kind: tuple  # version, layer, sample rate: the same in all frames of a stream


@dataclass(frozen=True)
class Stated:
    """What the Xing or VBRI header says: samples without the encoder's padding, bytes
    of the stream (0 where it does not say).
    """

    samples: int
    size: int
    exact: bool  # the padding is known, so every sample has to come


@dataclass
class Frames:
    """What the frames from first to last say: seconds of sound, bytes between them that
    are none, and how many such places.
    """

    seconds: float = 0.0
    audio_bytes: int = 0
    lost_bytes: int = 0
    gaps: int = 0

    @property
    def lost_seconds(self):
        """How long the sound was whose frames were damaged, at the mean bit rate of the
        others.
        """
        return self.lost_bytes * self.seconds / self.audio_bytes if self.audio_bytes else 0.0


@lru_cache(maxsize=4096)
def frame_of(header):
    """The Frame that four bytes begin, or None. A free bit rate, whose frames do not
    say their size, is none either.
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    first = version == VERSION_1
    samplerate = SAMPLE_RATES[version][rate]
    bits = BIT_RATES[first, layer][bit_rate] * 1000
    samples = 384 if layer == 1 else 576 if layer == 3 and not first else 1152
    size = (
        (12 * bits // samplerate + padding) * 4
        if layer == 1
        else samples // 8 * bits // samplerate + padding
    )
    mono = header[3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return Frame(size, samples, samplerate, side, (version, layer, rate))


def next_frame(data, position, end, kind=None):
    """(position, Frame) of the next place from `position` on where frames follow each
    other, or None.

    Two of the kind `kind` are enough, of another kind there have to be four: any bytes
    may look like a header.
    """
    while (position := data.find(b"\xff", position, end)) >= 0:
        frame = frame_of(data[position : position + 4])
        if frame and _is_followed(data, position, frame, 1 if frame.kind == kind else 3):
            return position, frame
        position += 1
    return None


def _is_followed(data, position, frame, count):
    """Whether behind the frame at `position` there are `count` more of its kind, or
    fewer and then the end.
    """
    for _ in range(count):
        position += frame.size
        after = frame_of(data[position : position + 4])
        if after is None or after.kind != frame.kind:
            return skip_tags(data, position) == len(data)
        frame = after
    return True


def skip_tags(data, position):
    """The position behind all tags and zeros that begin at `position`."""
    while size := _tag_size(data, position):
        position += size
    return position


def _tag_size(data, position):
    """The bytes of the tag, or the run of zeros, that begins at `position`; 0 where
    there is none.
    """
    start = data[position : position + 32]
    # its size is in four bytes of seven bits
    if start[:3] == b"ID3" and len(start) >= 10 and max(start[6:10]) < 128:
        footer = 10 if start[5] & 0x10 else 0
        return (
            10
            + footer
            + sum(byte << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
        )
    if start[:8] == b"APETAGEX" and len(start) == 32:
        size, flags = (
            struct.unpack_from("<4xI4xI", start, 8)[0],
            struct.unpack_from("<I", start, 20)[0],
        )
        return 32 + size if flags & 1 << 29 else 32  # a header, or a footer alone
    if start[:3] == b"TAG" and len(data) - position in (128, 128 + 227):
        return len(data) - position
    if start[:11] == b"LYRICSBEGIN":
        end = data.find(b"LYRICS200", position, position + (1 << 20))
        return end + 9 - position if end >= 0 else 0
    return _zeros(data, position) if start[:4] == bytes(4) else 0


def _zeros(data, position):
    """How many bytes from `position` on are zero."""
    end = position
    while (block := data[end : end + 4096]) and not block.strip(b"\0"):
        end += len(block)
    return end - position + len(block) - len(block.lstrip(b"\0"))


def stated(data, position, frame):
    """What the Xing or VBRI header in the first frame says of the stream, as a Stated;
    None where there is none, or it has no count.
    """
    body = data[position : position + max(frame.size, 200)]
    at = 4 + frame.side_bytes
    if body[at : at + 4] in (b"Xing", b"Info"):
        return _stated_by_xing(body, at, frame)
    if body[36:40] == b"VBRI":
        size, frames = struct.unpack_from(">II", body, 46)
        return Stated(frames * frame.samples, size, exact=False) if frames else None
    return None


def _stated_by_xing(body, at, frame):
    """`stated` by the Xing header at `at`."""
    flags, at, frames, size = struct.unpack_from(">I", body, at + 4)[0], at + 8, 0, 0
    if flags & 1:
        frames, at = struct.unpack_from(">I", body, at)[0], at + 4
    if flags & 2:
        size, at = struct.unpack_from(">I", body, at)[0], at + 4
    if not frames:
        return None
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    padding = 0
    known = body[at : at + 4] in (b"LAME", b"Lavf", b"Lavc", b"L3.9", b"GOGO")
    if known and len(body) >= at + 24:
        # Samples before and behind the sound, twelve bits each.
        both = int.from_bytes(body[at + 21 : at + 24], "big")
        padding = (both >> 12) + (both & 0xFFF)
    return Stated(max(0, frames * frame.samples - padding), size, exact=known)


def _is_header(start, frame):
    """Whether a frame whose first 48 bytes are `start` holds a Xing or VBRI header
    rather than sound.
    """
    at = 4 + frame.side_bytes
    return start[at : at + 4] in (b"Xing", b"Info") or start[36:40] == b"VBRI"


def count_frames(data, position, frame):
    """Go from frame to frame, over tags and damaged places, to the end. Returns Frames."""
    found = Frames()
    kind = frame.kind
    while position < len(data):
        frame = frame_of(data[position : position + 4])
        if frame is None or frame.kind != kind:
            position, kind = _resume(data, position, kind, found)
            continue
        if _is_header(data[position : position + 48], frame):
            found.audio_bytes += frame.size
            position += frame.size
        size, n_frames = _run_of_frames(data[position : position + RUN_BYTES], kind)
        found.seconds += n_frames * frame.samples / frame.samplerate
        found.audio_bytes += size
        position += size
        if not n_frames and position + frame.size > len(data):
            break  # cut within its last frame
    return found


def _run_of_frames(block, kind):
    """(bytes, number) of the whole frames of one kind that follow each other from the
    start of `block` on.
    """
    sizes = _sizes_of(kind)
    end = len(block)
    position = 0
    n_frames = 0
    while (size := sizes[block[position : position + 4]]) and position + size <= end:
        position += size
        n_frames += 1
    return position, n_frames


@lru_cache(maxsize=16)
def _sizes_of(kind):
    """A Sizes of one kind of frames."""
    return Sizes(kind)


class Sizes(dict):
    """Header -> bytes of its frame, 0 for what is none of the kind: a dict, as it is
    asked for every frame of a file.
    """

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __missing__(self, header):
        frame = frame_of(header)
        size = frame.size if frame and frame.kind == self.kind else 0
        if size:
            self[header] = size
        return size


def _resume(data, position, kind, found):
    """(position, kind) of the next frame after something else at `position`; notes in
    `found` what was damaged.
    """
    start = skip_tags(data, position)
    if start >= len(data):
        return start, kind
    after = next_frame(data, start, len(data), kind)
    if after is None:  # junk, or a tag of a kind unknown, behind the last frame
        return len(data), kind
    if after[1].kind == kind:
        found.lost_bytes += after[0] - start
        found.gaps += after[0] > start
    return after[0], after[1].kind
