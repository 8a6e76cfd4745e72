"""The map's folder, written: the map replaces and removes only what it wrote itself, and a
new map takes the place of the old at once.

Conventions
-----------
Names, and what lies where, are those of `record`.

BUILD is a digest of the data, so that files of two builds never mix: a kill at any
moment leaves the former page with all of its data, and the next build removes what was
left half-written.
"""

import errno
import hashlib
import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from sound_eval.errors import InputError
from sound_eval.files.locks import Lock
from sound_eval.files.outputs import digest
from sound_eval.files.writing import (
    TEMPORARY_NAME,
    atomic_write,
    place_file,
    sync_folder,
    temporary_beside,
)
from sound_eval.map.folder.former import DATA_FILES, is_data_file, is_own_page, shown_data
from sound_eval.map.folder.record import (
    DATA,
    LOCK,
    MARK,
    PAGE,
    PARTS,
    RECORD,
    Record,
    line_of,
    stamp,
)


class MapFolder:
    """The folder of a map at `path`. Nothing is written outside of `building`."""

    def __init__(self, path):
        self.path = Path(path)
        self.record = Record(path)
        self.is_former = False  # whether the page that is there was taken in without a record
        self.obsolete = set()  # names of the former map's files that the next page does without

    def check(self):
        """Raise InputError where the folder holds, under the map's names, what the
        map did not write.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: not a folder")
        self.record.read()
        page = self.path / PAGE
        if PAGE not in self.record.lines and is_own_page(page):
            self._take_in_former()
        line = self.record.line(PAGE)
        self.is_former = line is not None and "sha256" not in line
        if os.path.lexists(page) and line is None:
            raise InputError(
                f"{page}: is there, and the map did not make it or it was changed since; "
                "it will not be replaced: move it away, or give another folder"
            )
        taken = [part for part in PARTS[1:] if _is_in_use(self.path / part)]
        if taken and not self.record.lines:
            raise InputError(
                f"{self.path / taken[0]}: is there, and the map did not make it; "
                "nothing is put among other files: give a folder of its own"
            )

    def _take_in_former(self):
        """Take in the page and the data of a map that was made before there was a
        record, or that lost it.
        """
        data = [f"{shown_data(self.path)}/{name}" for name in DATA_FILES]
        for name in (PAGE, *(name for name in data if is_data_file(self.path / name))):
            self.record.lines[name] = [line_of(name, self.path / name)]

    # ---- writing ----

    @contextmanager
    def building(self):
        """Take the folder for this build, inside which it may be written to.

        Raises InputError as `check`, and where another build is at work.
        """
        taken = (
            f"{self.path}: another build is writing this map; wait for it, or give another folder"
        )
        with Lock(self.path / LOCK, taken):
            self.check()
            self._remove_temporaries()
            former = self.record.lines if self.is_former else {}
            adopted = [line for lines in former.values() for line in lines]
            with self.record.writing():
                self.record.add(*adopted)
                yield self

    def _remove_temporaries(self):
        """Remove what builds that were killed left half-written; the lock is held."""
        for part in (MARK, *PARTS[1:]):
            for folder, _, names in os.walk(self.path / part):
                for name in filter(TEMPORARY_NAME.fullmatch, names):
                    os.unlink(os.path.join(folder, name))

    def adopt(self, name, **about):
        """Note that the file that is at `name` is the map's."""
        self.record.add(line_of(name, self.path / name, **about))

    def _claim(self, name, written, **about):
        """Just before the file `written` becomes `name`:
        look who stands there, then add the line. Raises FileExistsError.
        """
        if not self.record.is_free(name):
            raise taken_error(self.path / name)
        self.record.add(line_of(name, written, sha256=digest(written), **about))

    def write(self, name, content):
        """Write a file of bytes, atomically;
        raises FileExistsError where somebody else's is there.
        """
        claim = partial(self._claim, name)
        with atomic_write(self.path / name, before_replace=claim) as file:
            file.write(content)

    def install(self, temporary, name, **about):
        """Give a finished file its name; raises FileExistsError where somebody else's is there."""
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        self._claim(name, temporary, **about)
        os.replace(temporary, self.path / name)

    def place(self, name, source, link):
        """Put a user's file at `name` as it is, by a hard link or as a copy;
        raises FileExistsError where somebody else's is there.
        """
        status = os.stat(source)
        if not self.record.is_free(name) and not self._is_link_of(name, status):
            raise taken_error(self.path / name)
        about = stamp(status)
        self.record.add({"name": name, **about, "source": [*about.values()]})
        place_file(source, self.path / name, link)

    def _is_link_of(self, name, status):
        """Whether the map made the file at `name` a hard link to the file with this
        status, which may have been edited since.
        """
        may_be_ours = self.is_former or name in self.record.lines
        return may_be_ours and os.path.samestat(os.lstat(self.path / name), status)

    # ---- a new map in place of the old ----

    def publish(self, files, page_of):
        """Show a new map: write its data, `files` name -> bytes, then the page,
        `page_of(folder of the data)` as text.

        Then the data of former builds and the obsolete files go.
        """
        build = f"{DATA}/{_digest_of(files)}"
        try:
            for name, content in files.items():
                self.write(f"{build}/{name}", content)
            for folder in (build, DATA, "."):
                sync_folder(self.path / folder)
            self._write_page(page_of(build))
        except BaseException:
            self._remove_data_but(shown_data(self.path))
            raise
        self._remove_data_but(build)
        for name in self.obsolete:
            self._remove(name)

    def _write_page(self, text):
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

    def _remove_data_but(self, build):
        """Remove the data that the map wrote for other builds."""
        data = [name for name in self.record.names() if name.startswith(f"{DATA}/")]
        former = [name for name in data if str(PurePosixPath(name).parent) != build]
        for name in former:
            self._remove(name)
        for folder in {self.path / PurePosixPath(name).parent for name in former}:
            if folder != self.path / DATA and folder.is_dir() and not os.listdir(folder):
                os.rmdir(folder)

    def _remove(self, name):
        """Remove a file if it is the map's."""
        if self.record.is_ours(name):
            os.unlink(self.path / name)
        self.record.forget(name)


def taken_error(path):
    """The error that a file of somebody else's stands at `path`."""
    return FileExistsError(
        errno.EEXIST,
        "is there, and the map did not make it or it was changed since; move it away",
        str(path),
    )


def _digest_of(files):
    """Sixteen hexadecimal digits that stand for `files`, name -> bytes."""
    found = hashlib.sha256()
    for name, content in files.items():
        found.update(f"{name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()[:16]


def _is_in_use(path):
    """Whether there is something at `path`, other than an empty folder."""
    return bool(os.listdir(path)) if path.is_dir() else os.path.lexists(path)
