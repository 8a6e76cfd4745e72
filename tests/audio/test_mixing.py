"""Channels -> mono: the plain mean where nothing cancels, and no song made silent by a
side wired the wrong way round.
"""

import numpy as np
import pytest
import soundfile
from broken_audio import RATE, ffmpeg, music

from sound_eval.audio.decode import ROUTES, decode_whole
from sound_eval.audio.mixing import Mixer, mean_of_channels
from sound_eval.config import read_config
from sound_eval.log_mel.log_mel_file import log_mel_of_file

LEFT, RIGHT = music(6).T
SILENCE = np.zeros_like(LEFT)
OTHER = np.roll(LEFT, 30_000)
HISS = (0.01 * np.random.default_rng(0).standard_normal(len(LEFT))).astype(np.float32)


def mixed(channels, block=1 << 16):
    samples = np.stack(channels, axis=1).astype(np.float32)
    mixer = Mixer(len(channels))
    return np.concatenate(
        [mixer.mix(samples[start : start + block]) for start in range(0, len(samples), block)]
    )


def level(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


PLAIN = {
    "stereo": [LEFT, RIGHT],
    "left alone": [LEFT, SILENCE],
    "right alone": [SILENCE, LEFT],
    "mono twice": [LEFT, LEFT],
    "unrelated": [LEFT, OTHER],
    "half of it out of step": [LEFT, 0.5 * OTHER - 0.5 * LEFT],
    "one weak and inverted": [LEFT, -0.3 * LEFT],
    "silence": [SILENCE, SILENCE],
    "mono": [LEFT],
    "5.1": [
        LEFT,
        RIGHT,
        0.5 * (LEFT + RIGHT),
        0.1 * LEFT,
        0.4 * np.roll(LEFT, 500),
        0.4 * np.roll(RIGHT, 500),
    ],
}


@pytest.mark.parametrize("name", PLAIN)
def test_where_nothing_cancels_it_is_the_mean_to_the_bit(name):
    assert np.array_equal(mixed(PLAIN[name]), mean_of_channels(np.stack(PLAIN[name], axis=1)))


def test_an_inverted_side_is_turned():
    assert np.array_equal(mixed([LEFT, -LEFT]), LEFT)
    assert np.allclose(mixed([LEFT, -0.9 * LEFT + HISS]), 0.95 * LEFT - 0.5 * HISS, atol=1e-6)
    assert np.allclose(mixed([SILENCE, LEFT, -LEFT]), 2 / 3 * LEFT, atol=1e-6)


def test_inverted_surrounds():
    front = [LEFT, RIGHT, SILENCE, SILENCE]
    assert np.allclose(mixed([*front, -LEFT, -RIGHT]), (LEFT + RIGHT) / 3, atol=1e-6)
    centre = 3 * (LEFT + RIGHT)  # hides in the sum that the surrounds cancel each other
    assert np.allclose(
        mixed([LEFT, RIGHT, centre, SILENCE, OTHER, -OTHER]),
        (LEFT + RIGHT + centre + 2 * OTHER) / 6,
        atol=1e-6,
    )


def test_three_that_cancel_together():
    assert level(mixed([OTHER, RIGHT, -(OTHER + RIGHT)])) > 0.5 * level(OTHER + RIGHT)


def test_a_part_inverted_is_turned_there_alone_and_without_a_click():
    n, step = len(LEFT), 1 << 14
    part = np.ones(n, np.float32)
    part[2 * RATE : 4 * RATE] = -1
    found = mixed([LEFT, part * LEFT])
    # but for a stretch at each end
    sure = np.r_[: 2 * RATE - step, 2 * RATE + 2 * step : 4 * RATE - step, 4 * RATE + 2 * step : n]
    assert np.allclose(np.abs(found[sure]), np.abs(LEFT[sure]), atol=1e-6)
    assert np.array_equal(found[: 2 * RATE - step], LEFT[: 2 * RATE - step])
    assert np.array_equal(found[4 * RATE + 2 * step :], LEFT[4 * RATE + 2 * step :])  # turned back
    assert np.abs(np.diff(found)).max() <= 1.1 * np.abs(np.diff(LEFT)).max()


def test_silence_turns_nothing_back():
    gap = np.concatenate([LEFT, SILENCE, LEFT])
    assert np.array_equal(mixed([gap, -gap]), gap)


@pytest.mark.parametrize("decoder", list(ROUTES))
def test_every_route_mixes_so(tmp_path, decoder):
    soundfile.write(
        tmp_path / "inverted.wav", np.stack([LEFT, -LEFT], axis=1), RATE, subtype="FLOAT"
    )
    soundfile.write(tmp_path / "mono.wav", LEFT, RATE, subtype="FLOAT")
    found, expected = (
        decode_whole(tmp_path / name, samplerate=16000, decoder=decoder)
        for name in ("inverted.wav", "mono.wav")
    )
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("suffix", ["flac", "mp3", "m4a", "ogg"])
def test_an_inverted_song_has_the_log_mel_of_the_song(tmp_path, suffix):
    for name, right in (("inverted", -LEFT), ("same", LEFT)):
        soundfile.write(tmp_path / f"{name}.wav", np.stack([LEFT, right], axis=1), RATE)
        ffmpeg(tmp_path / f"{name}.wav", tmp_path / f"{name}.{suffix}")
    found, expected = (
        log_mel_of_file(tmp_path / f"{name}.{suffix}", read_config())
        for name in ("inverted", "same")
    )
    assert expected.mean() > -4
    # Vorbis drops high notes of such a pair
    assert abs(found.mean() - expected.mean()) < (0.5 if suffix == "ogg" else 0.1)
