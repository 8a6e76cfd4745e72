"""The composers: each writes one part of one bar.

Conventions
-----------
A composer is a function of a `Bar` and a random generator that gives the notes of the
bar as `(beat, beats, pitch, velocity)`: where in the bar, how long, semitones above the
key (fractional where a scale is not tempered), and loudness in [0, 1].
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bar:
    """Where a composer is: bar number, beats in it, scale, the chord's root degree, and
    the drawn material of the piece's section.
    """

    number: int
    beats: int
    scale: tuple
    root: int
    motif: tuple  # (beat, beats, step) of the section's tune
    habit: float  # in [0, 1], fixed for a part in a piece: which of its patterns a composer follows

    def pitch(self, degree):
        """Semitones above the key of a scale degree, which may lie in any octave."""
        octave, step = divmod(int(degree), len(self.scale))
        return 12 * octave + self.scale[step]

    def chord(self, size=3):
        """Scale degrees of the chord: the root and thirds above it."""
        return [self.root + 2 * third for third in range(size)]


def tune(bar, random):
    """The section's motif moved to the chord, now and then ornamented."""
    notes = []
    for beat, beats, step in bar.motif:
        degree = bar.root + step + (random.integers(-1, 2) if random.random() < 0.15 else 0)
        notes.append((beat, 0.95 * beats, bar.pitch(degree), 0.8 + 0.2 * (beat == 0)))
    return notes


def running(bar, random):
    """Even quick notes, stepwise, from chord tone to chord tone."""
    step = 0.25 if bar.habit > 0.4 else 0.5
    degrees = bar.root + np.cumsum(random.choice([-2, -1, 1, 1, -1, 2], int(bar.beats / step))) % 9
    return [
        (index * step, step, bar.pitch(degree), 0.7 + 0.3 * (index * step % 1 == 0))
        for index, degree in enumerate(degrees)
    ]


def broken_chord(bar, random):
    """Chord tones one after another, in an order kept through the piece."""
    step = 0.25 if bar.habit > 0.6 else 0.5
    order = ((0, 1, 2, 1), (0, 2, 1, 2), (0, 1, 2, 3), (3, 2, 1, 0))[int(bar.habit * 40) % 4]
    tones = [*bar.chord(), bar.root + len(bar.scale)]
    return [
        (i * step, 1.5 * step, bar.pitch(tones[order[i % 4]]), 0.9 - 0.2 * (i % 2))
        for i in range(int(bar.beats / step))
    ]


def held_chord(bar, random):
    """The chord, or its seventh, for the whole bar."""
    return [(0, bar.beats, bar.pitch(degree), 0.6) for degree in bar.chord(3 + (bar.habit > 0.5))]


def drone(bar, random):
    """Key note and fifth, struck every second bar."""
    return (
        [(0, bar.beats, bar.pitch(degree), 0.7) for degree in (0, 4)] if bar.number % 2 == 0 else []
    )


def comping(bar, random):
    """Short sevenths off the beat."""
    beats = [
        beat
        for beat in np.arange(0, bar.beats, 0.5)
        if random.random() < (0.2 if beat % 1 == 0 else 0.35)
    ] or [0.5]
    return [
        (beat, 0.4 + 0.6 * bar.habit, bar.pitch(degree), 0.6)
        for beat in beats
        for degree in bar.chord(4)
    ]


def strumming(bar, random):
    """Full chords, each string a little after the last, down on the beat and up between."""
    beats = [
        beat
        for beat in np.arange(0, bar.beats, 0.5)
        if beat % 1 == 0 or random.random() < bar.habit
    ]
    tones = [*bar.chord(), bar.root + 7, bar.root + 9]
    return [
        (beat + 0.03 * i, 0.6, bar.pitch(degree), 0.7 if beat % 1 == 0 else 0.45)
        for beat in beats
        for i, degree in enumerate(tones if beat % 1 == 0 else tones[::-1])
    ]


def power_chords(bar, random):
    """Root, fifth and octave in eighths, some of them let ring."""
    beats = np.arange(0, bar.beats, 0.5 if bar.habit > 0.3 else 1)
    length = 0.42 if bar.habit > 0.6 else 0.9
    return [
        (beat, length, bar.pitch(bar.root) + interval, 0.8 + 0.2 * (beat % 2 == 0))
        for beat in beats
        for interval in (0, 7, 12)
    ]


def bass_on_beats(bar, random):
    """The root on the first beat, and root or fifth half way."""
    beats = [0, bar.beats // 2] if bar.habit > 0.3 else [0]
    return [
        (
            beat,
            bar.beats / len(beats) * 0.9,
            bar.pitch(bar.root + (4 if beat and bar.habit > 0.6 else 0)),
            0.9,
        )
        for beat in beats
    ]


def walking_bass(bar, random):
    """A note on every beat, the last one a step away from the root."""
    degrees = [
        bar.root,
        *random.choice([1, 2, 4, 5, 6], bar.beats - 2),
        bar.root + random.choice([-1, 1]),
    ]
    return [(beat, 0.9, bar.pitch(degree), 0.9) for beat, degree in enumerate(degrees)]


def ostinato(bar, random):
    """The root in sixteenths with a pattern of octaves and rests, the same all
    through the piece.
    """
    pattern = np.random.default_rng(int(bar.habit * 1e6)).choice([0, 0, 12, 10, -1], 16)
    return [
        (i / 4, 0.22, bar.pitch(bar.root) + p, 0.9 if i % 4 else 0.7)
        for i, p in enumerate(pattern[: 4 * bar.beats])
        if p >= 0
    ]


def interlocking(bar, random):
    """Two players filling each other's gaps around the core tones."""
    pattern = np.random.default_rng(int(bar.habit * 1e6)).integers(0, 3, 8)
    return [
        (i / 4, 0.25, bar.pitch(bar.root + pattern[i % 8] + (i % 2)), 0.6 + 0.3 * (i % 4 == 0))
        for i in range(4 * bar.beats)
    ]


def core_melody(bar, random):
    """The notes of the motif that fall on a beat, plain."""
    return [
        (beat, 1.0, bar.pitch(bar.root + step), 0.8) for beat, _, step in bar.motif if beat % 1 == 0
    ]


def colotomy(bar, random):
    """The gong that closes a cycle, and a smaller one half way."""
    return [(0, 2, bar.pitch(0) - (12 if bar.number % 2 == 0 else 0), 1.0)]
