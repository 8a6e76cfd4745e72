"""What the scripts made, so that they replace nothing else: one record in each folder that holds an output.

Conventions
-----------
An *output* is a file that a person names on the command line, or that is written beside one. Its *kind* says what made
it (`labels`, `playlist`, ...). Files inside a folder that is the program's own as a whole (a log-mel tree, a run folder,
a map) have records of their own there.

The record is `.sound-eval.jsonl` beside the outputs: one line for each time that one was written, {"name", "kind", "size",
"mtime_ns", "sha256"}, added before the file gets its name, so that a kill in between leaves no output without a line.
Lines are only ever added, each by one write, so that two scripts can do so at once.
"""
import hashlib
import json
import os
import stat
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sound_eval.cli import InputError
from sound_eval.trees import atomic_write

RECORD_NAME = ".sound-eval.jsonl"
DIGEST_BYTES = 1 << 20  # read at once


def check_output(path, kind):
    """Raise InputError where something stands at `path` that is no output of this kind, or was changed since."""
    path = Path(path)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: a folder, where a file is to be written; give the name of a file")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: a link, a pipe or a device, which would be replaced by a file; give another name")
    if not any(is_described(path, status, line) for line in lines_for(path, kind)):
        raise InputError(
            f"{path}: is there, and this script did not make it or it was changed since; "
            "it will not be replaced: move it away, or give another name"
        )


def lines_for(path, kind):
    """The lines of the record that speak of `path` as an output of this kind, the last one first."""
    try:
        text = path.with_name(RECORD_NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = [line for line in map(parsed, text.splitlines()) if line.get("name") == path.name]
    return [line for line in reversed(lines) if line.get("kind") == kind]


def parsed(line):
    """One line of a record as a dict; an empty one where a kill cut it short."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def is_described(path, status, line):
    """Whether the file at `path` is the one that a line speaks of, as it was then.

    The time alone may differ: a copied folder has new ones.
    """
    if line.get("size") != status.st_size:
        return False
    return line.get("mtime_ns") == status.st_mtime_ns or line.get("sha256") == digest(path)


def digest(path):
    """SHA-256 of a file's content, in hexadecimal."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(DIGEST_BYTES):
            found.update(block)
    return found.hexdigest()


def note(path, kind, written):
    """Add a line to the record of `path`'s folder: the file `written` is going to be `path`."""
    status = os.stat(written)
    line = {
        "name": path.name,
        "kind": kind,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": digest(written),
    }
    record = os.open(path.with_name(RECORD_NAME), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # The line end stands in front too: what a kill cut short before must not swallow this line.
        os.write(record, f"\n{json.dumps(line)}\n".encode())
    finally:
        os.close(record)


@contextmanager
def write_output(path, kind, mode="wb", **kwargs):
    """`trees.atomic_write` for an output: refuses to replace what is none of this kind, and records what it wrote.

    Raises InputError as `check_output` does, before anything is written.
    """
    path = Path(path)
    check_output(path, kind)
    with atomic_write(path, mode, before_replace=partial(claim, path, kind), **kwargs) as file:
        yield file


def claim(path, kind, written):
    """Just before `written` becomes `path`: look again who stands there, then add the line."""
    check_output(path, kind)
    note(path, kind, written)
