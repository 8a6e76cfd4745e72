"""Inferred song terms: the right answer, the same on every call, alike to trained ones."""

import numpy as np
import pytest
from planted import OUT, planted_song, random_networks, small_config
from scipy.optimize import minimize

from sound_eval.errors import InputError
from sound_eval.inputs.network_inputs import overlap
from sound_eval.model import inference

CONFIG = small_config(HIDE_WORDS=0.5, SONG_L2=0.1)


@pytest.fixture(scope="module")
def networks():
    return random_networks()


def plain_cost(networks, inputs, config):
    """The cost of one song as a function of its vector, by a loop over its pairs."""
    contexts, references = (
        networks.contexts(inputs).astype(float),
        networks.references.astype(float),
    )
    least = min(overlap(config), min(len(inputs), config.WINDOW_SIZE + 1) // 2)
    pairs = [
        (a, b)
        for a in range(len(inputs))
        for b in range(len(inputs))
        if least <= abs(a - b) <= config.WINDOW_SIZE
    ]

    def cost(s):
        local = np.mean([np.logaddexp(0, s @ contexts[b]) for _, b in pairs])
        return (
            config.HIDE_WORDS * 0.5 * (local + np.logaddexp(0, -references @ s).mean())
            + config.SONG_L2 * s @ s
        )

    return cost


@pytest.mark.parametrize("n_inputs", [1, 2, 7, 60])
def test_equals_the_minimum_that_a_general_optimiser_finds(networks, n_inputs):
    inputs = planted_song(1, 5, n_inputs)
    solved = inference.song_terms(networks, [inputs], CONFIG)[0]
    cost = plain_cost(networks, inputs, CONFIG)
    best = minimize(cost, np.zeros(OUT), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(solved, best.x, atol=2e-3)
    assert cost(solved) <= best.fun + 1e-5


def test_the_same_on_every_call_and_in_any_company(networks):
    songs = [planted_song(i % 3, i, n_frames=20 + 7 * i) for i in range(9)]
    together = inference.song_terms(networks, songs, CONFIG)
    np.testing.assert_array_equal(together, inference.song_terms(networks, songs, CONFIG))
    for song, vector in zip(songs, together, strict=True):
        np.testing.assert_allclose(
            inference.song_terms(networks, [song], CONFIG)[0], vector, atol=2e-3
        )


def test_songs_are_read_a_group_at_a_time_and_come_out_the_same(networks, monkeypatch):
    songs = [planted_song(i % 3, i, n_frames=20 + 7 * i) for i in range(5)]
    monkeypatch.setattr(inference, "SONGS_AT_ONCE", 2)
    monkeypatch.setattr(inference, "usable_cores", lambda: 1)
    read = []

    def reading(row):
        read.append(row)
        return songs[row]

    together = inference.infer_song_terms(networks, range(5), reading, CONFIG)
    assert read == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(together[2:4], inference.song_terms(networks, songs[2:4], CONFIG))
    assert inference.infer_song_terms(networks, [], reading, CONFIG).shape == (0, OUT)


def test_long_songs_are_looked_at_in_stretches():
    positions = inference.positions_in(100_000, window=20)
    assert len(positions) <= inference.MOST_INPUTS
    assert positions[0] == 0 and positions[-1] == 99_999
    steps = np.diff(positions)
    assert np.median(steps) == 1  # stretches of neighbours, so that there are local pairs


def test_without_l2_the_answer_is_still_finite(networks):
    vectors = inference.song_terms(
        networks, [planted_song(0, 1)], CONFIG.replace(SONG_L2=0.0, HIDE_WORDS=0.0)
    )
    assert np.isfinite(vectors).all()


def test_encoding_in_blocks_equals_encoding_at_once(networks, monkeypatch):
    inputs = planted_song(0, 0, 1000)
    whole = networks.words(inputs)
    monkeypatch.setattr(inference, "BLOCK_INPUTS", 64)
    np.testing.assert_allclose(networks.words(inputs), whole, atol=1e-6)


def test_weights_of_something_else_are_an_error():
    with pytest.raises(InputError, match="hold no networks"):
        inference.networks_from({"mean": np.zeros(3)})
