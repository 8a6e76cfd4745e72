"""What the scripts made, so that they replace nothing else: one record in each folder
that holds an output.

Conventions
-----------
An *output* is a file that a person names on the command line, or that is written beside
one. Its *kind* says what made it (`labels`, `playlist`, ...). Files inside a folder
that is the program's own as a whole (a log-mel tree, a run folder, a map) have records
of their own there.

The record is `.sound-eval.jsonl` beside the outputs: one line for each time that one
was written, {"name", "kind", "size", "mtime_ns", "sha256"}, added before the file gets
its name, so that a kill in between leaves no output without a line. Lines are only ever
added, each by one write, so that two scripts can do so at once. A file without a line
that speaks of it as it is now belongs to somebody else: lost lines cost a refusal,
never a file.
"""

import errno
import hashlib
import json
import os
import stat
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from sound_eval.errors import InputError
from sound_eval.files.locks import Lock
from sound_eval.files.marks import is_part_of_run, is_part_of_tree
from sound_eval.files.names import AUDIO_SUFFIXES
from sound_eval.files.writing import NO_LINK, atomic_write, remove_temporaries

RECORD_NAME = ".sound-eval.jsonl"
LABELS, CLUSTERS = "labels", "clusters"  # kinds that more than their own scripts know
DIGEST_BYTES = 1 << 20  # read at once
NOT_OURS = (
    "is there, and this script did not make it (as far as its records know), "
    "or it was changed since; it will not be replaced: move it away, or give another name"
)
LONGEST_NAME = 255  # bytes, on the usual file systems


def check_outputs(kinds, read=()):
    """Raise InputError where a command cannot write all its outputs, `kinds` path ->
    kind; to be called before the work.

    `read` are the files that the command reads (None among these is skipped): they are
    not replaced either, not even where an earlier run made them.
    """
    sources = [Path(one).resolve() for one in read if one]
    for path, kind in kinds.items():
        if Path(path).resolve() in sources:
            raise InputError(f"{path}: is read here, and would be replaced; give another name")
        check_output(path, kind)
        _check_place(path)


def _check_place(path):
    """Raise InputError where a file `path` cannot be made, or would be taken for a song
    or a part of a run.
    """
    path = Path(path)
    if path.suffix.lower() in AUDIO_SUFFIXES:
        raise InputError(
            f"{path}: would be taken for a song; give a name that does not end in {path.suffix}"
        )
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder, so {path.name} cannot be written there")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: no permission to write {path.name} there")
    for parent in path.resolve().parents:
        if is_part_of_tree(path, parent):
            raise InputError(
                f"{path}: would be taken for a part of the log-mel tree {parent}; "
                "give another folder"
            )
        if is_part_of_run(path.resolve(), parent):
            raise InputError(
                f"{path}: is the name of a part of the run folder {parent}; give another name"
            )


def check_output(path, kind):
    """Raise InputError where something stands at `path` that is no output of this kind,
    or was changed since.
    """
    path = Path(path)
    n_bytes = len(os.fsencode(path.name))
    if n_bytes > LONGEST_NAME:
        raise InputError(f"{path}: a name of {n_bytes} bytes; {LONGEST_NAME} is the most")
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(status.st_mode):
        raise InputError(
            f"{path}: a folder, where a file is to be written; give the name of a file"
        )
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            f"{path}: a link, a pipe or a device, which would be replaced by a file; "
            "give another name"
        )
    if not is_described(path, status, lines_for(path, kind)):
        raise InputError(f"{path}: {NOT_OURS}")


def lines_for(path, kind):
    """The lines of the record that speak of `path` as an output of this kind."""
    try:
        text = _read_record(path.with_name(RECORD_NAME))
    except FileNotFoundError:
        return []
    # Most of a long record speaks of other files: a line is parsed only where it holds the name.
    spelled = json.dumps(path.name)
    lines = [parsed(line) for line in text.splitlines() if spelled in line]
    return [line for line in lines if (line.get("name"), line.get("kind")) == (path.name, kind)]


def is_output(path, kind):
    """Whether the file at `path` is an output of this kind, as it was written."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and is_described(path, status, lines_for(path, kind))


def lines_of_kind(folder, kind):
    """All lines of the record in a folder that speak of outputs of this kind, in order."""
    try:
        text = _read_record(Path(folder) / RECORD_NAME)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line for line in map(parsed, text.splitlines()) if line.get("kind") == kind]


def speaks_of_nothing(record, kind):
    """Whether a record has lines, all of this kind, and none of the files is there."""
    try:
        lines = [line for line in _read_record(record).splitlines() if line]
    except FileNotFoundError:
        return False
    names = [line.get("name") for line in lines_of_kind(record.parent, kind)]
    is_there = any(os.path.lexists(record.with_name(str(name))) for name in names)
    return len(names) == len(lines) and not is_there


def _open_record(path, flags):
    """A descriptor of a record; raises OSError for a link, which could lead anywhere,
    and InputError for a pipe.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(
            f"{path}: not a file; the record of what the scripts made would be kept there"
        )
    return descriptor


def _read_record(path):
    """The text of a record; raises FileNotFoundError where there is none."""
    with open(_open_record(path, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
        return file.read()


def parsed(line):
    """One line of a record as a dict; an empty one where a kill cut it short."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def is_described(path, status, lines):
    """Whether the file at `path` is one that the lines speak of, as it was then.

    The time alone may differ: a copied folder has new ones, and the server of a network
    disk has its own.
    """
    lines = [line for line in lines if line.get("size") == status.st_size]
    if any(line.get("mtime_ns") == status.st_mtime_ns for line in lines):
        return True
    known = [line["sha256"] for line in lines if line.get("sha256")]
    return bool(known) and digest(path) in known


def digest(path):
    """SHA-256 of a file's content, in hexadecimal."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(DIGEST_BYTES):
            found.update(block)
    return found.hexdigest()


def note(path, kind, written):
    """Add a line to the record of `path`'s folder: the file `written` is going to be `path`."""
    # On the disk before the file has its name: after a power cut it must not be a stranger.
    add_line(path.with_name(RECORD_NAME), path.name, kind, written, sync=True)


def add_line(record, name, kind, written, sync=False):
    """Add a line to a record: the file `written` is going to be `name`."""
    status = os.stat(written)
    line = {
        "name": name,
        "kind": kind,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": digest(written),
    }
    descriptor = _open_record(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        # The line end stands in front too: what a kill cut short before must not swallow this line.
        os.write(descriptor, f"\n{json.dumps(line)}\n".encode())
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def write_output(path, kind, mode="wb", **kwargs):
    """`writing.atomic_write` for an output: refuses to replace what is none of this kind,
    and records what it wrote.

    Raises InputError as `check_output` does, before anything is written.
    """
    path = Path(path)
    check_output(path, kind)
    with atomic_write(path, mode, before_replace=partial(claim, path, kind), **kwargs) as file:
        yield file


def write_outputs(contents, kind):
    """Write several outputs of one kind, `contents` path -> bytes:
    none gets its name before all are written.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(write_output(path, kind)) for path in contents]
        for file, content in zip(files, contents.values(), strict=True):
            file.write(content)


def claim(path, kind, written):
    """Just before `written` becomes `path`: look again who stands there, then add the line."""
    check_output(path, kind)
    note(path, kind, written)


def set_aside(path, kind):
    """Where a file stands at `path` that `check_output` refuses, give it another name;
    returns that, else None.

    For a folder that is the program's own, where a person may have changed an output.
    `a.csv` becomes `a.kept.csv`, or `a.kept2.csv` where that is taken. Raises
    InputError where it is no file.
    """
    path = Path(path)
    try:
        check_output(path, kind)
    except InputError:
        if path.is_symlink() or not path.is_file():
            raise
    else:
        return None
    number = 1
    while not _moved(
        path, aside := path.with_stem(f"{path.stem}.kept{number if number > 1 else ''}")
    ):
        number += 1
    return aside


def _moved(path, target):
    """Rename a file; False where `target` is there already."""
    try:
        os.link(path, target)  # unlike a rename it replaces nothing
    except OSError as error:
        if error.errno == errno.EEXIST or (error.errno in NO_LINK and os.path.lexists(target)):
            return False
        if error.errno not in NO_LINK:
            raise
        os.rename(path, target)
    else:
        os.unlink(path)
    return True


class OutputTree:
    """Outputs of one kind below the folder `root`, as many as a tree has: their record
    is at the top and is read once.

    In its lines the names are paths relative to `root`. Only one process at a time
    writes to a tree, with the others that it starts; `locked` sees to that.
    """

    def __init__(self, root, kind):
        self.root, self.kind = Path(root), kind
        self.prefix = f".writing-{kind.replace(' ', '-')}-"

    @contextmanager
    def locked(self):
        """Have the tree for this process meanwhile; what a killed one has left
        half-written in it is removed first.

        Raises InputError where another process writes to it.
        """
        taken = (
            f"{self.root}: another process is writing to this folder; wait for it or give another"
        )
        with Lock(self.root / RECORD_NAME, taken):
            for folder, _, _ in os.walk(self.root):
                remove_temporaries(folder, self.prefix)
            yield

    def check(self, names):
        """Raise InputError where something stands at one of `names` that is no output
        of this kind, or was changed since.
        """
        lines = {line.get("name"): line for line in lines_of_kind(self.root, self.kind)}
        for name in names:
            try:
                status = os.lstat(self.root / name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if not (
                stat.S_ISREG(status.st_mode)
                and is_described(self.root / name, status, [lines.get(name, {})])
            ):
                raise InputError(f"{self.root / name}: {NOT_OURS}")

    def write(self, name):
        """`writing.atomic_write` for the output `name`, with a line in the record;
        `check` comes before.
        """
        return atomic_write(
            self.root / name, prefix=self.prefix, before_replace=partial(self.note, name)
        )

    def note(self, name, written):
        """Add a line to the record: the file `written` is going to be `name`."""
        add_line(self.root / RECORD_NAME, name, self.kind, written)
