"""A folder of music -> the same tree of log-mel files: what is to do, done by many processes, and what came of it.

Conventions
-----------
`a/b.mp3` becomes `a/b.mp3.npy`, float32 (n_frames, NUM_MEL_BINS). Every file is one task for one process, which decodes,
analyses and writes it in blocks, so that memory does not grow with its length. The parent alone keeps the tree's state.
A file that cannot be used is a Failure in the report; only what concerns every file (a full disk) ends a run.
"""
import errno
import io
import mmap
import os
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from sound_eval import decode, melspec
from sound_eval.audio_folder import AudioFolder, Failure
from sound_eval.cli import InputError, Progress, one_line
from sound_eval.config import Config
from sound_eval.tree_state import TreeState
from sound_eval.trees import LOG_MEL_SUFFIX, atomic_write, audio_name, log_mel_name, walk
from sound_eval.workers import run_dask, run_local

# Seconds of audio in hand of every process, by its id: shared with those forked from this one, without a lock that one killed could keep.
IN_HAND = memoryview(mmap.mmap(-1, 1 << 15)).cast("d")
FATAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the next file would fail in the same way


@dataclass(frozen=True)
class Task:
    """One audio file to turn into one log-mel file."""

    source: object  # audio_folder.Source
    audio_path: Path
    target: Path
    config: Config


@dataclass(frozen=True)
class Outcome:
    """What came of a task: seconds of audio written, or why there is none."""

    seconds: float = 0.0
    failure: str = ""  # what is wrong with the file
    message: str = ""  # the words of the decoders
    skipped: str = ""  # why the config leaves the file out


@dataclass
class Report:
    """What came of a run, in files and in seconds of audio."""

    done: int = 0
    skipped: int = 0  # up to date, or left out by the config
    too_long: int = 0  # of those, left out by the config
    seconds: float = 0.0
    elapsed: float = 0.0
    failures: list = field(default_factory=list)
    orphans: list = field(default_factory=list)  # log-mel files whose audio file is gone

    @property
    def exit_status(self):
        """0 if all went, 3 if some failed, 1 if none succeeded."""
        if not self.failures:
            return 0
        return 3 if self.done or self.skipped else 1


CRASHED = Outcome(failure="ended the process that decoded it", message="a crash inside a decoder, or not enough memory")

# ---- one file ----


def log_mel_parameters(config):
    """The keyword parameters of `melspec` in a Config."""
    return {"samplerate": config.SAMPLERATE, "hop": config.hop, "fft_size": config.FFT_SIZE, "n_mels": config.NUM_MEL_BINS}


def each_log_mel_block(path, config, consume):
    """Decode one file and hand its log-mel to `consume`, as an iterable of (n, NUM_MEL_BINS) blocks; see `decode.decode`."""

    def consume_signal(blocks):
        return consume(finite(melspec.log_mel_blocks(blocks, **log_mel_parameters(config))))

    limits = {"max_seconds": config.MAX_SECONDS, "skip_long": config.LONG_FILES == "skip"}
    return decode.decode(path, consume_signal, samplerate=config.SAMPLERATE, decoder=config.DECODER, **limits)


def finite(blocks):
    """The blocks, as long as they are finite; a file of floats can hold anything."""
    for block in blocks:
        if not np.isfinite(block).all():
            raise decode.BadSamplesError("holds samples that are not finite numbers, or too large")
        yield block


def log_mel_of_file(path, config):
    """The log-mel of one audio file as an array, (n_frames, NUM_MEL_BINS) float32: what its file in a tree would hold.

    Raises DecodeError (an InputError) with the decoders' messages, OSError where the file cannot be opened.
    """
    return each_log_mel_block(path, config, lambda blocks: np.concatenate([*blocks, np.empty((0, config.NUM_MEL_BINS), np.float32)]))[0]


def write_log_mel(file, blocks, n_mels):
    """Write blocks (n, n_mels) float32 into an open file as one `.npy` array; its header is filled in at the end."""
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
    """The header of a float32 array (n_frames, n_mels); NumPy leaves room in it for any n_frames, so its size is constant."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False, "shape": (n_frames, n_mels)}
    np.lib.format.write_array_header_1_0(file, header)


def in_hand(blocks, slot, frame_seconds):
    """The blocks; the seconds of audio that have gone by stand in IN_HAND."""
    IN_HAND[slot] = 0
    for block in blocks:
        IN_HAND[slot] += len(block) * frame_seconds
        yield block


def spectrify_file(task):
    """Do one task. Returns an Outcome; raises OSError only where the next file would meet the same."""
    config, slot = task.config, os.getpid() % len(IN_HAND)
    try:
        with atomic_write(task.target) as file:

            def write(blocks):
                write_log_mel(file, in_hand(blocks, slot, config.hop / config.SAMPLERATE), config.NUM_MEL_BINS)

            _, seconds = each_log_mel_block(task.audio_path, config, write)
        return Outcome(seconds)
    except decode.TooLongError as error:
        return Outcome(skipped=str(error))
    except InputError as error:
        return Outcome(failure="cannot be decoded", message=str(error))
    except OSError as error:
        if error.errno in FATAL_ERRORS:
            raise OSError(error.errno, error.strerror, str(task.target)) from error
        return Outcome(failure="cannot be read or written", message=one_line(error))
    except Exception as error:  # whatever one strange file brings to light, the others go on and the report names it
        return Outcome(failure="unexpected error", message=f"{type(error).__name__}: {one_line(error)}")
    finally:
        IN_HAND[slot] = 0


# ---- a folder ----


def spectrify(audio_dir, vectors_dir, config, *, processes, dask=None, overwrite=False, prune=False, exclude=()):
    """Bring the log-mel tree `vectors_dir` up to date with the audio files below `audio_dir`. Returns a Report.

    The work is done by `processes` processes, or by the Dask cluster at the address `dask` (`local`: one of that many
    processes), whose workers see both folders under the same paths. Done again is what is missing or whose source has changed;
    everything with `overwrite`. `prune` removes log-mel files whose source is gone. `exclude` are glob patterns. Raises
    InputError where there is no audio, where the tree was made with another config, or where another run is writing to it.
    """
    start = time.monotonic()
    audio_dir, vectors_dir = Path(audio_dir).resolve(), Path(vectors_dir).resolve()
    folder = AudioFolder(audio_dir, config.AUDIO_SUFFIXES, exclude)
    if not folder.sources and not folder.failures:
        raise InputError(f"{audio_dir}: holds no audio file ({folder.n_other} others); AUDIO_SUFFIXES says which suffixes are audio")
    state = TreeState(vectors_dir)
    state.lock()
    try:
        state.read()
        state.begin(config, overwrite)
        report = Report(failures=list(folder.failures))
        report.orphans = drop_orphans(folder.root, vectors_dir, state, prune)
        tasks = plan(folder, vectors_dir, state, config, report)
        if dask and tasks:
            run = partial(run_dask, spectrify_file, tasks, dask, processes, CRASHED, [audio_dir, vectors_dir])
        else:
            run = partial(run_local, spectrify_file, tasks, processes, CRASHED)
        work(run, len(tasks), state, report)
    finally:
        state.unlock()
    report.elapsed = time.monotonic() - start
    return report


def drop_orphans(audio_dir, vectors_dir, state, prune):
    """The names of log-mel files whose audio file is gone; they are removed where `prune`. Raises InputError where those would be all."""
    names = walk(vectors_dir, [LOG_MEL_SUFFIX])
    orphans = [name for name in names if not (audio_dir / audio_name(name)).exists()]
    if prune and orphans and len(orphans) == len(names):
        raise InputError(
            f"{audio_dir}: has the audio of none of the {len(names)} log-mel files in {vectors_dir}, and --prune would remove them all; "
            "is it the folder that they were made of? If so, remove them yourself"
        )
    if prune:
        for name in orphans:
            (vectors_dir / name).unlink()
        state.forget(audio_name(name) for name in orphans)
    return orphans


def plan(folder, vectors_dir, state, config, report):
    """The tasks for the sources that are not done; counts the others in `report`."""
    tasks = []
    for source in folder.sources:
        target = vectors_dir / log_mel_name(source.name)
        left_out = state.is_done(source) and state.done[source.name].get("skipped")
        if left_out or (state.is_done(source) and target.is_file()):
            report.skipped += 1
            report.too_long += bool(left_out)
        else:
            tasks.append(Task(source, folder.root / source.name, target, config))
    return tasks


def work(run, n_tasks, state, report):
    """Take in the (task, Outcome) pairs of `run(on_wait)` as they come; keep state, report and progress."""
    for failure in report.failures:
        state.add_failure(failure)
    start = time.monotonic()

    def show(n_ended=0):
        seconds = report.seconds + sum(IN_HAND)
        speed = seconds / max(time.monotonic() - start, 1e-9)
        progress.update(n_ended, f"{seconds / 3600:.2f} h of audio, {speed:.0f} x real time, {len(report.failures)} failed")

    try:
        with Progress(n_tasks, "file", "spectrify") as progress, closing(run(on_wait=show)) as outcomes:
            for task, outcome in outcomes:
                take_in(task, outcome, state, report)
                show(1)
    finally:
        state.end(report.failures)


def take_in(task, outcome, state, report):
    """Book one outcome."""
    if outcome.failure:
        failure = Failure(task.source.name, outcome.failure, outcome.message)
        report.failures.append(failure)
        state.add_failure(failure)
        state.forget([task.source.name])
    else:
        state.add_done(task.source, outcome.seconds, outcome.skipped)
        report.done += not outcome.skipped
        report.skipped += bool(outcome.skipped)
        report.too_long += bool(outcome.skipped)
        report.seconds += outcome.seconds
    if outcome.failure or outcome.skipped:
        task.target.unlink(missing_ok=True)  # made of what the file was before
