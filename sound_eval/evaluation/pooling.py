"""From many frames to one row per song: the features that any learned vector has to beat.

Conventions
-----------
Frames are (n_frames, dim): log-mel frames (natural log of magnitude), or the frame
vectors that calc_all_vecs.py writes. A pooling maps them to one row (n_features,) that
does not depend on how long the song is.
"""

from pathlib import Path

import numpy as np
from scipy.fft import dct

from sound_eval.errors import InputError
from sound_eval.files.trees import load_frames, log_mel_name
from sound_eval.terminal import Progress

N_MFCC = 20


def mean(frames):
    """Mean over time: (dim,)."""
    return frames.mean(axis=0, dtype=np.float64)


def mean_and_deviation(frames):
    """Mean and standard deviation over time: (2 dim,)."""
    return np.concatenate([mean(frames), frames.std(axis=0, dtype=np.float64)])


def mfcc_statistics(frames):
    """Seven moments over time of 20 mel-frequency cepstral coefficients: (140,), the
    `mfcc` features of the FMA data set.

    The coefficients are the orthonormal DCT-II of the log-mel frames; the moments
    are mean, deviation, skewness, kurtosis, median, minimum and maximum
    (Defferrard et al. 2017).
    """
    coefficients = dct(frames.astype(np.float64), type=2, norm="ortho", axis=1)[:, :N_MFCC]
    centred, deviation = coefficients - coefficients.mean(axis=0), coefficients.std(axis=0)
    still = deviation < 1e-9  # a constant has no shape: its skewness would be 0 / 0
    standard = np.where(still, 0, centred / np.where(still, 1, deviation))
    moments = (
        coefficients.mean(axis=0),
        deviation,
        (standard**3).mean(axis=0),
        (standard**4).mean(axis=0) - 3,
    )
    return np.concatenate(
        [
            *moments,
            np.median(coefficients, axis=0),
            coefficients.min(axis=0),
            coefficients.max(axis=0),
        ]
    )


POOLINGS = {
    "mean": mean,
    "mean + deviation": mean_and_deviation,
    "MFCC statistics": mfcc_statistics,
}


def pool_tree(tree, names, poolings, what="pooling"):
    """Pool the frames of each song below `tree` in several ways, reading each file once.

    `names` are those of the songs, `poolings` are keys of `POOLINGS`; returns a dict
    pooling -> (n_songs, n_features). Raises InputError where a song's file is missing,
    or has no frames.
    """
    rows = {pooling: [] for pooling in poolings}
    with Progress(len(names), "song", what) as progress:
        for name in names:
            frames = read_frames(tree, name)
            for pooling in poolings:
                rows[pooling].append(POOLINGS[pooling](frames))
            progress.update(1)
    return {pooling: np.stack(values) for pooling, values in rows.items()}


def read_frames(tree, name):
    """Frames (n_frames, dim) of one song of the music list."""
    path = Path(tree) / log_mel_name(name)
    if not path.is_file():
        raise InputError(f"{path}: missing; is {tree} the tree that the music list was made from?")
    return load_frames(path)
