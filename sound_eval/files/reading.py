"""Files read without trust: nothing but a file is opened, and what is in it is text,
an array of numbers or an InputError that names it.
"""

import os
import stat
from contextlib import contextmanager

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files import npy


def open_file(path):
    """Open a file for reading bytes.

    Raises InputError for a folder, a pipe or a device: it would not wait for one.
    """
    _check_is_file(path, os.stat(path))
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    _check_is_file(path, os.fstat(file.fileno()))  # it may be another one by now
    return file


def _check_is_file(path, status):
    """Raise InputError where `status`, of what stands at `path`, is not that of a file."""
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: a folder, where a file is expected")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: a pipe, a device or a socket, where a file is expected")


def load_array(path, mmap_mode=None):
    """Read one `.npy` array of numbers, or map it into memory with `mmap_mode="r"`.

    Raises InputError that names the file where it is none, is cut short or goes on,
    holds anything but numbers, or changes while it is read.
    """
    with open_file(path) as file:
        return array_in(file, path, mmap_mode)


def array_in(file, path, mmap_mode=None):
    """`load_array` of an open file; `path` is for messages."""
    before = os.fstat(file.fileno())
    with _array_errors(path):
        header = npy.read_header(file)
        npy.check_size(header, before.st_size)
        if mmap_mode and header.nbytes:
            order = "F" if header.fortran_order else "C"
            return np.memmap(file, header.dtype, mmap_mode, header.offset, header.shape, order)
        array = npy.read_values(file, header)
    after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(f"{path}: was changed while it was read; start again when it is whole")
    return array


def array_header(file, path):
    """The `npy.Header` of an open file, held against its size;
    raises InputError as `load_array`.
    """
    with _array_errors(path):
        header = npy.read_header(file)
        npy.check_size(header, os.fstat(file.fileno()).st_size)
    return header


@contextmanager
def _array_errors(path):
    """Turn what is wrong with an array into an InputError that names its file."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, MemoryError) as error:
        reason = str(error) or "too large for the memory of this machine"
        raise InputError(f"{path}: not a whole .npy array ({reason})") from error


def load_frames(path, mmap_mode=None):
    """Frames (n_frames, dim) of one song, of a log-mel or any other tree.

    Raises InputError as `load_array`, and where they are no matrix of at least one row
    of floating-point numbers.
    """
    return checked_frames(load_array(path, mmap_mode), path)


def checked_frames(frames, path):
    """`frames`, an array or the header of one;
    raises InputError that names `path` where they are none.
    """
    if len(frames.shape) != 2 or not all(frames.shape):
        raise InputError(
            f"{path}: shape {frames.shape}, expected (n_frames, dim) with at least one frame"
        )
    if frames.dtype.kind != "f":
        raise InputError(
            f"{path}: dtype {frames.dtype}, expected float32; it is not a file of frames"
        )
    return frames


def read_text(path, at_most=None):
    """The UTF-8 text of a file; raises InputError where it is something else, or longer
    than `at_most` bytes.
    """
    with open_file(path) as file:
        return text_in(file, path, at_most)


def text_in(file, path, at_most=None):
    """`read_text` of an open file; `path` is for messages. All line ends become `\n`."""
    data = file.read(-1 if at_most is None else at_most + 1)
    if at_most is not None and len(data) > at_most:
        raise InputError(f"{path}: longer than {at_most} bytes; is it the right file?")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); is it the right file?"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
