"""Projection of planted vectors: neighbours stay neighbours, the same seed gives the same plane, old songs stay put."""
import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from sound_eval import projection
from sound_eval.cli import InputError
from sound_eval.vectors import unit_vectors

N_GROUPS, N_SONGS, DIM = 12, 360, 40


@pytest.fixture(scope="module")
def group():
    return np.arange(N_SONGS) % N_GROUPS


@pytest.fixture(scope="module")
def vectors(group):
    random = np.random.default_rng(1)
    return (random.standard_normal((N_GROUPS, DIM))[group] + 0.5 * random.standard_normal((N_SONGS, DIM))).astype(np.float32)


@pytest.fixture(scope="module")
def positions(vectors):
    return projection.tsne(vectors)


def test_tsne_keeps_neighbours_and_groups(vectors, positions, group):
    assert positions.shape == (N_SONGS, 2) and positions.dtype == np.float32
    assert trustworthiness(vectors, positions, n_neighbors=10, metric="cosine") > 0.96
    gaps = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (group[gaps.argmin(axis=1)] == group).mean() > 0.97


def test_tsne_knows_directions_only(vectors, positions):
    lengths = np.random.default_rng(0).choice([0.5, 1.0, 2.0, 4.0], (N_SONGS, 1)).astype(np.float32)
    np.testing.assert_array_equal(unit_vectors(vectors * lengths), unit_vectors(vectors))
    np.testing.assert_array_equal(projection.tsne(vectors * lengths), positions)


def test_same_seed_same_positions(vectors, positions):
    np.testing.assert_array_equal(projection.tsne(vectors), positions)
    assert not np.array_equal(projection.tsne(vectors, seed=1), positions)


def test_large_form_is_as_good_and_repeatable(vectors, group, monkeypatch):
    monkeypatch.setattr(projection, "FFT_ABOVE", 100)
    positions = projection.tsne(vectors)
    np.testing.assert_array_equal(projection.tsne(vectors), positions)
    assert trustworthiness(vectors, positions, n_neighbors=10, metric="cosine") > 0.96


def test_threads_change_nothing(vectors, monkeypatch):
    one = projection.tsne(vectors[:60])
    monkeypatch.setattr(projection, "THREADS_ABOVE", 10)
    np.testing.assert_array_equal(projection.tsne(vectors[:60]), one)


def test_report_counts_every_step(vectors):
    steps = []
    projection.tsne(vectors[:60], report=steps.append)
    assert sum(steps) == projection.STEPS


@pytest.mark.parametrize("n_songs", [1, 2, 3, 7, 8, 20])
def test_few_songs(vectors, n_songs):
    positions = projection.tsne(vectors[:n_songs])
    assert positions.shape == (n_songs, 2) and np.isfinite(positions).all()
    assert ((projection.trust(vectors[:n_songs], positions) >= 0) & (projection.trust(vectors[:n_songs], positions) <= 1)).all()


def test_equal_and_empty_vectors_have_a_place(vectors):
    odd = vectors[:60].copy()
    odd[10:20] = odd[10]
    odd[30] = 0
    assert np.isfinite(projection.tsne(odd)).all()


def test_vectors_that_are_not_finite_are_refused(vectors):
    bad = vectors.copy()
    bad[[3, 5]] = np.nan
    with pytest.raises(InputError, match="2 of 360 vectors hold nan or inf"):
        projection.tsne(bad)


def test_place_leaves_old_songs_and_puts_new_ones_to_their_like(vectors, positions, group):
    is_old = np.arange(N_SONGS) % 7 != 0
    placed = projection.place(vectors, is_old, positions[is_old])
    np.testing.assert_array_equal(placed[is_old], positions[is_old])
    gaps = np.linalg.norm(placed[~is_old][:, None] - placed[is_old][None], axis=2)
    assert (group[is_old][gaps.argmin(axis=1)] == group[~is_old]).mean() > 0.95
    with pytest.raises(InputError, match="too few"):
        projection.place(vectors, np.arange(N_SONGS) < 3, positions[:3])


def test_trust_is_low_where_the_map_lies(vectors, positions):
    honest = projection.trust(vectors, positions)
    assert honest.shape == (N_SONGS,) and honest.mean() > 0.8
    moved = positions.copy()
    moved[0] = positions[1] + 1e-3  # a song of another group
    assert projection.trust(vectors, moved)[0] < 0.2 < honest[0]
    assert projection.trust(vectors, np.random.default_rng(0).permutation(positions)).mean() < 0.3
