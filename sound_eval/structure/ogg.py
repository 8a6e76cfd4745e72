"""Ogg files as their own pages tell it: where the links of a chain begin, how long each
is, what is damaged, what is cut.

Conventions
-----------
Data are `bytes`, or an `audio_file.Bytes`. A *link* is a stretch of the file that is an
Ogg file by itself: it begins with the first pages of its streams. A page's position in
time (granule) counts samples. Layout: RFC 3533; RFC 7845 for Opus; Vorbis I section
4.2; https://xiph.org/flac/ogg_mapping.html; the Speex manual.
"""

import struct
import zlib
from dataclasses import dataclass, field

# OggS, version, flags, granule, serial number, page number, checksum, segments
HEADER = struct.Struct("<4sBBqIIIB")
FIRST, LAST = 2, 4  # flags
OPUS_RATE = 48000
# Seconds; a first page that ends later is of a stream that was recorded from its middle.
STARTS_LATE = 10.0
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class Link:
    """One link: its place in the file, and of its first audio stream the times and the
    pages that are damaged or gone.
    """

    start: int
    end: int = 0
    serial: int = -1  # of its first audio stream
    samplerate: int = 0
    skipped: int = 0  # samples before the sound begins
    first: int = -1  # granule of the first page on which a packet of sound ends
    last: int = 0
    pages: int = 0
    next_page: int = 0
    bad_pages: int = 0
    lost: float = 0.0  # seconds on damaged and missing pages
    ended: bool = False

    @property
    def starts_late(self):
        """Whether it begins somewhere in its stream, so that its length is known only
        roughly.
        """
        return self.first > STARTS_LATE * self.samplerate

    @property
    def seconds(self):
        """Its length as its last page says it; 0 where that is not known."""
        if not self.samplerate:
            return 0.0
        start = self.first if self.starts_late else self.skipped
        return max(0, self.last - start) / self.samplerate

    def take(self, flags, granule, number):
        """Take in a whole page of its stream."""
        missing = max(0, number - self.next_page)
        if missing and granule > self.last >= 0:
            self.lost += (granule - self.last) / self.samplerate * missing / (missing + 1)
        self.bad_pages += missing
        self.next_page = number + 1
        self.ended = bool(flags & LAST)
        if granule > 0:
            self.first = granule if self.first < 0 else self.first
            self.last = granule
            self.pages += 1

    def end_at(self, end, bad_pages):
        """It ends there, and so many damaged pages were seen in it; those behind the
        last whole one are added.
        """
        self.end = end
        behind = bad_pages - self.bad_pages
        if behind > 0 and not self.ended:
            self.lost += behind * self.seconds / max(1, self.pages)
            self.bad_pages += behind


@dataclass
class Chain:
    """All links of a file; `cut` is whether it ends within a page."""

    links: list = field(default_factory=list)
    cut: bool = False


def read_chain(data):
    """Go through all pages of an Ogg file, or of what is left of one. Returns a Chain."""
    chain, position, in_head, bad = Chain(), 0, False, 0
    while (start := data.find(b"OggS", position)) >= 0:
        page = _read_page(data, start)
        if page is None:  # damaged, or it has no end; look for one behind its first byte
            position = start + 4
            chain.cut = _runs_out(data, start)
            bad += not chain.cut
            continue
        (flags, granule, serial, number, body), position = page
        if flags & FIRST and not in_head:
            if chain.links:
                chain.links[-1].end_at(start, bad)
            chain.links.append(Link(start))
            bad = 0
        in_head = bool(flags & FIRST)
        if chain.links:
            _take_page(chain.links[-1], flags, granule, serial, number, body)
    if chain.links:
        chain.links[-1].end_at(len(data), bad)
        chain.cut = chain.cut or (0 < len(data) - position < 4 and not chain.links[-1].ended)
    return chain


def _read_page(data, start):
    """((flags, granule, serial number, page number, start of its content), where it
    ends); None where it is not whole and undamaged.
    """
    head = data[start : start + HEADER.size]
    if len(head) < HEADER.size:
        return None
    _, _, flags, granule, serial, number, wanted, segments = HEADER.unpack(head)
    table = data[start + HEADER.size : start + HEADER.size + segments]
    end = start + HEADER.size + segments + sum(table)
    if end > len(data) or checksum(head[:22] + bytes(4), data[start + 26 : end]) != wanted:
        return None
    body = start + HEADER.size + segments
    return (flags, granule, serial, number, data[body : min(end, body + 64)]), end


def _runs_out(data, start):
    """Whether the file ends before the page at `start` does, and no other page comes
    after it.
    """
    if data.find(b"OggS", start + 4) >= 0:
        return False
    segments = data[start + 26] if start + 26 < len(data) else 0
    table = data[start + HEADER.size : start + HEADER.size + segments]
    return (
        len(table) < segments
        or not segments
        or start + HEADER.size + segments + sum(table) > len(data)
    )


def checksum(*parts):
    """The checksum of a page in parts: CRC-32 with the polynomial 0x04c11db7, highest
    bit first, from 0; its own place holds zeros.

    zlib's takes the lowest bit first, so each byte goes in mirrored.
    """
    mirrored = 0xFFFFFFFF
    for part in parts:
        mirrored = zlib.crc32(part.translate(REVERSED), mirrored)
    return int.from_bytes((mirrored ^ 0xFFFFFFFF).to_bytes(4, "little").translate(REVERSED), "big")


def _take_page(link, flags, granule, serial, number, body):
    """Take a whole page into its link: the first page of a stream says what it is."""
    if flags & FIRST and link.serial < 0:
        samplerate, skipped = _stream_of(body)
        if samplerate:
            link.serial, link.samplerate, link.skipped, link.next_page = (
                serial,
                samplerate,
                skipped,
                number + 1,
            )
    elif serial == link.serial:
        link.take(flags, granule, number)


def _stream_of(body):
    """(granules a second, samples to skip) by the first bytes of a stream's first page;
    (0, 0) where it is no sound.
    """
    if body[:7] == b"\x01vorbis" and len(body) >= 16:
        return struct.unpack_from("<I", body, 12)[0], 0
    if body[:8] == b"OpusHead" and len(body) >= 12:
        return OPUS_RATE, struct.unpack_from("<H", body, 10)[0]
    # the sample rate has 20 bits, 10 bytes into the stream's description
    if body[:5] == b"\x7fFLAC" and len(body) >= 30:
        return int.from_bytes(body[27:30], "big") >> 4, 0
    if body[:8] == b"Speex   " and len(body) >= 40:
        return struct.unpack_from("<I", body, 36)[0], 0
    return 0, 0
