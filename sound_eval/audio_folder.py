"""What a folder of music holds: the audio files to work on, and everything that looks like one but cannot be used.

Conventions
-----------
A name is a path relative to the folder, with forward slashes. Hidden files and folders are left out. Links to folders are
followed, each folder once: a link to one that is read already (a loop, or the same music twice) is a problem, not a
recursion. Nothing is opened here, so a FIFO or a device cannot block.
"""
import os
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sound_eval.cli import InputError, one_line


@dataclass(frozen=True)
class Source:
    """An audio file: its name, size in bytes, and time of change in nanoseconds."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Failure:
    """A file without a log-mel: its name, what is wrong, and the words of the system or the decoders."""

    name: str
    reason: str
    message: str = ""


class AudioFolder:
    """The audio files below `root`: `sources` and `failures`, sorted by name, and `n_other`, the count of other files.

    `suffixes` are lower case with dot; any case matches. `exclude` are glob patterns, held against the name of a file or
    folder and against its last part. Raises InputError where `root` is no folder.
    """

    def __init__(self, root, suffixes, exclude=()):
        self.root, self.suffixes, self.exclude = Path(root), tuple(suffix.lower() for suffix in suffixes), tuple(exclude)
        if not self.root.is_dir():
            raise InputError(f"{root}: not a folder" if self.root.exists() else f"{root}: no such folder")
        self.sources, self.failures, self.n_other = [], [], 0
        self.visited = {identity(parent) for parent in self.root.resolve().parents}  # of the folders read, and of those around
        links = [""]
        while links:  # real folders first, so that the files of a linked one keep the names of their own place
            links = [link for name in links for link in self.read_folder(name)]
        self.sources.sort(key=lambda source: source.name)
        self.failures.sort(key=lambda failure: failure.name)

    def read_folder(self, name):
        """Take in the folder `name` and the real folders below it; returns the names of the links to folders found."""
        folders, links = [name], []
        while folders:
            name = folders.pop()
            try:
                if identity(self.root / name) in self.visited:
                    self.failures.append(Failure(name, "link to a folder that is read already", os.path.realpath(self.root / name)))
                    continue
                self.visited.add(identity(self.root / name))
                with os.scandir(self.root / name) as entries:
                    entries = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.failures.append(Failure(name or ".", "folder cannot be read", one_line(error)))
                continue
            for entry in entries:
                self.read_entry(entry, f"{name}/{entry.name}" if name else entry.name, folders, links)
        return links

    def read_entry(self, entry, name, folders, links):
        """Sort one entry of a folder into the sources, the failures, or the folders yet to read."""
        if entry.name.startswith(".") or self.excluded(name):
            return
        is_audio = entry.name.lower().endswith(self.suffixes)
        try:
            status = entry.stat()
        except OSError as error:  # a link to itself or to nothing
            if is_audio:
                self.failures.append(Failure(name, "cannot be read", one_line(error)))
            return
        if stat.S_ISDIR(status.st_mode):
            (links if entry.is_symlink() else folders).append(name)
            if is_audio:
                self.failures.append(Failure(name, "a folder with the name of an audio file"))
        elif not is_audio:
            self.n_other += 1
        elif problem := unusable(name, status):
            self.failures.append(Failure(name, problem))
        else:
            self.sources.append(Source(name, status.st_size, status.st_mtime_ns))

    def excluded(self, name):
        """Whether one of the patterns matches `name` or its last part."""
        return any(fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern) for pattern in self.exclude)


def identity(path):
    """What tells a file or folder from all others, whatever path leads to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def unusable(name, status):
    """Why a file cannot be used, as far as its name and status tell, or ''."""
    if not stat.S_ISREG(status.st_mode):
        return "a FIFO, not a file" if stat.S_ISFIFO(status.st_mode) else "a device or socket, not a file"
    if "\n" in name or "\r" in name:
        return "its path holds a line break, which a music list cannot; rename it"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its path is not valid UTF-8; rename it"
    return "" if status.st_size else "the file is empty"
