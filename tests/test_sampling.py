"""Runs stay in their songs, all songs are dealt equally often, streamed inputs equal those on the device."""
import numpy as np
import pytest
from planted import small_config, write_tree

from sound_eval import corpus as corpora
from sound_eval import sampling


@pytest.fixture
def corpus(tmp_path):
    write_tree(tmp_path / "tree", 7)
    np.save(tmp_path / "tree" / "short.wav.npy", np.ones((5, 12), np.float32))
    return corpora.open_corpus(tmp_path / "tree", corpora.list_songs(tmp_path / "tree"), small_config(), tmp_path / "cache")


def test_runs_stay_inside_their_song(corpus):
    random = sampling.epoch_random(0, 1)
    songs = sampling.draw_songs(random, 8, 500, 4)
    batches = sampling.draw_batches(random, corpus, songs, 16, hide=0.5)
    assert (batches.first >= corpus.starts[songs]).all()
    assert (batches.first + batches.valid <= corpus.starts[songs + 1]).all()
    assert set(batches.valid[songs == 7]) == {5}
    assert set(batches.valid[songs != 7]) == {16}
    reached = (batches.first - corpus.starts[songs])[songs != 7]
    assert reached.min() == 0 and reached.max() == 120 - 16  # the ends of songs are reached too
    assert 0.45 < batches.shown.mean() < 0.55


def test_songs_are_dealt_equally_often():
    songs = sampling.draw_songs(sampling.epoch_random(3, 1), 100, 250, 4)
    assert set(np.bincount(songs.ravel())) == {10}
    assert all(len(set(step)) == 4 for step in songs[:25])  # within one deck no song comes twice


def test_an_epoch_depends_on_seed_and_number_alone():
    draw = lambda seed, epoch: sampling.draw_songs(sampling.epoch_random(seed, epoch), 50, 5, 4).tolist()  # noqa: E731
    assert draw(0, 1) == draw(0, 1)
    assert len({str(draw(seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}) == 4


def test_streamed_inputs_are_those_of_the_corpus(corpus):
    random = sampling.epoch_random(0, 1)
    batches = sampling.draw_batches(random, corpus, sampling.draw_songs(random, 8, 6, 4), 16, hide=0)
    pool, streamed = sampling.read_inputs(corpus, batches, 16)
    everything = corpus.inputs.read()
    for first, there, valid in zip(batches.first.ravel(), streamed.first.ravel(), batches.valid.ravel(), strict=True):
        np.testing.assert_array_equal(pool[there : there + valid], everything[first : first + valid])


def test_in_advance_gives_everything_in_order_and_raises_what_is_raised():
    assert list(sampling.in_advance(range(5))) == [0, 1, 2, 3, 4]

    def failing():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(sampling.in_advance(failing()))
