"""Nearness of song vectors: against slow references, by definition, and on planted hubs;
files of vectors that do not fit.
"""

import numpy as np
import pytest
from random_vectors import random_unit
from scipy.stats import norm

from sound_eval.errors import InputError
from sound_eval.search.hubs import hubness
from sound_eval.search.vectors import (
    Cosine,
    MutualProximity,
    combine,
    neighbours,
    ranked,
    read_vectors,
    top,
    unit_vectors,
)


def test_unit_vectors_have_length_one_and_zero_stays_zero():
    unit = unit_vectors([[3.0, 4.0], [0.0, 0.0]])
    assert np.allclose(unit, [[0.6, 0.8], [0, 0]]) and unit.dtype == np.float32


def test_unit_vectors_refuse_what_is_not_finite():
    with pytest.raises(InputError, match="1 of 2 vectors hold nan or inf"):
        unit_vectors([[1.0, np.nan], [1.0, 2.0]])


def test_combine_is_the_direction_of_the_signed_sum():
    a, b, c = random_unit(3, 5)
    wanted = a + b - c
    assert np.allclose(combine([a, b], [c]), wanted / np.linalg.norm(wanted), atol=1e-6)


def test_combine_refuses_a_sum_of_nothing():
    a = random_unit(1, 5)[0]
    with pytest.raises(InputError, match="the sum is zero"):
        combine([a], [a])


@pytest.mark.parametrize("count", [1, 7, 40, 99])
def test_top_equals_a_full_sort(count):
    scores = np.random.default_rng(0).standard_normal((5, 40))
    assert np.array_equal(top(scores, count), np.argsort(-scores, axis=1)[:, :count])


def test_top_orders_equal_scores_by_row():
    assert top(np.array([[1.0, 2.0, 2.0, 1.0, 2.0]]), 4)[0].tolist() == [1, 2, 4, 0]


@pytest.mark.parametrize("measure", [Cosine, MutualProximity])
def test_ranked_visits_every_song_once_in_order_of_score(measure):
    unit = random_unit(3000, 8)
    search = measure(unit)
    rows = list(ranked(search, unit[17]))
    scores = search.scores(unit[17:18])[0][rows]
    assert sorted(rows) == list(range(3000)) and rows[0] == 17
    assert (np.diff(scores) <= 1e-6).all()


def test_neighbours_equal_the_loop_over_songs(monkeypatch):
    unit = random_unit(50, 6)
    monkeypatch.setattr("sound_eval.search.vectors.BLOCK_BYTES", 8 * 50 * 7)  # blocks of 7 songs
    done = []
    found = neighbours(Cosine(unit), 4, on_block=done.append)
    for row in range(50):
        order = [other for other in np.argsort(-(unit @ unit[row]), kind="stable") if other != row]
        assert found[row].tolist() == order[:4]
    assert sum(done) == 50 and max(done) == 7


def test_neighbours_apart_leave_out_songs_of_the_same_label():
    unit, labels = random_unit(30, 6), np.array(list("abc") * 10)
    found = neighbours(Cosine(unit), 25, apart=labels)
    assert found.shape == (30, 20), "each song has 20 of another label"
    assert (labels[found] != labels[:, None]).all()


def test_mutual_proximity_equals_its_definition():
    unit = random_unit(40, 5)
    similarity = unit.astype(float) @ unit.T.astype(float)
    mean, std = similarity.mean(axis=1), similarity.std(axis=1)
    ours, theirs = (
        norm.cdf((similarity - mean[:, None]) / std[:, None]),
        norm.cdf((similarity - mean) / std),
    )
    assert np.allclose(
        MutualProximity(unit).scores(unit), -np.log(1 - ours * theirs), rtol=1e-3, atol=1e-4
    )


def test_mutual_proximity_is_symmetric_and_takes_the_crowd_from_a_hub():
    """A song in the middle of a high-dimensional cloud is everybody's neighbour;
    mutual proximity mends that, whatever the seed.
    """
    for seed in range(5):
        cloud = np.random.default_rng(seed).standard_normal((400, 200)) + 0.5
        unit = unit_vectors(np.vstack([cloud, cloud.mean(axis=0)]))
        plain, mutual = (
            hubness(neighbours(Cosine(unit), 5)),
            hubness(neighbours(MutualProximity(unit), 5)),
        )
        assert plain["occurrences"][-1] > 350
        assert mutual["occurrences"][-1] < 100
        assert mutual["never"] < plain["never"]
        scores = MutualProximity(unit).scores(unit)
        assert np.allclose(scores, scores.T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "vectors", [np.zeros((4, 0)), np.full((4, 2), "x"), np.ones((4, 2), complex)]
)
def test_vectors_that_are_no_numbers_are_an_error(tmp_path, vectors):
    np.save(tmp_path / "v.npy", vectors)
    with pytest.raises(
        InputError,
        match=r"v\.npy: (. values of type .* expected numbers|not a whole .*, "
        r"where numbers are expected)",
    ):
        read_vectors(tmp_path / "v.npy", list("abcd"))
