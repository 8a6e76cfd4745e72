"""A collection of audio files that a script makes, with labels beside them that say so.

The labels are written before the first file. A second run finds them the same, and
makes what is missing; where they are others, or files without them, nothing is touched.
"""

import os
from contextlib import closing

from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs, write_output
from sound_eval.files.writing import TEMPORARY_PREFIX, replacing
from sound_eval.log_mel.processes import run_local, usable_cores
from sound_eval.terminal import Progress


def claim(path, kind, text, places, another):
    """Write the labels `text` to `path`, an output of the given kind, before the files `places`.

    Raises InputError where other labels are there, in which case it says `another`, or
    somebody else's files in one of the places.
    """
    if path.is_file():
        if path.read_bytes() != text.encode():
            raise InputError(f"{path}: describes another {another}")
        return
    check_outputs({path: kind})
    there = next(filter(os.path.lexists, places), None)
    if there:
        raise InputError(
            f"{there}: is there, and no {path.name} says that this script made it; "
            "give another folder"
        )
    with write_output(path, kind, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def whole_file(path):
    """A context manager that gives a name to write to, in a process of `make_all`; what is
    there at the end gets the name `path`.
    """
    return replacing(path, prefix=_temporary_start(os.getppid()), suffix=path.suffix)


def make_all(make, folder, items, unit, what, verb):
    """Call `make(item)`, which writes `folder` / item.name, for each of the items, one
    process per core; what Ctrl-C leaves half done is taken away.

    It shows what is done by `unit` and `what`; raises InputError, with `verb` for what
    the process did, where the system ends one.
    """
    made = run_local(make, items, usable_cores(), crashed=None)
    try:
        with Progress(len(items), unit, what) as progress, closing(made):
            for item, name in made:
                if name is None:
                    message = f"the process that {verb} it was ended, perhaps for lack of memory"
                    raise InputError(f"{folder / item.name}: {message}; start again")
                progress.update(1, name)
    finally:
        for half in folder.glob(f"*/{_temporary_start(os.getpid())}*"):
            half.unlink()


def _temporary_start(parent):
    """How the temporary names begin that the processes of the process `parent` write to."""
    return f"{TEMPORARY_PREFIX}{parent}-"
