"""Summaries of windows: planted modulations land in their band, and the fast sums equal plain ones."""
import numpy as np
import pytest
from scipy.stats import skew

from sound_eval import texture

RATE = 40.0  # frames per second
WINDOW, STEP, N_MELS = 80, 10, 40


def plain_summary(frames, window, step):
    """Mean, deviation, flux and skewness, window by window."""
    rows = []
    for start in range(0, len(frames) - window + 1, step):
        part = frames[start : start + window].astype(np.float64)
        skewness = skew(part) * (part.std(0) / (part.std(0) + texture.STEADY)) ** 3
        rows.append(np.concatenate([part.mean(0), part.std(0), np.abs(np.diff(part, axis=0)).mean(0), skewness]))
    return np.array(rows)


def modulation(summaries):
    """(n_windows, n_coarse, n_bands) part of the summaries."""
    return summaries[:, 4 * N_MELS :].reshape(len(summaries), texture.COARSE_BINS, texture.N_MODULATION_BANDS)


def test_equals_the_plain_statistics():
    frames = np.random.default_rng(0).normal(-3, 2, (500, N_MELS)).astype(np.float32)
    fast = texture.summarise(frames, WINDOW, STEP, RATE)
    plain = plain_summary(np.maximum(frames, texture.FLOOR), WINDOW, STEP)
    assert fast.shape == (texture.n_windows(500, WINDOW, STEP), texture.n_features(N_MELS))
    np.testing.assert_allclose(fast[:, : 4 * N_MELS], plain, atol=1e-5)


@pytest.mark.parametrize(("hertz", "band"), [(0.5, 0), (1, 1), (3, 2), (4, 3), (6, 3), (10, 4), (18, 5)])
def test_a_tremolo_lands_in_its_octave(hertz, band):
    time = np.arange(400) / RATE
    frames = np.repeat(np.sin(2 * np.pi * hertz * time)[:, None], N_MELS, axis=1)
    bands = modulation(texture.summarise(frames, WINDOW, STEP, RATE))
    assert (bands.argmax(-1) == band).all()
    np.testing.assert_allclose(bands[..., band], np.log(1 + texture.MODULATION_FLOOR), atol=0.02)  # amplitude 1 reads as 1
    assert (np.delete(bands, band, axis=-1) < bands[..., [band]] - 2).all()


@pytest.mark.parametrize(("level", "others", "sign"), [(0, -5, 1), (-5, 0, -1)])
def test_strokes_and_gaps_are_told_apart(level, others, sign):
    frames = np.full((400, N_MELS), float(others))
    frames[::10] = level  # one frame in ten: a stroke out of quiet, or a gap in a steady sound
    skewness = texture.summarise(frames, WINDOW, STEP, RATE)[:, 3 * N_MELS : 4 * N_MELS]
    assert (sign * skewness > 2).all()


def test_a_tremolo_stays_in_its_mel_bins():
    frames = np.zeros((400, N_MELS))
    frames[:, 20:22] = np.sin(2 * np.pi * 4 * np.arange(400) / RATE)[:, None]
    bands = modulation(texture.summarise(frames, WINDOW, STEP, RATE))[:, :, 3]
    assert (bands.argmax(1) == 10).all()  # 40 bins in 20 groups: bins 20 and 21 are group 10


def test_blocks_do_not_show(monkeypatch):
    frames = np.random.default_rng(1).normal(size=(1200, N_MELS)).astype(np.float32)
    whole = texture.summarise(frames, WINDOW, STEP, RATE)
    monkeypatch.setattr(texture, "BLOCK_WINDOWS", 7)
    np.testing.assert_allclose(texture.summarise(frames, WINDOW, STEP, RATE), whole, atol=1e-5)


@pytest.mark.parametrize("n_frames", [1, 5, 79, 80, 81])
def test_short_and_silent_songs_are_finite(n_frames):
    summaries = texture.summarise(np.full((n_frames, N_MELS), np.log(1e-6)), WINDOW, STEP, RATE)
    assert summaries.shape == (1, texture.n_features(N_MELS))
    assert np.isfinite(summaries).all()


def test_level_moves_the_mean_alone():
    frames = np.random.default_rng(2).normal(0, 1, (200, N_MELS))
    quiet, loud = (texture.summarise(frames + gain, WINDOW, STEP, RATE) for gain in (0, np.log(2)))
    np.testing.assert_allclose((loud - quiet)[:, :N_MELS], np.log(2), atol=1e-4)
    np.testing.assert_allclose((loud - quiet)[:, N_MELS:], 0, atol=1e-4)
