"""Log-mel tree -> what the networks see: the inputs of all songs in one file.

Conventions
-----------
An *input* is one row that a network sees as A or B: a texture summary of some seconds, or a single log-mel frame where
TEXTURE_SECONDS is 0. The inputs of song i are the rows `starts[i]` to `starts[i + 1]` of `inputs` (n_inputs, dim), float16, not
normalised; `mean` and `deviation` (dim,) are what normalises them. The array lives in a cache file that is built once, by one process
per core, and reused while the tree and the keys that shape it stay the same. It is read and written by position, not mapped into memory,
so that a corpus larger than memory does not crowd out everything else.
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

from sound_eval import texture
from sound_eval.cli import InputError, Progress
from sound_eval.config import LOG_MEL_KEYS
from sound_eval.trees import checked_names, load_array, save_array, save_text, walk
from sound_eval.workers import start_worker

INPUT_KEYS = (*LOG_MEL_KEYS, "TEXTURE_SECONDS", "TEXTURE_STEP_SECONDS")  # the config keys that inputs depend on
FORMAT = 3  # to be raised when the same tree and keys give other inputs
SMALLEST_DEVIATION = 1e-2  # a value that hardly moves carries no news; dividing by less would only raise its noise
MOST_MESSAGES = 4096  # that a large corpus is handed to processes in
SMALL_CORPUS = 32  # songs up to which starting processes costs more than they save
ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin anywhere else
NAMED_IN_ERROR = 5  # unusable files that one error message names


class InputFile:
    """The array (n_inputs, dim) float16 of a `.npy` file, read and written by rows. Safe to use from several threads and processes."""

    def __init__(self, path, mode="r"):
        array = load_array(path, mmap_mode="r")
        self.shape, self.dtype, self.nbytes, self.offset = array.shape, array.dtype, array.nbytes, array.offset
        self.row_bytes = self.nbytes // max(len(array), 1)
        self.file = open(path, "rb" if mode == "r" else "r+b", buffering=0)  # noqa: SIM115 - closed with the object

    def read(self, first=0, count=None):
        """Rows `first` to `first + count` (count, dim), by default all, in memory that TensorFlow can use as it is."""
        count = self.shape[0] - first if count is None else count
        memory = np.empty(count * self.row_bytes + ALIGNMENT, np.uint8)
        begin = -memory.ctypes.data % ALIGNMENT
        rows = memory[begin : begin + count * self.row_bytes].view(self.dtype).reshape(count, self.shape[1])
        view, position = memoryview(rows).cast("B"), self.offset + first * self.row_bytes
        while view:
            done = os.preadv(self.file.fileno(), [view], position)
            if not done:
                raise InputError(f"{self.file.name}: ends before row {first + count}; delete the folder it lies in and start again")
            view, position = view[done:], position + done
        return rows

    def take(self, rows):
        """The given rows (n, dim), in any order, each by a read of its own: a mapped file would drag in 64 kB with every row."""
        taken = np.empty((len(rows), self.shape[1]), self.dtype)
        view, size, file = memoryview(taken).cast("B"), self.row_bytes, self.file.fileno()
        done = sum(os.preadv(file, [view[i * size : (i + 1) * size]], self.offset + row * size) for i, row in enumerate(np.asarray(rows).tolist()))
        if done != len(view):
            raise InputError(f"{self.file.name}: ends before its last row; delete the folder it lies in and start again")
        return taken

    def write(self, first, rows):
        """Write `rows` (count, dim) from row `first` on."""
        data, position = np.ascontiguousarray(rows, self.dtype).tobytes(), self.offset + first * self.row_bytes
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
    rate = 1 / config.TIME_SEGMENT_SIZE
    return max(2, round(config.TEXTURE_SECONDS * rate)), max(1, round(config.TEXTURE_STEP_SECONDS * rate))


def overlap(config):
    """Distance in inputs from which on the windows of two inputs share no frame; nearer pairs are alike for no good reason."""
    window, step = window_and_step(config)
    return -(-window // step)


def input_size(config):
    """Values in one input."""
    return texture.n_features(config.NUM_MEL_BINS) if config.TEXTURE_SECONDS else config.NUM_MEL_BINS


def read_weights(run):
    """The arrays of a run folder's last save; raises InputError where its networks were made for other inputs than there are now."""
    weights, expected = run.weights(), input_size(run.config())
    size = len(weights.get("mean", range(expected)))
    if size != expected:
        raise InputError(f"{run.path}: its networks take inputs of {size} values, and this version makes {expected}; train into another run folder")
    return weights


def network_inputs(frames, config):
    """Inputs (n, dim) float32 of the log-mel `frames` (n_frames, n_mels) of one song."""
    if config.TEXTURE_SECONDS == 0:
        return np.asarray(frames, np.float32)
    return texture.summarise(frames, *window_and_step(config), 1 / config.TIME_SEGMENT_SIZE)


def list_songs(tree):
    """Sorted names of the log-mel files of a tree. Raises InputError where there is none, or one has a name that no music list can hold."""
    if (Path(tree) / "epoc_num.txt").is_file():
        raise InputError(f"{tree}: a run folder, where a tree of log-mel files is expected; were the two given in the wrong order?")
    names = checked_names(walk(tree, [".npy"]))
    if not names:
        raise InputError(f"{tree}: holds no .npy file; it should be a folder that spectrify_all.py wrote")
    return names


def read_log_mel(path, n_mels, **kwargs):
    """Log-mel frames (n_frames, n_mels) of one file. Raises InputError that names the file where it holds anything else."""
    frames = load_array(path, **kwargs)
    if frames.ndim != 2 or frames.shape[1] != n_mels or not len(frames):
        raise InputError(f"{path}: shape {frames.shape}, expected (n_frames, {n_mels}); was it made with another NUM_MEL_BINS?")
    if frames.dtype.kind != "f":
        raise InputError(f"{path}: dtype {frames.dtype}, expected float32; it is not a log-mel file")
    return frames


def open_corpus(tree, names, config, cache):
    """The Corpus of the songs `names` of `tree`, from the folder `cache` where it is there and still true, else built into it."""
    tree, cache = Path(tree), Path(cache)
    fingerprint = fingerprint_of(tree, names, config)
    state = cache / "inputs.json"
    if not (state.is_file() and state.read_text(encoding="utf-8") == fingerprint):
        cache.mkdir(parents=True, exist_ok=True)
        state.unlink(missing_ok=True)
        build(tree, names, config, cache)
        save_text(state, fingerprint)
    starts, statistics = load_array(cache / "starts.npy"), load_array(cache / "statistics.npy")
    return Corpus(list(names), InputFile(cache / "inputs.npy"), starts, *statistics)


def fingerprint_of(tree, names, config):
    """JSON that changes when a song, its file or a key that shapes the inputs does."""
    digest = hashlib.sha256()
    for name in names:
        status = os.stat(tree / name)
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    keys = {key: getattr(config, key) for key in INPUT_KEYS}
    return json.dumps({"format": FORMAT, "songs": len(names), "files": digest.hexdigest(), **keys}, indent=1)


def build(tree, names, config, cache):
    """Write inputs.npy, starts.npy and statistics.npy (2, dim) of the songs into the folder `cache`."""
    paths = [tree / name for name in names]
    lengths = usable(list(in_processes(partial(length_of_song, config), paths, "measuring songs")), names)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    dim = input_size(config)
    path = cache / "inputs.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(int(starts[-1]), dim)).flush()
    sums = np.zeros((2, dim))
    problems = []
    for result in in_processes(partial(write_song, path, config), list(zip(paths, starts[:-1], strict=True)), "reading songs"):
        if isinstance(result, InputError):
            problems.append(result)
        else:
            sums += result
    usable(problems, names)
    mean = sums[0] / starts[-1]
    deviation = np.sqrt(np.maximum(sums[1] / starts[-1] - mean**2, 0))
    save_array(cache / "statistics.npy", np.stack([mean, np.maximum(deviation, SMALLEST_DEVIATION)]).astype(np.float32))
    save_array(cache / "starts.npy", starts)


def usable(results, names):
    """`results` as they are; raises one InputError that names the first files where some of them are errors."""
    problems = [str(result) for result in results if isinstance(result, InputError)]
    if problems:
        more = f"; and {len(problems) - NAMED_IN_ERROR} more" if len(problems) > NAMED_IN_ERROR else ""
        listed = "; ".join(problems[:NAMED_IN_ERROR])
        raise InputError(f"{len(problems)} of {len(names)} log-mel files cannot be used: {listed}{more}")
    return results


def length_of_song(config, path):
    """Inputs that one log-mel file gives, from its header alone, or the InputError that it raises."""
    try:
        frames = read_log_mel(path, config.NUM_MEL_BINS, mmap_mode="r")
    except InputError as error:
        return error
    return texture.n_windows(len(frames), *window_and_step(config))


def write_song(inputs_path, config, path_and_start):
    """Write the inputs of one log-mel file to their rows; returns their sums and sums of squares (2, dim), or an InputError."""
    path, start = path_and_start
    try:
        frames = read_log_mel(path, config.NUM_MEL_BINS)
    except InputError as error:
        return error
    if not np.isfinite(frames).all():
        return InputError(f"{path}: holds NaN or infinite values")
    rows = network_inputs(frames, config)
    InputFile(inputs_path, "r+").write(start, rows)
    return np.stack([rows.sum(0, dtype=np.float64), np.square(rows, dtype=np.float64).sum(0)])


def in_processes(function, items, what):
    """Results of `function` over `items` in order, by one process per core where there are enough of them; `what` is shown meanwhile.

    Raises InputError where the system ends one of the processes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with Progress(len(items), "song", what) as progress, ExitStack() as stack:
        if len(items) > SMALL_CORPUS:
            pool = stack.enter_context(ProcessPoolExecutor(cores, initializer=start_process, initargs=(os.getpid(),)))
            results = pool.map(function, items, chunksize=max(8, len(items) // MOST_MESSAGES))
        else:
            results = map(function, items)
        try:
            for result in results:
                progress.update(1)
                yield result
        except BrokenProcessPool as error:
            raise InputError(f"{what}: a process was ended from outside, perhaps for lack of memory; start again") from error


def start_process(parent):
    """What each process does first: leave Ctrl-C to the parent, end with it, and compute in one thread, as all cores have a process."""
    start_worker(parent)
    threadpool_limits(1)
