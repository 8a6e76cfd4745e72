"""Other software on real files, where the noisy copy of a song is nearer than any other
song, and its formulas against plain references.
"""

import subprocess
import sys

import numpy as np
import pytest
from conftest import encode, planted_sound, script_module
from sklearn.mixture import GaussianMixture

rivals = script_module("benchmarks/rivals.py")

N_SONGS = 4


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Four songs of 8 s, two of them chords, then a noisy copy of each, as mp3."""
    folder = tmp_path_factory.mktemp("rivals ü")
    random = np.random.default_rng(0)
    for number, style in enumerate(("pulse", "chord", "noise", "chord")):
        sound = planted_sound(style, number, 8)
        encode(sound, folder / f"{number}.mp3")
        noisy = 0.8 * sound + 0.003 * random.standard_normal(len(sound))
        encode(noisy, folder / f"{number + N_SONGS}.mp3")
    return [folder / f"{number}.mp3" for number in range(2 * N_SONGS)]


@pytest.fixture(scope="module")
def log_mels(songs, tmp_path_factory, run_script):
    """Their log-mel tree, and their names in it."""
    tree = tmp_path_factory.mktemp("log-mel")
    run_script("spectrify_all.py", songs[0].parent, tree)
    return tree, [path.name for path in songs]


def assert_copies_are_nearest(distances):
    """Of a song and of its copy each is the nearest to the other."""
    distances = np.array(distances)
    assert distances.shape == (2 * N_SONGS, 2 * N_SONGS) and distances.max() > 0
    np.fill_diagonal(distances, np.inf)
    assert distances.argmin(axis=1).tolist() == [4, 5, 6, 7, 0, 1, 2, 3]


def test_musly_finds_noisy_copies(songs):
    pytest.importorskip("pymusly")
    distances = rivals.musly_distances(songs)
    assert_copies_are_nearest(distances)
    assert distances.min() >= 0 and distances.max() <= 1
    assert distances == pytest.approx(distances.T, abs=1e-5)


def test_bliss_with_its_weights_finds_noisy_copies(songs):
    pytest.importorskip("bliss_audio")
    program = "import sys, bliss_audio; bliss_audio.Song(sys.argv[1])"
    if subprocess.run([sys.executable, "-c", program, songs[0]]).returncode == -4:
        pytest.skip("bliss-audio was built for processors with AVX-512")
    assert_copies_are_nearest(rivals.bliss_distances(songs))


def test_gaussians_find_noisy_copies(log_mels):
    assert_copies_are_nearest(rivals.gaussian_distances(*log_mels))


@pytest.mark.parametrize("seed", range(3))
def test_i_vectors_find_noisy_copies(log_mels, monkeypatch, seed):
    # i-vectors tell how songs shift the Gaussians that they share: so few songs share one
    monkeypatch.setattr(rivals, "N_GAUSSIANS", 1)
    vectors = rivals.i_vectors(*log_mels, 4, seed)
    assert vectors.shape == (2 * N_SONGS, 4)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert_copies_are_nearest(1 - unit @ unit.T)


def test_the_weights_of_bliss_multiply_squared_differences():
    features = np.zeros((4, 23))
    features[1, 0] = 1  # tempo
    features[2, 5] = 1  # of timbre
    features[3, 10:] = 1  # all of chroma
    distances = rivals.weighted_distances(features, rivals.BLISS_WEIGHTS)
    assert distances[0] == pytest.approx([0, 0.5, 1, np.sqrt(3)])
    assert distances[1, 3] == pytest.approx(np.sqrt(3.25))


def plain_divergence(mean_p, covariance_p, mean_q, covariance_q):
    """KL(p, q) of two Gaussians, by its definition."""
    inverse = np.linalg.inv(covariance_q)
    apart = mean_q - mean_p
    logarithms = np.linalg.slogdet(covariance_q)[1] - np.linalg.slogdet(covariance_p)[1]
    return (np.trace(inverse @ covariance_p) + apart @ inverse @ apart - 5 + logarithms) / 2


def test_the_divergence_equals_a_plain_reference():
    random = np.random.default_rng(0)
    means = 3 * random.standard_normal((6, 5))
    covariances = [
        np.cov(random.standard_normal((5, 20)) * np.arange(1, 6)[:, None]) for _ in "6" * 6
    ]
    gaussians = list(zip(means, covariances, strict=True))
    expected = [
        [plain_divergence(*p, *q) + plain_divergence(*q, *p) for q in gaussians] for p in gaussians
    ]
    found = rivals.symmetrised_divergence(means, np.stack(covariances))
    assert found == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)
    assert np.array(expected).max() > 10


def test_songs_of_silence_have_distances(tmp_path):
    for number in range(2):
        np.save(tmp_path / f"{number}.mp3.npy", np.full((50, 80), -9.0 - number, np.float32))
    distances = rivals.gaussian_distances(tmp_path, ["0.mp3", "1.mp3"])
    assert np.isfinite(distances).all() and distances[0, 1] > 1 and distances[0, 0] < 1e-3


def test_statistics_of_frames_equal_a_plain_reference():
    random = np.random.default_rng(0)
    frames = random.standard_normal((300, 3)) + 4 * random.integers(0, 2, (300, 1))
    background = GaussianMixture(2, covariance_type="diag", random_state=0).fit(frames)
    counts, shifts = rivals.background_statistics(background, frames[:40])
    shares = background.predict_proba(frames[:40])
    for number in range(2):
        apart = (frames[:40] - background.means_[number]) / background.covariances_[number] ** 0.5
        expected = sum(share * row for share, row in zip(shares[:, number], apart, strict=True))
        assert counts[number] == pytest.approx(shares[:, number].sum()) and counts[number] > 5
        assert shifts[number] == pytest.approx(expected)


def planted_statistics(seed, n_songs=300, n_gaussians=6, n_mfcc=3, dim=2):
    """Factors of songs, and counts and shifts that they explain up to the noise of frames."""
    random = np.random.default_rng(seed)
    factors = random.standard_normal((n_songs, dim))
    loadings = random.standard_normal((n_gaussians, n_mfcc, dim))
    counts = random.uniform(20, 80, (n_songs, n_gaussians))
    noise = np.sqrt(counts)[..., None] * random.standard_normal((n_songs, n_gaussians, n_mfcc))
    shifts = counts[..., None] * np.tensordot(factors, loadings, axes=(1, 2)) + noise
    return factors, loadings, counts, shifts


@pytest.mark.parametrize("seed", range(3))
def test_total_variability_finds_planted_factors(seed):
    factors, _, counts, shifts = planted_statistics(seed)
    found = rivals.total_variability(counts, shifts, 2, seed)
    explained = found @ np.linalg.lstsq(found, factors, rcond=None)[0]
    assert ((factors - explained) ** 2).mean() < 0.02


def test_expected_factors_equal_a_plain_reference():
    _, loadings, counts, shifts = planted_statistics(0, n_songs=4)
    means, moments = rivals.expected_factors(loadings, counts, shifts)
    for song in range(4):
        precision = np.eye(2)
        pull = np.zeros(2)
        for count, shift, loading in zip(counts[song], shifts[song], loadings, strict=True):
            precision += count * loading.T @ loading
            pull += loading.T @ shift
        spread = np.linalg.inv(precision)
        assert means[song] == pytest.approx(spread @ pull)
        assert moments[song] == pytest.approx(spread + np.outer(spread @ pull, spread @ pull))
