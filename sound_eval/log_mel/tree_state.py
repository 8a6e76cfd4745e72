"""What is known of a log-mel tree: the config it was made with, which files are done,
and which arrays are its own.

    .spectrify.jsonl    see state_file
    .spectrify.lock     held by the run that writes to the tree
    failures.csv        see failure_file

Conventions
-----------
Names are those of the audio files, throughout.
A file that is done has its line after its array is whole under its final name and its
folder is flushed to the disk, so that no kill and no power cut leaves a line without
what it vouches for; an array without a line is made again. Whose an array without a
line is, a *claim* tells, which is on the disk before the file is handed out. What has
neither is somebody else's, and is never replaced or removed. (In a tree from before
there were claims, an array in just our form is taken for ours.)
"""

import errno
import os
import time
from contextlib import contextmanager
from pathlib import Path

from sound_eval.config import LOG_MEL_KEYS
from sound_eval.errors import InputError
from sound_eval.files.locks import Lock
from sound_eval.files.marks import FAILURES_NAME, TREE_MARK
from sound_eval.files.trees import log_mel_name
from sound_eval.files.writing import sync_folder
from sound_eval.log_mel.failure_file import FailureFile
from sound_eval.log_mel.state_file import StateFile, claim_line, done_line
from sound_eval.log_mel.tree_files import is_gone, is_log_mel, survey

LOCK_NAME = ".spectrify.lock"
LOCK_SECONDS = 3.0
SETTLE_SECONDS = 1.0  # a kill costs what was done in so long; every folder is flushed once in it
# Said of folders that cannot be flushed: on some network disks, by somebody who may not
# read them, or taken away since.
CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.ENOENT, errno.ENOTDIR)

# DECODER is not among them: the decoders agree, so a change of it concerns the
# files yet to be done.
TREE_KEYS = (*LOG_MEL_KEYS, "MAX_SECONDS", "LONG_FILES")


class TreeState:
    """The state of the tree at `path`. What is to be done is decided inside `opened`;
    inside `writing`, which lies in it, the tree may be changed.

    `done` maps a name to {"name", "size", "mtime_ns", "seconds"[, "skipped"][,
    "damaged"][, "again"]}: the text `skipped` says why it has no array, `damaged` what
    is wrong with it, `again` that it is to be made anew all the same. `claims` maps the
    name of an array that no line vouches for to whether it is of another config.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.config = {}
        self.done = {}
        self.claims = {}
        self._renamed = []  # (old, new) names of songs whose arrays get another name
        self._pending = []  # entries whose folders are not flushed yet
        self._pending_since = 0.0
        self._file = StateFile(self.path / TREE_MARK)
        self._failures = FailureFile(self.path / FAILURES_NAME)

    def exists(self):
        """Whether a run has begun here."""
        return self._file.exists()

    # ---- what is known ----

    @contextmanager
    def opened(self, names):
        """Take the tree for this process, and read what is known of it; `names` are
        those of the songs whose arrays are in it.

        Makes its folder. Raises InputError where another run writes to the tree, this
        one cannot, or its files are not ours.
        """
        lock = self._lock()
        try:
            self._read(names)
            yield self
        finally:
            lock.release()

    def _lock(self):
        """The Lock of the tree, taken."""
        taken = (
            f"{self.path}: another spectrify_all.py is writing to this folder; "
            "wait for it or give another"
        )
        lock = Lock(self.path / LOCK_NAME, taken, LOCK_SECONDS)
        try:
            lock.take()
        except FileExistsError:
            raise InputError(
                f"{self.path}: a file, where the folder of the log-mel tree is to be"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written to ({error.strerror})") from error
        return lock

    def _read(self, names):
        """Read the config, the files that are done, and the claims that hold."""
        lines = self._file.read()
        self.config = lines.config
        self.done = lines.done
        self._failures.check(begun=bool(self.config))
        claims = lines.claims if lines.keeps_claims else dict.fromkeys(names, False)
        self.claims = {
            name: stale
            for name, stale in claims.items()
            if not self._vouches_for(name) and is_log_mel(self.target(name))
        }

    def check_config(self, config, overwrite):
        """Raise InputError that names the keys in which `config` differs from that of
        the tree, unless `overwrite`.
        """
        wanted = _wanted_keys(config)
        if not self.config or overwrite:
            return
        changed = [
            f"{name} is {wanted[name]} here and {self.config.get(name)} there"
            for name in wanted
            if wanted[name] != self.config.get(name)
        ]
        if changed:
            raise InputError(
                f"{self.path}: made with another config: {'; '.join(changed)}. "
                "Use that config, another folder, or --overwrite to make it anew"
            )

    def target(self, name):
        """Where the array of the audio file `name` lies."""
        return f"{self.path}/{log_mel_name(name)}"

    def has_array(self, name):
        """Whether a file that is done has an array; what the config leaves out has none."""
        return not self.done[name].get("skipped")

    def _vouches_for(self, name):
        """Whether a line says that the array of `name` is whole."""
        return name in self.done and self.has_array(name)

    def owns(self, name):
        """Whether an array that stands for the audio file `name` is of this tree's making."""
        return name in self.claims or self._vouches_for(name)

    def is_done(self, source):
        """Whether `source` was done as it is now: same size, same time of change."""
        entry = self.done.get(source.name)
        if entry is None or entry.get("again"):
            return False
        return (entry["size"], entry["mtime_ns"]) == (source.size, source.mtime_ns)

    # ---- what is decided, in memory ----

    def renew(self, config):
        """Everything is to be made again, by `config`;
        where that is another, no array is worth anything any more.
        """
        if _wanted_keys(config) == self.config:
            self.done = {name: entry | {"again": True} for name, entry in self.done.items()}
        else:
            self.claims = dict.fromkeys([*self.claims, *filter(self.has_array, self.done)], True)
            self.done = {}

    def rename(self, old, new):
        """The song `old` is called `new` now; its array follows in `writing`."""
        for known in (self.done, self.claims):
            if old in known:
                known[new] = known.pop(old)
        if new in self.done:
            self.done[new] = self.done[new] | {"name": new}
        self._renamed.append((old, new))

    def forget(self, names):
        """The arrays of these files are gone."""
        for name in names:
            self.done.pop(name, None)
            self.claims.pop(name, None)

    # ---- what is written ----

    @contextmanager
    def writing(self, config, temporaries, report):
        """Hold the tree to `config`, remove the half-written files `temporaries`, and
        keep its state and failures.csv while the tree is changed inside.

        `report.problems` are the rows of failures.csv, at the beginning and at the end.
        """
        self._begin(config, temporaries, report.problems)
        try:
            yield
        finally:
            self._end(report.problems)

    def _begin(self, config, temporaries, problems):
        """Open the files that are added to. Nothing in the tree is changed before this."""
        self.config = _wanted_keys(config)
        for old, new in self._renamed:
            os.rename(self.target(old), self.target(new))
        self.done = {
            name: entry
            for name, entry in self.done.items()
            if entry.get("skipped") or not is_gone(self.target(name))
        }
        _remove_all(temporaries)
        self._file.write(self.config, self.done, self.claims)
        self._file.open()
        self._failures.start(problems)

    def _end(self, problems):
        """Write the state and failures.csv in order, and close them.

        Only claims of what stands are kept.
        """
        _remove_all(survey(self.path).temporaries)
        self.settle(at_once=True)
        self._file.close()
        self.claims = {
            name: stale for name, stale in self.claims.items() if not is_gone(self.target(name))
        }
        self._file.write(self.config, self.done, self.claims)
        self._failures.start(sorted(problems, key=lambda failure: failure.name))
        self._failures.close()

    def claim(self, names):
        """From now on an array that stands for one of these files is ours;
        on the disk when this returns.
        """
        new = [name for name in names if not self.owns(name)]
        self.claims.update(dict.fromkeys(new, False))
        self._file.add("".join(map(claim_line, new)))
        self._file.flush()

    def add_done(self, source, seconds, skipped="", damaged=""):
        """`source` is done, damaged as the text says, or left out for the reason
        `skipped`; see `settle`.
        """
        entry = {
            "name": source.name,
            "size": source.size,
            "mtime_ns": source.mtime_ns,
            "seconds": seconds,
        }
        if skipped:
            entry["skipped"] = skipped
        if damaged:
            entry["damaged"] = damaged
        self.done[source.name] = entry
        self.claims.pop(source.name, None)
        if not self._pending:
            self._pending_since = time.monotonic()
        self._pending.append(entry)

    def add_failure(self, failure):
        """One more row of failures.csv, there to be read while the run goes on."""
        self._failures.add(failure)

    def settle(self, at_once=False):
        """Now and then: flush the folders of what was done since, then add its lines."""
        is_due = at_once or time.monotonic() >= self._pending_since + SETTLE_SECONDS
        if not self._pending or not is_due:
            return
        made = [self.target(entry["name"]) for entry in self._pending if "skipped" not in entry]
        for folder in {os.path.dirname(target) for target in made}:
            flush_folder(folder)
        self._file.add("".join(map(done_line, self._pending)))
        self._pending = []


def _wanted_keys(config):
    """What of a Config the arrays depend on, key -> value."""
    return {name: getattr(config, name) for name in TREE_KEYS}


def _remove_all(paths):
    """Remove files that may be gone already."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


def flush_folder(path):
    """Flush the names in a folder to the disk, where its disk can."""
    try:
        sync_folder(path)
    except OSError as error:
        if error.errno not in CANNOT_FLUSH:
            raise OSError(error.errno, error.strerror, path) from error
