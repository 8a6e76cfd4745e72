"""Inferred song vectors: the right answer, the same on every call, alike to trained ones."""

import dataclasses

import numpy as np
import pytest
from planted import planted_song, small_config, write_tree
from scipy.optimize import minimize

from sound_eval.model import corpus as corpora
from sound_eval.model import inference
from sound_eval.terminal import Progress

DIM, OUT = 12, 8
CONFIG = small_config(HIDE_WORDS=0.5, SONG_L2=0.1)


@pytest.fixture
def networks():
    random = np.random.default_rng(0)

    def net():
        return {
            "hidden_kernel": random.standard_normal((DIM, 16)).astype(np.float32) / 3,
            "hidden_bias": random.standard_normal(16).astype(np.float32) / 3,
            "output_kernel": random.standard_normal((16, OUT)).astype(np.float32) / 3,
            "output_bias": random.standard_normal(OUT).astype(np.float32) / 3,
        }

    plain = inference.Networks(
        net(), net(), np.full(DIM, -4, np.float32), np.full(DIM, 2, np.float32)
    )
    return dataclasses.replace(plain, references=plain.contexts(random.normal(-4, 2, (40, DIM))))


def plain_cost(networks, inputs, config):
    """The cost of one song as a function of its vector, by a loop over its pairs."""
    contexts, references = (
        networks.contexts(inputs).astype(float),
        networks.references.astype(float),
    )
    least = min(corpora.overlap(config), min(len(inputs), config.WINDOW_SIZE + 1) // 2)
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
    solved = inference.song_vectors(networks, [inputs], CONFIG)[0]
    cost = plain_cost(networks, inputs, CONFIG)
    best = minimize(cost, np.zeros(OUT), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(solved, best.x, atol=2e-3)
    assert cost(solved) <= best.fun + 1e-5


def test_the_same_on_every_call_and_in_any_company(networks):
    songs = [planted_song(i % 3, i, n_frames=20 + 7 * i) for i in range(9)]
    together = inference.song_vectors(networks, songs, CONFIG)
    np.testing.assert_array_equal(together, inference.song_vectors(networks, songs, CONFIG))
    for song, vector in zip(songs, together, strict=True):
        np.testing.assert_allclose(
            inference.song_vectors(networks, [song], CONFIG)[0], vector, atol=2e-3
        )


def test_long_songs_are_looked_at_in_stretches():
    positions = inference.positions_in(100_000, window=20)
    assert len(positions) <= inference.MOST_INPUTS
    assert positions[0] == 0 and positions[-1] == 99_999
    steps = np.diff(positions)
    assert np.median(steps) == 1  # stretches of neighbours, so that there are local pairs


def test_without_l2_the_answer_is_still_finite(networks):
    vectors = inference.song_vectors(
        networks, [planted_song(0, 1)], CONFIG.replace(SONG_L2=0.0, HIDE_WORDS=0.0)
    )
    assert np.isfinite(vectors).all()


def test_encoding_in_blocks_equals_encoding_at_once(networks, monkeypatch):
    inputs = planted_song(0, 0, 1000)
    whole = networks.words(inputs)
    monkeypatch.setattr(inference, "BLOCK_INPUTS", 64)
    np.testing.assert_allclose(networks.words(inputs), whole, atol=1e-6)


def test_weights_of_something_else_are_an_error():
    with pytest.raises(inference.InputError, match="hold no networks"):
        inference.networks_from({"mean": np.zeros(3)})


def test_words_of_a_corpus_equal_those_of_its_songs(networks, monkeypatch, tmp_path):
    write_tree(tmp_path / "tree", 9)
    np.save(tmp_path / "tree" / "short.wav.npy", planted_song(0, 0, 3))
    corpus = corpora.open_corpus(
        tmp_path / "tree", corpora.list_songs(tmp_path / "tree"), CONFIG, tmp_path / "cache"
    )
    songs = [corpus.song(row) for row in range(10)]
    monkeypatch.setattr(inference, "BLOCK_INPUTS", 300)  # two songs in a block
    monkeypatch.setattr(inference, "MOST_MEAN_INPUTS", 150)
    np.testing.assert_allclose(
        inference.corpus_words(networks, corpus), inference.mean_words(networks, songs), atol=1e-6
    )
    monkeypatch.setattr(inference, "MOST_INPUTS_OF_ALL", 1)  # as in a corpus of millions
    expected = [
        networks.words(song[inference.evenly(len(song), inference.LEAST_MEAN_INPUTS)]).mean(0)
        for song in songs
    ]
    np.testing.assert_allclose(inference.corpus_words(networks, corpus), expected, atol=1e-6)


def test_words_of_a_corpus_show_how_far_they_are(networks, monkeypatch, tmp_path):
    write_tree(tmp_path / "tree", 9)
    corpus = corpora.open_corpus(
        tmp_path / "tree", corpora.list_songs(tmp_path / "tree"), CONFIG, tmp_path / "cache"
    )
    bars, start = [], Progress.__init__

    def noted(self, *args, **kwargs):
        bars.append(self)
        start(self, *args, **kwargs)

    monkeypatch.setattr(Progress, "__init__", noted)
    monkeypatch.setattr(inference, "BLOCK_INPUTS", 300)
    monkeypatch.setattr(inference, "MOST_MEAN_INPUTS", 150)
    inference.corpus_words(networks, corpus)
    assert [(bar.done, bar.total) for bar in bars] == [(9, 9)]
