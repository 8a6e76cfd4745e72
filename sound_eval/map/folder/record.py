"""What lies in the map's folder, and the record by which the map knows its own files.

    index.html         the page; written last, it names the folder of the data that it shows
    data/BUILD/        songs.js and vectors.js for the page, positions.npy and
                       songs.txt for --update
    audio/, encoded/   songs as they are, songs encoded anew; a/b.wma is encoded/a/b.wma.mp3
    thumbnails/        spectrograms
    renamed/           songs and spectrograms that cannot lie under their own names
    .sound-eval-map/   record.jsonl, a line for every file written; a lock, held by who writes

Conventions
-----------
A *name* is a path relative to the folder, with forward slashes. A line of the record is
{"name", "size", "mtime_ns"} and, where they apply, "sha256" of the content and
"source", the [size, mtime_ns] of the song it was made of. It is added before the file
gets its name, so that a kill in between leaves no file without a line. A file that no
line speaks of, or that was changed since, is somebody else's.
"""

import json
import os
import stat
import threading
from contextlib import contextmanager
from pathlib import Path

from sound_eval.errors import InputError
from sound_eval.files.outputs import is_described, parsed
from sound_eval.files.writing import save_text

PAGE = "index.html"
DATA = "data"
AUDIO = "audio"
ENCODED = "encoded"
THUMBNAILS = "thumbnails"
RENAMED = "renamed"
PARTS = (PAGE, DATA, AUDIO, ENCODED, THUMBNAILS, RENAMED)
MARK = ".sound-eval-map"
RECORD = f"{MARK}/record.jsonl"
LOCK = f"{MARK}/lock"


class Record:
    """The record of the map's folder at `path`. Lines are added only inside `writing`."""

    def __init__(self, path):
        self.path = Path(path)
        self.lines = {}  # name -> its lines, the last one last
        self._guard = threading.Lock()  # songs are placed by several threads
        self._descriptor = None

    def read(self):
        """Take in the lines of the file, none where there is no file.

        Raises InputError where a link stands in place of the record's folder.
        """
        self.lines = {}
        if os.path.islink(self.path / MARK):
            raise InputError(
                f"{self.path / MARK}: a link, where the map keeps its record; give another folder"
            )
        try:
            text = (self.path / RECORD).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return
        for line in map(parsed, text.splitlines()):
            if isinstance(line.get("name"), str):
                self._know(line)

    def _know(self, line):
        """Take in a line."""
        self.lines.setdefault(line["name"], []).append(line)

    # ---- what is there ----

    def status(self, name):
        """The lstat of what lies at `name`, None for nothing.

        Raises OSError where there can be nothing of this name.
        """
        try:
            return os.lstat(self.path / name)
        except FileNotFoundError:
            return None

    def line(self, name):
        """The line that speaks of the file at `name` as it is now;
        None where there is no file, or somebody else's.
        """
        try:
            status = self.status(name)
        except OSError:
            # A folder of its path is a file, or its name is too long: it is not the map's.
            return None
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        lines = reversed(self.lines.get(name, ()))
        return next((one for one in lines if is_described(self.path / name, status, [one])), None)

    def is_ours(self, name):
        """Whether the file at `name` is one that the map wrote, as it was then."""
        return self.line(name) is not None

    def is_free(self, name):
        """Whether the map may write at `name`: nothing is there, or a file of its own."""
        return self.status(name) is None or self.is_ours(name)

    def is_made_of(self, name, source):
        """Whether the map made the file at `name` of a source with this [size, mtime_ns]."""
        return (self.line(name) or {}).get("source") == source

    def names(self):
        """Names of the files that the map wrote."""
        return set(self.lines) - {MARK}

    def megabytes(self):
        """Size of the files that the map wrote, in MB."""
        last_lines = (lines[-1] for lines in self.lines.values())
        return sum(line.get("size", 0) for line in last_lines) / 1e6

    # ---- writing ----

    @contextmanager
    def writing(self):
        """Lines may be added inside; on leaving without an exception the file is
        written anew, with one line for each file that is there.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._descriptor = os.open(self.path / RECORD, flags, 0o644)
        try:
            self.add({"name": MARK})
            yield
            self._rewrite()
        finally:
            os.close(self._descriptor)

    def add(self, *lines):
        """Add lines."""
        # The line end stands in front too: what a kill cut short before must not swallow this line.
        text = "".join(f"\n{json.dumps(line)}\n" for line in lines)
        with self._guard:
            os.write(self._descriptor, text.encode())
            for line in lines:
                self._know(line)

    def forget(self, name):
        """Know of no file `name` any more."""
        self.lines.pop(name, None)

    def _rewrite(self):
        """Write the file anew."""
        now = {MARK: [{"name": MARK}]}
        for name in sorted(self.names()):
            line = self.line(name)
            if line:
                now[name] = [line | stamp(os.lstat(self.path / name))]
        self.lines = now
        text = "".join(f"{json.dumps(line)}\n" for (line,) in now.values())
        save_text(self.path / RECORD, text)


def stamp(status):
    """The size and time of a file, as a line holds them."""
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def line_of(name, path, **about):
    """The line of the record that the file at `path` is, or is going to be, `name`."""
    return {"name": name, **stamp(os.stat(path)), **about}
