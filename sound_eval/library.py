"""The songs of a run as one searches them: names, unit vectors and labels side by side, and songs found as a person names them.

Row i of `names`, `vectors` and `unit` (n_songs, dim) and the labels belong to one song, line i of the music list.
A file of song vectors, `songs.npy`, has music_list.txt beside it, and `songs.npy.json` with its `kind` (of infer.KINDS) and the digest of the
`networks` that made it: only by the same networks, and as the same kind, does a file from outside get a vector that compares with them.
"""
import json
import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sound_eval.cli import InputError
from sound_eval.listing import Entry
from sound_eval.run_folder import RunFolder
from sound_eval.songs import find_song
from sound_eval.trees import audio_name, load_array, read_music_list, save_array, save_music_list, save_text
from sound_eval.vectors import Rules, unit_vectors


class Query(NamedTuple):
    """A song that was asked for: one of the run, or an audio file from outside (`row` None)."""

    row: int | None
    name: str
    vector: np.ndarray  # (dim,), unit


class Library:
    """A run folder's songs. `song_vectors` names a file to use in place of the run's last vectors, with music_list.txt beside it."""

    def __init__(self, run_dir, song_vectors=None, metadata=None, audio_dir=None):
        self.run, self.metadata, self.audio_dir = RunFolder(run_dir), metadata, audio_dir
        self.song_vectors = Path(song_vectors) if song_vectors else None
        names, vectors = read_song_vectors(self.song_vectors) if song_vectors else (self.run.music_list(), self.run.vectors())
        self.names, self.vectors = [audio_name(name) for name in names], vectors
        try:
            self.unit = unit_vectors(vectors)
        except InputError as error:
            raise InputError(f"{self.song_vectors or self.run.vectors_path()}: {error}") from error

    @cached_property
    def table(self):
        """The labels, a DataFrame with n_songs rows; without a CSV the one label `folder`."""
        from sound_eval.metadata import labels_from_folders, read_joined

        return read_joined(self.names, self.metadata) if self.metadata else labels_from_folders(self.names)

    def labels(self, name):
        """One label column (n_songs,); raises InputError that names the columns there are."""
        from sound_eval.metadata import column

        return column(self.table, name, self.metadata or "labels made from folders, as no --metadata is given")

    def labels_of(self, row):
        """The labels of one song as a dict; empty where no CSV is given, and for audio from outside (`row` None)."""
        return {} if row is None or not self.metadata else self.table.drop(columns="filename").iloc[row].to_dict()

    def entry(self, row, name, similarity):
        """A line of a list, with the song's labels."""
        return Entry(row, name, None if similarity is None else float(similarity), self.labels_of(row))

    def audio_path(self, entry):
        """Where the audio of an entry lies."""
        return Path(entry.name) if entry.row is None else Path(self.audio_dir) / entry.name

    def query(self, text):
        """The song that `text` names: a song of the run, or an audio file, whose vector is then inferred."""
        if text not in self.names:
            text = os.path.expanduser(text)  # behind a sign, as in +~/song.mp3, the shell leaves it to us
        inside = self.inside_audio_dir(text)
        if inside is None and text not in self.names and os.path.isfile(text):
            return Query(None, text, self.infer(text))
        row = find_song(inside or text, self.names)
        return self.song(row)

    def infer(self, path):
        """The unit vector (dim,) of an audio file that the run need not have seen. Raises InputError where it cannot be decoded."""
        return unit_vectors(document_vectors(self.run, [path], self.song_vectors)[0])

    def song(self, row):
        """A song of the run as a query."""
        return Query(row, self.names[row], self.unit[row])

    def inside_audio_dir(self, text):
        """The name of the song whose audio file is at the path `text`, None where it is no file of a song."""
        if self.audio_dir is None or not os.path.isfile(text):
            return None
        path, root = Path(text).resolve(), Path(self.audio_dir).resolve()
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else None
        return name if name in self.names else None

    def rules(self, where=(), column=None, max_per=None, drop_duplicates=False):
        """Rules for lists: `where` are texts `COLUMN=VALUE`, and `max_per` songs may have one value of `column`."""
        allowed = np.ones(len(self.names), bool)
        for condition in where:
            allowed &= self.fitting(condition)
        return Rules(allowed, self.labels(column) if column else None, max_per, drop_duplicates)

    def fitting(self, condition):
        """Which songs (n_songs,) have the label that `COLUMN=VALUE` asks for; raises InputError where none has."""
        column, sign, value = condition.partition("=")
        if not sign:
            raise InputError(f"{condition!r}: expected COLUMN=VALUE")
        labels = self.labels(column)
        if value not in labels:
            known = sorted(set(labels))
            raise InputError(f"no song has {column}={value}; {column} is one of {', '.join(known[:20])}{' ...' if len(known) > 20 else ''}")
        return labels == value


def read_song_vectors(path):
    """Names and vectors (n_songs, dim) of a `.npy` file with music_list.txt beside it. Raises InputError where they do not fit."""
    vectors, names = load_array(path), read_music_list(path.with_name("music_list.txt"))
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise InputError(f"{path}: shape {vectors.shape} does not fit the {len(names)} songs of music_list.txt beside it")
    return names, vectors


def save_song_vectors(path, names, vectors, kind, networks):
    """Write vectors (n_songs, dim) with what belongs beside them; what says how they were made is there only while all of it is."""
    path.with_name(path.name + ".json").unlink(missing_ok=True)
    save_array(path, np.asarray(vectors, np.float32))
    save_music_list(path.with_name("music_list.txt"), names)
    save_text(path.with_name(path.name + ".json"), json.dumps({"kind": kind, "networks": networks.digest()}) + "\n")


def kind_of(path, run, networks):
    """The kind of the song vectors at `path`. Raises InputError where it is not known, or where other networks than the run's made them."""
    from sound_eval.infer import KINDS

    if path.resolve() == run.vectors_path().resolve():
        return "sum"
    remedy = "make it anew with calc_all_vecs.py --song-vectors, or ask for songs of its music_list.txt"
    try:
        made = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
        kind, digest = made["kind"], made["networks"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        kind = digest = None
    if kind not in KINDS:
        raise InputError(f"{path}: no {path.name}.json beside it tells what vectors these are, and so what to compare an audio file by; {remedy}")
    if digest != networks.digest():
        raise InputError(f"{path}: made by other networks than those that {run.path} has now, so an audio file cannot be compared; {remedy}")
    return kind


def document_vectors(run, paths, song_vectors=None):
    """Vectors (n, dim) of audio files, inferred with the networks of a run, such as compare with the run's own or with those of `song_vectors`.

    Raises InputError where a file cannot be decoded, the run folder has no weights, or nothing compares with `song_vectors`.
    """
    from sound_eval import infer
    from sound_eval.corpus import read_weights

    config, networks = run.config(), infer.networks_from(read_weights(run))
    kind = kind_of(song_vectors, run, networks) if song_vectors else "sum"
    return infer.vectors_of_kind(kind, networks, [inputs_of_file(path, config) for path in paths], config)


def inputs_of_file(path, config):
    """Network inputs (n, input_dim) of an audio file, rounded as in training."""
    from sound_eval.corpus import network_inputs
    from sound_eval.spectrify import log_mel_of_file

    try:
        frames = log_mel_of_file(path, config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return network_inputs(frames, config).astype(np.float16)
