"""The inputs of all songs in one file, read and written by rows.

It is read and written by position, not mapped into memory, so that a corpus larger
than memory does not crowd out everything else.
"""

import os

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.reading import array_header, open_file

ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin anywhere else
REMEDY = "delete the folder it lies in and start again"


class InputFile:
    """The array (n_inputs, dim) float16 of a `.npy` file, read and written by rows.
    Safe to use from several threads and processes.

    Raises InputError where the file holds no such array.
    """

    def __init__(self, path, mode="r"):
        with open_file(path) as file:
            header = array_header(file, path)
        if len(header.shape) != 2 or header.dtype != np.float16 or header.fortran_order:
            raise InputError(
                f"{path}: {header.dtype} of shape {header.shape}, "
                f"expected float16 of shape (n_inputs, dim); {REMEDY}"
            )
        self.shape = header.shape
        self.dtype = header.dtype
        self.nbytes = header.nbytes
        self.offset = header.offset
        self.row_bytes = self.nbytes // max(self.shape[0], 1)
        # closed with the object
        self.file = open(path, "rb" if mode == "r" else "r+b", buffering=0)  # noqa: SIM115

    def read(self, first=0, count=None):
        """Rows `first` to `first + count` (count, dim), by default all, in memory that
        TensorFlow can use as it is.
        """
        count = self.shape[0] - first if count is None else count
        rows = _aligned_rows(count, self.shape[1], self.dtype)
        view = memoryview(rows).cast("B")
        position = self.offset + first * self.row_bytes
        while view:
            done = os.preadv(self.file.fileno(), [view], position)
            if not done:
                raise InputError(f"{self.file.name}: ends before row {first + count}; {REMEDY}")
            view = view[done:]
            position += done
        return rows

    def take(self, rows):
        """The given rows (n, dim), in any order, each by a read of its own:
        a mapped file would drag in 64 kB with every row.
        """
        taken = np.empty((len(rows), self.shape[1]), self.dtype)
        view = memoryview(taken).cast("B")
        size = self.row_bytes
        file = self.file.fileno()
        done = sum(
            os.preadv(file, [view[i * size : (i + 1) * size]], self.offset + row * size)
            for i, row in enumerate(np.asarray(rows).tolist())
        )
        if done != len(view):
            raise InputError(f"{self.file.name}: ends before its last row; {REMEDY}")
        return taken

    def write(self, first, rows):
        """Write `rows` (count, dim) from row `first` on."""
        data = np.ascontiguousarray(rows, self.dtype).tobytes()
        position = self.offset + first * self.row_bytes
        while data:
            try:
                done = os.pwrite(self.file.fileno(), data, position)
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.file.name) from error
            data = data[done:]
            position += done


def _aligned_rows(count, dim, dtype):
    """An array (count, dim) that is not filled yet and begins at a multiple of ALIGNMENT."""
    n_bytes = count * dim * dtype.itemsize
    memory = np.empty(n_bytes + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + n_bytes].view(dtype).reshape(count, dim)


def make_input_file(path, n_inputs, dim):
    """Make an empty InputFile in place of what is there:
    never through a link, which may lead to another's file.
    """
    path.unlink(missing_ok=True)
    with open(path, "xb") as file:
        header = {
            "descr": np.dtype(np.float16).str,
            "fortran_order": False,
            "shape": (n_inputs, dim),
        }
        np.lib.format.write_array_header_1_0(file, header)
        resize(file, file.tell() + n_inputs * dim * 2)


def resize(file, size):
    """Make an open file `size` bytes long; an OSError names the file."""
    try:
        file.truncate(size)
    except OSError as error:
        raise OSError(error.errno, error.strerror, file.name) from error


def sync_file(path):
    """Flush a file to the disk, whoever has written to it; an OSError names the file."""
    with open(path, "rb") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
