"""The log-mel numerics: against TensorFlow's ops, against a slow reference, and against physics."""

import numpy as np
import pytest

from sound_eval.log_mel.melspec import (
    BLOCK_FRAMES,
    LOG_FLOOR,
    hz_to_mel,
    log_mel,
    log_mel_blocks,
    mel_matrix,
)

SETTINGS = [
    {"samplerate": 16000, "hop": 400, "fft_size": 1024, "n_mels": 80},
    {"samplerate": 16000, "hop": 1600, "fft_size": 2048, "n_mels": 80},
    {"samplerate": 44100, "hop": 1000, "fft_size": 512, "n_mels": 40},
    {
        "samplerate": 16000,
        "hop": 3000,
        "fft_size": 1024,
        "n_mels": 20,
    },  # samples between the windows are not looked at
]


def music(samplerate, seconds=3.0, seed=0):
    """Something with tones, beats, noise and a quiet part, (n_samples,) float32."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * samplerate)) / samplerate
    tones = sum(
        np.sin(2 * np.pi * hz * time) / (3 + i) for i, hz in enumerate((110, 277, 440, 1320, 5200))
    )
    beats = random.standard_normal(len(time)) * np.exp(-8 * (time % 0.5))
    level = np.where(time > 2.0, 0.01, 0.4)
    return (level * (0.5 * tones + 0.3 * beats) + 1e-4 * random.standard_normal(len(time))).astype(
        np.float32
    )


def log_mel_by_definition(samples, samplerate, hop, fft_size, n_mels):
    """Frame by frame and band by band in float64, as the definition reads."""
    window = [0.5 - 0.5 * np.cos(2 * np.pi * i / fft_size) for i in range(fft_size)]
    edges = np.linspace(hz_to_mel(80.0), hz_to_mel(min(7600.0, samplerate / 2)), n_mels + 2)
    rows = []
    for start in range(0, len(samples) - fft_size + 1, hop):
        magnitudes = np.abs(
            np.fft.rfft(samples[start : start + fft_size].astype(np.float64) * window)
        )
        bands = [0.0] * n_mels
        for bin_number in range(1, len(magnitudes)):
            mel = hz_to_mel(bin_number * samplerate / fft_size)
            for band in range(n_mels):
                low, centre, high = edges[band : band + 3]
                if low < mel < high:
                    weight = (
                        (mel - low) / (centre - low)
                        if mel <= centre
                        else (high - mel) / (high - centre)
                    )
                    bands[band] += weight * magnitudes[bin_number]
        rows.append(np.log(np.array(bands) + 1e-6))
    return np.array(rows)


@pytest.mark.parametrize("settings", SETTINGS)
def test_equals_the_definition(settings):
    samples = music(settings["samplerate"], seconds=0.5)
    ours, slow = log_mel(samples, **settings), log_mel_by_definition(samples, **settings)
    assert ours.dtype == np.float32
    assert (
        ours.shape
        == slow.shape
        == (1 + (len(samples) - settings["fft_size"]) // settings["hop"], settings["n_mels"])
    )
    assert np.abs(ours - slow).max() < 1e-4


@pytest.mark.parametrize("settings", SETTINGS)
def test_equals_tensorflow(settings):
    tf = pytest.importorskip("tensorflow")
    samples = music(settings["samplerate"])
    spectra = tf.abs(
        tf.signal.stft(
            samples, settings["fft_size"], settings["hop"], settings["fft_size"], pad_end=False
        )
    )
    upper = min(7600.0, settings["samplerate"] / 2)
    matrix = tf.signal.linear_to_mel_weight_matrix(
        settings["n_mels"], settings["fft_size"] // 2 + 1, settings["samplerate"], 80.0, upper
    )
    theirs = tf.math.log(spectra @ matrix + LOG_FLOOR).numpy()
    ours = log_mel(samples, **settings)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_equals_the_whole_bit_for_bit(settings, seed):
    samples = music(
        settings["samplerate"],
        seconds=BLOCK_FRAMES * settings["hop"] * 2.4 / settings["samplerate"],
    )
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(samples), 40))
    pieces = np.split(samples, cuts)  # some of them empty
    streamed = list(log_mel_blocks(iter(pieces), **settings))
    assert len(streamed) == 3
    assert np.array_equal(np.concatenate(streamed), log_mel(samples, **settings))


@pytest.mark.parametrize("hz", [200, 1000, 3000, 7000])
def test_a_tone_lands_in_its_mel_band(hz):
    settings = SETTINGS[0]
    tone = np.sin(2 * np.pi * hz * np.arange(16000) / 16000)
    centres = np.linspace(hz_to_mel(80), hz_to_mel(7600), 82)[1:-1]
    loudest = log_mel(tone, **settings).mean(axis=0).argmax()
    assert abs(loudest - np.abs(centres - hz_to_mel(hz)).argmin()) <= 1


def test_doubling_the_gain_adds_ln_2():
    samples = music(16000, seconds=1.0)
    difference = log_mel(2 * samples, **SETTINGS[0]) - log_mel(samples, **SETTINGS[0])
    assert np.abs(difference - np.log(2)).max() < 1e-3  # the floor takes a little


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silence_and_dc_are_finite(value):
    frames = log_mel(np.full(16000, value), **SETTINGS[0])
    assert np.isfinite(frames).all()
    if value == 0:
        assert np.allclose(frames, np.log(1e-6))


@pytest.mark.parametrize(
    "n_samples, n_frames", [(1, 1), (1023, 1), (1024, 1), (1423, 1), (1424, 2)]
)
def test_a_clip_shorter_than_a_window_gives_one_frame(n_samples, n_frames):
    frames = log_mel(music(16000)[:n_samples], **SETTINGS[0])
    assert frames.shape == (n_frames, 80)
    assert np.isfinite(frames).all()


def test_no_samples_or_two_channels_are_refused():
    with pytest.raises(ValueError, match=r"\(0,\)"):
        log_mel(np.empty(0), **SETTINGS[0])
    with pytest.raises(ValueError, match="average the channels"):
        log_mel(np.zeros((16000, 2)), **SETTINGS[0])


def test_bands_above_half_the_sample_rate_are_moved_below_it():
    matrix = mel_matrix(40, 1024, 8000)
    assert matrix.shape == (513, 40)
    assert (matrix.sum(axis=0) > 0).all()
    assert not matrix[0].any()
