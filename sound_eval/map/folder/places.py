"""Where the map's files of each song lie, so that no two songs share one, on no kind of disk.

Conventions
-----------
A *tree* is a folder of the map in which a song's file lies under the song's own name
and perhaps a suffix. A name that another song's file has, or that a folder has, is
*shared*; names are compared as the least particular disks do, without case and whatever
way accents are written. A file that cannot lie in its tree gets a name made of a
digest, in `renamed/`.
"""

import errno
import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from sound_eval.map.folder.record import RENAMED

# a name that is too long, that this disk cannot hold, or whose folder is a file
NO_SUCH_NAME = (
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EILSEQ,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
)
LONGEST_SUFFIX = 8  # of a song, that is kept in a new name


@dataclass(frozen=True)
class Beside:
    """How the page finds a file of each song: `found` (n_songs,) uint8, 0 where there
    is none; the suffix of its usual place; row -> place of those that lie elsewhere.
    """

    found: np.ndarray
    suffix: str
    renamed: dict


class Tree:
    """A folder `root` of the map, with a file for each of `names`."""

    def __init__(self, root, names, suffix=""):
        self.root = root
        self.suffix = suffix
        self.shared = _shared_names(names, suffix)

    def _usual(self, name):
        """Where the page looks of itself."""
        return f"{self.root}/{name}{self.suffix}"

    def places(self, name):
        """The names under which a song's file may lie, the first that can be is taken."""
        usual = self._usual(name)
        return [_renamed(usual)] if name in self.shared else [usual, _renamed(usual)]

    def is_usual(self, name, place):
        """Whether a place is where the page looks of itself."""
        return place == self._usual(name)


def _renamed(usual):
    """A short name in place of `usual`."""
    suffix = PurePosixPath(usual).suffix.lower()
    kept = suffix if suffix.isascii() and len(suffix) <= LONGEST_SUFFIX else ""
    digest = hashlib.sha256(usual.encode(errors="surrogateescape")).hexdigest()
    return f"{RENAMED}/{digest[:32]}{kept}"


def _folded(name):
    """A name as disks compare it that tell the fewest apart."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _shared_names(names, suffix):
    """Those of `names` that, with the suffix, are another's name or a folder's;
    of several songs the first keeps its name.
    """
    first = {}
    shared = set()
    for name in names:
        if first.setdefault(_folded(name + suffix), name) != name:
            shared.add(name)
    folders = _folders_of(first)
    return shared | {name for key, name in first.items() if key in folders}


def _folders_of(names):
    """All folders on the way to the files `names`."""
    folders = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders
