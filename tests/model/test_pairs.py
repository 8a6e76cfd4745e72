"""Runs stay in their songs, all songs are dealt equally often, streamed inputs equal
those on the device.
"""

import numpy as np
import pytest
from planted import small_config, write_tree

from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import list_songs
from sound_eval.model import pairs


@pytest.fixture
def corpus(tmp_path):
    write_tree(tmp_path / "tree", 7)
    np.save(tmp_path / "tree" / "short.wav.npy", np.ones((5, 12), np.float32))
    return open_corpus(
        tmp_path / "tree", list_songs(tmp_path / "tree"), small_config(), tmp_path / "cache"
    )


RUN, OVERLAP, WINDOW = 6, 3, 20


def draw(corpus, n_steps=500, run_length=RUN, hide=0.5):
    random = pairs.epoch_random(0, 1)
    return pairs.draw_batches(
        random, corpus, pairs.deal_songs(0, 8, 0, n_steps, 4), run_length, OVERLAP, WINDOW, hide
    )


def test_runs_stay_inside_their_song_and_their_stretch(corpus):
    batches = draw(corpus)
    songs, real = batches.songs[..., None], batches.positions >= 0
    assert (batches.rows >= corpus.starts[songs]).all()
    assert (batches.rows < corpus.starts[songs + 1]).all()
    assert (batches.rows - corpus.starts[songs] == batches.positions)[real].all()
    assert set(real.sum(-1)[batches.songs == 7]) == {5}
    assert real[batches.songs != 7].all()
    long = batches.positions[batches.songs != 7]
    assert (np.diff(long, axis=-1) > 0).all()  # no input twice
    assert (long[:, -1] - long[:, 0]).max() == WINDOW
    assert long.min() == 0 and long.max() == 120 - 1  # the ends of songs are reached too
    assert 0.45 < batches.shown.mean() < 0.55
    assert (
        np.sort(batches.others, axis=-1) == np.arange(4 * RUN)
    ).all()  # each input is mixed into one other, as A and as B


def test_inputs_of_a_stretch_come_equally_often(corpus):
    long = draw(corpus, 4000)
    long = long.positions[long.songs != 7]
    middle = np.bincount(long.ravel(), minlength=120)[WINDOW : 120 - WINDOW]
    assert middle.min() > 0.85 * middle.mean() and middle.max() < 1.15 * middle.mean()


def test_a_step_holds_batch_size_rows_where_the_corpus_can_fill_it():
    many = np.full(1000, 113)
    assert pairs.step_shape(
        small_config(BATCH_SIZE=960, SONGS_PER_BATCH=80, WINDOW_SIZE=90), many
    ) == (80, 12)
    assert pairs.step_shape(
        small_config(BATCH_SIZE=960, SONGS_PER_BATCH=10, WINDOW_SIZE=9), many
    ) == (96, 10)  # stretches of ten
    assert pairs.step_shape(
        small_config(BATCH_SIZE=960, SONGS_PER_BATCH=80, WINDOW_SIZE=90), many[:3]
    ) == (3, 91)
    assert pairs.step_shape(
        small_config(BATCH_SIZE=960, SONGS_PER_BATCH=80, WINDOW_SIZE=90), np.ones(1000, int)
    ) == (960, 1)


def test_songs_too_short_for_the_distance_take_half_their_length():
    lengths = np.array([1, 2, 5, 7, 100])
    assert pairs.least_distance(lengths, 3, 20).tolist() == [0, 1, 2, 3, 3]
    assert pairs.least_distance(lengths, 8, 10).tolist() == [
        0,
        1,
        2,
        3,
        5,
    ]  # and so does a window too short for it


def test_songs_are_dealt_equally_often():
    songs = pairs.deal_songs(3, 100, 0, 250, 4)
    assert set(np.bincount(songs.ravel())) == {10}
    assert all(len(set(step)) == 4 for step in songs[:25])  # within one deck no song comes twice


def test_dealing_goes_on_where_it_was_left():
    whole = pairs.deal_songs(0, 50, 0, 40, 4)
    # each a fraction of a deck
    parts = [pairs.deal_songs(0, 50, 4 * first, 8, 4) for first in range(0, 40, 8)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert set(np.bincount(whole.ravel()[:150])) == {3}
    others = [pairs.deal_songs(seed, 50, 0, 40, 4, rank) for seed, rank in ((0, 0), (1, 0), (0, 1))]
    assert len({other.tobytes() for other in others}) == 3


def test_streamed_inputs_are_those_of_the_corpus(corpus):
    batches = draw(corpus, 6)
    pool, streamed = pairs.read_inputs(corpus, batches)
    np.testing.assert_array_equal(pool[streamed.rows], corpus.inputs.read()[batches.rows])
    np.testing.assert_array_equal(streamed.positions, batches.positions)


def test_in_advance_gives_everything_in_order_and_raises_what_is_raised():
    assert list(pairs.in_advance(range(5))) == [0, 1, 2, 3, 4]

    def failing():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(pairs.in_advance(failing()))
