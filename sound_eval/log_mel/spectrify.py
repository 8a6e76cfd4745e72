"""A folder of music -> the same tree of log-mel files: what is to do, done by many
processes, and what came of it.

Conventions
-----------
`a/b.mp3` becomes `a/b.mp3.npy`, float32 (n_frames, NUM_MEL_BINS). Every file is one
task for one process, which decodes, analyses and writes it in blocks, so that memory
does not grow with its length. The parent alone keeps the tree's state. A file that
cannot be used is a Failure in the report; only what concerns every file (a full disk)
ends a run.
Only an array of the tree's own making is ever replaced or removed, and only where its
source was read: by a new one, or because the decoders refuse what the source is now.
What could not be read for a moment keeps the array it has.
"""

import errno
import filecmp
import io
import mmap
import os
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from sound_eval.audio import decode
from sound_eval.audio.folder import AudioFolder, Failure, check_holds_audio
from sound_eval.errors import InputError, one_line
from sound_eval.files.trees import atomic_write
from sound_eval.log_mel import melspec
from sound_eval.log_mel.processes import run_dask, run_local
from sound_eval.log_mel.tree_files import standing
from sound_eval.log_mel.tree_plan import DAMAGED, TAKEN, Report, look_at_tree, place_taken, prepare
from sound_eval.log_mel.tree_state import TreeState
from sound_eval.terminal import Progress

# Seconds of audio in hand of every process, by its id: shared with those forked from
# this one, without a lock that one killed could keep.
IN_HAND = memoryview(mmap.mmap(-1, 1 << 15)).cast("d")
FATAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the next file would fail in the same way
CLAIMED_AT_ONCE = 64  # tasks whose claims are flushed to the disk together


@dataclass(frozen=True)
class Outcome:
    """What came of a task: seconds of audio written, or why there is none.

    `kept` beside a failure: nothing was learned of the file's content, so an array that
    was made of it stays.
    """

    seconds: float = 0.0
    failure: str = ""  # what is wrong with the file
    message: str = ""  # the words of the decoders
    skipped: str = ""  # why the config leaves the file out
    damaged: str = ""  # what is lost in the middle of a file that was used all the same
    kept: bool = False


CRASHED = Outcome(
    failure="ended the process that decoded it",
    message="a crash inside a decoder, or not enough memory",
    kept=True,
)

# ---- one file ----


def log_mel_parameters(config):
    """The keyword parameters of `melspec` in a Config."""
    return {
        "samplerate": config.SAMPLERATE,
        "hop": config.hop,
        "fft_size": config.FFT_SIZE,
        "n_mels": config.NUM_MEL_BINS,
    }


def each_log_mel_block(path, config, consume):
    """Decode one file and hand its log-mel to `consume`, as an iterable of
    (n, NUM_MEL_BINS) blocks; see `decode.decode`.
    """

    def consume_signal(blocks):
        return consume(finite(melspec.log_mel_blocks(blocks, **log_mel_parameters(config))))

    limits = {"max_seconds": config.MAX_SECONDS, "skip_long": config.LONG_FILES == "skip"}
    return decode.decode(
        path, consume_signal, samplerate=config.SAMPLERATE, decoder=config.DECODER, **limits
    )


def finite(blocks):
    """The blocks, as long as they are finite; a file of floats can hold anything."""
    for block in blocks:
        if not np.isfinite(block).all():
            raise decode.BadSamplesError("holds samples that are not finite numbers, or too large")
        yield block


def log_mel_of_file(path, config):
    """The log-mel of one audio file as an array, (n_frames, NUM_MEL_BINS) float32: what
    its file in a tree would hold.

    Raises DecodeError (an InputError) with the decoders' messages, OSError where the
    file cannot be opened.
    """
    return each_log_mel_block(
        path,
        config,
        lambda blocks: np.concatenate([*blocks, np.empty((0, config.NUM_MEL_BINS), np.float32)]),
    ).result


def write_log_mel(file, blocks, n_mels):
    """Write blocks (n, n_mels) float32 into an open file as one `.npy` array;
    its header is filled in at the end.
    """
    file.seek(0)
    file.truncate()
    write_header(file, 0, n_mels)
    n_frames = 0
    for block in blocks:
        file.write(block.data)
        n_frames += len(block)
    file.seek(0)
    write_header(file, n_frames, n_mels)
    file.seek(0, io.SEEK_END)


def write_header(file, n_frames, n_mels):
    """The header of a float32 array (n_frames, n_mels);
    NumPy leaves room in it for any n_frames, so its size is constant.
    """
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype("<f4")),
        "fortran_order": False,
        "shape": (n_frames, n_mels),
    }
    np.lib.format.write_array_header_1_0(file, header)


def in_hand(blocks, slot, frame_seconds):
    """The blocks; the seconds of audio that have gone by stand in IN_HAND."""
    IN_HAND[slot] = 0
    for block in blocks:
        IN_HAND[slot] += len(block) * frame_seconds
        yield block


class PlaceTakenError(Exception):
    """Something that is not of the tree's making stands where an array is to go."""


def check_place(task, written):
    """Just before the file `written` becomes the array: raise PlaceTakenError where it
    would replace somebody's file.

    An equal file may stand there: the array of this very task, whose process ended
    before it could say so.
    """
    status = standing(task.target)
    if status is None or (
        stat.S_ISREG(status.st_mode)
        and (task.replaces or filecmp.cmp(written, task.target, shallow=False))
    ):
        return
    raise PlaceTakenError


def spectrify_file(task):
    """Do one task.

    Returns an Outcome; raises OSError only where the next file would meet the same.
    """
    config, slot = task.config, os.getpid() % len(IN_HAND)
    try:
        with atomic_write(task.target, before_replace=partial(check_place, task)) as file:

            def write(blocks):
                write_log_mel(
                    file, in_hand(blocks, slot, config.seconds_per_frame), config.NUM_MEL_BINS
                )

            decoded = each_log_mel_block(task.audio_path, config, write)
        return Outcome(decoded.seconds, damaged=decoded.damage)
    except decode.TooLongError as error:
        return Outcome(skipped=str(error))
    except (decode.DecodeError, decode.BadSamplesError) as error:
        return Outcome(failure=error.reason, message=str(error))
    except PlaceTakenError:
        return Outcome(failure=TAKEN, message=place_taken(task.target), kept=True)
    except InputError as error:
        return Outcome(failure="cannot be read now", message=str(error), kept=True)
    except OSError as error:
        if error.errno in FATAL_ERRORS:
            raise OSError(
                error.errno, error.strerror, error.filename or str(task.target)
            ) from error
        return Outcome(failure="cannot be read or written", message=one_line(error), kept=True)
    except Exception as error:
        # whatever one strange file brings to light, the others go on and
        # the report names it
        return Outcome(
            failure="unexpected error",
            message=f"{type(error).__name__}: {one_line(error)}",
            kept=True,
        )
    finally:
        IN_HAND[slot] = 0


# ---- a folder ----


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
    state.lock()
    try:
        state.read(files.arrays)
        state.check_config(config, overwrite)
        report = Report(failures=list(folder.failures), others=folder.others)
        tasks = prepare(folder, state, files, config, report, overwrite, prune)
        prune_orphans(report.orphans.removed, state)
        state.begin(config, files.temporaries)
        workers = (processes, CRASHED)
        if dask and tasks:
            run = partial(
                run_dask,
                spectrify_file,
                claimed(tasks, state),
                dask,
                *workers,
                [audio_dir, vectors_dir],
            )
        else:
            run = partial(run_local, spectrify_file, claimed(tasks, state), *workers)
        work(run, len(tasks), state, report)
    finally:
        state.unlock()
    report.elapsed = time.monotonic() - start
    return report


def prune_orphans(names, state):
    """Remove the arrays of songs that are gone."""
    for name in names:
        os.unlink(state.target(name))
    state.forget(names)


def claimed(tasks, state):
    """The tasks, each handed out once the state has a claim for its array."""
    tasks = iter(tasks)
    while some := list(islice(tasks, CLAIMED_AT_ONCE)):
        state.claim(task.source.name for task in some)
        yield from some


def work(run, n_tasks, state, report):
    """Take in the (task, Outcome) pairs of `run(on_wait)` as they come;
    keep state, report and progress.
    """
    for failure in [*report.failures, *report.damaged]:
        state.failures.add(failure)
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

    try:
        with (
            Progress(n_tasks, "file", "spectrify") as progress,
            closing(run(on_wait=show)) as outcomes,
        ):
            for task, outcome in outcomes:
                take_in(task, outcome, state, report)
                show(1)
    finally:
        state.end([*report.failures, *report.damaged])


def take_in(task, outcome, state, report):
    """Book one outcome."""
    name, unremoved = task.source.name, ""
    if outcome.failure or outcome.skipped:
        unremoved = drop_array(task, outcome, state)
    if outcome.failure or unremoved:
        message = "; ".join(filter(None, (outcome.message, unremoved)))
        report.failures.append(
            Failure(name, outcome.failure or "its old array cannot be removed", message)
        )
        state.failures.add(report.failures[-1])
        return
    state.add_done(task.source, outcome.seconds, outcome.skipped, outcome.damaged)
    report.done += not outcome.skipped
    report.skipped += bool(outcome.skipped)
    report.too_long += bool(outcome.skipped)
    report.seconds += outcome.seconds
    if outcome.damaged:
        report.damaged.append(Failure(name, DAMAGED, outcome.damaged))
        state.failures.add(report.damaged[-1])


def drop_array(task, outcome, state):
    """Remove the array of what the file was before, unless it may still be good.

    Returns what kept that from being done.
    """
    name = task.source.name
    if outcome.failure == TAKEN:  # by the file of somebody else, which is not to be known as ours
        state.forget([name])
        return ""
    # An array of another config is good for nothing, whatever its source.
    if outcome.kept and not state.claims.get(name):
        return ""
    try:
        if task.replaces:
            task.target.unlink(missing_ok=True)
    except OSError as error:
        return f"what was made of it before stays: {one_line(error)}"
    state.forget([name])
    return ""
