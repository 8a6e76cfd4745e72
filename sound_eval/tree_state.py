"""What is known of a log-mel tree: the config it was made with, which files are done, and which failed.

    .spectrify.jsonl    first line: the config keys that the arrays depend on; then a line per file that is done
    .spectrify.lock     held by the run that writes to the tree
    failures.csv        file,reason,message: every audio file that has no log-mel

Conventions
-----------
A line is added after the array it speaks of is whole under its final name, so a kill at any time costs only the work of
files in hand: an array without a line is made again. A line cut short by a kill is passed over. A later line for a file
replaces an earlier one; at the end of a run the file is rewritten, sorted.
"""
import csv
import fcntl
import json
import os
import time
from pathlib import Path

from sound_eval.cli import InputError
from sound_eval.config import LOG_MEL_KEYS
from sound_eval.trees import TEMPORARY_PREFIX, atomic_write

STATE_NAME, LOCK_NAME, FAILURES_NAME = ".spectrify.jsonl", ".spectrify.lock", "failures.csv"
LOCK_SECONDS = 3.0
FAILURE_COLUMNS = ["file", "reason", "message"]

# DECODER is not among them: the decoders agree, so a change of it concerns the files yet to be done.
TREE_KEYS = (*LOG_MEL_KEYS, "MAX_SECONDS", "LONG_FILES")


class TreeState:
    """The state of the tree at `path`, whose folder is made where it is missing; call `lock` before writing."""

    def __init__(self, path):
        self.path = Path(path)
        self.config, self.done = {}, {}  # key -> value; name -> {"name", "size", "mtime_ns", "seconds"[, "skipped"]}
        self.journal = self.failures = self.lock_descriptor = None

    def lock(self):
        """Take the tree for this process; raises InputError where another run writes to it.

        The lock is the operating system's and shared with the processes forked from this one, so it goes when the last of
        them ends, however that happens; after a kill this takes a moment, which is waited for.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock_descriptor = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return fcntl.flock(self.lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InputError(f"{self.path}: another spectrify_all.py is writing to this folder; wait for it or give another") from None
            time.sleep(0.1)

    def unlock(self):
        """Give the tree free."""
        os.close(self.lock_descriptor)

    def read(self):
        """Read the config and the files that are done, as far as there is a whole state file."""
        try:
            lines = (self.path / STATE_NAME).read_text(encoding="utf-8").split("\n")
            self.config = json.loads(lines[0])["config"]
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path / STATE_NAME}: not a state file of spectrify_all.py ({error}); remove it to begin anew") from error
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                self.done[entry["name"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # cut short by a kill; its file is made again

    def begin(self, config, overwrite):
        """Hold the tree to `config`, forget what is done where `overwrite`, and open the files that are added to.

        Raises InputError that names the keys in which `config` differs from the one that the tree was made with.
        """
        wanted = {name: getattr(config, name) for name in TREE_KEYS}
        changed = [f"{name} is {wanted[name]} here and {self.config.get(name)} there" for name in wanted if wanted[name] != self.config.get(name)]
        if self.config and changed and not overwrite:
            text = "; ".join(changed)
            raise InputError(f"{self.path}: made with another config: {text}. Use that config, another folder, or --overwrite to make it anew")
        self.config, self.done = wanted, {} if overwrite else self.done
        self.remove_temporaries()
        self.write_sorted()
        self.journal = open(self.path / STATE_NAME, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (closed by `end`)
        self.start_failures([])

    def write_sorted(self):
        """Write the whole state, atomically."""
        with atomic_write(self.path / STATE_NAME, "w", encoding="utf-8") as file:
            file.write(json.dumps({"config": self.config}) + "\n")
            file.writelines(json.dumps(self.done[name]) + "\n" for name in sorted(self.done))

    def is_done(self, source):
        """Whether `source` was done as it is now: same size, same time of change."""
        entry = self.done.get(source.name)
        return entry is not None and (entry["size"], entry["mtime_ns"]) == (source.size, source.mtime_ns)

    def add_done(self, source, seconds, skipped=""):
        """`source` is done, or left out for the reason `skipped`."""
        entry = {"name": source.name, "size": source.size, "mtime_ns": source.mtime_ns, "seconds": seconds}
        self.done[source.name] = entry | ({"skipped": skipped} if skipped else {})
        self.journal.write(json.dumps(self.done[source.name]) + "\n")

    def start_failures(self, failures):
        """Write failures.csv and leave it open for `add_failure`; what failed in an earlier run is tried in every run."""
        if self.failures:
            self.failures.close()
        with atomic_write(self.path / FAILURES_NAME, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            write_rows(file, [FAILURE_COLUMNS, *((failure.name, failure.reason, failure.message) for failure in failures)])
        self.failures = open(self.path / FAILURES_NAME, "a", encoding="utf-8", errors="backslashreplace", newline="", buffering=1)  # noqa: SIM115 (as above)

    def add_failure(self, failure):
        """One more row in failures.csv, there to be read while the run goes on."""
        write_rows(self.failures, [(failure.name, failure.reason, failure.message)])

    def forget(self, names):
        """The arrays of these files are gone."""
        for name in names:
            self.done.pop(name, None)

    def end(self, failures):
        """Write the state and failures.csv in order, and close them."""
        self.journal.close()
        self.write_sorted()
        self.start_failures(sorted(failures, key=lambda failure: failure.name))
        self.failures.close()
        self.remove_temporaries()

    def remove_temporaries(self):
        """Remove what writers that were killed have left half-written. Only under the lock: no one else is writing."""
        for folder, _, files in os.walk(self.path):
            for name in files:
                if name.startswith(TEMPORARY_PREFIX):
                    os.unlink(os.path.join(folder, name))


def write_rows(file, rows):
    """Write rows of CSV, everything in quotes: a name may hold any character, a carriage return too."""
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
