"""Instruments and drums: additive (wavetables), frequency-modulated (Chowning 1973) and
plucked strings (Karplus and Strong 1983).

Conventions
-----------
A sound is a float array (n_samples,) at `RATE`, about 1 at its loudest. An instrument
is a function of frequency in Hz, seconds for which the note is held, timbre in [0, 1]
and a random generator; what it gives may ring on beyond those seconds. A drum takes
timbre and generator only.
"""

import numpy as np
from scipy.signal import lfilter

RATE = 22050  # samples a second
TABLE = 4096  # samples in one period of a wavetable


def envelope(n, attack, decay, release=0.03):
    """Rise in `attack` s, fall with time constant `decay` s, fade out over the last
    `release` s: (n,).
    """
    time = np.arange(n) / RATE
    return (
        np.minimum(1, time / attack)
        * np.exp(-time / decay)
        * np.clip((n / RATE - time) / release, 0, 1)
    )


def table_tone(frequency, n, amplitudes, vibrato=0.0, phase=0.0):
    """A harmonic tone (n,) of partials with the given amplitudes, those above the band
    left out; vibrato as a share of the pitch.
    """
    amplitudes = np.asarray(amplitudes)[: max(1, int(0.45 * RATE / frequency))]
    angle = 2 * np.pi * np.arange(TABLE) / TABLE
    table = np.sin(np.outer(angle, np.arange(1, len(amplitudes) + 1))) @ amplitudes
    time = np.arange(n) / RATE
    cycles = phase + frequency * (
        time - vibrato * np.cos(2 * np.pi * 5.2 * time) / (2 * np.pi * 5.2)
    )
    return table[(cycles * TABLE).astype(np.int64) % TABLE] / np.sqrt(np.sum(amplitudes**2))


def fm_tone(frequency, n, ratio, index):
    """A carrier at `frequency` whose phase a sine at `ratio` times it modulates by
    `index` radians, a number or (n,).
    """
    time = np.arange(n) / RATE
    return np.sin(
        2 * np.pi * frequency * time + index * np.sin(2 * np.pi * frequency * ratio * time)
    )


def pluck(frequency, seconds, timbre, random, ring=1.2, sustain=1.5):
    """A Karplus-Strong string: a burst of noise in a delay line with a two-tap lowpass
    and a two-tap fractional delay, for pitch.

    `ring` is how long it sounds after the note is let go, `sustain` the time constant
    of its decay, in seconds.
    """
    n = int((seconds + ring) * RATE)
    smoothing = 0.5 - 0.35 * timbre  # the share of the older sample: 0.5 is the dullest
    delay = RATE / frequency - smoothing
    whole, fraction = int(delay), delay - int(delay)
    loop = -np.exp(-1 / (frequency * sustain)) * np.convolve(
        [1 - smoothing, smoothing], [1 - fraction, fraction]
    )
    burst = np.zeros(n)
    burst[: min(n, whole)] = random.uniform(-1, 1, whole)[:n]
    string = lfilter([1.0], np.concatenate([[1.0], np.zeros(whole - 1), loop]), burst)
    return 0.9 * string * envelope(n, 0.001, 30, release=0.1 + 0.5 * ring)


def nylon(frequency, seconds, timbre, random):
    """A soft string, soon damped."""
    return pluck(frequency, seconds, 0.3 * timbre, random, ring=0.8, sustain=0.8)


def harpsichord(frequency, seconds, timbre, random):
    """A bright string and its octave, damped when the key is let go."""
    return pluck(frequency, seconds, 0.7 + 0.3 * timbre, random, ring=0.15) + 0.5 * pluck(
        2 * frequency, seconds, 1.0, random, ring=0.15
    )


def overdriven(frequency, seconds, timbre, random):
    """A string through a clipping amplifier, sustained."""
    string = pluck(frequency, seconds, 0.6, random, ring=0.05, sustain=6)
    clipped = np.tanh((6 + 20 * timbre) * string)
    return 0.7 * lfilter([0.2], [1, -1.1, 0.3], clipped)  # the loudspeaker: little above 2 kHz


def upright_bass(frequency, seconds, timbre, random):
    """A round tone with a finger on the string."""
    n = int((seconds + 0.2) * RATE)
    finger = 0.1 * pluck(frequency, seconds, 0, random, ring=0.2)
    return (
        table_tone(frequency, n, [1, 0.5, 0.3 * timbre, 0.1]) * envelope(n, 0.008, 0.35, 0.08)
        + finger
    )


def organ(frequency, seconds, timbre, random):
    """Steady pipes; timbre pulls the higher stops."""
    n = int((seconds + 0.06) * RATE)
    return table_tone(
        frequency, n, [1, 0.9, 0.5 * timbre, 0.6, 0, 0.3 * timbre, 0, 0.4 * timbre]
    ) * envelope(n, 0.03, 30, 0.06)


def flute(frequency, seconds, timbre, random):
    """Few partials, vibrato and breath."""
    n = int((seconds + 0.08) * RATE)
    breath = lfilter([1, -1], [1, -0.6], random.standard_normal(n)) * 0.02 * (1 + timbre)
    return (
        table_tone(frequency, n, [1, 0.3 + 0.3 * timbre, 0.12, 0.05], vibrato=0.006) + breath
    ) * envelope(n, 0.06, 8, 0.08)


def strings(frequency, seconds, timbre, random, attack=0.15):
    """Three detuned voices of a bowed spectrum."""
    n = int((seconds + 0.3) * RATE)
    partials = np.arange(1, 25, dtype=float) ** -(1.9 - 0.8 * timbre)
    voices = [
        table_tone(frequency * 2 ** (cents / 1200), n, partials, 0.003, random.random())
        for cents in (-7, 0, 6)
    ]
    return 0.5 * sum(voices) * envelope(n, attack, 30, 0.3)


def pad(frequency, seconds, timbre, random):
    """Strings that swell and linger."""
    return strings(frequency, seconds + 0.8, 0.6 * timbre, random, attack=0.9)


def pulse_wave(frequency, seconds, timbre, random):
    """The square and narrow pulse waves of early game consoles."""
    n, harmonic = int(seconds * RATE), np.arange(1, 60)
    width = (0.5, 0.25, 0.125)[int(2.99 * timbre)]
    return (
        0.7
        * table_tone(frequency, n, np.sin(np.pi * harmonic * width) / harmonic)
        * envelope(n, 0.003, 0.6, 0.01)
    )


def triangle_wave(frequency, seconds, timbre, random):
    """The soft third voice of the same consoles."""
    n, harmonic = int(seconds * RATE), np.arange(1, 20)
    return table_tone(frequency, n, np.sin(np.pi * harmonic / 2) / harmonic**2) * envelope(
        n, 0.003, 3, 0.01
    )


def electric_piano(frequency, seconds, timbre, random):
    """A tine: a gentle modulation that dies away, and a short high one."""
    n = int((seconds + 0.4) * RATE)
    body = fm_tone(frequency, n, 1, (0.6 + 1.4 * timbre) * envelope(n, 0.002, 0.5))
    return (body + 0.15 * fm_tone(frequency, n, 14, 0.5 * envelope(n, 0.001, 0.05))) * envelope(
        n, 0.004, 0.9, 0.3
    )


def bell(frequency, seconds, timbre, random, ring=1.5):
    """An inharmonic modulation that rings."""
    n = int((seconds + ring) * RATE)
    return fm_tone(
        frequency, n, 2.76 + 0.7 * timbre, (1 + 1.5 * timbre) * envelope(n, 0.001, 0.25)
    ) * envelope(n, 0.002, 0.45 * ring, 0.2)


def gong(frequency, seconds, timbre, random):
    """A low, slow, inharmonic modulation."""
    n = int((seconds + 3) * RATE)
    return fm_tone(frequency, n, 1.41, (2 + 2 * timbre) * envelope(n, 0.02, 1.2)) * envelope(
        n, 0.01, 1.6, 0.5
    )


def fm_bass(frequency, seconds, timbre, random):
    """A modulation that snaps shut."""
    n = int((seconds + 0.05) * RATE)
    return fm_tone(
        frequency, n, 1 + (timbre > 0.6), (1.5 + 3 * timbre) * envelope(n, 0.003, 0.15)
    ) * envelope(n, 0.003, 0.5, 0.04)


def brass(frequency, seconds, timbre, random):
    """A modulation that opens with the loudness."""
    n = int((seconds + 0.08) * RATE)
    swell = envelope(n, 0.09, 3, 0.08)
    return fm_tone(frequency, n, 1, (1.5 + 2 * timbre) * swell) * swell


# ---- drums: (timbre, random) -> sound ----


def noise(n, random, highpass=0.0):
    """White noise (n,), its low end taken away by a one-zero, one-pole filter where
    `highpass` is above 0.
    """
    return (
        lfilter([1, -1], [1, highpass - 1], random.standard_normal(n))
        if highpass
        else random.standard_normal(n)
    )


def sweep(start, end, fall, seconds):
    """A sine gliding from `start` to `end` Hz with time constant `fall` s: the skin of a drum."""
    time = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * (end * time + (start - end) * fall * (1 - np.exp(-time / fall))))


def struck(sound, decay):
    """A sound that decays from its first sample."""
    return sound * envelope(len(sound), 0.001, decay)


DRUMS = {
    "kick": lambda timbre, random: struck(
        sweep(150 + 150 * timbre, 45 + 15 * timbre, 0.03, 0.4), 0.12
    ),
    "snare": lambda timbre, random: struck(
        0.5 * noise(6000, random, 0.4) + sweep(260, 180, 0.02, 6000 / RATE), 0.05 + 0.06 * timbre
    ),
    "hat": lambda timbre, random: struck(0.35 * noise(3000, random, 1.6), 0.015 + 0.03 * timbre),
    "open": lambda timbre, random: struck(0.3 * noise(9000, random, 1.5), 0.12),
    "ride": lambda timbre, random: struck(
        0.25 * noise(12000, random, 1.5) + 0.2 * fm_tone(3100, 12000, 1.47, 6), 0.15 + 0.1 * timbre
    ),
    "clap": lambda timbre, random: struck(0.6 * noise(5000, random, 0.8), 0.05),
    "blip": lambda timbre, random: struck(
        0.5 * np.repeat(random.uniform(-1, 1, 800), 3 + int(4 * timbre)), 0.06
    ),
    "low": lambda timbre, random: struck(sweep(130, 90 + 20 * timbre, 0.05, 0.5), 0.16),
    "high": lambda timbre, random: (
        struck(sweep(320, 240 + 80 * timbre, 0.02, 0.3), 0.07)
        + struck(0.15 * noise(6615, random, 0.8), 0.02)
    ),
    "shaker": lambda timbre, random: struck(0.25 * noise(2500, random, 1.7), 0.03),
}
