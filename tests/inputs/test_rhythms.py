"""A rhythm is known in another tempo, and two rhythms are told apart."""

import numpy as np
import pytest

from sound_eval.inputs import rhythms

RATE = 40.0
N_MELS = 20
# strokes of a bar, in its smallest notes, and how loud
REEL = [3, 0, 1, 0, 2, 0, 1, 0]
JIG = [3, 0, 1, 2, 0, 1]


def frames_of(bar, note_seconds, seconds=30, seed=0):
    """Log-mel frames (n, N_MELS) of a bar that is played again and again."""
    random = np.random.default_rng(seed)
    frames = random.normal(-3, 0.05, (int(seconds * RATE), N_MELS)).astype(np.float32)
    n_notes = int(seconds / note_seconds)
    for number in range(n_notes):
        start = round(number * note_seconds * RATE)
        fade = np.exp(-np.arange(8) / 3)[: len(frames) - start]
        frames[start : start + 8] += (bar[number % len(bar)] * fade)[:, None]
    return frames


def mean_rhythm(*args, **kwargs):
    """Rhythm (N_VALUES,) of a whole piece."""
    return rhythms.rhythm(frames_of(*args, **kwargs), RATE).mean(axis=0)


@pytest.mark.parametrize("bar", [REEL, JIG], ids=["reel", "jig"])
def test_a_rhythm_is_known_in_another_tempo(bar):
    slow, fast = (mean_rhythm(bar, seconds) for seconds in (0.22, 0.18))
    other = mean_rhythm(JIG if bar is REEL else REEL, 0.2)
    between = min(np.linalg.norm(slow - other), np.linalg.norm(fast - other))
    assert np.linalg.norm(slow - fast) < 0.9 * between


def test_loudness_says_nothing():
    frames = frames_of(REEL, 0.2)
    np.testing.assert_allclose(
        rhythms.rhythm(frames + 2, RATE), rhythms.rhythm(frames, RATE), atol=1e-2
    )


@pytest.mark.parametrize("rate", [0.1, 1.0, 10.0, 40.0, 1000.0])
@pytest.mark.parametrize("n_frames", [1, 2, 319, 320, 321, 400])
def test_any_length_and_rate(n_frames, rate):
    frames = np.random.default_rng(0).normal(size=(n_frames, N_MELS)).astype(np.float32)
    values = rhythms.rhythm(frames, rate)
    window, step = rhythms.windows_and_step(rate)
    assert values.shape == (1 + max(0, n_frames - window) // step, rhythms.N_VALUES)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_silence_is_finite_and_the_same_everywhere():
    values = rhythms.rhythm(np.full((1200, N_MELS), -4.0), RATE)
    assert np.isfinite(values).all()
    assert (values == values[0]).all()


def test_blocks_do_not_show(monkeypatch):
    frames = frames_of(JIG, 0.2, seconds=60)
    whole = rhythms.rhythm(frames, RATE)
    monkeypatch.setattr(rhythms, "BLOCK_WINDOWS", 7)
    np.testing.assert_array_equal(rhythms.rhythm(frames, RATE), whole)


def test_each_moment_gets_the_window_around_it():
    frames = np.concatenate([frames_of(REEL, 0.2, seconds=20), frames_of(JIG, 0.2, seconds=20)])
    values = rhythms.rhythm(frames, RATE)
    around = rhythms.rhythm_around(frames, [0, 400, 1200, 1600], RATE)
    # the last window that begins at a step and is whole
    np.testing.assert_array_equal(around, values[[0, 6, 26, 32]])
