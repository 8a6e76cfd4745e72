"""Songs and their labels: the one join of a music list with a metadata CSV, used by
every downstream script.

The CSV has a `filename` column, relative to the audio folder (`000/000002.mp3`), and
any further columns; all values are read as text, and a value that is missing is the
empty string. Labels are in Unicode's form NFC, so that one artist is one label; file
names stay as they are, and meet the songs' names as `names.name_key` compares them.
"""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sound_eval.errors import InputError
from sound_eval.files.names import look, name_key
from sound_eval.files.tables import read_csv
from sound_eval.terminal import warn

FILENAME = "filename"
FOLDER = "folder"  # the column that labels_from_folders makes
NAMED = 8  # columns named in a message


@dataclass(frozen=True)
class JoinReport:
    """What did not fit between a music list and a CSV."""

    n_songs: int
    without_row: int  # songs that the CSV does not name
    without_song: int  # rows of the CSV that name no song of the list
    duplicates: int  # rows of the CSV that name a song named before; the first row counts
    # songs whose names differ in nothing that the CSV tells
    ambiguous: list = field(default_factory=list)
    hint: str = ""  # what songs without a row and rows without a song have in common

    def print_warnings(self, source):
        """One line on stderr for each kind of misfit."""
        if self.without_row:
            warn(
                f"{source}: {self.without_row} of {self.n_songs} songs have no row; "
                f"they are without labels{self.hint}"
            )
        if self.ambiguous:
            spelled = ", ".join(map(ascii, self.ambiguous[:2]))
            warn(
                f"{source}: {len(self.ambiguous)} songs have names that look alike, "
                f"and no row is exactly theirs: {spelled}"
            )
        if self.without_song:
            warn(
                f"{source}: {self.without_song} rows name no song of the music list; "
                "they are left out"
            )
        if self.duplicates:
            warn(
                f"{source}: {self.duplicates} rows name a song for the second time; "
                "the first row counts"
            )


def read_metadata(path):
    """The CSV as a DataFrame of text, with a `filename` column.

    Raises InputError that names the file and what is wrong.
    """
    columns = read_csv(path, FILENAME)
    names = filename_column(columns, path)
    values = {
        name: column if name == names else [*map(composed, column)]
        for name, column in columns.items()
    }
    return pd.DataFrame(values, dtype=str).rename(columns={names: FILENAME})


def composed(text):
    """A label in Unicode's form NFC."""
    return unicodedata.normalize("NFC", text)


def filename_column(columns, path):
    """The name of the column for file names; raises InputError where there is none, or several."""
    if FILENAME in columns:
        return FILENAME
    found = [name for name in columns if name.casefold() == FILENAME]
    if len(found) > 1:
        raise InputError(f"{path}: which column is `{FILENAME}`? There are {', '.join(found)}")
    if not found:
        more = ", ..." if len(columns) > NAMED else ""
        raise InputError(
            f"{path}: no column `{FILENAME}`; found {', '.join([*columns][:NAMED])}{more}"
        )
    return found[0]


def join(songs, table):
    """Rows of `table` in the order of the names `songs`: a DataFrame with n_songs rows,
    whose `filename` column holds these names, and a JoinReport.

    A song gets the first row that names it exactly, else the first that means it.
    Raises InputError where no song has a row.
    """
    rows = table[FILENAME].tolist()
    found, ambiguous = rows_of(songs, rows)
    without_row = int((found < 0).sum())
    meant = {name_key(song) for song in songs}
    strangers = [name for name in rows if name_key(name) not in meant]
    lonely = [song for song, row in zip(songs, found, strict=True) if row < 0]
    report = JoinReport(
        n_songs=len(songs),
        without_row=without_row,
        without_song=len(strangers),
        duplicates=len(rows)
        - len(strangers)
        - len(set(found[found >= 0]))
        - undecided(rows, ambiguous),
        ambiguous=ambiguous,
        hint=misfit(MISFITS if without_row < len(songs) else WHOLLY, lonely, strangers),
    )
    if without_row == len(songs):
        row = f"rows like {rows[0]!r}" if rows else "the CSV has no rows"
        raise InputError(
            f"none of the {len(songs)} songs has a row; songs are named like {songs[0]!r}, "
            f"{row}{report.hint}"
        )
    joined = (
        table.drop(columns=FILENAME)
        .reset_index(drop=True)
        .reindex(found)
        .fillna("")
        .reset_index(drop=True)
    )
    joined.insert(0, FILENAME, songs)
    return joined, report


def rows_of(songs, rows):
    """The row (n_songs,) of each song, -1 where it has none;
    and the songs that a row means, but not only them.
    """
    exact = {}
    for place, name in enumerate(rows):
        exact.setdefault(name, place)
    known = set(songs)
    loose = {}  # key -> first row of those that are exactly no song's name
    for name, place in exact.items():
        if name not in known:
            loose.setdefault(name_key(name), place)
    wanting = {song: name_key(song) for song in known if song not in exact}
    alike = Counter(wanting.values())
    for song, key in wanting.items():
        if key in loose and alike[key] == 1:
            exact[song] = loose[key]
    ambiguous = sorted(song for song, key in wanting.items() if key in loose and alike[key] > 1)
    return np.array([exact.get(song, -1) for song in songs]), ambiguous


def undecided(rows, ambiguous):
    """How many rows mean songs that are ambiguous."""
    keys = set(map(name_key, ambiguous))
    return sum(name_key(name) in keys for name in rows)


def without_case(name):
    """A name's key in no case."""
    return name_key(name).casefold()


def without_folder(name):
    """The file's own name."""
    return name_key(name).rpartition("/")[2]


def without_suffix(name):
    """A name's key up to its last dot."""
    return os.path.splitext(name_key(name))[0]


MISFITS = (  # what is compared, and what differs where that is the same
    (look, "; {song!a} and {row!a} look alike, but are other letters"),
    (without_case, "; {song!r} and {row!r} differ in upper and lower case alone"),
)
WHOLLY = (  # the same where not one song has a row
    *MISFITS,
    (without_suffix, "; {song!r} and {row!r} differ in the suffix alone"),
    (
        without_folder,
        (
            "; {song!r} and {row!r} differ in their folders: "
            "the names have to begin at the audio folder"
        ),
    ),
)


def misfit(kinds, songs, rows):
    """What a song without a row and a row without a song agree in, as the end of a
    message; '' if there is nothing.
    """
    for same, why in kinds:
        by_key = {same(name): name for name in reversed(rows)}
        for song in songs:
            if (name := by_key.get(same(song))) is not None:
                return why.format(song=song, row=name)
    return ""


def read_joined(names, path):
    """Read a CSV and join it with a music list, printing what does not fit.

    Returns a DataFrame with n_songs rows.
    """
    try:
        table, report = join(names, read_metadata(path))
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    report.print_warnings(path)
    return table


def labels_from_folders(names):
    """Labels for songs without a CSV:
    the column `folder` is the top folder of each song, '' for songs outside any.
    """
    return pd.DataFrame({FILENAME: names, FOLDER: [folder_of(name) for name in names]})


def folder_of(song):
    """The top folder of a song as a label, '' for one outside any."""
    return composed(song.split("/")[0]) if "/" in song else ""


def column(table, name, source):
    """The values of a label column, without blanks around;
    raises InputError that names the columns there are.
    """
    if name not in table.columns:
        same = [other for other in table.columns if other.casefold() == name.strip().casefold()]
        hint = (
            f"did you mean {same[0]!r}?"
            if same
            else f"it has {', '.join(c for c in table.columns if c != FILENAME) or 'no labels'}"
        )
        raise InputError(f"{source}: no column {name!r}; {hint}")
    return np.array([value.strip() for value in table[name]], dtype=object)
