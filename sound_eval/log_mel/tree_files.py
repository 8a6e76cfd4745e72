"""What stands in the folder of a log-mel tree: arrays, what killed writers left
half-written, and signs of something else.

Conventions
-----------
Links to folders are never followed and hidden folders not entered, so nothing outside
the tree is seen or touched. Nothing is opened but to read the header of an array.
Names are those of the audio files that arrays stand for: only here and where an array
is opened is there a `.npy` behind them.
"""

import os
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.marks import MUSIC_LIST_NAME, RUN_MARK
from sound_eval.files.trees import LOG_MEL_SUFFIX, audio_name, is_inside
from sound_eval.files.writing import TEMPORARY_NAME, temporary_beside

# A file by which a folder is known to be something else, and what it is then.
SIGNS = {
    RUN_MARK: "a run folder",
    MUSIC_LIST_NAME: "a run folder, or vectors with their list of songs",
    "index.html": "a map, or another page",
}


@dataclass
class TreeFiles:
    """Names of the songs whose arrays are in a tree, sorted, and paths of the temporary
    files in it.
    """

    songs: list = field(default_factory=list)
    temporaries: list = field(default_factory=list)


def survey(path, suffixes=()):
    """The TreeFiles of the folder `path`, none where it is not there.

    Raises InputError where it is something else, or holds it: a run folder, a map, or
    audio files, by `suffixes`.
    """
    found = TreeFiles()
    folders = [""] if os.path.isdir(path) else []
    while folders:
        name = folders.pop()
        for entry in _entries_of(os.path.join(path, name)):
            _take_entry(entry, f"{name}/{entry.name}" if name else entry.name, folders, found)
            _check_sign(path, entry, suffixes)
    found.songs.sort()
    return found


def _entries_of(folder):
    """The entries of a folder; none where it may not be read, such as lost+found:
    then nothing of ours is in it.
    """
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError:
        return []


def _take_entry(entry, name, folders, found):
    """Sort one entry of a folder of the tree into the TreeFiles, or the folders yet to read."""
    if entry.is_dir(follow_symlinks=False):
        if not entry.name.startswith("."):
            folders.append(name)
    elif not entry.is_file(follow_symlinks=False):
        return
    elif TEMPORARY_NAME.fullmatch(entry.name):
        found.temporaries.append(entry.path)
    elif entry.name.endswith(LOG_MEL_SUFFIX) and not entry.name.startswith("."):
        found.songs.append(audio_name(name))


def _check_sign(path, entry, suffixes):
    """Raise InputError where an entry shows that the folder is no log-mel tree."""
    if entry.name.startswith("."):
        return
    if entry.name in SIGNS:
        raise InputError(
            f"{path}: is or holds {SIGNS[entry.name]} ({entry.path}), and a log-mel tree needs a "
            "folder of its own; give another, or move that out of it"
        )
    if entry.name.lower().endswith(suffixes) and entry.is_file():
        raise InputError(
            f"{path}: holds audio ({entry.path}); give a folder of its own for the log-mel tree"
        )


def check_apart(audio_dir, vectors_dir):
    """Raise InputError where a new tree would lie among the songs:
    in the same folder, or in one that holds theirs.
    """
    if Path(audio_dir).resolve() == Path(vectors_dir).resolve():
        raise InputError(
            f"{vectors_dir}: is the folder of music itself; "
            "give a folder of its own for the log-mel tree"
        )
    if is_inside(audio_dir, vectors_dir):
        raise InputError(
            f"{vectors_dir}: holds the folder of music {audio_dir}; "
            "give a folder of its own for the log-mel tree"
        )


def standing(path):
    """The `os.lstat` of what stands at `path`, None where nothing does."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_gone(path):
    """Whether nothing stands at `path`, as far as can be seen:
    what cannot be looked at is not gone.
    """
    try:
        return standing(path) is None
    except OSError:
        return False


def is_log_mel(path):
    """Whether a whole array stands at `path` in just the form that spectrify writes:
    float32 (n_frames, n_mels), no link.
    """
    status = standing(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return False
    with open(path, "rb") as file:
        try:
            if np.lib.format.read_magic(file) != (1, 0):
                return False
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        except ValueError:
            return False
        n_values = shape[0] * shape[1] if len(shape) == 2 else 0
        return (
            dtype == np.dtype("<f4")
            and not fortran_order
            and file.tell() + 4 * n_values == status.st_size
        )


# ---- names that one disk tells apart and another does not ----


def same_names(names, tree):
    """Groups of two and more of `names` that are one and the same name on the disk of
    the folder `tree`.
    """
    groups = _grouped(names, folded)
    if not groups:
        return []
    case, form = _folds(tree)
    return _grouped(
        [name for group in groups for name in group], lambda name: folded(name, case, form)
    )


def _grouped(names, key):
    """Groups of two and more of `names` with the same key, each sorted."""
    groups = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def folded(name, case=True, form=True):
    """A name as a disk sees it that ignores the case of letters and the form of Unicode."""
    if form and not name.isascii():
        name = unicodedata.normalize("NFC", name)
    return name.casefold() if case else name


def _folds(folder):
    """Whether the disk of `folder` takes names for the same that differ in case, and in
    the form of Unicode.
    """
    return finds(folder, "A", "a"), finds(folder, "\u00e9", "e\u0301")


def finds(folder, letter, other):
    """Whether a file that is made with `letter` in its name is found with `other` there."""
    probe = str(temporary_beside(os.path.join(folder, "probe")))
    os.close(os.open(probe + letter, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        return os.path.exists(probe + other)
    finally:
        os.unlink(probe + letter)
