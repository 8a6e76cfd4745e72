"""Moments by blocks equal the plain covariances, and count every song alike."""

import numpy as np

from sound_eval.inputs.moments import SMALLEST_DEVIATION, Moments


def songs_of(lengths, dim=5, seed=0):
    """Songs (n, dim) float32 of these lengths, far from zero."""
    random = np.random.default_rng(seed)
    return [
        (100 + random.normal(random.normal(size=dim), 0.5, (length, dim))).astype(np.float32)
        for length in lengths
    ]


def test_blocks_add_up_to_the_plain_covariances():
    songs = songs_of([3, 50, 1, 7, 20])
    moments = Moments.none(5)
    for block in (songs[:2], songs[2:3], songs[3:]):
        moments += Moments.of_songs(block)
    inputs = np.concatenate(songs).astype(np.float64)
    mean, deviation = moments.normalisation()
    np.testing.assert_allclose(mean, inputs.mean(0), rtol=1e-6)
    np.testing.assert_allclose(deviation, inputs.std(0), rtol=1e-4)
    normal = [(song - inputs.mean(0)) / inputs.std(0) for song in songs]
    within, between = moments.covariances()
    # each song counts alike, however long
    expected = np.mean([np.cov(song.T, bias=True) for song in normal if len(song) > 1], 0) * 4 / 5
    np.testing.assert_allclose(within, expected, atol=1e-3)
    np.testing.assert_allclose(
        between, np.cov(np.array([song.mean(0) for song in normal]).T, bias=True), atol=1e-3
    )


def test_a_value_that_never_moves_is_not_blown_up():
    songs = songs_of([4, 6])
    for song in songs:
        song[:, 2] = 7
    moments = Moments.of_songs(songs)
    assert moments.normalisation()[1][2] == np.float32(SMALLEST_DEVIATION)
    assert np.abs(moments.covariances()[:, 2]).max() < 1e-3
