"""Log-mel files whose audio is gone: which those are, which of them may be removed, and
which a missing disk may explain.

Conventions
-----------
Names are those of the audio files, relative to the folder of music. A song is *gone*
where nothing has its name; what cannot be looked at (no permission, an error of the
disk), or is a link to nothing, is not.
An orphan is *held* by a folder where all audio below that folder is gone, as when a
disk is not mounted: a top folder; or a folder at any depth that stands there empty, or
as a link to nothing. It is removed only where that folder is asked for.
"""

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from sound_eval.audio.folder import CLUTTER
from sound_eval.errors import InputError
from sound_eval.log_mel.tree_files import is_gone

EVERYTHING = ""  # in `asked`: all but what is held


@dataclass
class Orphans:
    """Names of songs that are gone: those `removed`, those `kept`, and by folder those `held`."""

    removed: list = field(default_factory=list)
    kept: list = field(default_factory=list)
    held: dict = field(default_factory=dict)


def find_orphans(folder, names, asked=()):
    """The Orphans among `names`, songs with an array of ours, beside the AudioFolder `folder`.

    `asked` says what to remove: folders, and EVERYTHING for all that is not held.
    Raises InputError where a folder has no such name below it, or where all is gone and
    was not asked for by its folders: that is another folder of music.
    """
    listed = {source.name for source in folder.sources}
    gone = [name for name in names if name not in listed and is_gone(folder.root / name)]
    asked = [_asked_folder(one, folder.root) for one in asked]
    _check_asked(asked, names)
    there = [*listed, *(failure.name for failure in folder.failures), *(set(names) - set(gone))]
    holder = _finder_of_holders(folder.root, {_top_of(name) for name in there})
    orphans = Orphans()
    for name in gone:
        held_by = holder(os.path.dirname(name)) if "/" in name else None
        if any(one and _is_below(name, one) for one in asked) or (
            EVERYTHING in asked and held_by is None
        ):
            orphans.removed.append(name)
        elif held_by is None:
            orphans.kept.append(name)
        else:
            orphans.held.setdefault(held_by, []).append(name)
    by_name = all(any(one and _is_below(name, one) for one in asked) for name in gone)
    if EVERYTHING in asked and names and len(gone) == len(names) and not by_name:
        raise InputError(
            f"{folder.root}: has the audio of none of the {len(names)} log-mel files, "
            "and --prune would remove them all; is it the folder that they were made of? "
            "If so, remove them yourself"
        )
    return orphans


def _asked_folder(text, root):
    """A folder as a person gives it, relative to `root` or in it, as a name;
    EVERYTHING stays what it is.
    """
    if text == EVERYTHING:
        return text
    path = Path(text)
    if path.is_absolute() and path.is_relative_to(root):
        path = path.relative_to(root)
    return str(PurePosixPath(path))


def _check_asked(asked, names):
    """Raise InputError for a folder without a log-mel file."""
    for one in asked:
        if one and not any(_is_below(name, one) for name in names):
            raise InputError(
                f"--prune={one}: no log-mel file of this tree is of a song below that folder; "
                "give its path in AUDIO_DIR"
            )


def _is_below(name, folder):
    """Whether `name` lies below `folder`; everything lies below `.`."""
    return folder == "." or name.startswith(f"{folder}/")


def _top_of(name):
    """The first folder of a name, '' where it lies in none."""
    return name.partition("/")[0] if "/" in name else ""


def _finder_of_holders(root, tops_there):
    """A function of a folder whose songs are gone: the folder that holds them, or None."""

    @cache
    def holder(folder):
        if _stands_empty(root / folder):
            return folder
        parent = os.path.dirname(folder)
        if parent:
            return holder(parent)
        return None if folder in tops_there else folder

    return holder


def _stands_empty(path):
    """Whether a folder is there and shows nothing, as a mount point without its disk,
    or is a link to nothing.
    """
    try:
        with os.scandir(path) as entries:
            return all(
                entry.name.startswith(".") or entry.name.lower() in CLUTTER for entry in entries
            )
    except (FileNotFoundError, NotADirectoryError):
        return os.path.islink(path)  # an absent folder is no sign of anything
    except OSError:
        return True  # cannot be looked into
