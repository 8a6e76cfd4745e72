"""One piece of music, from its seed to samples: form, melody, timbres, performance and
mastering are drawn; the style sets the limits.

Conventions
-----------
Times are beats while composing and samples at `RATE` from the performance on. A mix
is (n_samples, 2).
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve, lfilter

from example_music.composers import Bar
from example_music.instruments import DRUMS, RATE
from example_music.styles import MODES, STYLES


@dataclass(frozen=True)
class Piece:
    """What is known of a piece before it is played; `seed` gives the rest."""

    name: str
    genre: str
    seed: tuple
    seconds: float
    title: str
    tempo: float
    key: int
    mode: str


def draw_motif(random, beats):
    """A tune of one bar: cells of rhythm, and steps of a bounded random walk that
    begins on a chord tone.
    """
    cells = ((1,), (1,), (0.5, 0.5), (1.5, 0.5), (2,), (0.5, 0.25, 0.25), (0.75, 0.25))
    beat, step, motif = 0.0, int(random.choice([0, 2, 4])), []
    while beat < beats:
        for length in cells[random.integers(len(cells))]:
            if beat < beats:
                motif.append((beat, min(length, beats - beat), step))
            beat += length
            step = int(np.clip(step + random.choice([-2, -1, -1, 1, 1, 2, 3]), -3, 8))
    return tuple(motif)


def draw_section(random, style, beats):
    """A progression and the two motifs, call and answer, that go over it."""
    return style.progressions[random.integers(len(style.progressions))], (
        draw_motif(random, beats),
        draw_motif(random, beats),
    )


def play(piece):
    """Compose and synthesize one piece: (n_samples, 2) in [-1, 1]."""
    style, random = STYLES[piece.genre], np.random.default_rng(piece.seed)
    beats = int(random.choice(style.metres))
    sections = [draw_section(random, style, beats) for _ in range(2)]
    form = ("AABA", "ABAB", "AAAA", "ABBA")[random.integers(4)]
    n_bars = int(np.ceil(piece.seconds * piece.tempo / 60 / beats))
    mix = np.zeros((int(piece.seconds * RATE), 2))
    present = [part for part in style.parts if random.random() < part.chance]
    for part in present:
        habit, entry = (
            random.random(),
            int(random.choice([0, 0, 0, 2, 4])) if part is not present[0] else 0,
        )
        bars = []
        for number in range(entry, n_bars):
            progression, motifs = sections["AB".index(form[number // 4 % 4])]
            bars.append(
                Bar(
                    number,
                    beats,
                    MODES[piece.mode],
                    progression[number % 4],
                    motifs[number % 2],
                    habit,
                )
            )
        add(
            mix,
            play_part(piece, style, part, bars, random),
            part.level * random.uniform(0.6, 1.4),
            random,
        )
    add(mix, play_drums(piece, style, beats, n_bars, random), random.uniform(0.4, 0.8), random)
    return master(mix, style, random)


def add(mix, sound, level, random):
    """Mix a part in at its level and a drawn place between left and right."""
    place = random.uniform(0.3, 0.7)
    mix += level * sound[:, None] * np.sqrt([2 * place, 2 * (1 - place)])


def sample_of(piece, style, beat, random):
    """Where a beat falls, in samples: swung, and as unsteady as a hand."""
    late = style.swing if beat % 1 == 0.5 else 0.0
    return max(0, int(((beat + late) * 60 / piece.tempo + 0.004 * random.standard_normal()) * RATE))


def play_part(piece, style, part, bars, random):
    """One part through all its bars: (n_samples,). Equal notes are synthesized once."""
    instrument, timbre = part.instruments[random.integers(len(part.instruments))], random.random()
    sound, notes = np.zeros(int(piece.seconds * RATE)), {}
    for bar in bars:
        for beat, length, pitch, velocity in part.composer(bar, random):
            midi, length = 12 * part.octave + piece.key + pitch, round(16 * length) / 16
            if (midi, length) not in notes:
                frequency = 440 * 2 ** ((midi - 69) / 12)
                notes[midi, length] = instrument(
                    frequency, max(length, 0.1) * 60 / piece.tempo, timbre, random
                )
            start = sample_of(piece, style, bar.number * bar.beats + beat, random)
            put(sound, notes[midi, length], start, velocity * random.uniform(0.85, 1.0))
    return sound


def play_drums(piece, style, beats, n_bars, random):
    """The drawn groove through the piece, softer hits sometimes missing: (n_samples,)."""
    groove = style.grooves[random.integers(len(style.grooves))]
    sound, entry = np.zeros(int(piece.seconds * RATE)), int(random.choice([0, 0, 2, 4]))
    for drum, steps in groove.items():
        hits, level = [DRUMS[drum](random.random(), random)] * 4, random.uniform(0.6, 1.0)
        for number in range(entry, n_bars):
            for step, mark in enumerate(steps[: 4 * beats]):
                if mark == "X" or (mark == "x" and random.random() < 0.85):
                    start = sample_of(piece, style, number * beats + step / 4, random)
                    put(
                        sound,
                        hits[step % 4],
                        start,
                        level * (1.0 if mark == "X" else 0.6) * random.uniform(0.8, 1),
                    )
    return sound


def put(sound, note, start, gain):
    """Add a note into a part where it begins, as far as the part goes on."""
    length = min(len(note), len(sound) - start)
    if length > 0:
        sound[start : start + length] += gain * note[:length]


def master(mix, style, random):
    """Room, tone control, a little noise, fade-out and level, each drawn:
    no two recordings are mastered alike.
    """
    seconds = random.uniform(*style.room)
    time = np.arange(int(seconds * RATE)) / RATE
    response = random.standard_normal((len(time), 2)) * np.exp(-6.9 * time / seconds)[:, None]
    response /= np.sqrt(np.sum(response**2, axis=0))
    mix = (1 - style.wet) * mix + style.wet * fftconvolve(mix, response, axes=0)[: len(mix)]
    bass = lfilter([0.1], [1, -0.9], mix, axis=0)  # below about 400 Hz
    mix = mix + random.uniform(-0.5, 0.8) * bass
    mix /= np.abs(mix).max() + 1e-9
    mix += 10 ** random.uniform(-4, -2.8) * random.standard_normal(mix.shape)
    mix *= np.clip((len(mix) - np.arange(len(mix))) / RATE, 0, 1)[:, None]
    return 10 ** (random.uniform(-9, -0.5) / 20) * mix / np.abs(mix).max()
