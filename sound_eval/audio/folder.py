"""What a folder of music holds: the audio files, what looks like one but cannot be
used, and a count of all else.

Conventions
-----------
A name is a path relative to the folder, with forward slashes. Hidden files and folders
are left out, and so are the folders that a disk, a NAS or a system keeps for itself
(CLUTTER). Links to folders are followed, each folder once: a link to one that is read
already (a loop, or the same music twice) is a problem, not a recursion. Links to files
are files. Nothing is opened here, so a FIFO or a device cannot block.
"""

import errno
import os
import stat
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sound_eval.errors import InputError, one_line
from sound_eval.files.names import unlistable

# Folders with no music of their owner's in them, in any case of letters: indexes and
# thumbnails with a folder for each song, what was deleted, snapshots, half a file for
# each file of a Mac. Those that begin with a dot are hidden already.
# fmt: off
CLUTTER = frozenset((
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "lost+found", "__macosx",
    "system volume information", "$recycle.bin", "recycler",
))
# fmt: on
NO_SUFFIX, BROKEN_LINK = "without suffix", "broken link"  # kinds of other files
LONGEST_SUFFIX = 9  # letters with the dot; what is longer is part of a name
KINDS_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """An audio file: its name, size in bytes, and time of change in nanoseconds."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Failure:
    """A file without a log-mel: its name, what is wrong, and the words of the system
    or the decoders.
    """

    name: str
    reason: str
    message: str = ""


class AudioFolder:
    """The audio files below `root`: `sources` and `failures`, sorted by name, and
    `others`, how many of each kind else.

    `suffixes` are lower case with dot; any case matches. `exclude` are glob patterns,
    held against the name of a file or folder and against its last part. The folder
    `apart` is no part of it, though it may lie in it. Raises InputError where `root` is
    no folder or cannot be read.
    """

    def __init__(self, root, suffixes, exclude=(), apart=None):
        self.root, self.exclude = Path(root), tuple(exclude)
        self.suffixes = tuple(suffix.lower() for suffix in suffixes)
        _check_folder(self.root)
        self.sources, self.failures, self.others = [], [], Counter()
        self.n_excluded = 0
        self.named_as_audio = []  # folders
        self.apart = identity(apart) if apart and os.path.exists(apart) else None
        # The folders read, and those around.
        self.visited = {identity(parent) for parent in self.root.resolve().parents}
        links = [""]
        # real folders first, so that the files of a linked one keep the names
        # of their own place
        while links:
            links = [link for name in links for link in self.read_folder(name)]
        self.sources.sort(key=lambda source: source.name)
        self.add_folders_named_as_audio()
        self.failures.sort(key=lambda failure: failure.name)

    def read_folder(self, name):
        """Take in the folder `name` and the real folders below it;
        returns the names of the links to folders found.
        """
        folders, links = [name], []
        while folders:
            name = folders.pop()
            try:
                found = self.list_folder(name)
            except OSError as error:
                self.failures.append(Failure(name or ".", "folder cannot be read", one_line(error)))
                continue
            for entry in found:
                self.read_entry(
                    entry, f"{name}/{entry.name}" if name else entry.name, folders, links
                )
        return links

    def list_folder(self, name):
        """The entries of one folder, sorted; none where it is read already, which is a failure."""
        path = self.root / name
        folder = identity(path)
        if name and folder == self.apart:
            return []
        if folder in self.visited:
            where = os.path.realpath(path)
            self.failures.append(Failure(name, "link to a folder that is read already", where))
            return []
        self.visited.add(folder)
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)

    def read_entry(self, entry, name, folders, links):
        """Sort one entry of a folder into sources, failures, others, or the folders yet to read."""
        if entry.name.startswith("."):
            return
        if self.excluded(name):
            self.n_excluded += 1
            return
        is_audio = entry.name.lower().endswith(self.suffixes)
        try:
            status = entry.stat()
        except OSError as error:
            self.read_unreadable(name, is_audio, error)
            return
        if stat.S_ISDIR(status.st_mode):
            self.read_subfolder(entry, name, links if entry.is_symlink() else folders, is_audio)
        elif not is_audio:
            self.others[kind_of(entry.name)] += 1
        elif problem := unusable(name, status):
            self.failures.append(Failure(name, problem))
        else:
            self.sources.append(Source(name, status.st_size, status.st_mtime_ns))

    def read_unreadable(self, name, is_audio, error):
        """Take in what the system says nothing of:
        a link to itself or to nothing, or trouble with the disk.
        """
        if not is_audio and error.errno in (errno.ENOENT, errno.ELOOP):
            self.others[BROKEN_LINK] += 1
        else:
            self.failures.append(Failure(name, "cannot be read", one_line(error)))

    def read_subfolder(self, entry, name, folders, is_audio):
        """Put a folder on the list of `folders` to read, unless it is clutter."""
        if entry.name.lower() in CLUTTER:
            self.others[entry.name] += 1
            return
        folders.append(name)
        if is_audio:
            self.named_as_audio.append(name)

    def add_folders_named_as_audio(self):
        """A folder with the name of an audio file is a failure where it holds no audio:
        an album may be so named.
        """
        names = [source.name for source in self.sources]
        for name in self.named_as_audio:
            after = bisect_left(names, f"{name}/")
            if not (after < len(names) and names[after].startswith(f"{name}/")):
                self.failures.append(Failure(name, "a folder with the name of an audio file"))

    def excluded(self, name):
        """Whether one of the patterns matches `name` or its last part."""
        last = name.rpartition("/")[2]
        return any(
            fnmatchcase(name, pattern) or fnmatchcase(last, pattern) for pattern in self.exclude
        )


def _check_folder(root):
    """Raise InputError that says which it is:
    no such folder, no folder, or one that cannot be read.
    """
    try:
        with os.scandir(root):
            return
    except FileNotFoundError:
        raise InputError(f"{root}: no such folder") from None
    except NotADirectoryError:
        raise InputError(f"{root}: not a folder") from None
    except OSError as error:
        raise InputError(f"{root}: cannot be read ({error.strerror})") from error


def check_holds_audio(folder):
    """Raise InputError that says what an AudioFolder holds, where that is no audio at all."""
    if folder.sources or folder.failures:
        return
    if folder.n_excluded:
        raise InputError(f"{folder.root}: holds no audio file but what --exclude leaves out")
    if not folder.others:
        raise InputError(
            f"{folder.root}: holds no file; is it the right folder, and is its disk mounted?"
        )
    raise InputError(
        f"{folder.root}: holds no audio file ({others_text(folder.others)}); "
        "AUDIO_SUFFIXES says which suffixes are audio"
    )


def kind_of(name):
    """The suffix of a file that is no audio, lower case with dot, or NO_SUFFIX."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= LONGEST_SUFFIX else NO_SUFFIX


def others_text(others):
    """`14 other files left out (.pdf 9, .cue 5)`, the most frequent first;
    '' where there are none.
    """
    if not others:
        return ""
    ranked = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{kind} {count}" for kind, count in ranked[:KINDS_SHOWN]]
    if rest := sum(count for _, count in ranked[KINDS_SHOWN:]):
        shown.append(f"others {rest}")
    what = "files and folders" if any(kind.lower() in CLUTTER for kind in others) else "files"
    if sum(others.values()) == 1:
        what = "folder" if what != "files" else "file"
    return f"{sum(others.values())} other {what} left out ({', '.join(shown)})"


def identity(path):
    """What tells a file or folder from all others, whatever path leads to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def unusable(name, status):
    """Why a file cannot be used, as far as its name and status tell, or ''."""
    if not stat.S_ISREG(status.st_mode):
        return (
            "a FIFO, not a file"
            if stat.S_ISFIFO(status.st_mode)
            else "a device or socket, not a file"
        )
    if problem := unlistable(name):
        return f"its path {problem}; rename it"
    return "" if status.st_size else "the file is empty"
