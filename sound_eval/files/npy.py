"""The `.npy` format, read from a file that may hold anything: nothing is taken on
trust, and only numbers come out.

Format: `numpy.lib.format`, versions 1 to 3: a magic number, the length of the header,
the header as a Python literal, the values. NumPy's own reader believes the header: it
asks for the memory of any shape, and parses any literal.

Conventions
-----------
Functions read from an open binary file and know no path. What is wrong with it raises
ValueError, in words that complete "not a whole .npy array (...)".
"""

import ast
import math
import os
import re
from typing import NamedTuple

import numpy as np

MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"
LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the header's length, by version
MOST_HEADER = 4096  # bytes; the header of an array of numbers needs fewer than 200
MOST_DIMENSIONS = 32
MOST_BYTES = 1 << 60
KEYS = {"descr", "fortran_order", "shape"}
# types of numbers: no text, dates, records or Python objects
NUMBERS = re.compile(r"[<>|=]?[biufc]\d{1,2}")


class Header(NamedTuple):
    """What the header says, and where the values begin, in bytes from the start of the file."""

    shape: tuple
    dtype: np.dtype
    fortran_order: bool
    offset: int

    @property
    def nbytes(self):
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file):
    """The Header of the file, which then stands at the first value."""
    start = file.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC):
        zipped = start.startswith(ZIP_MAGIC)
        raise ValueError("a zip archive, such as .npz" if zipped else "text, or pickled objects")
    width = LENGTH_BYTES.get(start[len(MAGIC)] if len(start) > len(MAGIC) else None)
    if width is None:
        raise ValueError("of a version that is not known")
    length = int.from_bytes(file.read(width), "little")
    if length > MOST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it ends within its header")
    return Header(*parsed(text.decode("latin-1")), offset=len(start) + width + length)


def parsed(text):
    """Shape, type and order from the text of a header."""
    if "\\" in text:
        # and Python would warn of what it takes for an escape
        raise ValueError("its header is not readable")
    text = re.sub(r"(?<=\d)L", "", text)  # as Python 2 wrote large numbers
    try:
        values = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("its header is not readable") from error
    if not isinstance(values, dict) or set(values) != KEYS:
        raise ValueError("its header does not describe an array")
    shape = values["shape"]
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("its header holds no shape")
    dtype = _number_type(values["descr"])
    # Sizes of 0 are left out here, as NumPy does: with them any shape would be small.
    if len(shape) > MOST_DIMENSIONS or math.prod(filter(None, shape)) * dtype.itemsize > MOST_BYTES:
        raise ValueError("its header gives a shape that no array has")
    return shape, dtype, bool(values["fortran_order"])


def _number_type(description):
    """The dtype that a header describes."""
    if not isinstance(description, str) or not NUMBERS.fullmatch(description):
        raise ValueError("pickled objects, text, dates or records, where numbers are expected")
    try:
        return np.dtype(description)
    except TypeError as error:
        raise ValueError(f"its type {description} is not known") from error


def check_size(header, size):
    """Raise ValueError where a file of `size` bytes does not hold just the values that
    its header speaks of.
    """
    there = size - header.offset
    if there < header.nbytes:
        raise ValueError(f"it ends after {there} of {header.nbytes} bytes")
    if there > header.nbytes:
        raise ValueError(f"it holds {there - header.nbytes} bytes more than its header says")


def read_values(file, header):
    """The array, C-contiguous and in the byte order of this machine, from a file that
    stands at its first value.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if header.nbytes > memory:
        raise ValueError(f"{header.nbytes / 1e9:.0f} GB, more than the memory of this machine")
    values = np.empty(math.prod(header.shape), header.dtype)
    view = memoryview(values.view(np.uint8))
    while view:
        count = file.readinto(view)
        if not count:
            raise ValueError("it ended while it was read")
        view = view[count:]
    array = values.reshape(header.shape, order="F" if header.fortran_order else "C")
    return np.asarray(array, header.dtype.newbyteorder("="), order="C")
