"""What the structure of an audio file says of its length: the record that all readers
of structures fill in.

Lengths are in seconds; 0 stands for one that the file does not say, and no reader
guesses.
"""

from dataclasses import dataclass

# A whole file may end this much before its length: codec delay, a last partial frame.
MISSING_SECONDS = 0.1
# What programs that write to a pipe put in place of the size of the samples, with or without
# the header's own bytes.
UNKNOWN_SIZES = {
    0,
    0x7F000000,
    0x7FFFF000,
    0xFFFFF000,
    *(most - less for most in (1 << 31, 1 << 32) for less in (0, 1, 2, 9, 37, 45)),
}
MOST_CHUNKS = 10_000  # in one file; a header that leads in circles ends there


@dataclass(frozen=True)
class Layout:
    """What a file's structure says.

    `seconds`: the whole length. `end`: where what there is of it ends, None where the
    structure does not tell. `tolerance`: how much less a decoder may give of a whole
    file. `cut`, `damage`: in words, "" for no. `complete`: it has all the bytes that
    its header declares, so nothing is missing at its end. `parts`: the stretches, in
    bytes, that are files by themselves, where there are several; `open_ended`: its
    header leaves the length open, so what it says of that is none.
    """

    kind: str = ""
    seconds: float = 0.0
    end: float | None = None
    tolerance: float = MISSING_SECONDS
    cut: str = ""
    damage: str = ""
    complete: bool = False
    parts: tuple = ()
    open_ended: bool = False


def of_samples(kind, data, start, declared, bytes_a_second):
    """The Layout of a file whose samples begin at `start` and take `declared` bytes
    (None where it does not say).
    """
    there = max(0, len(data) - start)
    if not bytes_a_second:  # packed in some way: all that can be told is whether it is there
        return of_bytes(kind, start + declared, data) if declared else Layout(kind)
    end = there / bytes_a_second
    if declared is None:
        return Layout(kind, end, end, open_ended=True)
    return Layout(kind, declared / bytes_a_second, min(declared, there) / bytes_a_second)


def of_bytes(kind, declared, data, seconds=0.0):
    """The Layout of a file that declares how many bytes it has."""
    missing = declared - len(data)
    cut = ""
    if missing > 0:
        cut = f"{missing} of the {declared} bytes that its header declares are missing"
    return Layout(kind, seconds, cut=cut, complete=not cut)
