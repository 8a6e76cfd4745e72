"""Poolings of frames against SciPy's own statistics, on sounds without movement, and on
trees that do not fit.
"""

import numpy as np
import pytest
from scipy import stats
from scipy.fft import dct

from sound_eval.errors import InputError
from sound_eval.evaluation import pooling


def frames_of(seed, n=300, dim=40):
    return (np.random.default_rng(seed).gamma(2, size=(n, dim)) - 8).astype(np.float32)


def test_mean_and_deviation():
    frames = np.array([[0, 10], [2, 10]], np.float32)
    assert pooling.mean_and_deviation(frames).tolist() == [1, 10, 1, 0]


def test_mfcc_statistics_are_the_seven_moments_of_twenty_coefficients():
    frames = frames_of(0)
    coefficients = dct(frames.astype(float), norm="ortho")[:, :20]
    columns = [np.mean, np.std, stats.skew, stats.kurtosis, np.median, np.min, np.max]
    np.testing.assert_allclose(
        pooling.mfcc_statistics(frames),
        np.concatenate([f(coefficients, axis=0) for f in columns]),
        atol=1e-9,
    )


def test_gain_moves_one_mean_and_nothing_else():
    frames = frames_of(1)
    moved = np.flatnonzero(
        np.abs(pooling.mfcc_statistics(frames + np.log(2)) - pooling.mfcc_statistics(frames)) > 1e-4
    )
    assert set(moved % 20) == {0}  # loudness is the coefficient of order 0 alone


def test_silence_has_finite_statistics():
    assert np.isfinite(pooling.mfcc_statistics(np.full((50, 40), np.log(1e-6), np.float32))).all()
    assert np.isfinite(pooling.mfcc_statistics(frames_of(0, n=1))).all()


def test_a_tree_is_pooled_in_the_order_of_the_names(tmp_path):
    for i in range(3):
        np.save(tmp_path / f"{i}.mp3.npy", np.full((4, 2), i, np.float32))
    pooled = pooling.pool_tree(tmp_path, ["2.mp3", "0.mp3"], ["mean", "mean + deviation"])
    assert pooled["mean"].tolist() == [[2, 2], [0, 0]]
    assert pooled["mean + deviation"].shape == (2, 4)


@pytest.mark.parametrize(
    ("frames", "message"),
    [(np.ones(7), r"shape \(7,\)"), (np.ones((0, 4)), r"shape \(0, 4\)"), (None, "missing; is ")],
)
def test_a_file_that_does_not_fit_is_named(tmp_path, frames, message):
    if frames is not None:
        np.save(tmp_path / "a.mp3.npy", frames)
    with pytest.raises(InputError, match=f"a.mp3.npy: {message}"):
        pooling.pool_tree(tmp_path, ["a.mp3"], ["mean"])
