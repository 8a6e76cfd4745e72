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
from sound_eval.files.reading import load_frames
from sound_eval.files.trees import log_mel_name, walk_songs
from sound_eval.terminal import Progress, warn

N_MFCC = 20


def mean(frames):
    """Mean over time: (dim,)."""
    return frames.mean(axis=0, dtype=np.float64)


def mean_and_deviation(frames):
    """Mean and standard deviation over time: (2 dim,)."""
    return np.concatenate([mean(frames), frames.std(axis=0, dtype=np.float64)])


def mfcc(frames):
    """20 mel-frequency cepstral coefficients of each log-mel frame: (n_frames, 20), the
    first of its orthonormal DCT-II.
    """
    return dct(frames.astype(np.float64), type=2, norm="ortho", axis=1)[:, :N_MFCC]


def mfcc_statistics(frames):
    """Seven moments over time of 20 mel-frequency cepstral coefficients: (140,), the
    `mfcc` features of the FMA data set.

    They are mean, deviation, skewness, kurtosis, median, minimum and maximum
    (Defferrard et al. 2017).
    """
    coefficients = mfcc(frames)
    average = coefficients.mean(axis=0)
    deviation = coefficients.std(axis=0)
    # A constant has no shape: its skewness would be 0 / 0. That is why it is not
    # scipy.stats.skew, which warns and gives nan.
    still = deviation < 1e-9
    standard = np.where(still, 0, (coefficients - average) / np.where(still, 1, deviation))
    moments = [
        average,
        deviation,
        (standard**3).mean(axis=0),
        (standard**4).mean(axis=0) - 3,
        np.median(coefficients, axis=0),
        coefficients.min(axis=0),
        coefficients.max(axis=0),
    ]
    return np.concatenate(moments)


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
    """Frames (n_frames, dim) of one song of the music list.

    Raises InputError where its file is missing, or has no frames.
    """
    path = Path(tree) / log_mel_name(name)
    if not path.is_file():
        raise InputError(f"{path}: missing; is {tree} the tree that the music list was made from?")
    return load_frames(path)


def frame_files(tree):
    """Names of the songs of a tree of frame vectors, without the song vectors that
    calc_all_vecs.py may have put among them.

    Raises InputError where there are none.
    """
    names = [
        name for name in walk_songs(tree) if not (tree / f"{log_mel_name(name)}.json").is_file()
    ]
    if not names:
        raise InputError(
            f"{tree}: holds no frame vectors; give the folder that calc_all_vecs.py wrote"
        )
    return names


def shared_songs(names, run):
    """The names that the run, a Snapshot, holds as well, and their song vectors (n, dim).

    Raises InputError where it holds none of them.
    """
    rows = {name: row for row, name in enumerate(run.names)}
    shared = [name for name in names if name in rows]
    if not shared:
        raise InputError(
            f"{run.path}: none of the {len(names)} songs is in its music list, "
            f"songs are named like {names[0]!r}; is it another run?"
        )
    if len(shared) < len(names):
        warn(
            f"{len(names) - len(shared)} of {len(names)} songs are not in the music list of "
            f"{run.path}; they are left out"
        )
    return shared, run.vectors[[rows[name] for name in shared]].astype(np.float64)
