"""failures.csv in a log-mel tree: `file,reason,message`, a row for every song that has
no log-mel, or a damaged one.

Conventions
-----------
It is begun anew in every run that changes the tree, grows while the run goes on, and is
sorted at its end. One that this program did not write is never replaced.
"""

import csv
import stat
from contextlib import contextmanager
from pathlib import Path

from sound_eval.errors import InputError
from sound_eval.files.writing import atomic_write
from sound_eval.log_mel.tree_files import standing

COLUMNS = ["file", "reason", "message"]
OPTIONS = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}


class FailureFile:
    """The file at `path`: `check` it, `start` it, `add` to it, `close` it.

    A failure has `name`, `reason` and `message`.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.file = None

    def check(self, begun):
        """Raise InputError where a file stands there that is none of ours;
        `begun` says whether its folder is a tree.
        """
        status = standing(self.path)
        if status is None:
            return
        if begun and stat.S_ISREG(status.st_mode):
            with open(self.path, encoding="utf-8", errors="replace", newline="") as file:
                if file.readline(100).replace('"', "").strip() == ",".join(COLUMNS):
                    return
        raise InputError(
            f"{self.path}: is there, and spectrify_all.py did not make it; "
            "it will not be replaced: move it away, or give another folder"
        )

    def start(self, failures):
        """Write it with these rows and leave it open;
        what failed in an earlier run is tried in every run.
        """
        self.close()
        with atomic_write(self.path, "w", **OPTIONS) as file:
            _write_rows(file, [COLUMNS, *map(_row, failures)])
        self.file = open(self.path, "a", buffering=1, **OPTIONS)  # noqa: SIM115 (see `close`)

    def add(self, failure):
        """One more row, there to be read while the run goes on."""
        with naming(self.path):
            _write_rows(self.file, [_row(failure)])

    def close(self):
        """Close it, if it is open."""
        if self.file:
            self.file.close()


@contextmanager
def naming(path):
    """Give an error of the system that names no file this one's name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _row(failure):
    """The values of a failure's row."""
    return failure.name, failure.reason, failure.message


def _write_rows(file, rows):
    """Write rows of CSV, everything in quotes:
    a name may hold any character, a carriage return too.
    """
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
