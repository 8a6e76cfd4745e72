"""The map's folder: the map replaces and removes only what it wrote itself, and a new
map takes the place of the old at once.

    index.html         the page; written last, it names the folder of the data that it shows
    data/BUILD/        songs.js and vectors.js for the page, positions.npy and
                       songs.txt for --update
    audio/, encoded/   songs as they are, songs encoded anew; a/b.wma is encoded/a/b.wma.mp3
    thumbnails/        spectrograms
    renamed/           songs and spectrograms that cannot lie under their own names
    .sound-eval-map/   record.jsonl, a line for every file written; a lock, held by who writes

Conventions
-----------
A name is a path relative to the folder, with forward slashes. A line of the record is
{"name", "size", "mtime_ns"} and, where they apply, "sha256" of the content and
"source", the [size, mtime_ns] of the song it was made of. It is added before the file
gets its name, so that a kill in between leaves no file without a line. A file that no
line speaks of, or that was changed since, is somebody else's.

BUILD is a digest of the data, so that files of two builds never mix: a kill at any
moment leaves the former page with all of its data, and the next build removes what was
left half-written.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from sound_eval.errors import InputError
from sound_eval.files.outputs import digest, parsed
from sound_eval.files.trees import (
    TEMPORARY_PREFIX,
    atomic_write,
    place_file,
    save_text,
    sync_folder,
    temporary_beside,
)
from sound_eval.map.former import DATA_FILES, is_data_file, is_own_page, shown_data

PAGE, DATA, AUDIO, ENCODED, THUMBNAILS, RENAMED = (
    "index.html",
    "data",
    "audio",
    "encoded",
    "thumbnails",
    "renamed",
)
PARTS = (PAGE, DATA, AUDIO, ENCODED, THUMBNAILS, RENAMED)
MARK = ".sound-eval-map"
RECORD, LOCK = f"{MARK}/record.jsonl", f"{MARK}/lock"
TEMPORARY = re.compile(re.escape(TEMPORARY_PREFIX) + "[0-9a-f]{16}")


class MapFolder:
    """The folder of a map at `path`. Nothing is written outside of `building`."""

    def __init__(self, path):
        self.path = Path(path)
        self.lines = {}  # name -> its lines, the last one last
        self.is_former = False  # whether the page that is there was taken in without a record
        self.obsolete = set()  # names of the former map's files that the next page does without
        self.guard = threading.Lock()  # songs are placed by several threads
        self.record = None

    # ---- what is there ----

    def check(self):
        """Raise InputError where the folder holds, under the map's names, what the
        map did not write.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: not a folder")
        self.read_record()
        page = self.path / PAGE
        if PAGE not in self.lines and is_own_page(page):
            self.adopt_former()
        line = self.line(PAGE)
        self.is_former = line is not None and "sha256" not in line
        if os.path.lexists(page) and line is None:
            raise InputError(
                f"{page}: is there, and the map did not make it or it was changed since; "
                "it will not be replaced: move it away, or give another folder"
            )
        taken = [part for part in PARTS[1:] if is_in_use(self.path / part)]
        if taken and not self.lines:
            raise InputError(
                f"{self.path / taken[0]}: is there, and the map did not make it; "
                "nothing is put among other files: give a folder of its own"
            )

    def read_record(self):
        """Take in the lines of the record, none where there is no record."""
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
                self.lines.setdefault(line["name"], []).append(line)

    def adopt_former(self):
        """Take in the page and the data of a map that was made before there was a
        record, or that lost it.
        """
        data = [f"{shown_data(self.path)}/{name}" for name in DATA_FILES]
        for name in (PAGE, *(name for name in data if is_data_file(self.path / name))):
            self.lines[name] = [line_of(name, self.path / name)]

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
        except (
            OSError
        ):  # a folder of its path is a file, or its name is too long: then it is not the map's
            return None
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        lines = [
            line
            for line in reversed(self.lines.get(name, ()))
            if line.get("size") == status.st_size
        ]
        same_time = [line for line in lines if line.get("mtime_ns") == status.st_mtime_ns]
        if same_time or not any(line.get("sha256") for line in lines):
            return same_time[0] if same_time else None
        # the time alone may differ: a copied folder has new ones
        content = digest(self.path / name)
        return next((line for line in lines if line.get("sha256") == content), None)

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

    # ---- writing ----

    @contextmanager
    def building(self):
        """Take the folder for this build, inside which it may be written to.

        Raises InputError as `check`, and where another build is at work.
        """
        (self.path / MARK).mkdir(parents=True, exist_ok=True)
        with open(self.path / LOCK, "a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{self.path}: another build is writing this map; "
                    "wait for it, or give another folder"
                ) from None
            self.check()
            self.remove_temporaries()
            adopted = (
                [line for lines in self.lines.values() for line in lines] if self.is_former else []
            )
            self.record = os.open(
                self.path / RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644
            )
            try:
                self.append({"name": MARK}, *adopted)
                yield self
                self.rewrite_record()
            finally:
                os.close(self.record)

    def remove_temporaries(self):
        """Remove what writers that were killed left half-written.

        The lock is held, so nobody else is writing.
        """
        for part in (MARK, *PARTS[1:]):
            for folder, _, files in os.walk(self.path / part):
                for name in filter(TEMPORARY.fullmatch, files):
                    os.unlink(os.path.join(folder, name))

    def append(self, *lines):
        """Add lines to the record, and to what is known."""
        # The line end stands in front too: what a kill cut short before must not swallow this line.
        text = "".join(f"\n{json.dumps(line)}\n" for line in lines)
        with self.guard:
            os.write(self.record, text.encode())
            for line in lines:
                self.lines.setdefault(line["name"], []).append(line)

    def adopt(self, name, **about):
        """Note that the file that is at `name` is the map's."""
        self.append(line_of(name, self.path / name, **about))

    def claim(self, name, written, **about):
        """Just before the file `written` becomes `name`:
        look who stands there, then add the line. Raises FileExistsError.
        """
        if not self.is_free(name):
            raise taken_error(self.path / name)
        self.append(line_of(name, written, sha256=digest(written), **about))

    def write(self, name, content):
        """Write a file of bytes, atomically;
        raises FileExistsError where somebody else's is there.
        """
        with atomic_write(self.path / name, before_replace=partial(self.claim, name)) as file:
            file.write(content)

    def install(self, temporary, name, **about):
        """Give a finished file its name; raises FileExistsError where somebody else's is there."""
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        self.claim(name, temporary, **about)
        os.replace(temporary, self.path / name)

    def place(self, name, source, link):
        """Put a user's file at `name` as it is, by a hard link or as a copy;
        raises FileExistsError where somebody else's is there.
        """
        status = os.stat(source)
        if not self.is_free(name) and not self.is_link_of(name, status):
            raise taken_error(self.path / name)
        self.append({"name": name, **stamp(status), "source": [*stamp(status).values()]})
        place_file(source, self.path / name, link)

    def is_link_of(self, name, status):
        """Whether the map made the file at `name` a hard link to the file with this
        status, which may have been edited since.
        """
        return (self.is_former or name in self.lines) and os.path.samestat(
            os.lstat(self.path / name), status
        )

    def publish(self, files, page_of):
        """Show a new map: write its data, `files` name -> bytes, then the page,
        `page_of(folder of the data)` as text.

        Then the data of former builds and the obsolete files go.
        """
        build = f"{DATA}/{digest_of(files)}"
        try:
            for name, content in files.items():
                self.write(f"{build}/{name}", content)
            for folder in (build, DATA, "."):
                sync_folder(self.path / folder)
            self.write_page(page_of(build))
        except BaseException:
            self.remove_data_but(shown_data(self.path))
            raise
        self.remove_data_but(build)
        for name in self.obsolete:
            self.remove(name)

    def write_page(self, text):
        """Write index.html.

        Its temporary file lies beside the record: in the folder itself
        others may write.
        """
        temporary = temporary_beside(self.path / RECORD)
        try:
            with open(temporary, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            self.install(temporary, PAGE)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(self.path)

    def remove_data_but(self, build):
        """Remove the data that the map wrote for other builds."""
        former = [
            name
            for name in self.lines
            if name.startswith(f"{DATA}/") and str(PurePosixPath(name).parent) != build
        ]
        for name in former:
            self.remove(name)
        for folder in {PurePosixPath(name).parent for name in former} - {PurePosixPath(DATA)}:
            if (self.path / folder).is_dir() and not os.listdir(self.path / folder):
                os.rmdir(self.path / folder)

    def remove(self, name):
        """Remove a file if it is the map's."""
        if self.is_ours(name):
            os.unlink(self.path / name)
        self.lines.pop(name, None)

    def rewrite_record(self):
        """Write the record anew, with one line for each file that is there."""
        found = {name: line for name in self.lines if name != MARK and (line := self.line(name))}
        now = {
            name: line | stamp(os.lstat(self.path / name)) for name, line in sorted(found.items())
        }
        self.lines = {MARK: [{"name": MARK}]} | {name: [line] for name, line in now.items()}
        save_text(
            self.path / RECORD, "".join(f"{json.dumps(line)}\n" for (line,) in self.lines.values())
        )

    def megabytes(self):
        """Size of the files that the map wrote, in MB."""
        return (
            sum(line.get("size", 0) for lines in self.lines.values() for line in lines[-1:]) / 1e6
        )


def taken_error(path):
    """The error that a file of somebody else's stands at `path`."""
    return FileExistsError(
        errno.EEXIST,
        "is there, and the map did not make it or it was changed since; move it away",
        str(path),
    )


def stamp(status):
    """The size and time of a file, as a line holds them."""
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def line_of(name, path, **about):
    """The line of the record that the file at `path` is, or is going to be, `name`."""
    return {"name": name, **stamp(os.stat(path)), **about}


def digest_of(files):
    """Sixteen hexadecimal digits that stand for `files`, name -> bytes."""
    found = hashlib.sha256()
    for name, content in files.items():
        found.update(f"{name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()[:16]


def is_in_use(path):
    """Whether there is something at `path`, other than an empty folder."""
    return bool(os.listdir(path)) if path.is_dir() else os.path.lexists(path)
