"""The styles, as data.

A style fixes what a listener would name it by: tempo, scales, progressions, parts,
drums and room. Each tuple holds what a piece draws from. Styles share instruments and
drums, so that no single sound gives a style away.
"""

from dataclasses import dataclass

from example_music import composers as c
from example_music import instruments as i


@dataclass(frozen=True)
class Part:
    """One player: who composes for it, what it may play, where and how loud."""

    composer: object
    instruments: tuple
    octave: int  # of MIDI: 5 begins at middle C
    level: float
    chance: float = 1.0  # that the part is in a piece at all


@dataclass(frozen=True)
class Style:
    """What the pieces of a style have in common."""

    tempo: tuple  # slowest and fastest, in beats a minute
    modes: tuple
    progressions: tuple  # scale degrees of the roots, one a bar
    parts: tuple
    grooves: tuple = ({},)  # drum -> sixteen steps: X loud, x soft
    metres: tuple = (4,)  # beats in a bar
    swing: float = 0.0  # how late the second half of a beat comes, in beats
    room: tuple = (0.3, 0.8)  # reverberation time, shortest and longest, in seconds
    wet: float = 0.15  # share of the reverberation


MODES = {  # semitones above the key
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "slendro": (0, 2.4, 4.8, 7.2, 9.6),
    "pelog": (0, 1.2, 2.7, 5.4, 6.7, 7.9, 9.5),
}
POP = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 4))
STYLES = {
    "ambient": Style(
        tempo=(50, 76),
        modes=("lydian", "major", "dorian"),
        progressions=((0, 4, 1, 4), (0, 5, 0, 3), (0, 0, 3, 3)),
        parts=(
            Part(c.held_chord, (i.pad, i.strings, i.organ), 5, 0.5),
            Part(c.drone, (i.pad, i.organ), 3, 0.4, chance=0.7),
            Part(c.tune, (i.flute, i.bell, i.electric_piano), 6, 0.3, chance=0.6),
            Part(c.broken_chord, (i.electric_piano, i.bell), 5, 0.25, chance=0.4),
        ),
        room=(2.5, 4.5),
        wet=0.5,
    ),
    "baroque": Style(
        tempo=(76, 126),
        modes=("major", "harmonic minor"),
        progressions=((0, 4, 5, 4), (0, 3, 4, 0), (0, 5, 1, 4), (0, 3, 6, 2)),
        parts=(
            Part(c.running, (i.harpsichord, i.strings), 5, 0.5),
            Part(c.tune, (i.strings, i.flute, i.harpsichord, i.organ), 5, 0.5, chance=0.85),
            Part(c.bass_on_beats, (i.harpsichord, i.strings, i.organ), 3, 0.5),
            Part(c.held_chord, (i.organ, i.strings), 4, 0.2, chance=0.4),
        ),
        metres=(3, 4),
        room=(0.9, 2.2),
        wet=0.25,
    ),
    "chiptune": Style(
        tempo=(124, 176),
        modes=("major", "minor", "mixolydian"),
        progressions=POP,
        parts=(
            Part(c.tune, (i.pulse_wave,), 6, 0.5),
            Part(c.broken_chord, (i.pulse_wave, i.triangle_wave), 5, 0.35),
            Part(c.ostinato, (i.triangle_wave, i.pulse_wave), 3, 0.6),
            Part(c.running, (i.pulse_wave,), 5, 0.2, chance=0.3),
        ),
        grooves=(
            {},
            {"blip": "x...X...x...X..."},
            {"blip": "x.x.X.x.x.x.X.xx", "kick": "X.......X......."},
            {"blip": "..x...x...x...x.", "kick": "X...X...X...X..."},
        ),
        room=(0.05, 0.15),
        wet=0.05,
    ),
    "folk": Style(
        tempo=(80, 132),
        modes=("major", "mixolydian", "dorian"),
        progressions=(*POP, (0, 3, 0, 4), (0, 6, 3, 0)),
        parts=(
            Part(c.strumming, (i.pluck, i.nylon), 4, 0.4, chance=0.7),
            Part(c.broken_chord, (i.nylon, i.pluck), 4, 0.5),
            Part(c.tune, (i.flute, i.strings, i.nylon), 5, 0.45, chance=0.85),
            Part(c.bass_on_beats, (i.nylon, i.upright_bass), 3, 0.5, chance=0.6),
        ),
        grooves=(
            {},
            {},
            {"shaker": "X.x.X.x.X.x.X.x."},
            {"low": "X.......x.......", "high": "....x.......x..."},
        ),
        metres=(3, 4),
        room=(0.3, 0.9),
    ),
    "gamelan": Style(
        tempo=(60, 116),
        modes=("slendro", "pelog"),
        progressions=((0, 2, 1, 0), (0, 3, 2, 4), (1, 0, 3, 0)),
        parts=(
            Part(c.interlocking, (i.bell,), 6, 0.3),
            Part(c.core_melody, (i.bell, i.electric_piano), 5, 0.45),
            Part(c.colotomy, (i.gong,), 3, 0.6),
            Part(c.tune, (i.flute, i.bell), 6, 0.25, chance=0.5),
        ),
        grooves=(
            {},
            {"low": "X...x..xX..x..x."},
            {"low": "x..x..x.x..x.x..", "high": "..x..x....x....x"},
        ),
        room=(0.8, 2.0),
        wet=0.25,
    ),
    "jazz": Style(
        tempo=(92, 190),
        modes=("dorian", "major", "mixolydian"),
        progressions=((1, 4, 0, 0), (0, 5, 1, 4), (0, 3, 1, 4), (0, 0, 3, 0)),
        parts=(
            Part(c.walking_bass, (i.upright_bass,), 3, 0.7),
            Part(c.comping, (i.electric_piano, i.nylon, i.organ), 5, 0.3, chance=0.9),
            Part(c.tune, (i.brass, i.flute, i.electric_piano), 5, 0.45, chance=0.6),
            Part(c.running, (i.brass, i.electric_piano), 5, 0.35, chance=0.6),
        ),
        grooves=(
            {"ride": "X...X.x.X...X.x.", "hat": "....x.......x..."},
            {"ride": "X...X.x.X...X.x.", "kick": "x.......x.......", "snare": "......x........x"},
            {"hat": "x...X...x...X..."},
        ),
        swing=0.16,
        room=(0.4, 1.0),
    ),
    "rock": Style(
        tempo=(100, 164),
        modes=("minor", "mixolydian", "dorian"),
        progressions=((0, 5, 2, 6), (0, 6, 5, 6), (0, 3, 0, 4), (0, 2, 3, 6)),
        parts=(
            Part(c.power_chords, (i.overdriven,), 3, 0.45),
            Part(c.bass_on_beats, (i.fm_bass, i.upright_bass), 2, 0.6),
            Part(c.tune, (i.overdriven, i.organ), 5, 0.35, chance=0.7),
            Part(c.strumming, (i.pluck,), 4, 0.25, chance=0.4),
        ),
        grooves=(
            {"kick": "X.....x.X.......", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
            {"kick": "X.x...x...x.....", "snare": "....X.......X..x", "open": "x...x...x...x..."},
            {"kick": "X.......X.x.....", "snare": "....X.......X...", "ride": "x.x.x.x.x.x.x.x."},
        ),
    ),
    "techno": Style(
        tempo=(118, 142),
        modes=("minor", "phrygian", "dorian"),
        progressions=((0, 0, 0, 0), (0, 0, 5, 5), (0, 0, 1, 0), (0, 5, 6, 0)),
        parts=(
            Part(c.ostinato, (i.fm_bass, i.triangle_wave), 3, 0.6),
            Part(c.comping, (i.pad, i.organ, i.brass), 5, 0.2, chance=0.6),
            Part(c.broken_chord, (i.fm_bass, i.pulse_wave, i.bell), 5, 0.25, chance=0.6),
            Part(c.drone, (i.pad, i.strings), 4, 0.2, chance=0.5),
        ),
        grooves=(
            {"kick": "X...X...X...X...", "open": "..x...x...x...x."},
            {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "x.x.x.x.x.x.x.xx"},
            {"kick": "X...X...X..xX...", "hat": "..x...x...x...x.", "shaker": "xxxxxxxxxxxxxxxx"},
        ),
        room=(0.4, 1.6),
        wet=0.2,
    ),
}
