"""Songs with their labels and vectors, as every script that evaluates vectors reads them.

Conventions
-----------
Row i of the vectors (n_songs, dim), of the names (n_songs,) and of the table belongs
to one song, line i of the music list. A label is text; the empty string means that
the song has none.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sound_eval.errors import InputError
from sound_eval.files.trees import load_array, read_music_list
from sound_eval.songs.labels import FILENAME, FOLDER, column, read_joined

LABEL_COLUMNS = (
    "genre",
    "genre_top",
    "style",
    "label",
    "album",
    "artist",
    FOLDER,
)  # tried in this order without --label
TEXT_COLUMNS = (
    FILENAME,
    "title",
    "citation",
)  # never labels: nearly every song has a value of its own


@dataclass(frozen=True)
class LabelledSongs:
    """Names (n_songs,) and the metadata rows (n_songs) that belong to them;
    `source` is the CSV, for messages.
    """

    names: list
    table: pd.DataFrame
    source: str

    def __len__(self):
        return len(self.names)

    def values(self, name):
        """A column (n_songs,) without outer blanks;
        raises InputError where there is no such column or it is empty.
        """
        values = column(self.table, name, self.source)
        if not (values != "").any():
            raise InputError(
                f"{self.source}: column {name!r} is empty for all of the {len(self)} songs"
            )
        return values


def read_labelled(metadata_path, music_list_path):
    """Read a music list and the metadata of its songs; prints what does not fit between the two."""
    names = read_music_list(music_list_path)
    return LabelledSongs(names, read_joined(names, metadata_path), str(metadata_path))


def read_vectors(path, names):
    """Vectors (n_songs, dim) float64;
    raises InputError where they do not fit the music list or hold NaN or infinity.
    """
    vectors = load_array(path)
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise InputError(
            f"{path}: shape {vectors.shape} does not fit the {len(names)} songs of the music list; "
            "are both from one run?"
        )
    if not vectors.shape[1] or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: {vectors.shape[1]} values of type {vectors.dtype} for each song, "
            "expected numbers; is it a file of vectors?"
        )
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise InputError(
            f"{path}: the vector of {names[int(bad.argmax())]!r} holds NaN or infinity "
            f"({bad.sum()} such songs)"
        )
    return vectors.astype(np.float64)


def choose_label_column(table, source):
    """The column to use where none is named: the first of `LABEL_COLUMNS` that tells
    songs apart, or the only one that can be a label.

    A column tells songs apart where at least half of the songs have a value and not all
    the same. Raises InputError where there is no candidate or several.
    """
    candidates = [name for name in table.columns if name not in TEXT_COLUMNS]
    usual = [name for name in LABEL_COLUMNS if name in candidates]
    telling = [name for name in usual if tells_apart(table[name])] or usual
    if telling:
        return telling[0]
    if len(candidates) != 1:
        raise InputError(
            f"{source}: which column is the label? Name one; "
            f"there are {', '.join(candidates) or 'none'}"
        )
    return candidates[0]


def tells_apart(values):
    """Whether at least half of the songs have a value, and not all the same."""
    given = values.str.strip()
    given = given[given != ""]
    return 2 * len(given) >= len(values) and given.nunique() > 1
