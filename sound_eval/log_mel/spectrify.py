"""A folder of music -> the same tree of log-mel files: what is to do, done by many
processes, and what came of it.

Conventions
-----------
Every audio file is one job for one process; the parent alone keeps the tree's state. A
file that cannot be used is a Failure in the report; only what concerns every file (a
full disk) ends a run.
Only an array of the tree's own making is ever replaced or removed, and only where its
source was read: by a new one, or because the decoders refuse what the source is now.
What could not be read for a moment keeps the array it has.
"""

import os
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from sound_eval.audio.folder import AudioFolder, Failure, check_holds_audio
from sound_eval.errors import one_line
from sound_eval.log_mel.log_mel_file import CRASHED, IN_HAND, spectrify_file
from sound_eval.log_mel.processes import run_dask, run_local
from sound_eval.log_mel.report import Report
from sound_eval.log_mel.tree_plan import DAMAGED, TAKEN, look_at_tree, prepare
from sound_eval.log_mel.tree_state import TreeState
from sound_eval.terminal import Progress

CLAIMED_AT_ONCE = 64  # jobs whose claims are flushed to the disk together


def spectrify(
    audio_dir, vectors_dir, config, *, processes, dask=None, overwrite=False, prune=(), exclude=()
):
    """Bring the log-mel tree `vectors_dir` up to date with the audio files below
    `audio_dir`. Returns a Report.

    The work is done by `processes` processes, or by the Dask cluster at the address
    `dask` (`local`: one of that many processes), whose workers see both folders under
    the same paths. Done again is what is missing or whose source has changed;
    everything with `overwrite`. `prune` says which arrays to remove whose source is
    gone, as `orphans.find_orphans` reads it: "" for all but those of whole folders, and
    the names of such folders. `exclude` are glob patterns. Raises InputError, with
    nothing changed, where there is no audio, where `vectors_dir` is something else than
    a log-mel tree or lies around the music, where the tree was made with another
    config, where another run is writing to it, and where `prune` would remove all.
    """
    start = time.monotonic()
    audio_dir, vectors_dir = Path(audio_dir).resolve(), Path(vectors_dir).resolve()
    state = TreeState(vectors_dir)
    folder = AudioFolder(audio_dir, config.AUDIO_SUFFIXES, exclude, apart=vectors_dir)
    files = look_at_tree(state, folder)
    check_holds_audio(folder)
    with state.opened(files.songs):
        state.check_config(config, overwrite)
        report = Report(failures=list(folder.failures), others=folder.others)
        jobs = prepare(folder, state, files, config, report, overwrite, prune)
        with state.writing(config, files.temporaries, report):
            _remove_orphans(report.orphans.removed, state)
            folders = [audio_dir, vectors_dir]
            run = _way_of_running(_claimed(jobs, state), len(jobs), processes, dask, folders)
            _work(run, len(jobs), state, report)
    report.elapsed = time.monotonic() - start
    return report


def _remove_orphans(names, state):
    """Remove the arrays of songs that are gone."""
    for name in names:
        os.unlink(state.target(name))
    state.forget(names)


def _claimed(jobs, state):
    """The jobs, each handed out once the state has a claim for its array."""
    jobs = iter(jobs)
    while some := list(islice(jobs, CLAIMED_AT_ONCE)):
        state.claim(job.source.name for job in some)
        yield from some


def _way_of_running(jobs, n_jobs, processes, dask, folders):
    """A function of `on_wait` that yields (job, Outcome) pairs, by the processes of this
    machine or of a Dask cluster.
    """
    if dask and n_jobs:
        return partial(run_dask, spectrify_file, jobs, dask, processes, CRASHED, folders)
    return partial(run_local, spectrify_file, jobs, processes, CRASHED)


def _work(run, n_jobs, state, report):
    """Take in the (job, Outcome) pairs of `run(on_wait)` as they come;
    keep state, report and progress.
    """
    start = time.monotonic()

    def show(n_ended=0):
        state.settle()
        seconds = report.seconds + sum(IN_HAND)
        speed = seconds / max(time.monotonic() - start, 1e-9)
        progress.update(
            n_ended,
            f"{seconds / 3600:.2f} h of audio, {speed:.0f} x real time, "
            f"{len(report.failures)} failed",
        )

    with (
        Progress(n_jobs, "file", "spectrify") as progress,
        closing(run(on_wait=show)) as outcomes,
    ):
        for job, outcome in outcomes:
            _take_in(job, outcome, state, report)
            show(1)


def _take_in(job, outcome, state, report):
    """Book one outcome."""
    if outcome.failure or outcome.skipped:
        try:
            _drop_array(job, outcome, state)
        except OSError as error:
            outcome = _with_array_left(outcome, error)
    name = job.source.name
    if outcome.failure:
        report.failures.append(Failure(name, outcome.failure, outcome.message))
        state.add_failure(report.failures[-1])
        return
    state.add_done(job.source, outcome.seconds, outcome.skipped, outcome.damaged)
    report.done += not outcome.skipped
    report.skipped += bool(outcome.skipped)
    report.too_long += bool(outcome.skipped)
    report.seconds += outcome.seconds
    if outcome.damaged:
        report.damaged.append(Failure(name, DAMAGED, outcome.damaged))
        state.add_failure(report.damaged[-1])


def _drop_array(job, outcome, state):
    """Remove the array of what the file was before, unless it may still be good.

    Raises OSError where it cannot be removed.
    """
    name = job.source.name
    # An array of another config is good for nothing, whatever its source.
    may_be_good = outcome.kept and not state.claims.get(name)
    if outcome.failure == TAKEN:
        # by the file of somebody else, which is not to be known as ours
        state.forget([name])
    elif not may_be_good:
        if job.replaces:
            job.target.unlink(missing_ok=True)
        state.forget([name])


def _with_array_left(outcome, error):
    """The Outcome of a file whose old array cannot be removed."""
    stays = f"what was made of it before stays: {one_line(error)}"
    failure = outcome.failure or "its old array cannot be removed"
    return replace(
        outcome, failure=failure, message="; ".join(filter(None, (outcome.message, stays)))
    )
