"""What there is to do to bring a log-mel tree up to date: decided in memory, before
anything is changed.

Conventions
-----------
A Job is one audio file whose array is to be made. What has no job is up to date, or is
a Failure in the Report.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sound_eval.audio.folder import Failure, Source
from sound_eval.config import Config
from sound_eval.errors import InputError, one_line
from sound_eval.files.trees import LOG_MEL_SUFFIX, log_mel_name
from sound_eval.log_mel.orphans import find_orphans
from sound_eval.log_mel.tree_files import check_apart, folded, same_names, standing, survey

TAKEN, DAMAGED = "its place is taken", "damaged"  # reasons in failures.csv


@dataclass(frozen=True)
class Job:
    """One audio file to turn into one log-mel file."""

    source: Source
    audio_path: Path
    target: Path
    config: Config
    replaces: bool = False  # an array of the tree's own making stands there


def look_at_tree(state, folder):
    """The TreeFiles of the tree; raises InputError where its folder is that of something else.

    A tree that was begun among the songs, when that was not refused, goes on there.
    """
    if state.exists():
        return survey(state.path)
    check_apart(folder.root, state.path)
    return survey(state.path, folder.suffixes)


def prepare(folder, state, files, config, report, overwrite, prune):
    """Decide what is to be done and removed, in memory; fills `report` and returns the Jobs."""
    if overwrite:
        state.renew(config)
    jobs = _plan(folder, state, config, report)
    ours = [name for name in files.songs if state.owns(name)]
    report.orphans = find_orphans(folder, ours, prune)
    busy = {job.source.name for job in jobs}
    _check_stale(state, busy.union(report.orphans.removed))
    known = {folded(name) for name in ours}.union(folded(source.name) for source in folder.sources)
    report.strangers = [name for name in files.songs if folded(name) not in known]
    return jobs


def _check_stale(state, dealt_with):
    """Raise InputError where arrays of another config would stay in the tree."""
    left = sorted(name for name, stale in state.claims.items() if stale and name not in dealt_with)
    if left:
        shown = ", ".join(left[:5]) + " …" * (len(left) > 5)
        raise InputError(
            f"{state.path}: {len(left)} log-mel files of another config would stay in it, "
            f"as their songs are gone or cannot be used ({shown}); "
            "give another folder, or remove them (--prune does where the song is gone)"
        )


def _plan(folder, state, config, report):
    """The Jobs of the sources that are not done; counts the others in `report`."""
    jobs = []
    twins = _twin_names(folder, state)
    for source in folder.sources:
        if twin := twins.get(source.name):
            message = f"{twin}: one and the same name on the disk of the tree; rename one"
            report.failures.append(Failure(source.name, TAKEN, message))
            continue
        try:
            job = _plan_source(source, folder.root, state, config, report)
        except OSError as error:
            report.failures.append(_failure_without_place(source.name, error, state.path))
            continue
        if job:
            jobs.append(job)
    return jobs


def _plan_source(source, root, state, config, report):
    """The Job of one source, None where there is none;
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
    if status and not state.owns(source.name) and (earlier := _earlier_name(source.name, state)):
        state.rename(earlier, source.name)
        return _plan_source(source, root, state, config, report)
    if status and not (stat.S_ISREG(status.st_mode) and state.owns(source.name)):
        report.failures.append(Failure(source.name, TAKEN, place_taken(target)))
        return None
    return Job(source, root / source.name, Path(target), config, replaces=status is not None)


def _earlier_name(name, state):
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


def _failure_without_place(name, error, tree):
    """The Failure of a song whose array has no place in the tree, as the system says."""
    if error.errno != errno.ENAMETOOLONG:
        return Failure(name, "cannot be read or written", one_line(error))
    *folders, last = (len(os.fsencode(part)) for part in log_mel_name(name).split("/"))
    longest = os.pathconf(tree, "PC_NAME_MAX")
    if last > longest:
        what = f"its name is too long for NAME{LOG_MEL_SUFFIX} by {last - longest} bytes"
        return Failure(name, f"{what}; rename it")
    if folders and max(folders) > longest:
        over = max(folders) - longest
        what = f"the name of a folder that it is in is too long by {over} bytes"
        return Failure(name, f"{what}; rename it")
    advice = "give a VECTORS_DIR with a shorter one, or rename folders"
    return Failure(name, f"its path is too long; {advice}")


def _twin_names(folder, state):
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
