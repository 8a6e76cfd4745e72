"""The folder in which a corpus is kept: built once, by one process per core, and reused
while the tree and the keys that shape the inputs stay the same.

    inputs.npy       (n_inputs, dim) float16   the inputs of all songs, see `input_file`
    starts.npy       (n_songs + 1,)            where those of each song begin
    statistics.npy   (2, dim) float32          their mean and deviation
    covariances.npy  (2, dim, dim) float64     within songs and between them, see `moments`
    inputs.json                                what these were made of; written last
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
from sound_eval.inputs.moments import Moments
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

FORMAT = 4  # to be raised when the same tree and keys give other inputs
STATE_NAME = "inputs.json"
BLOCKS = 64  # that the songs of a small corpus are read in
BLOCK_SONGS = (8, 512)  # in one of them, at least and at most
ARRAY_NAMES = ("inputs.npy", "starts.npy", "statistics.npy", "covariances.npy")
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
    """Inputs, starts, mean, deviation and covariances from a folder `cache`;
    raises InputError where they do not fit each other.
    """
    inputs = InputFile(cache / "inputs.npy")
    starts = load_array(cache / "starts.npy")
    statistics = load_array(cache / "statistics.npy")
    covariances = load_array(cache / "covariances.npy")
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
    if covariances.shape != (2, dim, dim) or not np.isfinite(covariances).all():
        raise InputError(
            f"{cache / 'covariances.npy'}: does not fit inputs of {dim} values; {REMEDY}"
        )
    return inputs, starts, *statistics, covariances


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
    """Write the arrays of the songs into the folder `cache`."""
    paths = [log_mel_path(tree, song) for song in songs]
    lengths = usable(
        list(in_processes(partial(_length_of_song, config), paths, "measuring songs")), songs
    )
    starts = np.concatenate([[0], np.cumsum(lengths)])
    path = cache / "inputs.npy"
    make_input_file(path, int(starts[-1]), input_size(config))
    tasks = list(zip(paths, starts[:-1], lengths, strict=True))
    size = int(np.clip(len(tasks) // BLOCKS, *BLOCK_SONGS))
    blocks = [tasks[first : first + size] for first in range(0, len(tasks), size)]
    moments = Moments.none(input_size(config))
    problems = []
    write = partial(_write_songs, path, config)
    for found, failed in in_processes(write, blocks, "reading songs", songs_of=len):
        problems += failed
        if found:
            moments += found
    usable(problems, songs)
    sync_file(path)
    save_array(cache / "statistics.npy", moments.normalisation())
    save_array(cache / "covariances.npy", moments.covariances())
    save_array(cache / "starts.npy", starts)
    sync_folder(cache)  # the file that vouches for all of them comes after


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


def _write_songs(inputs_path, config, tasks):
    """Write the inputs of some log-mel files to their rows; returns their Moments, None
    where there is none that can be used, and an InputError for each that cannot.

    A task is the path of a file, its first row, and the number of rows free for it.
    """
    written = []
    failed = []
    file = InputFile(inputs_path, "r+")
    for path, start, length in tasks:
        try:
            rows = _inputs_of_file(path, length, config)
            file.write(start, rows)
            written.append(rows)
        except InputError as error:
            failed.append(error)
    return Moments.of_songs(written) if written else None, failed


def _inputs_of_file(path, length, config):
    """Inputs (length, dim) float32 of a log-mel file; raises InputError where it cannot be
    used, or holds another number of them by now.
    """
    rows = exact_inputs(read_log_mel(path, config.NUM_MEL_BINS), config, path)
    if len(rows) != length:
        raise InputError(
            f"{path}: was changed while it was read: {len(rows)} inputs, "
            f"where there were {length}; start again when it is whole"
        )
    return rows
