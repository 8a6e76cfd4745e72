"""What came of bringing a log-mel tree up to date, in numbers and in words.

Conventions
-----------
Names are those of the audio files; lengths are in seconds of audio. Texts are for
people: `remarks` need attention, `work_done` and `counts` are results.
"""

import shlex
from collections import Counter
from dataclasses import dataclass, field

from sound_eval.audio.folder import Failure
from sound_eval.files.trees import log_mel_name
from sound_eval.log_mel.orphans import Orphans

NAMES_SHOWN = 5


@dataclass
class Report:
    """What came of a run, in files and in seconds of audio."""

    done: int = 0
    skipped: int = 0  # up to date, or left out by the config
    too_long: int = 0  # of those, left out by the config
    seconds: float = 0.0
    elapsed: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    # one for each song that is done, or up to date, with damage
    damaged: list[Failure] = field(default_factory=list)
    others: Counter = field(default_factory=Counter)  # other files in the folder of music, by kind
    orphans: Orphans = field(default_factory=Orphans)  # songs of the tree whose audio file is gone
    strangers: list = field(default_factory=list)  # songs that arrays not of its making stand for

    @property
    def problems(self):
        """The rows of failures.csv."""
        return [*self.failures, *self.damaged]

    @property
    def exit_status(self):
        """0 if all went, 3 if some failed, 1 if none succeeded."""
        if not self.failures:
            return 0
        return 3 if self.done or self.skipped else 1

    def remarks(self, tree):
        """What needs attention, one line each; `tree` is the folder as the user gave it."""
        yield from _orphan_remarks(self.orphans)
        if self.strangers:
            yield (
                f"{len(self.strangers)} .npy files in {tree} are none of its own "
                f"(left alone; training takes them for songs): {_first_arrays(self.strangers)}"
            )
        if self.failures:
            yield f"{len(self.failures)} files failed; {tree.rstrip('/')}/failures.csv says why"

    def work_done(self, tree):
        """One line on what this run did, which may be nothing."""
        if self.done:
            speed = self.seconds / max(self.elapsed, 1e-9)
            return (
                f"wrote {tree}: {self.seconds / 3600:.2f} h of audio in {self.elapsed:.1f} s, "
                f"{speed:.0f} times real time"
            )
        nothing = "nothing new" if self.failures else "up to date, nothing to do"
        return f"{tree}: {nothing}"

    def counts(self):
        """How many files were done, skipped and failed, as one line."""
        damaged = f", {len(self.damaged)} damaged" if self.damaged else ""
        too_long = f" ({self.too_long} longer than MAX_SECONDS)" if self.too_long else ""
        failed = f"failed {len(self.failures)}"
        return f"done {self.done}{damaged}, skipped {self.skipped}{too_long}, {failed}"


def _orphan_remarks(orphans):
    """Which log-mel files have lost their audio, and what became of them."""
    for names, what in ((orphans.removed, "removed"), (orphans.kept, "kept; --prune removes them")):
        if names:
            yield (
                f"{len(names)} log-mel files have no audio file any more ({what}): "
                f"{_first_arrays(names)}"
            )
    for folder, names in sorted(orphans.held.items()):
        option = shlex.quote(f"--prune={folder}")
        yield (
            f"{len(names)} log-mel files are kept, though all audio below {folder}/ is gone: "
            f"is its disk mounted? {option} removes them"
        )


def _first_arrays(names):
    """The first of the log-mel files of some songs, as text."""
    more = " …" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(log_mel_name, names[:NAMES_SHOWN])) + more
