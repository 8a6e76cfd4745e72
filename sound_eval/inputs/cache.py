"""The folder in which a corpus is kept: built once, by one process per core, and reused
while the tree and the keys that shape the inputs stay the same.

    inputs.npy       (n_inputs, dim) float16   the inputs of all songs, see `input_file`
    starts.npy       (n_songs + 1,)            where those of each song begin
    statistics.npy   (2, dim) float32          their mean and deviation
    inputs.json                                what the three were made of; written last
"""

import hashlib
import json
import os
from functools import partial

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.reading import array_header, load_array, open_file, read_text
from sound_eval.files.trees import log_mel_name
from sound_eval.files.writing import save_array, save_text, sync_folder
from sound_eval.inputs.input_file import REMEDY, InputFile, make_input_file, sync_file
from sound_eval.inputs.network_inputs import (
    INPUT_KEYS,
    checked_log_mel,
    exact_inputs,
    input_size,
    log_mel_path,
    n_inputs,
    read_log_mel,
)
from sound_eval.inputs.song_processes import in_processes

FORMAT = 3  # to be raised when the same tree and keys give other inputs
# a value that hardly moves carries no news; dividing by less would only raise its noise
SMALLEST_DEVIATION = 1e-2
STATE_NAME = "inputs.json"
ARRAY_NAMES = ("inputs.npy", "starts.npy", "statistics.npy")
MOST_STATE_BYTES = 10_000
NAMED_IN_ERROR = 5  # unusable files that one error message names


# ---- is it there, and true? ----


def renew(cache, tree, songs, config, is_own):
    """Build the folder `cache` where it is not there or no longer true;
    see `corpus.open_corpus`.
    """
    files = status_of(tree, songs)
    fingerprint = _fingerprint_of(songs, files, config)
    if _state_of(cache) == fingerprint:
        return
    claim(cache, is_own)
    build(tree, songs, config, cache)
    _check_unchanged(tree, songs, files)
    save_text(cache / STATE_NAME, fingerprint)


def read_arrays(cache, n_songs, dim):
    """Inputs, starts, mean and deviation from a folder `cache`;
    raises InputError where they do not fit each other.
    """
    inputs = InputFile(cache / "inputs.npy")
    starts = load_array(cache / "starts.npy")
    statistics = load_array(cache / "statistics.npy")
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


def _state_of(cache):
    """The text of the file that vouches for a cache, '' where there is none that can be read."""
    try:
        return read_text(cache / STATE_NAME, MOST_STATE_BYTES)
    except (FileNotFoundError, NotADirectoryError, InputError):
        return ""


def claim(cache, is_own):
    """Say in the folder `cache` that it is a cache being built.

    Raises InputError where files of somebody else's are in the way.
    """
    state = parsed(_state_of(cache))
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


def status_of(tree, songs):
    """Size and time of change, in nanoseconds, of each file."""
    return [
        (status.st_size, status.st_mtime_ns)
        for status in (os.stat(log_mel_path(tree, song)) for song in songs)
    ]


def _check_unchanged(tree, songs, before):
    """Raise InputError that names the first files whose size or time of change is not
    what it was `before`.
    """
    after = status_of(tree, songs)
    changed = [
        InputError(
            f"{log_mel_path(tree, song)}: was changed while it was read; "
            "start again when it is whole"
        )
        for song, now, then in zip(songs, after, before, strict=True)
        if now != then
    ]
    usable(changed, songs)


def _fingerprint_of(songs, files, config):
    """JSON that changes when a song, its file or a key that shapes the inputs does;
    `files` are the `status_of` the songs.
    """
    digest = hashlib.sha256()
    for song, (size, mtime_ns) in zip(songs, files, strict=True):
        line = f"{log_mel_name(song)}\0{size}\0{mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    # the time between two frames is the true one, which summaries are made by
    keys = {key: getattr(config, key) for key in INPUT_KEYS}
    keys["TIME_SEGMENT_SIZE"] = config.seconds_per_frame
    return json.dumps(
        {"format": FORMAT, "songs": len(songs), "files": digest.hexdigest(), **keys}, indent=1
    )


# ---- building it ----


def build(tree, songs, config, cache):
    """Write inputs.npy, starts.npy and statistics.npy (2, dim) of the songs into
    the folder `cache`.
    """
    paths = [log_mel_path(tree, song) for song in songs]
    lengths = usable(
        list(in_processes(partial(_length_of_song, config), paths, "measuring songs")), songs
    )
    starts = np.concatenate([[0], np.cumsum(lengths)])
    path = cache / "inputs.npy"
    make_input_file(path, int(starts[-1]), input_size(config))
    sums = np.zeros((2, input_size(config)))
    problems = []
    tasks = list(zip(paths, starts[:-1], lengths, strict=True))
    for result in in_processes(partial(_write_song, path, config), tasks, "reading songs"):
        if isinstance(result, InputError):
            problems.append(result)
        else:
            sums += result
    usable(problems, songs)
    sync_file(path)
    mean = sums[0] / starts[-1]
    deviation = np.sqrt(np.maximum(sums[1] / starts[-1] - mean**2, 0))
    statistics = np.stack([mean, np.maximum(deviation, SMALLEST_DEVIATION)]).astype(np.float32)
    save_array(cache / "statistics.npy", statistics)
    save_array(cache / "starts.npy", starts)
    sync_folder(cache)  # the file that vouches for all three comes after


def usable(results, songs):
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
            f"{len(problems)} of {len(songs)} log-mel files cannot be used: {listed}{more}"
        )
    return results


def _length_of_song(config, path):
    """Inputs that one log-mel file gives, from its header alone, or the
    InputError that it raises.
    """
    try:
        with open_file(path) as file:
            frames = checked_log_mel(array_header(file, path), path, config.NUM_MEL_BINS)
    except InputError as error:
        return error
    return n_inputs(frames.shape[0], config)


def _write_song(inputs_path, config, task):
    """Write the inputs of one log-mel file to their rows; returns their sums and sums
    of squares (2, dim), or an InputError.

    `task` are its path, its first row, and the number of rows that are free for it.
    """
    path, start, length = task
    try:
        rows = exact_inputs(read_log_mel(path, config.NUM_MEL_BINS), config, path)
    except InputError as error:
        return error
    if len(rows) != length:
        return InputError(
            f"{path}: was changed while it was read: {len(rows)} inputs, "
            f"where there were {length}; start again when it is whole"
        )
    InputFile(inputs_path, "r+").write(start, rows)
    return np.stack([rows.sum(0, dtype=np.float64), np.square(rows, dtype=np.float64).sum(0)])
