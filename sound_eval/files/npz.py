"""The .npz format, read from a file that may hold anything: an archive of .npy files, as
`numpy.savez` writes it, none of them compressed.
"""

import zipfile
from contextlib import contextmanager

from sound_eval.errors import InputError, one_line
from sound_eval.files import npy

# what a broken archive or a broken array in it raises
ERRORS = (
    ValueError,
    EOFError,
    OSError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    KeyError,
    MemoryError,
)


@contextmanager
def opened(file, path):
    """The archive in an open file; what is wrong with it, there or inside the block, is an
    InputError that names `path`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except InputError:
        raise
    except ERRORS as error:
        raise InputError(f"{path}: not readable ({one_line(error)})") from error


def read_arrays(archive, size, leave_out):
    """The arrays of an open `.npz` file of `size` bytes as a dict, but the one named `leave_out`.

    Raises ValueError where it is compressed, or its arrays claim more than its size: a
    small file could then hold any amount.
    """
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed, which the weights of a training are not")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its arrays claim more bytes than the file has")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError("it holds an array twice")
    return {
        name.removesuffix(".npy"): read_member(archive, name)
        for name in names
        if name != f"{leave_out}.npy"
    }


def read_member(archive, name):
    """One array of an open `.npz` file; raises ValueError where it is none."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("compressed, which the weights of a training are not")
    try:
        with archive.open(member) as file:
            header = npy.read_header(file)
            npy.check_size(header, member.file_size)
            return npy.read_values(file, header)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
