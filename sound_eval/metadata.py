"""Songs and their labels: the one join of a music list with a metadata CSV, used by every downstream script.

The CSV has a `filename` column, relative to the audio folder (`000/000002.mp3`), and any further columns; all values are
read as text, and a value that is missing is the empty string.
"""
import csv
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sound_eval.cli import InputError, warn
from sound_eval.trees import audio_name

FILENAME = "filename"
FOLDER = "folder"  # the column that labels_from_folders makes


@dataclass(frozen=True)
class JoinReport:
    """What did not fit between a music list and a CSV."""

    n_songs: int
    without_row: int  # songs that the CSV does not name
    without_song: int  # rows of the CSV that name no song of the list
    duplicates: int  # rows of the CSV that name a song named before; the first row counts

    def print_warnings(self, source):
        """One line on stderr for each kind of misfit."""
        if self.without_row:
            warn(f"{source}: {self.without_row} of {self.n_songs} songs have no row; they are without labels")
        if self.without_song:
            warn(f"{source}: {self.without_song} rows name no song of the music list; they are left out")
        if self.duplicates:
            warn(f"{source}: {self.duplicates} rows name a song for the second time; the first row counts")


def read_metadata(path):
    """The CSV as a DataFrame of text, with a `filename` column. Raises InputError that names the file and what is wrong."""
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = file.readline()
            separator = max(",;\t", key=header.count)
            file.seek(0)
            table = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, quoting=csv.QUOTE_MINIMAL, index_col=False)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except pd.errors.ParserWarning as error:  # pandas would drop what is too much
        raise InputError(f"{path}: rows have more values than the header has names; a value with {separator!r} in it needs quotes") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not readable as CSV: {error}") from error
    if FILENAME not in table.columns:
        raise InputError(f"{path}: no column `{FILENAME}`; found {', '.join(table.columns[:8])}")
    return table


def join(names, table):
    """Rows of `table` in the order of `names`: a DataFrame with n_songs rows, and a JoinReport.

    `names` are lines of a music list (with or without `.npy`). The `filename` column of the result holds the audio names.
    """
    songs = [audio_name(name) for name in names]
    keys = table[FILENAME].str.removeprefix("./")
    duplicated = keys.duplicated()
    rows = table.assign(**{FILENAME: keys})[~duplicated].set_index(FILENAME)
    known = set(songs)
    report = JoinReport(
        n_songs=len(songs),
        without_row=sum(song not in rows.index for song in songs),
        without_song=sum(name not in known for name in rows.index),
        duplicates=int(duplicated.sum()),
    )
    if report.without_row == len(songs):
        row = f"rows like {keys.iloc[0]!r}" if len(keys) else "the CSV has no rows"
        raise InputError(f"none of the {len(songs)} songs has a row; songs are named like {songs[0]!r}, {row}")
    joined = rows.reindex(songs).fillna("")
    return joined.rename_axis(FILENAME).reset_index(), report


def read_joined(names, path):
    """Read a CSV and join it with a music list, printing what does not fit. Returns a DataFrame with n_songs rows."""
    try:
        table, report = join(names, read_metadata(path))
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    report.print_warnings(path)
    return table


def labels_from_folders(names):
    """Labels for songs without a CSV: the column `folder` is the top folder of each song, '' for songs outside any."""
    songs = [audio_name(name) for name in names]
    return pd.DataFrame({FILENAME: songs, FOLDER: [song.split("/")[0] if "/" in song else "" for song in songs]})


def column(table, name, source):
    """The values of a label column; raises InputError that names the columns there are."""
    if name not in table.columns:
        raise InputError(f"{source}: no column {name!r}; it has {', '.join(c for c in table.columns if c != FILENAME)}")
    return table[name].to_numpy(object)
