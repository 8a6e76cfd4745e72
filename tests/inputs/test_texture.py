"""Summaries of windows: planted ripples land in their bands, and the fast sums equal plain ones."""

import numpy as np
import pytest
from scipy.stats import skew

from sound_eval.inputs import texture
from sound_eval.inputs.rhythms import N_VALUES

RATE = 40.0  # frames per second
WINDOW, STEP, N_MELS = 80, 10, 40


def plain_summary(frames, window, step):
    """Mean, deviation, flux and skewness, window by window."""
    rows = []
    for start in range(0, len(frames) - window + 1, step):
        part = frames[start : start + window].astype(np.float64)
        skewness = skew(part) * (part.std(0) / (part.std(0) + texture.STEADY)) ** 3
        rows.append(
            np.concatenate(
                [part.mean(0), part.std(0), np.abs(np.diff(part, axis=0)).mean(0), skewness]
            )
        )
    return np.array(rows)


def ripples(summaries):
    """The moving ripples (n_windows, N_RANGES, 1 + 2 * n_scales, n_rates) and the
    standing ones (n_windows, N_RANGES, n_scales).
    """
    rates, scales = len(texture.RATES_HZ) - 1, len(texture.SCALES) - 1
    parts = summaries[:, 4 * N_MELS : -N_VALUES].reshape(
        len(summaries), texture.N_RANGES, texture.N_RIPPLES
    )
    return parts[..., : rates * (1 + 2 * scales)].reshape(
        *parts.shape[:2], 1 + 2 * scales, rates
    ), parts[..., -scales:]


def ripple(hertz, periods):
    """Frames (400, N_MELS) of amplitude 1 that move at `hertz` and have `periods` in a
    range, half of the mel axis.
    """
    time, place = np.arange(400)[:, None] / RATE, np.arange(N_MELS) / (N_MELS / 2)
    return np.cos(2 * np.pi * (hertz * time + periods * place))


def test_equals_the_plain_statistics():
    frames = np.random.default_rng(0).normal(-3, 2, (500, N_MELS)).astype(np.float32)
    fast = texture.summarise(frames, WINDOW, STEP, RATE)
    plain = plain_summary(texture.levelled(frames), WINDOW, STEP)
    plain[:, :N_MELS] -= plain[:, :N_MELS].mean(axis=1, keepdims=True)
    assert fast.shape == (texture.n_windows(500, WINDOW, STEP), texture.n_features(N_MELS))
    np.testing.assert_allclose(fast[:, : 4 * N_MELS], plain, atol=1e-4)


@pytest.mark.parametrize(
    ("hertz", "rate"), [(0.5, 0), (1, 1), (3, 2), (4, 3), (6, 3), (10, 4), (18, 5)]
)
def test_a_tremolo_lands_in_its_octave(hertz, rate):
    moving, _ = ripples(texture.summarise(ripple(hertz, 0), WINDOW, STEP, RATE))
    level = moving[:, :, 0]  # scale below 1: all bins as one
    assert (level.argmax(-1) == rate).all()
    np.testing.assert_allclose(level[..., rate], 0, atol=0.05)  # amplitude 1 reads as 1
    assert (np.delete(level, rate, axis=-1) < level[..., [rate]] - 2).all()


@pytest.mark.parametrize(("periods", "scale"), [(2.5, 1), (5, 2), (9, 3)])
@pytest.mark.parametrize("sweep", [1, -1])
def test_a_sweep_lands_in_its_scale_and_direction(periods, scale, sweep):
    moving, _ = ripples(texture.summarise(ripple(3, sweep * periods), WINDOW, STEP, RATE))
    at_rate = moving[..., 2]
    assert (at_rate.argmax(-1) == 1 + 2 * scale + (sweep < 0)).all()
    np.testing.assert_allclose(at_rate.max(-1), 0, atol=0.25)
    assert (moving.max((-1, -2)) == at_rate.max(-1)).all()


def test_a_ribbed_spectrum_is_a_standing_ripple_and_its_level_none():
    moving, standing = ripples(texture.summarise(ripple(0, 5) - 3, WINDOW, STEP, RATE))
    assert (standing.argmax(-1) == 2).all()
    assert (moving.max((-1, -2)) < standing.max(-1) - 2).all()
    _, flat = ripples(texture.summarise(0 * ripple(0, 5) - 3, WINDOW, STEP, RATE))
    np.testing.assert_allclose(flat, np.log(texture.RIPPLE_FLOOR), atol=1e-3)


@pytest.mark.parametrize(("level", "others", "sign"), [(0, -5, 1), (-5, 0, -1)])
def test_strokes_and_gaps_are_told_apart(level, others, sign):
    frames = np.full((400, N_MELS), float(others))
    frames[::10] = level  # one frame in ten: a stroke out of quiet, or a gap in a steady sound
    skewness = texture.summarise(frames, WINDOW, STEP, RATE)[:, 3 * N_MELS : 4 * N_MELS]
    assert (sign * skewness > 2).all()


def test_a_tremolo_stays_in_its_range():
    frames = np.zeros((400, N_MELS))
    frames[:, 2:6] = np.sin(2 * np.pi * 4 * np.arange(400) / RATE)[:, None]
    moving, _ = ripples(texture.summarise(frames, WINDOW, STEP, RATE))
    assert (moving[:, 0, :, 3].max(-1) > moving[:, 1:, :, 3].max((-1, -2)) + 2).all()


@pytest.mark.parametrize("n_mels", [1, 3, 20, 128])
def test_any_number_of_bins(n_mels):
    summaries = texture.summarise(
        np.random.default_rng(0).normal(size=(200, n_mels)), WINDOW, STEP, RATE
    )
    assert summaries.shape == (13, texture.n_features(n_mels))
    assert np.isfinite(summaries).all()


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


@pytest.mark.parametrize("gain", [-30, -10, 6])
def test_how_loud_a_recording_is_says_nothing(gain):
    frames = np.random.default_rng(2).normal(-2, 2, (200, N_MELS))
    changed = texture.summarise(frames + np.log(10) * gain / 20, WINDOW, STEP, RATE)
    np.testing.assert_allclose(changed, texture.summarise(frames, WINDOW, STEP, RATE), atol=1e-3)


def test_what_lies_far_below_the_loudest_is_not_heard():
    frames = np.random.default_rng(3).normal(0, 1, (200, N_MELS))
    frames[:, N_MELS // 2 :] -= texture.DEPTH + 8  # what codecs throw away
    without = frames.copy()
    without[:, N_MELS // 2 :] = -30
    changed = texture.summarise(frames, WINDOW, STEP, RATE)
    np.testing.assert_allclose(changed, texture.summarise(without, WINDOW, STEP, RATE), atol=0.02)


def test_a_crescendo_within_a_song_is_heard():
    frames = np.random.default_rng(4).normal(0, 1, (800, N_MELS))
    frames -= np.linspace(3, 0, 800)[:, None]
    quiet, loud = texture.summarise(frames, WINDOW, STEP, RATE)[[0, -1]]
    assert loud[N_MELS : 2 * N_MELS].mean() > 1.2 * quiet[N_MELS : 2 * N_MELS].mean()
