"""Which labels songs have: a music list joined with a metadata CSV, in one way for all
scripts; the column to take for the label; labels from folders.

Conventions
-----------
The CSV has a `filename` column, relative to the audio folder (`000/000002.mp3`), and
any further columns; all values are read as text, and a value that is missing is the
empty string. Row i of a joined table belongs to line i of the music list. Labels are in
Unicode's form NFC, so that one artist is one label; file names stay as they are, and
meet the songs' names as `names.name_key` compares them.
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
from sound_eval.files.trees import read_music_list
from sound_eval.terminal import warn

FILENAME = "filename"
FOLDER = "folder"  # the column that labels_from_folders makes
# tried in this order where no column is named
LABEL_COLUMNS = ("genre", "genre_top", "style", "label", "album", "artist", FOLDER)
# never labels: nearly every song has a value of its own
TEXT_COLUMNS = (FILENAME, "title", "citation")
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
    names = _filename_column(columns, path)
    values = {
        name: column if name == names else [*map(_composed, column)]
        for name, column in columns.items()
    }
    return pd.DataFrame(values, dtype=str).rename(columns={names: FILENAME})


def _composed(text):
    """A label in Unicode's form NFC."""
    return unicodedata.normalize("NFC", text)


def _filename_column(columns, path):
    """The name of the column for file names.

    Raises InputError where there is none, or several.
    """
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


def join_labels(songs, table):
    """Rows of `table` in the order of the names `songs`: a DataFrame with n_songs rows,
    whose `filename` column holds these names, and a JoinReport.

    A song gets the first row that names it exactly, else the first that means it.
    Raises InputError where no song has a row.
    """
    rows = table[FILENAME].tolist()
    found, ambiguous = _rows_of(songs, rows)
    report = _join_report(songs, rows, found, ambiguous)
    if report.without_row == len(songs):
        row = f"rows like {rows[0]!r}" if rows else "the CSV has no rows"
        raise InputError(
            f"none of the {len(songs)} songs has a row; songs are named like {songs[0]!r}, "
            f"{row}{report.hint}"
        )
    labels = table.drop(columns=FILENAME).reset_index(drop=True)
    joined = labels.reindex(found).fillna("").reset_index(drop=True)
    joined.insert(0, FILENAME, songs)
    return joined, report


def _join_report(songs, rows, found, ambiguous):
    """The JoinReport of songs and the names in `rows`, where song i has row found[i]."""
    meant = {name_key(song) for song in songs}
    strangers = [name for name in rows if name_key(name) not in meant]
    lonely = [song for song, row in zip(songs, found, strict=True) if row < 0]
    used = len(set(found[found >= 0]))
    return JoinReport(
        n_songs=len(songs),
        without_row=len(lonely),
        without_song=len(strangers),
        duplicates=len(rows) - len(strangers) - used - _undecided(rows, ambiguous),
        ambiguous=ambiguous,
        hint=_misfit(WHOLLY if len(lonely) == len(songs) else MISFITS, lonely, strangers),
    )


def _rows_of(songs, rows):
    """The row (n_songs,) of each song, -1 where it has none; and the songs that a row
    means, but not only them.
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


def _undecided(rows, ambiguous):
    """How many rows mean songs that are ambiguous."""
    keys = set(map(name_key, ambiguous))
    return sum(name_key(name) in keys for name in rows)


def _without_case(name):
    """A name's key in no case."""
    return name_key(name).casefold()


def _without_folder(name):
    """The file's own name."""
    return name_key(name).rpartition("/")[2]


def _without_suffix(name):
    """A name's key up to its last dot."""
    return os.path.splitext(name_key(name))[0]


# what is compared, and what differs where that is the same
MISFITS = (
    (look, "; {song!a} and {row!a} look alike, but are other letters"),
    (_without_case, "; {song!r} and {row!r} differ in upper and lower case alone"),
)
IN_THEIR_FOLDERS = (
    "; {song!r} and {row!r} differ in their folders: the names have to begin at the audio folder"
)
# the same where not one song has a row
WHOLLY = (
    *MISFITS,
    (_without_suffix, "; {song!r} and {row!r} differ in the suffix alone"),
    (_without_folder, IN_THEIR_FOLDERS),
)


def _misfit(kinds, songs, rows):
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
        table, report = join_labels(names, read_metadata(path))
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    report.print_warnings(path)
    return table


def labels_from_folders(names):
    """Labels for songs without a CSV: the column `folder` is the top folder of each
    song, '' for songs outside any.
    """
    return pd.DataFrame({FILENAME: names, FOLDER: [_folder_of(name) for name in names]})


def _folder_of(song):
    """The top folder of a song as a label, '' for one outside any."""
    return _composed(song.split("/")[0]) if "/" in song else ""


def column(table, name, source):
    """The values (n_songs,) of a label column, without blanks around.

    Raises InputError that names the columns there are; `source` is the CSV, for that.
    """
    if name not in table.columns:
        raise InputError(f"{source}: no column {name!r}; {_columns_like(name, table)}")
    return np.array([value.strip() for value in table[name]], dtype=object)


def _columns_like(name, table):
    """The column that `name` may mean, or those that there are, for a message."""
    wanted = name.strip().casefold()
    same = [other for other in table.columns if other.casefold() == wanted]
    if same:
        return f"did you mean {same[0]!r}?"
    there = [other for other in table.columns if other != FILENAME]
    return f"it has {', '.join(there) or 'no labels'}"


@dataclass(frozen=True)
class LabelledSongs:
    """Names (n_songs,) and the metadata rows (n_songs) that belong to them; `source` is
    the CSV, for messages. A label is text, '' where the song has none.
    """

    names: list
    table: pd.DataFrame
    source: str

    def __len__(self):
        return len(self.names)

    def values(self, name):
        """A column (n_songs,) without outer blanks.

        Raises InputError where there is no such column or it is empty.
        """
        values = column(self.table, name, self.source)
        if not (values != "").any():
            raise InputError(
                f"{self.source}: column {name!r} is empty for all of the {len(self)} songs"
            )
        return values


def read_labelled(metadata_path, music_list_path):
    """Read a music list and the metadata of its songs; prints what does not fit."""
    return labelled(read_music_list(music_list_path), metadata_path)


def labelled(names, metadata_path):
    """The songs of these names with their metadata; prints what does not fit."""
    return LabelledSongs(names, read_joined(names, metadata_path), str(metadata_path))


def choose_label_column(table, source):
    """The column to use where none is named: the first of `LABEL_COLUMNS` that tells
    songs apart, or the only one that can be a label.

    A column tells songs apart where at least half of the songs have a value and not all
    the same. Raises InputError where there is no candidate or several.
    """
    candidates = [name for name in table.columns if name not in TEXT_COLUMNS]
    usual = [name for name in LABEL_COLUMNS if name in candidates]
    telling = [name for name in usual if _tells_apart(table[name])] or usual
    if telling:
        return telling[0]
    if len(candidates) != 1:
        raise InputError(
            f"{source}: which column is the label? Name one; "
            f"there are {', '.join(candidates) or 'none'}"
        )
    return candidates[0]


def _tells_apart(values):
    """Whether at least half of the songs have a value, and not all the same."""
    given = values.str.strip()
    given = given[given != ""]
    return 2 * len(given) >= len(values) and given.nunique() > 1
