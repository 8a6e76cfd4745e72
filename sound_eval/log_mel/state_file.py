"""The state file of a log-mel tree, `.spectrify.jsonl`: which files are done, and whose
the other arrays are.

    {"config": {key: value, ...}, "claims": true}     the first line
    {"name", "size", "mtime_ns", "seconds", ...}      a file that is done
    {"claim": name[, "stale": true]}                  an array that is about to be made

Conventions
-----------
Names are those of the audio files. Lines are added while a run goes on, and a later
line for a file replaces an earlier one; at the end of a run the file is rewritten,
sorted. A line that a kill cut short is passed over, and its file is made again. A tree
from before there were claims has no "claims" in its first line.
"""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sound_eval.errors import InputError
from sound_eval.files.writing import atomic_write
from sound_eval.log_mel.failure_file import naming
from sound_eval.log_mel.tree_files import standing


@dataclass
class Lines:
    """What the lines say: the keys that the arrays depend on; name -> line of what is
    done; name -> whether the claimed array is of another config.
    """

    config: dict = field(default_factory=dict)
    done: dict = field(default_factory=dict)
    claims: dict = field(default_factory=dict)
    keeps_claims: bool = True


class StateFile:
    """The file at `path`: `read` it, `write` it anew, then `add` lines until `close`."""

    def __init__(self, path):
        self.path = Path(path)
        self._descriptor = None

    def exists(self):
        """Whether something stands there."""
        return standing(self.path) is not None

    def read(self):
        """Its Lines, empty where there is no file. Raises InputError where it is none of ours."""
        lines = Lines()
        if self.exists():
            first, *others = self._text().split("\n")
            self._read_first(first, lines)
            for line in others:
                _read_line(line, lines)
        return lines

    def _text(self):
        """All that stands in it."""
        if not stat.S_ISREG(standing(self.path).st_mode):
            raise InputError(
                f"{self.path}: a link, a pipe or a folder, where the state of the tree is kept; "
                "move it away"
            )
        return self.path.read_text(encoding="utf-8", errors="replace")

    def _read_first(self, line, lines):
        """Take in the config."""
        try:
            first = json.loads(line)
            lines.config = dict(first["config"])
            lines.keeps_claims = bool(first.get("claims"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.path}: not a state file of spectrify_all.py ({error}), so "
                "nothing is known of the arrays in this folder; give another folder"
            ) from error

    def write(self, config, done, claims):
        """Write all of it anew, sorted, atomically."""
        with atomic_write(self.path, "w", encoding="utf-8") as file:
            file.write(json.dumps({"config": config, "claims": True}) + "\n")
            file.writelines(done_line(done[name]) for name in sorted(done))
            file.writelines(claim_line(name, claims[name]) for name in sorted(claims))

    def open(self):
        """Make it ready for lines to be added."""
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def add(self, text):
        """Add whole lines."""
        data = text.encode()
        with naming(self.path):
            while data:  # a disk that is nearly full takes a part
                data = data[os.write(self._descriptor, data) :]

    def flush(self):
        """All that was added is on the disk when this returns."""
        os.fsync(self._descriptor)

    def close(self):
        """No more lines."""
        os.close(self._descriptor)


def _read_line(line, lines):
    """Take in one line behind the first."""
    try:
        entry = json.loads(line)
        if "claim" in entry:
            lines.claims[str(entry["claim"])] = bool(entry.get("stale"))
        else:
            int(entry["size"]), int(entry["mtime_ns"])
            lines.done[str(entry["name"])] = entry
    except (ValueError, KeyError, TypeError, RecursionError):
        return


def done_line(entry):
    """The line of a file that is done."""
    return json.dumps(entry) + "\n"


def claim_line(name, stale=False):
    """The line of a claim."""
    line = {"claim": name}
    if stale:
        line["stale"] = True
    return json.dumps(line) + "\n"
