"""Log-mel files -> what the networks see: the one place where frames become inputs.

Conventions
-----------
A *song* is named by its audio file; its log-mel frames (n_frames, n_mels) are a file of
the tree. An *input* is one row (dim,) that a network sees as A or B: a texture summary
of some seconds, or a single frame where TEXTURE_SECONDS is 0. Inputs are not normalised.
Networks see them rounded to float16, in training and ever after, so that the same file
always gives the same vectors.
"""

from pathlib import Path

import numpy as np

from sound_eval.config import LOG_MEL_KEYS
from sound_eval.errors import InputError
from sound_eval.files.marks import RUN_MARK
from sound_eval.files.reading import checked_frames, load_array
from sound_eval.files.trees import checked_names, log_mel_name, walk_songs
from sound_eval.inputs import texture

# the config keys that inputs depend on
INPUT_KEYS = (*LOG_MEL_KEYS, "TEXTURE_SECONDS", "TEXTURE_STEP_SECONDS")
# the largest float16; log-mel values are natural logarithms and lie far below
LARGEST_INPUT = 65504.0


# ---- how inputs are cut ----


def _window_and_step(config):
    """Frames in the window of one input, and from one input to the next."""
    if config.TEXTURE_SECONDS == 0:
        return 1, 1
    rate = frames_per_second(config)
    window = max(2, round(config.TEXTURE_SECONDS * rate))
    step = max(1, round(config.TEXTURE_STEP_SECONDS * rate))
    return window, step


def frames_per_second(config):
    """Log-mel frames in a second."""
    return 1 / config.seconds_per_frame


def overlap(config):
    """Distance in inputs from which on the windows of two inputs share no frame;
    nearer pairs are alike for no good reason.
    """
    window, step = _window_and_step(config)
    return -(-window // step)


def input_size(config):
    """Values in one input."""
    if config.TEXTURE_SECONDS:
        return texture.n_features(config.NUM_MEL_BINS)
    return config.NUM_MEL_BINS


def n_inputs(n_frames, config):
    """Inputs of a song of `n_frames` frames."""
    return texture.n_windows(n_frames, *_window_and_step(config))


# ---- songs of a tree ----


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
    songs = checked_names(walk_songs(tree))
    if not songs:
        raise InputError(
            f"{tree}: holds no .npy file; it should be a folder that spectrify_all.py wrote"
        )
    return songs


def log_mel_path(tree, song):
    """The log-mel file of a song."""
    return Path(tree) / log_mel_name(song)


def read_log_mel(path, n_mels):
    """Log-mel frames (n_frames, n_mels) of one file.

    Raises InputError that names the file where it holds anything else.
    """
    return checked_log_mel(load_array(path), path, n_mels)


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


# ---- frames -> inputs ----


def read_inputs(tree, song, config):
    """Inputs (n, dim) float16 of a song of a log-mel tree.

    Raises InputError that names its file where it is missing, or cannot be used.
    """
    path = log_mel_path(tree, song)
    if not path.exists():
        raise InputError(f"{path}: missing; is {tree} the tree that the run was trained on?")
    return inputs_of_frames(read_log_mel(path, config.NUM_MEL_BINS), config, path)


def inputs_of_frames(frames, config, path):
    """Inputs (n, dim) float16 of log-mel `frames` (n_frames, n_mels);
    raises InputError as `exact_inputs`.
    """
    return exact_inputs(frames, config, path).astype(np.float16)


def exact_inputs(frames, config, path):
    """Inputs (n, dim) float32 before they are rounded.

    Raises InputError that names `path` where they hold what no log-mel has: rounded to
    float16 it would be infinite.
    """
    if not np.isfinite(frames).all():
        raise InputError(f"{path}: holds NaN or infinite values")
    if largest(frames) > LARGEST_INPUT:
        raise InputError(
            f"{path}: holds values up to {largest(frames):.3g}, which no log-mel has; "
            "was it made by another program?"
        )
    inputs = summaries(frames, config)
    if not largest(inputs) <= LARGEST_INPUT:
        raise InputError(
            f"{path}: holds values whose summaries are beyond {LARGEST_INPUT:.0f}, "
            "which no log-mel has"
        )
    return inputs


def summaries(frames, config):
    """Inputs (n, dim) float32 of `frames`, whatever they hold."""
    if config.TEXTURE_SECONDS == 0:
        return texture.levelled(frames)
    return texture.summarise(frames, *_window_and_step(config), frames_per_second(config))


def largest(values):
    """The largest magnitude in an array, without a copy of it."""
    return max(values.max(), -values.min())
