"""Folders of files: sorted walks, paths mirrored from one tree into another, atomic
writes, the music list.

Conventions
-----------
A *name* is a path relative to its tree, as a `str` with forward slashes
(`000/000002.mp3`), on every system. A song's name is that of its audio file; the `.npy`
of its file in a tree of arrays, and of its line in a music list, is put on and taken
off here.
Every write goes to a temporary name in the same folder, is flushed to the disk and then
renamed, so that a file under its final name is always whole. Temporary names begin with
`TEMPORARY_PREFIX`; walks leave hidden files out.
"""

import errno
import io
import os
import re
import shutil
import stat
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files import npy
from sound_eval.files.names import unlistable

TEMPORARY_PREFIX = ".writing-"
# as `temporary_beside` makes them: a person's file may merely begin so
TEMPORARY_NAME = re.compile(re.escape(TEMPORARY_PREFIX) + "[0-9a-f]{16}")
LOG_MEL_SUFFIX = ".npy"
COPY_BYTES = 1 << 20  # read and written at once
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the system names no file with these


def walk(root, suffixes):
    """Sorted names of the files below `root` that end in one of `suffixes` (lower case,
    with dot; any case matches).

    Hidden files and folders are left out; links to folders are not followed. Raises
    InputError where `root` is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: not a folder" if root.exists() else f"{root}: no such folder")
    suffixes = tuple(suffixes)
    names = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        relative = Path(folder).relative_to(root)
        names += [
            (relative / name).as_posix()
            for name in files
            if not name.startswith(".") and name.lower().endswith(suffixes)
        ]
    return sorted(names)


def walk_songs(tree):
    """Names of the songs of a tree of `.npy` files, in the order of the files' names.

    Raises InputError where a file's suffix is in upper case: its name would be lost.
    """
    names = walk(tree, [LOG_MEL_SUFFIX])
    for name in names:
        if not name.endswith(LOG_MEL_SUFFIX):
            raise InputError(
                f"{Path(tree) / name}: its suffix is not written {LOG_MEL_SUFFIX}; rename the file"
            )
    return [audio_name(name) for name in names]


def is_inside(path, folder):
    """Whether `path`, which need not be there yet, is `folder` or lies in it."""
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def log_mel_name(audio_name):
    """Where the log-mel of an audio file lies in its tree: `a/b.mp3` -> `a/b.mp3.npy`."""
    return audio_name + LOG_MEL_SUFFIX


def audio_name(log_mel_name):
    """The audio file that a log-mel file was made of: `a/b.mp3.npy` -> `a/b.mp3`."""
    return log_mel_name.removesuffix(LOG_MEL_SUFFIX)


def temporary_beside(path, prefix=TEMPORARY_PREFIX, suffix=""):
    """A name beside `path` under which it can be made:
    short whatever the name, and nobody else's.
    """
    return Path(path).with_name(prefix + os.urandom(8).hex() + suffix)


@contextmanager
def replacing(path, before_replace=None, prefix=TEMPORARY_PREFIX, suffix=""):
    """A temporary name beside `path`; what is made under it becomes `path` on leaving
    without an exception.

    Makes the parent folders. After an exception or a kill, whatever stood at `path` is
    as it was. `before_replace(temporary)` is called just before the file gets its name.
    A `prefix` of its own lets a writer tell what it left half-written
    (`remove_temporaries`) from what others are writing in the same folder; a `suffix`
    is for programs that go by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path, prefix, suffix)
    try:
        yield temporary
        if before_replace:
            before_replace(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and (
            error.filename == str(temporary) or (error.filename is None and error.errno in NO_ROOM)
        ):
            # the name that a person knows
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def atomic_write(path, mode="wb", before_replace=None, prefix=TEMPORARY_PREFIX, **kwargs):
    """Open a temporary file beside `path` for writing; on leaving without an exception
    it is flushed to the disk and becomes `path`, as with `replacing`.
    """
    with (
        replacing(path, before_replace, prefix) as temporary,
        open(temporary, mode.replace("w", "x"), **kwargs) as file,
    ):
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path):
    """Flush a folder to the disk: the names that files were given in it, or lost, then
    outlive a power cut.

    It is not done for every write: it takes about as long as writing a small file does
    (3.6 ms on an SSD with ext4), and for most files the old name and the new are
    equally good after a power cut.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporaries(folder, prefix=TEMPORARY_PREFIX):
    """Remove what writers that were killed have left half-written in a folder.

    Only for who knows that nobody is writing.
    """
    for name in os.listdir(folder):
        if name.startswith(prefix):
            os.unlink(os.path.join(folder, name))


# What `os.link` raises where there can be no link: on another disk, on a disk
# without links, for a file of somebody else's (Linux' protected_hardlinks), for one
# that has too many.
NO_LINK = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
    errno.ENOSYS,
)


def place_file(source, target, link=True):
    """Put a user's file at `target` as well, atomically: by a hard link, or as a
    copy with its times.

    A link that cannot be falls back to a copy. The copy goes into a file that is made
    for it, never into one that is there: that could be a link to the source. Makes the
    parent folders; raises OSError that names the target where it cannot be written, and
    the source where that cannot be read.
    """
    source, target = Path(source).resolve(), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if link and _try_link(source, target):
        return
    with (
        open(source, "rb") as original,
        atomic_write(target, before_replace=partial(shutil.copystat, source)) as copy,
    ):
        shutil.copyfileobj(original, copy, COPY_BYTES)


def _try_link(source, target):
    """Make `target` a hard link to the file `source`, atomically; False where there can be none."""
    try:
        with replacing(target) as temporary:
            os.link(source, temporary)
    except OSError as error:
        if error.errno in NO_LINK:
            return False
        raise
    # Renaming a file onto another link of itself does nothing, so the temporary
    # name would stay.
    temporary.unlink(missing_ok=True)
    return True


def save_array(path, array):
    """Write one array as `.npy`, atomically; raises ValueError for an array of Python objects."""
    array = np.asarray(array, order="C")
    if array.dtype.hasobject:
        raise ValueError(f"{path}: an array of Python objects")
    with atomic_write(path) as file:
        write_array(file, array)


def write_array(file, array):
    """Write an array, which is C-contiguous, in the `.npy` format."""
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    file.write(array.data)  # NumPy's own way does not say why the system refused


def array_bytes(array):
    """One array as the bytes of a `.npy` file."""
    file = io.BytesIO()
    np.lib.format.write_array(
        file, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False
    )
    return file.getvalue()


def save_text(path, text):
    """Write UTF-8 text, atomically."""
    with atomic_write(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


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


def read_music_list(path):
    """Names of the songs in the order of the vectors' rows, one per line of the file.

    Raises InputError on an empty list, and on what is no text.
    """
    return music_list_in(read_text(path), path)


def music_list_in(text, path):
    """The names of the songs in the text of a music list, whose lines may lack the
    `.npy`; `path` is for messages.
    """
    return [audio_name(name) for name in names_in(text, path)]


def read_names(path):
    """Names as they stand in a file, one per line; raises InputError as `read_music_list`."""
    return names_in(read_text(path), path)


def names_in(text, path):
    """`read_names` of a text; `path` is for messages."""
    if "\0" in text:
        raise InputError(
            f"{path}: line {text[: text.index(chr(0))].count(chr(10)) + 1} holds a NUL character; "
            "is it the right file?"
        )
    names = [str(PurePosixPath(line)) for line in text.split("\n") if line.strip()]
    if not names:
        raise InputError(f"{path}: holds no song; is it the music_list.txt of a run folder?")
    return names


def checked_names(names):
    """`names`; raises InputError for one that no line of a music list can hold."""
    for name in names:
        if problem := unlistable(name):
            raise InputError(f"{name!r}: a song's path {problem}; rename the file")
    return names


def music_list_text(songs):
    """The text of the music list of the songs; raises InputError as `checked_names`."""
    return names_text([log_mel_name(song) for song in songs])


def names_text(names):
    """Names one per line, as they are; raises InputError as `checked_names`."""
    return "".join(f"{name}\n" for name in checked_names(names))


def save_music_list(path, songs):
    """Write the music list of the songs, atomically; raises InputError as `checked_names`."""
    save_text(path, music_list_text(songs))
