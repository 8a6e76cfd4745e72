"""Trees of files, mirrored from one into another, and the music list.

Conventions
-----------
A *name* is a path relative to its tree, as a `str` with forward slashes
(`000/000002.mp3`), on every system. A song's name is that of its audio file; the `.npy`
of its file in a tree of arrays, and of its line in a music list, is put on and taken
off here.
"""

import os
from pathlib import Path, PurePosixPath

from sound_eval.errors import InputError
from sound_eval.files.names import unlistable
from sound_eval.files.reading import read_text
from sound_eval.files.writing import save_text

LOG_MEL_SUFFIX = ".npy"


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


def read_music_list(path):
    """Names of the songs in the order of the vectors' rows, one per line of the file.

    Raises InputError on an empty list, and on what is no text.
    """
    return music_list_in(read_text(path), path)


def music_list_in(text, path):
    """The names of the songs in the text of a music list, whose lines may lack the
    `.npy`; `path` is for messages.
    """
    return [audio_name(name) for name in _names_in(text, path)]


def read_names(path):
    """Names as they stand in a file, one per line; raises InputError as `read_music_list`."""
    return _names_in(read_text(path), path)


def _names_in(text, path):
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
