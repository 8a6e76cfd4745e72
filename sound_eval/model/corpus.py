"""Log-mel tree -> what the networks see: the inputs of all songs in one file.

Conventions
-----------
An *input* is one row that a network sees as A or B: a texture summary of some seconds,
or a single log-mel frame where TEXTURE_SECONDS is 0. The inputs of song i are the rows
`starts[i]` to `starts[i + 1]` of `inputs` (n_inputs, dim), float16, not normalised;
`mean` and `deviation` (dim,) are what normalises them. The array lives in a cache file
that is built once, by one process per core, and reused while the tree and the keys that
shape it stay the same. It is read and written by position, not mapped into memory, so
that a corpus larger than memory does not crowd out everything else.
"""

import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sound_eval.config import LOG_MEL_KEYS
from sound_eval.errors import InputError
from sound_eval.files.marks import RUN_MARK
from sound_eval.files.trees import (
    array_header,
    checked_frames,
    checked_names,
    load_array,
    log_mel_name,
    open_file,
    read_text,
    save_array,
    save_text,
    sync_folder,
    walk_songs,
)
from sound_eval.log_mel.processes import start_worker
from sound_eval.model import texture
from sound_eval.terminal import Progress

INPUT_KEYS = (
    *LOG_MEL_KEYS,
    "TEXTURE_SECONDS",
    "TEXTURE_STEP_SECONDS",
)  # the config keys that inputs depend on
FORMAT = 3  # to be raised when the same tree and keys give other inputs
# a value that hardly moves carries no news; dividing by less would only raise its noise
SMALLEST_DEVIATION = 1e-2
MOST_MESSAGES = 4096  # that a large corpus is handed to processes in
SMALL_CORPUS = 32  # songs up to which starting processes costs more than they save
ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin anywhere else
# the largest float16; log-mel values are natural logarithms and lie far below
LARGEST_INPUT = 65504.0
REMEDY = "delete the folder it lies in and start again"
STATE_NAME = "inputs.json"
ARRAY_NAMES = ("inputs.npy", "starts.npy", "statistics.npy")  # of the cache
MOST_STATE_BYTES = 10_000
NAMED_IN_ERROR = 5  # unusable files that one error message names


class InputFile:
    """The array (n_inputs, dim) float16 of a `.npy` file, read and written by rows.
    Safe to use from several threads and processes.

    Raises InputError where the file holds no such array.
    """

    def __init__(self, path, mode="r"):
        with open_file(path) as file:
            header = array_header(file, path)
        if len(header.shape) != 2 or header.dtype != np.float16 or header.fortran_order:
            raise InputError(
                f"{path}: {header.dtype} of shape {header.shape}, "
                f"expected float16 of shape (n_inputs, dim); {REMEDY}"
            )
        self.shape, self.dtype, self.nbytes, self.offset = (
            header.shape,
            header.dtype,
            header.nbytes,
            header.offset,
        )
        self.row_bytes = self.nbytes // max(self.shape[0], 1)
        # closed with the object
        self.file = open(path, "rb" if mode == "r" else "r+b", buffering=0)  # noqa: SIM115

    def read(self, first=0, count=None):
        """Rows `first` to `first + count` (count, dim), by default all, in memory that
        TensorFlow can use as it is.
        """
        count = self.shape[0] - first if count is None else count
        memory = np.empty(count * self.row_bytes + ALIGNMENT, np.uint8)
        begin = -memory.ctypes.data % ALIGNMENT
        rows = (
            memory[begin : begin + count * self.row_bytes]
            .view(self.dtype)
            .reshape(count, self.shape[1])
        )
        view, position = memoryview(rows).cast("B"), self.offset + first * self.row_bytes
        while view:
            done = os.preadv(self.file.fileno(), [view], position)
            if not done:
                raise InputError(f"{self.file.name}: ends before row {first + count}; {REMEDY}")
            view, position = view[done:], position + done
        return rows

    def take(self, rows):
        """The given rows (n, dim), in any order, each by a read of its own:
        a mapped file would drag in 64 kB with every row.
        """
        taken = np.empty((len(rows), self.shape[1]), self.dtype)
        view, size, file = memoryview(taken).cast("B"), self.row_bytes, self.file.fileno()
        done = sum(
            os.preadv(file, [view[i * size : (i + 1) * size]], self.offset + row * size)
            for i, row in enumerate(np.asarray(rows).tolist())
        )
        if done != len(view):
            raise InputError(f"{self.file.name}: ends before its last row; {REMEDY}")
        return taken

    def write(self, first, rows):
        """Write `rows` (count, dim) from row `first` on."""
        data, position = (
            np.ascontiguousarray(rows, self.dtype).tobytes(),
            self.offset + first * self.row_bytes,
        )
        while data:
            try:
                done = os.pwrite(self.file.fileno(), data, position)
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.file.name) from error
            data, position = data[done:], position + done


@dataclass(frozen=True)
class Corpus:
    """All songs as network inputs; see the module's conventions."""

    names: list
    inputs: InputFile
    starts: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def lengths(self):
        """Inputs of each song (n_songs,)."""
        return np.diff(self.starts)

    def song(self, row):
        """Inputs (n, dim) float16 of one song."""
        return self.inputs.read(self.starts[row], self.lengths[row])


def window_and_step(config):
    """Frames in the window of one input, and from one input to the next."""
    if config.TEXTURE_SECONDS == 0:
        return 1, 1
    rate = 1 / config.seconds_per_frame
    return max(2, round(config.TEXTURE_SECONDS * rate)), max(
        1, round(config.TEXTURE_STEP_SECONDS * rate)
    )


def overlap(config):
    """Distance in inputs from which on the windows of two inputs share no frame;
    nearer pairs are alike for no good reason.
    """
    window, step = window_and_step(config)
    return -(-window // step)


def input_size(config):
    """Values in one input."""
    return (
        texture.n_features(config.NUM_MEL_BINS) if config.TEXTURE_SECONDS else config.NUM_MEL_BINS
    )


def network_inputs(frames, config):
    """Inputs (n, dim) float32 of the log-mel `frames` (n_frames, n_mels) of one song."""
    if config.TEXTURE_SECONDS == 0:
        return np.asarray(frames, np.float32)
    return texture.summarise(frames, *window_and_step(config), 1 / config.seconds_per_frame)


def list_songs(tree):
    """Names of the songs of a log-mel tree, in the order of its files.

    Raises InputError where there is none, or one has a name that no
    music list can hold.
    """
    if (Path(tree) / RUN_MARK).is_file():
        raise InputError(
            f"{tree}: a run folder, where a tree of log-mel files is expected; "
            "were the two given in the wrong order?"
        )
    names = checked_names(walk_songs(tree))
    if not names:
        raise InputError(
            f"{tree}: holds no .npy file; it should be a folder that spectrify_all.py wrote"
        )
    return names


def log_mel_path(tree, name):
    """The log-mel file of a song."""
    return Path(tree) / log_mel_name(name)


def read_log_mel(path, n_mels, mmap_mode=None):
    """Log-mel frames (n_frames, n_mels) of one file.

    Raises InputError that names the file where it holds anything else.
    """
    return checked_log_mel(load_array(path, mmap_mode), path, n_mels)


def checked_log_mel(frames, path, n_mels):
    """`frames`, an array or the header of one;
    raises InputError that names `path` where they are no log-mel of `n_mels` bands.
    """
    shape = frames.shape
    if len(shape) != 2 or shape[1] != n_mels or not shape[0]:
        raise InputError(
            f"{path}: shape {shape}, expected (n_frames, {n_mels}); "
            "was it made with another NUM_MEL_BINS?"
        )
    return checked_frames(frames, path)


def read_inputs(path, config):
    """Network inputs (n, dim) float32 of one log-mel file. Raises InputError where
    it cannot be used: the cache holds float16, in which values that no log-mel has
    would be infinite.
    """
    frames = read_log_mel(path, config.NUM_MEL_BINS)
    if not np.isfinite(frames).all():
        raise InputError(f"{path}: holds NaN or infinite values")
    if max(frames.max(), -frames.min()) > LARGEST_INPUT:
        raise InputError(
            f"{path}: holds values up to {max(frames.max(), -frames.min()):.3g}, which no log-mel "
            "has; was it made by another program?"
        )
    rows = network_inputs(frames, config)
    if not max(rows.max(), -rows.min()) <= LARGEST_INPUT:
        raise InputError(
            f"{path}: holds values whose summaries are beyond {LARGEST_INPUT:.0f}, "
            "which no log-mel has"
        )
    return rows


def open_corpus(tree, names, config, cache, is_own=False):
    """The Corpus of the songs `names` of `tree`, from the folder `cache` where it is
    there and still true, else built into it.

    What stands in `cache` under the names of its files is replaced only where the
    folder says that it is a cache, or the caller knows that it is (`is_own`). Raises
    InputError where it does not, where log-mel files cannot be used, or change while
    they are read.
    """
    tree, cache = Path(tree), Path(cache)
    files = status_of(tree, names)
    fingerprint = fingerprint_of(names, files, config)
    if state_of(cache) != fingerprint:
        claim(cache, is_own)
        build(tree, names, config, cache)
        check_unchanged(tree, names, files)
        save_text(cache / STATE_NAME, fingerprint)
    return Corpus(list(names), *cached_arrays(cache, len(names), input_size(config)))


def cached_arrays(cache, n_songs, dim):
    """Inputs, starts, mean and deviation from a folder `cache`;
    raises InputError where they do not fit each other.
    """
    inputs = InputFile(cache / "inputs.npy")
    starts, statistics = load_array(cache / "starts.npy"), load_array(cache / "statistics.npy")
    fits = (
        starts.shape == (n_songs + 1,)
        and starts.dtype.kind == "i"
        and starts[0] == 0
        and starts[-1] == inputs.shape[0]
    )
    if not fits or not (np.diff(starts) > 0).all():
        raise InputError(
            f"{cache / 'starts.npy'}: does not fit the {n_songs} songs and {inputs.shape[0]} "
            f"inputs; {REMEDY}"
        )
    if inputs.shape[1] != dim or statistics.shape != (2, dim) or not np.isfinite(statistics).all():
        raise InputError(
            f"{cache / 'statistics.npy'}: does not fit inputs of {dim} values; {REMEDY}"
        )
    return inputs, starts, *statistics


def state_of(cache):
    """The text of the file that vouches for a cache, '' where there is none that can be read."""
    try:
        return read_text(cache / STATE_NAME, MOST_STATE_BYTES)
    except (FileNotFoundError, NotADirectoryError, InputError):
        return ""


def claim(cache, is_own):
    """Say in the folder `cache` that it is a cache being built.

    Raises InputError where files of somebody else's are in the way.
    """
    state = parsed(state_of(cache))
    standing = [
        cache / name for name in (*ARRAY_NAMES, STATE_NAME) if os.path.lexists(cache / name)
    ]
    if standing and not is_own and "format" not in state:
        raise InputError(
            f"{standing[0]}: is there, and no training made it; "
            "it would be replaced: move it away, or train into another folder"
        )
    save_text(cache / STATE_NAME, json.dumps({"format": FORMAT, "songs": None}))
    sync_folder(cache)  # the arrays are of no use from here on


def parsed(text):
    """JSON text as a dict, empty where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def status_of(tree, names):
    """Size and time of change, in nanoseconds, of each file."""
    return [
        (status.st_size, status.st_mtime_ns)
        for status in (os.stat(log_mel_path(tree, name)) for name in names)
    ]


def check_unchanged(tree, names, before):
    """Raise InputError that names the first files whose size or time of change is not
    what it was `before`.
    """
    changed = [
        name
        for name, now, then in zip(names, status_of(tree, names), before, strict=True)
        if now != then
    ]
    usable(
        [
            InputError(
                f"{log_mel_path(tree, name)}: was changed while it was read; "
                "start again when it is whole"
            )
            for name in changed
        ],
        names,
    )


def fingerprint_of(names, files, config):
    """JSON that changes when a song, its file or a key that shapes the inputs does;
    `files` are the `status_of` the songs.
    """
    digest = hashlib.sha256()
    for name, (size, mtime_ns) in zip(names, files, strict=True):
        digest.update(
            f"{log_mel_name(name)}\0{size}\0{mtime_ns}\n".encode("utf-8", "surrogateescape")
        )
    # the time between two frames is the true one, which summaries are made by
    keys = {key: getattr(config, key) for key in INPUT_KEYS}
    keys["TIME_SEGMENT_SIZE"] = config.seconds_per_frame
    return json.dumps(
        {"format": FORMAT, "songs": len(names), "files": digest.hexdigest(), **keys}, indent=1
    )


def build(tree, names, config, cache):
    """Write inputs.npy, starts.npy and statistics.npy (2, dim) of the songs into
    the folder `cache`.
    """
    paths = [log_mel_path(tree, name) for name in names]
    lengths = usable(
        list(in_processes(partial(length_of_song, config), paths, "measuring songs")), names
    )
    starts = np.concatenate([[0], np.cumsum(lengths)])
    path = cache / "inputs.npy"
    make_input_file(path, int(starts[-1]), input_size(config))
    sums, problems = np.zeros((2, input_size(config))), []
    tasks = list(zip(paths, starts[:-1], lengths, strict=True))
    for result in in_processes(partial(write_song, path, config), tasks, "reading songs"):
        if isinstance(result, InputError):
            problems.append(result)
        else:
            sums += result
    usable(problems, names)
    sync_file(path)
    mean = sums[0] / starts[-1]
    deviation = np.sqrt(np.maximum(sums[1] / starts[-1] - mean**2, 0))
    save_array(
        cache / "statistics.npy",
        np.stack([mean, np.maximum(deviation, SMALLEST_DEVIATION)]).astype(np.float32),
    )
    save_array(cache / "starts.npy", starts)
    sync_folder(cache)  # the file that vouches for all three comes after


def make_input_file(path, n_inputs, dim):
    """Make an empty InputFile in place of what is there:
    never through a link, which may lead to another's file.
    """
    path.unlink(missing_ok=True)
    with open(path, "xb") as file:
        header = {
            "descr": np.dtype(np.float16).str,
            "fortran_order": False,
            "shape": (n_inputs, dim),
        }
        np.lib.format.write_array_header_1_0(file, header)
        resize(file, file.tell() + n_inputs * dim * 2)


def resize(file, size):
    """Make an open file `size` bytes long; an OSError names the file."""
    try:
        file.truncate(size)
    except OSError as error:
        raise OSError(error.errno, error.strerror, file.name) from error


def sync_file(path):
    """Flush a file to the disk, whoever has written to it; an OSError names the file."""
    with open(path, "rb") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


def usable(results, names):
    """`results` as they are; raises one InputError that names the first files where
    some of them are errors.
    """
    problems = [str(result) for result in results if isinstance(result, InputError)]
    if problems:
        more = (
            f"; and {len(problems) - NAMED_IN_ERROR} more" if len(problems) > NAMED_IN_ERROR else ""
        )
        listed = "; ".join(problems[:NAMED_IN_ERROR])
        raise InputError(
            f"{len(problems)} of {len(names)} log-mel files cannot be used: {listed}{more}"
        )
    return results


def length_of_song(config, path):
    """Inputs that one log-mel file gives, from its header alone, or the
    InputError that it raises.
    """
    try:
        with open_file(path) as file:
            frames = checked_log_mel(array_header(file, path), path, config.NUM_MEL_BINS)
    except InputError as error:
        return error
    return texture.n_windows(frames.shape[0], *window_and_step(config))


def write_song(inputs_path, config, task):
    """Write the inputs of one log-mel file to their rows; returns their sums and sums
    of squares (2, dim), or an InputError.

    `task` are its path, its first row, and the number of rows that are free for it.
    """
    path, start, length = task
    try:
        rows = read_inputs(path, config)
    except InputError as error:
        return error
    if len(rows) != length:
        return InputError(
            f"{path}: was changed while it was read: {len(rows)} inputs, "
            f"where there were {length}; start again when it is whole"
        )
    InputFile(inputs_path, "r+").write(start, rows)
    return np.stack([rows.sum(0, dtype=np.float64), np.square(rows, dtype=np.float64).sum(0)])


def in_processes(function, items, what):
    """Results of `function` over `items` in order, by one process per core where there
    are enough of them; `what` is shown meanwhile.

    Raises InputError where the system ends one of the processes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with Progress(len(items), "song", what) as progress, ExitStack() as stack:
        if len(items) > SMALL_CORPUS:
            pool = stack.enter_context(
                ProcessPoolExecutor(cores, initializer=start_process, initargs=(os.getpid(),))
            )
            results = pool.map(function, items, chunksize=max(8, len(items) // MOST_MESSAGES))
        else:
            results = map(function, items)
        try:
            for result in results:
                progress.update(1)
                yield result
        except BrokenProcessPool as error:
            raise InputError(
                f"{what}: a process was ended from outside, perhaps for lack of memory; start again"
            ) from error


def start_process(parent):
    """What each process does first: leave Ctrl-C to the parent, end with it, and
    compute in one thread, as all cores have a process.
    """
    start_worker(parent)
    threadpool_limits(1)
