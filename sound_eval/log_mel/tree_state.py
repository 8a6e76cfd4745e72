"""What is known of a log-mel tree: the config it was made with, which files are done,
and which failed.

    .spectrify.jsonl    first line: the config keys that the arrays depend on; then a line per
                        file that is done
    .spectrify.lock     held by the run that writes to the tree
    failures.csv        see failure_file

Conventions
-----------
A file that is done has its line after its array is whole under its final name and its
folder is flushed to the disk, so that no kill and no power cut leaves a line without
what it vouches for; an array without a line is made again. Whose an array without a
line is, a *claim* tells: a line {"claim": name} that is on the disk before the file is
handed out. What has neither is somebody else's, and is never replaced or removed. (A
tree from before there were claims has no "claims" in its first line; in it, an array in
just our form is taken for ours.) A line cut short by a kill is passed over. A later
line for a file replaces an earlier one; at the end of a run the file is rewritten,
sorted.
"""

import errno
import fcntl
import json
import os
import stat
import time
from pathlib import Path

from sound_eval.config import LOG_MEL_KEYS
from sound_eval.errors import InputError
from sound_eval.files.marks import FAILURES_NAME, TREE_MARK
from sound_eval.files.trees import atomic_write, audio_name, log_mel_name
from sound_eval.log_mel.failure_file import FailureFile, naming
from sound_eval.log_mel.tree_files import is_gone, is_log_mel, standing, survey

STATE_NAME, LOCK_NAME = TREE_MARK, ".spectrify.lock"
LOCK_SECONDS = 3.0
SETTLE_SECONDS = 1.0  # a kill costs what was done in so long; every folder is flushed once in it
# Said of folders that cannot be flushed: on some network disks, by somebody who may not
# read them, or taken away since.
CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.ENOENT, errno.ENOTDIR)

# DECODER is not among them: the decoders agree, so a change of it concerns the
# files yet to be done.
TREE_KEYS = (*LOG_MEL_KEYS, "MAX_SECONDS", "LONG_FILES")


class TreeState:
    """The state of the tree at `path`, whose folder is made where it is missing; call
    `lock` before writing.

    `done` maps a name to {"name", "size", "mtime_ns", "seconds"[, "skipped"][,
    "damaged"][, "again"]}: the text `skipped` says why it has no array, `damaged` what
    is wrong with it, `again` that it is to be made anew all the same. `claims` maps the
    name of an array that no line vouches for to whether it is of another config.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.config, self.done, self.claims = {}, {}, {}
        self.keeps_claims = True
        self.renamed = []  # (old, new) names of songs whose arrays get another name
        self.pending, self.pending_since = [], 0.0  # entries whose folders are not flushed yet
        self.failures = FailureFile(self.path / FAILURES_NAME)
        self.journal = self.lock_descriptor = None

    def lock(self):
        """Take the tree for this process; raises InputError where another run writes to
        it, or this one cannot.

        The lock is the operating system's and shared with the processes forked from
        this one, so it goes when the last of them ends, however that happens; after a
        kill this takes a moment, which is waited for.
        """
        self.lock_descriptor = self.open_lock()
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return fcntl.flock(self.lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InputError(
                        f"{self.path}: another spectrify_all.py is writing to this folder; "
                        "wait for it or give another"
                    ) from None
            time.sleep(0.1)

    def open_lock(self):
        """A descriptor of the lock file, made with the folder where it is missing."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except FileExistsError:
            raise InputError(
                f"{self.path}: a file, where the folder of the log-mel tree is to be"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written to ({error.strerror})") from error

    def unlock(self):
        """Give the tree free."""
        os.close(self.lock_descriptor)

    def exists(self):
        """Whether a run has begun here."""
        return standing(self.path / STATE_NAME) is not None

    def read(self, arrays):
        """Read the config, the files that are done, and the claims;
        `arrays` are the names of the arrays in the tree.
        """
        if self.exists():
            lines = self.state_lines()
            self.read_first_line(lines[0])
            for line in lines[1:]:
                self.read_line(line)
        self.failures.check(begun=bool(self.config))
        songs = [audio_name(name) for name in arrays]
        if not self.keeps_claims:
            self.claims = dict.fromkeys(songs, False)
        unvouched = {
            name: stale
            for name, stale in self.claims.items()
            if not (name in self.done and self.has_array(name))
        }
        self.claims = {
            name: stale for name, stale in unvouched.items() if is_log_mel(self.target(name))
        }

    def state_lines(self):
        """The lines of the state file."""
        path = self.path / STATE_NAME
        if not stat.S_ISREG(standing(path).st_mode):
            raise InputError(
                f"{path}: a link, a pipe or a folder, where the state of the tree is kept; "
                "move it away"
            )
        return path.read_text(encoding="utf-8", errors="replace").split("\n")

    def read_first_line(self, line):
        """Take in the config."""
        try:
            first = json.loads(line)
            self.config = dict(first["config"])
            self.keeps_claims = bool(first.get("claims"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.path / STATE_NAME}: not a state file of spectrify_all.py ({error}), so "
                "nothing is known of the arrays in this folder; give another folder"
            ) from error

    def read_line(self, line):
        """Take in one line; one that a kill cut short is passed over, and its
        file is made again.
        """
        try:
            entry = json.loads(line)
            if "claim" in entry:
                self.claims[str(entry["claim"])] = bool(entry.get("stale"))
            else:
                int(entry["size"]), int(entry["mtime_ns"])
                self.done[str(entry["name"])] = entry
        except (ValueError, KeyError, TypeError, RecursionError):
            return

    def check_config(self, config, overwrite):
        """Raise InputError that names the keys in which `config` differs from that of
        the tree, unless `overwrite`.
        """
        wanted = wanted_keys(config)
        if not self.config or wanted == self.config or overwrite:
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

    def renew(self, config):
        """Everything is to be made again, by `config`;
        where that is another, no array is worth anything any more.
        """
        if wanted_keys(config) == self.config:
            self.done = {name: entry | {"again": True} for name, entry in self.done.items()}
        else:
            self.claims = dict.fromkeys([*self.claims, *filter(self.has_array, self.done)], True)
            self.done = {}

    def rename(self, old, new):
        """The song `old` is called `new` now; its array follows in `begin`."""
        for known in (self.done, self.claims):
            if old in known:
                known[new] = known.pop(old)
        if new in self.done:
            self.done[new] = self.done[new] | {"name": new}
        self.renamed.append((old, new))

    def begin(self, config, temporaries):
        """Hold the tree to `config` and open the files that are added to.

        Nothing in the tree is changed before this.
        """
        self.config = wanted_keys(config)
        for old, new in self.renamed:
            os.rename(self.target(old), self.target(new))
        self.done = {
            name: entry
            for name, entry in self.done.items()
            if entry.get("skipped") or not is_gone(self.target(name))
        }
        remove_all(temporaries)
        self.write_sorted()
        self.journal = os.open(self.path / STATE_NAME, os.O_WRONLY | os.O_APPEND)
        self.failures.start([])

    def write_sorted(self):
        """Write the whole state, atomically."""
        with atomic_write(self.path / STATE_NAME, "w", encoding="utf-8") as file:
            file.write(json.dumps({"config": self.config, "claims": True}) + "\n")
            file.writelines(json.dumps(self.done[name]) + "\n" for name in sorted(self.done))
            file.writelines(claim_line(name, self.claims[name]) for name in sorted(self.claims))

    def add_lines(self, text):
        """Add whole lines to the state file."""
        data = text.encode()
        with naming(self.path / STATE_NAME):
            while data:  # a disk that is nearly full takes a part
                data = data[os.write(self.journal, data) :]

    def target(self, name):
        """Where the array of the audio file `name` lies."""
        return f"{self.path}/{log_mel_name(name)}"

    def has_array(self, name):
        """Whether a file that is done has an array; what the config leaves out has none."""
        return not self.done[name].get("skipped")

    def owns(self, name):
        """Whether an array that stands for the audio file `name` is of this tree's making."""
        return name in self.claims or (name in self.done and self.has_array(name))

    def is_done(self, source):
        """Whether `source` was done as it is now: same size, same time of change."""
        entry = self.done.get(source.name)
        if entry is None or entry.get("again"):
            return False
        return (entry["size"], entry["mtime_ns"]) == (source.size, source.mtime_ns)

    def claim(self, names):
        """From now on an array that stands for one of these files is ours;
        on the disk when this returns.
        """
        new = [name for name in names if not self.owns(name)]
        self.claims.update(dict.fromkeys(new, False))
        self.add_lines("".join(claim_line(name) for name in new))
        os.fsync(self.journal)

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
        entry |= {key: text for key, text in (("skipped", skipped), ("damaged", damaged)) if text}
        self.done[source.name] = entry
        self.claims.pop(source.name, None)
        self.pending_since = self.pending_since if self.pending else time.monotonic()
        self.pending.append(entry)

    def settle(self, at_once=False):
        """Now and then: flush the folders of what was done since, then add its lines."""
        if not self.pending or (
            not at_once and time.monotonic() < self.pending_since + SETTLE_SECONDS
        ):
            return
        for folder in {
            os.path.dirname(self.target(entry["name"]))
            for entry in self.pending
            if "skipped" not in entry
        }:
            flush_folder(folder)
        self.add_lines("".join(json.dumps(entry) + "\n" for entry in self.pending))
        self.pending = []

    def forget(self, names):
        """The arrays of these files are gone."""
        for name in names:
            self.done.pop(name, None)
            self.claims.pop(name, None)

    def end(self, failures):
        """Write the state and failures.csv in order, and close them.

        Only claims of what stands are kept.
        """
        remove_all(survey(self.path).temporaries)
        self.settle(at_once=True)
        os.close(self.journal)
        self.claims = {
            name: stale for name, stale in self.claims.items() if not is_gone(self.target(name))
        }
        self.write_sorted()
        self.failures.start(sorted(failures, key=lambda failure: failure.name))
        self.failures.close()


def wanted_keys(config):
    """What of a Config the arrays depend on, key -> value."""
    return {name: getattr(config, name) for name in TREE_KEYS}


def claim_line(name, stale=False):
    """The line of a claim."""
    return json.dumps({"claim": name} | ({"stale": True} if stale else {})) + "\n"


def remove_all(paths):
    """Remove files that may be gone already."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


def flush_folder(path):
    """Flush the names in a folder to the disk, where its disk can."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_FLUSH:
            raise OSError(error.errno, error.strerror, path) from error
