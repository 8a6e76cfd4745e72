"""Song vectors: the sum of their two parts; mean word vectors of a whole corpus."""

import numpy as np
import pytest
from planted import planted_song, random_networks, small_config, write_tree

from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import list_songs
from sound_eval.model import inference, song_vectors
from sound_eval.terminal import Progress

CONFIG = small_config(HIDE_WORDS=0.5, SONG_L2=0.1)


@pytest.fixture(scope="module")
def networks():
    return random_networks()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Nine songs and a short one."""
    root = tmp_path_factory.mktemp("corpus")
    write_tree(root / "tree", 9)
    np.save(root / "tree" / "short.wav.npy", planted_song(0, 0, 3))
    return open_corpus(root / "tree", list_songs(root / "tree"), CONFIG, root / "cache")


def test_a_song_vector_is_the_sum_of_its_parts(networks, corpus):
    songs = [corpus.song(row) for row in range(3)]
    whole, words, terms = (
        song_vectors.of_inputs(kind, networks, songs, CONFIG) for kind in song_vectors.KINDS
    )
    np.testing.assert_array_equal(terms, inference.song_terms(networks, songs, CONFIG))
    np.testing.assert_array_equal(words[1], song_vectors.mean_word(networks, songs[1]))
    np.testing.assert_array_equal(whole, terms + words)
    np.testing.assert_array_equal(whole, song_vectors.song_vectors(terms, words))


def test_songs_that_are_known_are_not_inferred(networks, corpus):
    known = {corpus.names[2]: np.full(8, 7, np.float32)}
    read = []

    def reading(song):
        read.append(song)
        return corpus.song(corpus.names.index(song))

    songs = corpus.names[1:4]
    terms = song_vectors.known_or_inferred(networks, songs, known, reading, CONFIG)
    assert read == [songs[0], songs[2]] and terms[1].tolist() == [7] * 8
    alone = inference.song_terms(networks, [corpus.song(1), corpus.song(3)], CONFIG)
    np.testing.assert_array_equal(terms[[0, 2]], alone)


def test_mean_words_are_over_evenly_spaced_inputs(networks, monkeypatch):
    inputs = planted_song(1, 1, 100)
    monkeypatch.setattr(song_vectors, "MOST_MEAN_INPUTS", 30)
    expected = networks.words(inputs)[song_vectors.evenly(100, 30)].mean(0)
    np.testing.assert_allclose(song_vectors.mean_word(networks, inputs), expected, atol=1e-6)
    words = networks.words(inputs)
    np.testing.assert_array_equal(song_vectors.mean_of_words(words), expected)


def test_words_of_a_corpus_equal_those_of_its_songs(networks, corpus, monkeypatch):
    songs = [corpus.song(row) for row in range(10)]
    monkeypatch.setattr(song_vectors, "BLOCK_INPUTS", 300)  # two songs in a block
    monkeypatch.setattr(song_vectors, "MOST_MEAN_INPUTS", 150)
    np.testing.assert_allclose(
        song_vectors.mean_words_of_corpus(networks, corpus),
        [song_vectors.mean_word(networks, song) for song in songs],
        atol=1e-6,
    )
    monkeypatch.setattr(song_vectors, "MOST_INPUTS_OF_ALL", 1)  # as in a corpus of millions
    expected = [
        networks.words(song[song_vectors.evenly(len(song), song_vectors.LEAST_MEAN_INPUTS)]).mean(0)
        for song in songs
    ]
    np.testing.assert_allclose(
        song_vectors.mean_words_of_corpus(networks, corpus), expected, atol=1e-6
    )


def test_words_of_a_corpus_show_how_far_they_are(networks, corpus, monkeypatch):
    bars, start = [], Progress.__init__

    def noted(self, *args, **kwargs):
        bars.append(self)
        start(self, *args, **kwargs)

    monkeypatch.setattr(Progress, "__init__", noted)
    monkeypatch.setattr(song_vectors, "BLOCK_INPUTS", 300)
    monkeypatch.setattr(song_vectors, "MOST_MEAN_INPUTS", 150)
    song_vectors.mean_words_of_corpus(networks, corpus)
    assert [(bar.done, bar.total) for bar in bars] == [(10, 10)]
