"""The songs of a run as one searches them: names, unit vectors and labels side by side,
and songs found as a person names them.

Row i of `names`, `vectors` and `unit` (n_songs, dim) and the labels belong to one song,
line i of the music list.
A file of song vectors, `songs.npy`, has music_list.txt beside it, and `songs.npy.json`
with its `kind` (of song_vectors.KINDS), the digest of the `networks` that made it: only by
the same networks, and as the same kind, does a file from outside get a vector that
compares with them; and digests of the `vectors` and of the `songs` in the list, which
several files of the folder may share.
"""

import hashlib
import json
import os
import time
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sound_eval.errors import InputError, one_line
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.files.names import fitting, on_disk, text_key
from sound_eval.files.outputs import check_output, lines_of_kind, write_output
from sound_eval.files.reading import load_array, read_text
from sound_eval.files.trees import music_list_text, read_music_list
from sound_eval.files.writing import write_array
from sound_eval.model.run_folder import RunFolder
from sound_eval.search.paths import Rules
from sound_eval.search.vectors import unit_vectors
from sound_eval.songs.list_formats import Entry
from sound_eval.songs.lookup import find_song

KIND = "song vectors"  # of the three files, in the record of outputs
MOST_DESCRIPTION_BYTES = 10_000
TRIES, TRY_SECONDS = 20, 0.05  # of reading files that are being written
REMEDY = "make it anew with calc_all_vecs.py --song-vectors"
VALUES_SHOWN = 20  # of a column, where a value is not among them


class Query(NamedTuple):
    """A song that was asked for: one of the run, or an audio file from outside (`row` None)."""

    row: int | None
    name: str
    vector: np.ndarray  # (dim,), unit


class Library:
    """A run folder's songs.

    `song_vectors` names a file to use in place of the run's last vectors, with
    music_list.txt beside it.
    """

    def __init__(self, run_dir, song_vectors=None, metadata=None, audio_dir=None):
        self.run, self.metadata, self.audio_dir = RunFolder(run_dir).snapshot(), metadata, audio_dir
        self.song_vectors = Path(song_vectors) if song_vectors else None
        self.made = {}  # what the file beside the song vectors says of them
        if self.song_vectors:
            self.names, self.vectors, self.made = read_song_vectors(self.song_vectors)
        else:
            self.names, self.vectors = self.run.names, self.run.vectors
        try:
            self.unit = unit_vectors(self.vectors)
        except InputError as error:
            raise InputError(f"{self.song_vectors or self.run.vectors_path}: {error}") from error

    @cached_property
    def table(self):
        """The labels, a DataFrame with n_songs rows; without a CSV the one label `folder`."""
        from sound_eval.songs.labels import labels_from_folders, read_joined

        return (
            read_joined(self.names, self.metadata)
            if self.metadata
            else labels_from_folders(self.names)
        )

    def labels(self, name):
        """One label column (n_songs,); raises InputError that names the columns there are."""
        from sound_eval.songs.labels import column

        return column(
            self.table, name, self.metadata or "labels made from folders, as no --metadata is given"
        )

    def labels_of(self, row):
        """The labels of one song as a dict;
        empty where no CSV is given, and for audio from outside (`row` None).
        """
        return (
            {}
            if row is None or not self.metadata
            else self.table.drop(columns="filename").iloc[row].to_dict()
        )

    def entry(self, row, name, similarity):
        """A line of a list, with the song's labels."""
        return Entry(
            row, name, None if similarity is None else float(similarity), self.labels_of(row)
        )

    def audio_path(self, entry):
        """Where the audio of an entry lies."""
        return Path(entry.name) if entry.row is None else on_disk(self.audio_dir, entry.name)

    def query(self, text):
        """The song that `text` names: a song of the run, or an audio file, whose vector
        is then inferred.
        """
        if text not in self.names:
            # behind a sign, as in +~/song.mp3, the shell leaves it to us
            text = os.path.expanduser(text)
        inside = self.inside_audio_dir(text)
        if inside is None and text not in self.names and os.path.isfile(text):
            return Query(None, text, self.infer(text))
        row = find_song(inside or text, self.names)
        return self.song(row)

    def infer(self, path):
        """The unit vector (dim,) of an audio file that the run need not have seen.

        Raises InputError where it cannot be decoded.
        """
        from sound_eval.songs.audio_query import vectors_of_audio

        return unit_vectors(vectors_of_audio(self.run, [path], self.song_vectors, self.made)[0])

    def song(self, row):
        """A song of the run as a query."""
        return Query(row, self.names[row], self.unit[row])

    def inside_audio_dir(self, text):
        """The name of the song whose audio file is at the path `text`, None where it is
        no file of a song.
        """
        if self.audio_dir is None or not os.path.isfile(text):
            return None
        path, root = Path(text).resolve(), Path(self.audio_dir).resolve()
        same = (
            fitting(path.relative_to(root).as_posix(), self.names)
            if path.is_relative_to(root)
            else []
        )
        return self.names[same[0]] if len(same) == 1 else None

    def rules(self, where=(), column=None, max_per=None, drop_duplicates=False):
        """Rules for lists: only songs that have the label for every (column, label) in
        `where`, and at most `max_per` songs of one value of `column`.
        """
        allowed = np.ones(len(self.names), bool)
        for name, label in where:
            allowed &= self._labelled(name, label)
        return Rules(allowed, self.labels(column) if column else None, max_per, drop_duplicates)

    def _labelled(self, column, label):
        """Which songs (n_songs,) have a label; raises InputError where none has."""
        labels = self.labels(column)
        wanted = text_key(label)
        if wanted not in labels:
            given = sorted(set(labels) - {""})
            spelled = [one for one in given if one.casefold() == wanted.casefold()]
            known = spelled or given
            more = " ..." if len(known) > VALUES_SHOWN else ""
            raise InputError(
                f"no song has {column}={wanted}; "
                f"{column} is one of {', '.join(known[:VALUES_SHOWN])}{more}"
            )
        return labels == wanted


def read_song_vectors(path):
    """Names and vectors (n_songs, dim) of a `.npy` file with music_list.txt beside it,
    and what `songs.npy.json` says of them.

    The last is an empty dict where there is no such file. Raises InputError
    where the three do not fit each other; while calc_all_vecs.py is writing them
    it waits a little.
    """
    for _ in range(TRIES):
        vectors, names, made = (
            load_array(path),
            read_music_list(path.with_name(MUSIC_LIST_NAME)),
            description(path),
        )
        problem = misfit(path, vectors, names, made)
        if not problem:
            return names, vectors, made
        time.sleep(TRY_SECONDS)
    raise InputError(f"{path}: {problem}")


def description(path):
    """What the file beside the song vectors at `path` says of them, as a dict;
    empty where there is none.
    """
    try:
        made = json.loads(read_text(_described_in(path), MOST_DESCRIPTION_BYTES))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{_described_in(path)}: not readable ({one_line(error)}); {REMEDY}"
        ) from error
    if not isinstance(made, dict):
        raise InputError(
            f"{_described_in(path)}: expected an object with `kind` and `networks`; {REMEDY}"
        )
    return made


def _described_in(path):
    """The file that says what the song vectors at `path` are."""
    return path.with_name(f"{path.name}.json")


def misfit(path, vectors, names, made):
    """What does not fit between song vectors, music list and description, or ''.

    A former version noted no digests.
    """
    if vectors.ndim != 2 or len(vectors) != len(names):
        songs = f"the {len(names)} songs of {MUSIC_LIST_NAME} beside it"
        return f"shape {vectors.shape} does not fit {songs}"
    if made.get("songs", _digest_of_names(names)) != _digest_of_names(names):
        return (
            f"{MUSIC_LIST_NAME} beside it holds other songs than those it was made with; {REMEDY}"
        )
    if "vectors" in made and made["vectors"] != _digest_of_vectors(vectors):
        return f"not the vectors that {path.name}.json beside it speaks of; {REMEDY}"
    return ""


def _digest_of_names(names):
    """A text that differs for other songs, or the same in another order."""
    return hashlib.sha256(music_list_text(names).encode()).hexdigest()


def _digest_of_vectors(vectors):
    """A text that differs for other vectors."""
    return hashlib.sha256(np.ascontiguousarray(vectors, np.float32).data).hexdigest()


def check_song_vectors(path, names=None):
    """Raise InputError where saving song vectors at `path` would replace what is not theirs.

    With the `names` of the songs also where another file of song vectors there belongs
    to the same music list and these are other songs.
    """
    check_output(path, KIND)
    check_output(_described_in(path), KIND)
    music_list = path.with_name(MUSIC_LIST_NAME)
    if names is None or not os.path.lexists(music_list) or _same_songs(music_list, names):
        return
    check_output(music_list, KIND)
    if others := _others_beside(path):
        raise InputError(
            f"{path}: {music_list} holds other songs and belongs to {others[0]} as well; "
            "give another folder"
        )


def _same_songs(music_list, names):
    """Whether a music list holds just these songs."""
    try:
        return read_music_list(music_list) == list(names)
    except InputError:
        return False


def _others_beside(path):
    """Names of the other files of song vectors in the folder of `path`."""
    recorded = {str(line.get("name")) for line in lines_of_kind(path.parent, KIND)}
    described = {one.name.removesuffix(".json") for one in path.parent.glob("*.npy.json")}
    names = {name for name in recorded | described if name.endswith(".npy")} - {path.name}
    return sorted(name for name in names if path.with_name(name).is_file())


def save_song_vectors(path, names, vectors, kind, networks):
    """Write vectors (n_songs, dim) with what belongs beside them, last what says how
    they were made and of which songs.

    Raises InputError as `check_song_vectors`.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    check_song_vectors(path, names)
    with write_output(path, KIND) as file:
        write_array(file, vectors)
    music_list = path.with_name(MUSIC_LIST_NAME)
    if not (music_list.exists() and _same_songs(music_list, names)):
        with write_output(music_list, KIND) as file:
            file.write(music_list_text(names).encode())
    made = {
        "kind": kind,
        "networks": networks.digest(),
        "songs": _digest_of_names(names),
        "vectors": _digest_of_vectors(vectors),
    }
    with write_output(_described_in(path), KIND) as file:
        file.write(f"{json.dumps(made)}\n".encode())
