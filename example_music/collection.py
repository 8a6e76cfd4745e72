"""A collection of pieces as files: what is in it, its labels, and the making of what is missing.

Half of the pieces are MP3, half WAV; `labels.csv` beside them holds filename, genre,
title and citation, and says that the pieces are ours.
"""

from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from example_music.instruments import RATE
from example_music.piece import Piece, play
from example_music.styles import STYLES
from sound_eval import programs
from sound_eval.errors import InputError
from sound_eval.files.tables import csv_text
from sound_eval.songs.collection import claim, make_all, whole_file

LABELS = "labels.csv"
KIND = "labels of the example music"
SHORTEST_SECONDS = 5.0  # below this a piece has no room for its form

KEYS = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
# fmt: off
ADJECTIVES = ("Amber", "Slow", "Northern", "Paper", "Hidden", "Copper", "Early", "Salt",
              "Winter", "Crooked", "Velvet", "Distant", "Seventh", "Electric", "Quiet", "Last")
NOUNS = ("Harbour", "Lantern", "Orchard", "Signal", "River", "Staircase", "Meridian", "Garden",
         "Engine", "Window", "Procession", "Island", "Letter", "Mirror", "Road", "Bell")
# fmt: on


def plan(n_styles, n_pieces, seconds, seed):
    """The pieces of a collection.

    Volume v holds one piece of each style in drawn order, so that names and folders say
    nothing of the style.
    """
    pieces = []
    for volume in range(n_pieces):
        order = np.random.default_rng((seed, volume)).permutation(n_styles)
        for track, index in enumerate(order):
            genre = list(STYLES)[index]
            random = np.random.default_rng((seed, volume, int(index)))
            words = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)}"
            key = int(random.integers(12))
            mode = str(random.choice(STYLES[genre].modes))
            suffix = ".mp3" if (track + volume) % 2 else ".wav"
            pieces.append(
                Piece(
                    name=f"volume {volume + 1:02d}/{track + 1:02d} {words}{suffix}",
                    genre=genre,
                    seed=(seed, volume, int(index), 1),
                    seconds=float(seconds * random.uniform(0.8, 1.2)),
                    title=f"{words}, in {KEYS[key]} {mode}",
                    tempo=float(random.uniform(*STYLES[genre].tempo)),
                    key=key - 6,
                    mode=mode,
                )
            )
    return pieces


def labels_text(pieces, seed):
    """The labels as CSV text: filename, genre, title, citation."""
    rows = []
    for piece in pieces:
        source = (
            f"{piece.title}, {piece.tempo:.0f} beats a minute, {piece.seconds:.1f} s. "
            f"Synthesized by make_example_music.py, seed {seed}. CC0."
        )
        rows.append([piece.name, piece.genre, piece.title, source])
    return csv_text(["filename", "genre", "title", "citation"], rows)


def make(folder, piece):
    """Write one piece, with its title and genre as ID3 tags, under its final name only
    when it is whole.
    """
    path = Path(folder, piece.name)
    with whole_file(path) as work:
        if path.suffix == ".mp3":
            encode_mp3(play(piece), work)
        else:
            soundfile.write(work, play(piece), RATE, subtype="PCM_16")
        tag(work, piece)
    return piece.name


def compose(folder, pieces):
    """Make the pieces."""
    make_all(partial(make, folder), folder, pieces, "piece", "composing", "made")


def encode_mp3(sound, path):
    """Write (n_samples, 2) as MP3 through ffmpeg."""
    wav = path.with_suffix(".wav")
    try:
        soundfile.write(wav, sound, RATE, subtype="FLOAT")
        output = ["-q:a", "4", "-y", f"file:{path}"]
        command = ["ffmpeg", "-nostdin", "-v", "error", *programs.input_of(wav), *output]
        status, _, messages = programs.run(command, watch=path)
    finally:
        wav.unlink(missing_ok=True)
    if status:
        raise InputError(f"{path}: ffmpeg could not write it: {messages.strip()}")


def tag(path, piece):
    """Title and genre as ID3 tags, as music in the wild has them."""
    from mutagen import File
    from mutagen.id3 import TCON, TIT2

    audio = File(path)
    if audio.tags is None:
        audio.add_tags()
    audio.tags.add(TIT2(encoding=3, text=piece.title))
    audio.tags.add(TCON(encoding=3, text=piece.genre))
    audio.save()


def claim_folder(folder, pieces, labels):
    """Write the labels first: they say that the pieces are ours.

    Raises InputError where the folder holds a collection made with other arguments, or
    music of somebody else's in the place of a piece.
    """
    another = "collection (other arguments?); give another folder, or remove this one"
    claim(folder / LABELS, KIND, labels, (folder / piece.name for piece in pieces), another)
