"""One audio file -> one file of a log-mel tree: `a/b.mp3` -> `a/b.mp3.npy`, float32
(n_frames, NUM_MEL_BINS).

Conventions
-----------
A file is decoded, analysed and written in blocks, so that memory does not grow with its
length. What is wrong with it comes back as an Outcome, as it happens in another
process; only what concerns every file (a full disk) is raised.
"""

import errno
import filecmp
import io
import mmap
import os
import stat
from dataclasses import dataclass
from functools import partial

import numpy as np

from sound_eval.audio import decode
from sound_eval.errors import InputError, one_line
from sound_eval.files.writing import atomic_write
from sound_eval.log_mel import melspec
from sound_eval.log_mel.tree_files import standing
from sound_eval.log_mel.tree_plan import TAKEN, place_taken

# Seconds of audio in hand of every process, by its id: shared with those forked from
# this one, without a lock that one killed could keep.
IN_HAND = memoryview(mmap.mmap(-1, 1 << 15)).cast("d")
FATAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the next file would fail in the same way


@dataclass(frozen=True)
class Outcome:
    """What came of a job: seconds of audio written, or why there is none.

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
        return consume(_finite(melspec.log_mel_blocks(blocks, **log_mel_parameters(config))))

    limits = {"max_seconds": config.MAX_SECONDS, "skip_long": config.LONG_FILES == "skip"}
    return decode.decode(
        path, consume_signal, samplerate=config.SAMPLERATE, decoder=config.DECODER, **limits
    )


def _finite(blocks):
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
    _write_header(file, 0, n_mels)
    n_frames = 0
    for block in blocks:
        file.write(block.data)
        n_frames += len(block)
    file.seek(0)
    _write_header(file, n_frames, n_mels)
    file.seek(0, io.SEEK_END)


def _write_header(file, n_frames, n_mels):
    """The header of a float32 array (n_frames, n_mels);
    NumPy leaves room in it for any n_frames, so its size is constant.
    """
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype("<f4")),
        "fortran_order": False,
        "shape": (n_frames, n_mels),
    }
    np.lib.format.write_array_header_1_0(file, header)


def _in_hand(blocks, slot, frame_seconds):
    """The blocks; the seconds of audio that have gone by stand in IN_HAND."""
    IN_HAND[slot] = 0
    for block in blocks:
        IN_HAND[slot] += len(block) * frame_seconds
        yield block


class _PlaceTakenError(Exception):
    """Something that is not of the tree's making stands where an array is to go."""


def _check_place(job, written):
    """Just before the file `written` becomes the array: raise PlaceTakenError where it
    would replace somebody's file.

    An equal file may stand there: the array of this very job, whose process ended
    before it could say so.
    """
    status = standing(job.target)
    if status is None:
        return
    is_file = stat.S_ISREG(status.st_mode)
    if not (is_file and (job.replaces or filecmp.cmp(written, job.target, shallow=False))):
        raise _PlaceTakenError


def _write_file(job, slot):
    """Decode the audio of a job and write its array; returns the `Decoded`."""
    with atomic_write(job.target, before_replace=partial(_check_place, job)) as file:

        def write(blocks):
            blocks = _in_hand(blocks, slot, job.config.seconds_per_frame)
            write_log_mel(file, blocks, job.config.NUM_MEL_BINS)

        return each_log_mel_block(job.audio_path, job.config, write)


def spectrify_file(job):
    """Do one `tree_plan.Job`.

    Returns an Outcome; raises OSError only where the next file would meet the same.
    """
    slot = os.getpid() % len(IN_HAND)
    try:
        decoded = _write_file(job, slot)
        return Outcome(decoded.seconds, damaged=decoded.damage)
    except decode.TooLongError as error:
        return Outcome(skipped=str(error))
    except (decode.DecodeError, decode.BadSamplesError) as error:
        return Outcome(failure=error.reason, message=str(error))
    except _PlaceTakenError:
        return Outcome(failure=TAKEN, message=place_taken(job.target), kept=True)
    except InputError as error:
        return Outcome(failure="cannot be read now", message=str(error), kept=True)
    except OSError as error:
        if error.errno in FATAL_ERRORS:
            raise OSError(error.errno, error.strerror, error.filename or str(job.target)) from error
        return Outcome(failure="cannot be read or written", message=one_line(error), kept=True)
    except Exception as error:
        # whatever one strange file brings to light, the others go on and the report names it
        return Outcome(
            failure="unexpected error",
            message=f"{type(error).__name__}: {one_line(error)}",
            kept=True,
        )
    finally:
        IN_HAND[slot] = 0
