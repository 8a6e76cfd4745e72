"""The closed form against an explicit solution, where little is known, and as networks."""

import numpy as np
import pytest

from sound_eval.inputs import closed_form
from sound_eval.inputs.closed_form import REGULARISATION, ClosedForm, solve
from sound_eval.inputs.moments import Moments
from sound_eval.model import inference


def planted_songs(n_songs=40, n_inputs=30, dim=12, seed=0):
    """Songs (n_inputs, dim) float32 that a faint value tells apart, while another, which
    moves within songs, is twenty times as loud.
    """
    random = np.random.default_rng(seed)
    songs = []
    for _ in range(n_songs):
        song = random.standard_normal((n_inputs, dim))
        song[:, 0] *= 20
        song[:, 1] = random.standard_normal() + 0.1 * song[:, 1]
        songs.append(song.astype(np.float32))
    return songs


def explicit_solution(songs):
    """Ratios and columns of inv(S_w + r I) S_b, largest first, by plain loops."""
    inputs = np.concatenate(songs).astype(np.float64)
    normal = [(song - inputs.mean(0)) / inputs.std(0) for song in songs]
    within = np.mean([np.cov(song.T, bias=True) for song in normal], axis=0)
    between = np.cov(np.array([song.mean(0) for song in normal]).T, bias=True)
    regularised = within + REGULARISATION * np.eye(len(within))
    ratios, columns = np.linalg.eig(np.linalg.inv(regularised) @ between)
    order = np.argsort(-ratios.real)
    columns = columns.real[:, order]
    # each varies by 1 within songs
    return ratios.real[order], columns / np.sqrt(
        np.einsum("ik,ij,jk->k", columns, regularised, columns)
    )


def test_it_is_the_explicit_solution():
    songs = planted_songs()
    basis, ratios = solve(Moments.of_songs(songs).covariances(), 5)
    expected_ratios, expected = explicit_solution(songs)
    np.testing.assert_allclose(ratios, expected_ratios[:5], rtol=1e-4)
    np.testing.assert_allclose(np.abs(basis), np.abs(expected[:, :5]), atol=2e-3)


def test_what_tells_songs_apart_leads_however_faint():
    basis, ratios = solve(Moments.of_songs(planted_songs()).covariances(), 12)
    assert np.abs(basis[:, 0]).argmax() == 1
    assert ratios[0] > 5 * ratios[1]


@pytest.mark.parametrize(
    "songs",
    [
        [np.random.default_rng(i).standard_normal((1, 6)).astype(np.float32) for i in range(9)],
        [np.full((4, 6), 3, np.float32) for _ in range(5)],
        [np.random.default_rng(i).standard_normal((5, 6)).astype(np.float32) for i in range(2)],
    ],
    ids=["one input each", "all alike", "fewer songs than values"],
)
def test_where_little_is_known_it_is_finite(songs):
    basis, ratios = solve(Moments.of_songs(songs).covariances(), 6)
    assert np.isfinite(basis).all()
    assert np.isfinite(ratios).all()
    assert (ratios >= 0).all()


def test_one_input_each_gives_the_principal_components():
    songs = list(np.random.default_rng(3).standard_normal((50, 1, 4)).astype(np.float32))
    basis, _ = solve(Moments.of_songs(songs).covariances(), 4)
    inputs = np.concatenate(songs)
    _, _, axes = np.linalg.svd((inputs - inputs.mean(0)) / inputs.std(0), full_matrices=False)
    cosines = np.abs(axes @ basis) / np.linalg.norm(basis, axis=0)
    np.testing.assert_allclose(cosines, np.eye(4), atol=0.02)


def test_more_values_than_an_input_has_are_zero():
    basis, ratios = solve(Moments.of_songs(planted_songs()).covariances(), 15)
    assert basis.shape == (12, 15)
    assert (basis[:, 12:] == 0).all()
    assert (ratios[12:] == 0).all()
    assert (ratios[:12] > 0).all()


def test_the_values_vary_by_one_within_songs():
    songs = planted_songs(n_songs=200)
    moments = Moments.of_songs(songs)
    basis, _ = solve(moments.covariances(), 3)
    mean, deviation = moments.normalisation()
    values = [((song - mean) / deviation) @ basis for song in songs]
    within = np.mean([value.var(0) for value in values], axis=0)
    # the rest of 1 is the regularisation's
    regularisation = REGULARISATION * np.square(basis).sum(axis=0)
    np.testing.assert_allclose(within + regularisation, 1, atol=1e-3)


def test_networks_see_both_halves_at_their_sizes():
    songs = planted_songs(n_songs=200)
    moments = Moments.of_songs(songs)
    covariances = moments.covariances()
    mean, deviation = moments.normalisation()
    seen = closed_form.seen_map(covariances, *solve(covariances, 4))
    values = ((np.concatenate(songs) - mean) / deviation) @ seen
    size = closed_form.CLOSED_FORM_SIZE
    np.testing.assert_allclose(values[:, :4].var(axis=0).mean(), 1, atol=0.02)
    np.testing.assert_allclose(values[:, 4:].var(axis=0).mean(), size**2, atol=0.02)
    # principal components do not vary together
    together = np.corrcoef(values[:, :4].T) - np.eye(4)
    assert np.abs(together).max() < 0.02


def test_what_tells_no_songs_apart_is_hardly_seen():
    songs = planted_songs(n_songs=5)  # four directions at most lie between them
    covariances = Moments.of_songs(songs).covariances()
    seen = closed_form.seen_map(covariances, *solve(covariances, 12))[:, 12:]
    values = np.concatenate(songs) @ seen
    assert values[:, 4:].std(axis=0).max() < 0.01 * values[:, 0].std()
    assert np.isfinite(closed_form.seen_map(0 * covariances, *solve(0 * covariances, 12))).all()


def test_as_networks_it_has_words_and_no_song_terms():
    songs = planted_songs()
    moments = Moments.of_songs(songs)
    mean, deviation = moments.normalisation()
    basis, _ = solve(moments.covariances(), 4)
    model = ClosedForm(mean, deviation, basis)
    np.testing.assert_allclose(
        model.words(songs[3]), ((songs[3] - mean) / deviation) @ basis, atol=1e-4
    )
    assert (inference.song_terms(model, songs[:3], None) == np.zeros((3, 4))).all()
    assert model.digest() != ClosedForm(mean, deviation, 2 * basis).digest()
