"""Folders of files: sorted walks, paths mirrored from one tree into another, atomic writes, the music list.

Conventions
-----------
A *name* is a path relative to its tree, as a `str` with forward slashes (`000/000002.mp3`), on every system.
Every write goes to a temporary name in the same folder, is flushed to the disk and then renamed, so that a file under
its final name is always whole. Temporary names begin with `TEMPORARY_PREFIX`; walks leave hidden files out.
"""
import errno
import os
import shutil
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from sound_eval.cli import InputError

TEMPORARY_PREFIX = ".writing-"
LOG_MEL_SUFFIX = ".npy"
COPY_BYTES = 1 << 20  # read and written at once
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the system names no file with these


def walk(root, suffixes):
    """Sorted names of the files below `root` that end in one of `suffixes` (lower case, with dot; any case matches).

    Hidden files and folders are left out; links to folders are not followed. Raises InputError where `root` is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: not a folder" if root.exists() else f"{root}: no such folder")
    suffixes = tuple(suffixes)
    names = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        relative = Path(folder).relative_to(root)
        names += [(relative / name).as_posix() for name in files if not name.startswith(".") and name.lower().endswith(suffixes)]
    return sorted(names)


def is_inside(path, folder):
    """Whether `path`, which need not be there yet, is `folder` or lies in it."""
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def check_not_read(path, read, remedy="give another name"):
    """Raise InputError where the file `path`, to be written, is one of the files that are `read`; None among these is skipped."""
    if Path(path).resolve() in [Path(one).resolve() for one in read if one]:
        raise InputError(f"{path}: is read here, and would be replaced; {remedy}")


def log_mel_name(audio_name):
    """Where the log-mel of an audio file lies in its tree: `a/b.mp3` -> `a/b.mp3.npy`."""
    return audio_name + LOG_MEL_SUFFIX


def audio_name(log_mel_name):
    """The audio file that a log-mel file was made of: `a/b.mp3.npy` -> `a/b.mp3`."""
    return log_mel_name.removesuffix(LOG_MEL_SUFFIX)


def temporary_beside(path):
    """A name beside `path` under which it can be made: short whatever the name, and nobody else's."""
    return Path(path).with_name(TEMPORARY_PREFIX + os.urandom(8).hex())


@contextmanager
def atomic_write(path, mode="wb", before_replace=None, **kwargs):
    """Open a temporary file beside `path` for writing; on leaving without an exception it becomes `path`.

    Makes the parent folders. After an exception or a kill, whatever stood at `path` is as it was. `before_replace(temporary)`
    is called when the file is whole, just before it gets its name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with open(temporary, mode.replace("w", "x"), **kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if before_replace:
            before_replace(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and (error.filename == str(temporary) or (error.filename is None and error.errno in NO_ROOM)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # the name that a person knows
        raise


# What `os.link` raises where there can be no link: on another disk, on a disk without links, for a file of
# somebody else's (Linux' protected_hardlinks), for one that has too many.
NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


def place_file(source, target, link=True):
    """Put a user's file at `target` as well, atomically: by a hard link, or as a copy with its times.

    A link that cannot be falls back to a copy. The copy goes into a file that is made for it, never into one
    that is there: that could be a link to the source. Makes the parent folders; raises OSError that names
    the target where it cannot be written, and the source where that cannot be read.
    """
    source, target = Path(source).resolve(), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if link and try_link(source, target):
        return
    with open(source, "rb") as original, atomic_write(target, before_replace=partial(shutil.copystat, source)) as copy:
        shutil.copyfileobj(original, copy, COPY_BYTES)


def try_link(source, target):
    """Make `target` a hard link to the file `source`, atomically; False where there can be none."""
    temporary = temporary_beside(target)
    try:
        os.link(source, temporary)
    except OSError as error:
        if error.errno in NO_LINK:
            return False
        raise
    try:
        os.replace(temporary, target)
    finally:
        # Renaming a file onto another link of itself does nothing, so the temporary name would stay.
        temporary.unlink(missing_ok=True)
    return True


def save_array(path, array):
    """Write one array as `.npy`, atomically; raises ValueError for an array of Python objects."""
    array = np.asarray(array, order="C")
    if array.dtype.hasobject:
        raise ValueError(f"{path}: an array of Python objects")
    with atomic_write(path) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)  # NumPy's own way does not say why the system refused


def save_text(path, text):
    """Write UTF-8 text, atomically."""
    with atomic_write(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def load_array(path, **kwargs):
    """Read one `.npy` array; raises InputError that names the file where it is none, or is cut short, or is pickled."""
    try:
        return np.load(path, allow_pickle=False, **kwargs)
    except (ValueError, EOFError) as error:
        reason = "text, or pickled objects" if "pickle" in str(error) else error  # NumPy's words would have it read unsafely
        raise InputError(f"{path}: not a whole .npy array ({reason})") from error


def read_text(path):
    """The UTF-8 text of a file; raises InputError where it is something else."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); is it the right file?") from error


def read_music_list(path):
    """Names in the order of the vectors' rows, one per line of the file. Raises InputError on an empty list, and on what is no text."""
    text = read_text(path)
    names = [str(PurePosixPath(line)) for line in text.split("\n") if line.strip()]
    if not names:
        raise InputError(f"{path}: holds no song; is it the music_list.txt of a run folder?")
    return names


def checked_names(names):
    """`names`; raises InputError for one that no line of a music list can hold: it has a line break, or is not valid UTF-8."""
    for name in names:
        if "\n" in name or "\r" in name:
            raise InputError(f"{name!r}: a song's path cannot hold a line break; rename the file")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{name!r}: a song's path has to be valid UTF-8; rename the file") from error
    return names


def save_music_list(path, names):
    """Write names one per line, atomically; raises InputError as `checked_names`."""
    checked_names(names)
    save_text(path, "".join(f"{name}\n" for name in names))
