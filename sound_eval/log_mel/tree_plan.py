"""What there is to do to bring a log-mel tree up to date: decided in memory, before
anything is changed.

Conventions
-----------
A Task is one audio file whose array is to be made. What has no task is up to date, or
is a Failure in the Report.
"""

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sound_eval.audio.folder import Failure
from sound_eval.config import Config
from sound_eval.errors import InputError, one_line
from sound_eval.files.trees import LOG_MEL_SUFFIX, audio_name, log_mel_name
from sound_eval.log_mel.orphans import Orphans, find_orphans
from sound_eval.log_mel.tree_files import check_apart, folded, same_names, standing, survey

TAKEN, DAMAGED = "its place is taken", "damaged"  # reasons in failures.csv


@dataclass(frozen=True)
class Task:
    """One audio file to turn into one log-mel file."""

    source: object  # audio_folder.Source
    audio_path: Path
    target: Path
    config: Config
    replaces: bool = False  # an array of the tree's own making stands there


@dataclass
class Report:
    """What came of a run, in files and in seconds of audio."""

    done: int = 0
    skipped: int = 0  # up to date, or left out by the config
    too_long: int = 0  # of those, left out by the config
    seconds: float = 0.0
    elapsed: float = 0.0
    failures: list = field(default_factory=list)
    # a Failure for each song that is done, or up to date, with damage
    damaged: list = field(default_factory=list)
    others: Counter = field(default_factory=Counter)  # other files in the folder of music, by kind
    orphans: Orphans = field(default_factory=Orphans)  # songs of the tree whose audio file is gone
    strangers: list = field(default_factory=list)  # arrays in the tree that are not of its making

    @property
    def exit_status(self):
        """0 if all went, 3 if some failed, 1 if none succeeded."""
        if not self.failures:
            return 0
        return 3 if self.done or self.skipped else 1


def look_at_tree(state, folder):
    """The TreeFiles of the tree; raises InputError where its folder is that of something else.

    A tree that was begun among the songs, when that was not refused, goes on there.
    """
    if state.exists():
        return survey(state.path)
    check_apart(folder.root, state.path)
    return survey(state.path, folder.suffixes)


def prepare(folder, state, files, config, report, overwrite, prune):
    """Decide what is to be done and removed, in memory; fills `report` and returns the tasks."""
    if overwrite:
        state.renew(config)
    tasks = plan(folder, state, config, report)
    songs = [audio_name(name) for name in files.arrays]
    ours = [name for name in songs if state.owns(name)]
    report.orphans = find_orphans(folder, ours, prune)
    busy = {task.source.name for task in tasks}
    check_stale(state, busy.union(report.orphans.removed))
    known = {folded(name) for name in ours}.union(folded(source.name) for source in folder.sources)
    report.strangers = [log_mel_name(name) for name in songs if folded(name) not in known]
    return tasks


def check_stale(state, dealt_with):
    """Raise InputError where arrays of another config would stay in the tree."""
    left = sorted(name for name, stale in state.claims.items() if stale and name not in dealt_with)
    if left:
        shown = ", ".join(left[:5]) + " …" * (len(left) > 5)
        raise InputError(
            f"{state.path}: {len(left)} log-mel files of another config would stay in it, "
            f"as their songs are gone or cannot be used ({shown}); "
            "give another folder, or remove them (--prune does where the song is gone)"
        )


def plan(folder, state, config, report):
    """The tasks for the sources that are not done; counts the others in `report`."""
    tasks, twins = [], twin_names(folder, state)
    for source in folder.sources:
        try:
            twin = twins.get(source.name)
            task = None if twin else plan_source(source, folder.root, state, config, report)
        except OSError as error:
            report.failures.append(Failure(source.name, *no_place(error, state.path, source.name)))
            continue
        if twin:
            report.failures.append(
                Failure(
                    source.name,
                    TAKEN,
                    f"{twin}: one and the same name on the disk of the tree; rename one",
                )
            )
        elif task:
            tasks.append(task)
    return tasks


def plan_source(source, root, state, config, report):
    """The Task of one source, None where there is none;
    raises OSError where the system will not look at its place.
    """
    target = state.target(source.name)
    if state.is_done(source) and (not state.has_array(source.name) or os.path.isfile(target)):
        entry = state.done[source.name]
        report.skipped += 1
        report.too_long += not state.has_array(source.name)
        if entry.get("damaged"):
            report.damaged.append(Failure(source.name, DAMAGED, entry["damaged"]))
        return None
    status = standing(target)
    if status and not state.owns(source.name) and (earlier := earlier_name(source.name, state)):
        state.rename(earlier, source.name)
        return plan_source(source, root, state, config, report)
    if status and not (stat.S_ISREG(status.st_mode) and state.owns(source.name)):
        report.failures.append(Failure(source.name, TAKEN, place_taken(target)))
        return None
    return Task(source, root / source.name, Path(target), config, replaces=status is not None)


def earlier_name(name, state):
    """The song of ours that has `name` now, in another case or Unicode form, on a disk
    that takes both for one; or None.
    """
    for other in [*state.done, *state.claims]:
        if (
            folded(other) == folded(name)
            and state.owns(other)
            and same_names([other, name], state.path)
        ):
            return other
    return None


def no_place(error, tree, name):
    """Reason and message for a song whose array has no place in the tree."""
    if error.errno != errno.ENAMETOOLONG:
        return "cannot be read or written", one_line(error)
    *folders, last = (len(os.fsencode(part)) for part in log_mel_name(name).split("/"))
    longest = os.pathconf(tree, "PC_NAME_MAX")
    if last > longest:
        return (
            f"its name is too long for NAME{LOG_MEL_SUFFIX} by {last - longest} bytes; rename it",
            "",
        )
    if folders and max(folders) > longest:
        return (
            (
                f"the name of a folder that it is in is too long by {max(folders) - longest} "
                "bytes; rename it"
            ),
            "",
        )
    return "its path is too long; give a VECTORS_DIR with a shorter one, or rename folders", ""


def twin_names(folder, state):
    """Songs whose names the disk of the tree does not tell from another's -> that
    other, which has the array.
    """
    twins = {}
    for first, *others in same_names([source.name for source in folder.sources], state.path):
        done = [name for name in (first, *others) if name in state.done]
        owner = done[0] if len(done) == 1 else first
        if len(done) > 1:  # one array was made for all of them, of whichever came last
            state.forget(done)
            state.claims[owner] = False
        twins.update({name: owner for name in (first, *others) if name != owner})
    return twins


def place_taken(target):
    """What is said of a song whose array would replace somebody's file."""
    return (
        f"{target}: is there, and spectrify_all.py did not make it; "
        "it will not be replaced: move it away"
    )
