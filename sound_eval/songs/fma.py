"""The metadata of the Free Music Archive data set (FMA, Defferrard et al. 2017) as labels
of ours.

Conventions
-----------
The data set is the folder that fma_metadata.zip unpacks to, with tracks.csv and
genres.csv. A track's number is text; its clip is `000/000002.mp3`.
"""

import re

import pandas as pd

from sound_eval.errors import InputError

# subset -> the values of tracks.csv that it holds; None: every track, both hold 106,574
SUBSETS = {
    "small": ["small"],
    "medium": ["small", "medium"],
    "large": None,
    "full": None,
}
# column of ours -> column of tracks.csv
SOURCES = {
    "genre_top": ("track", "genre_top"),
    "genres": ("track", "genres"),
    "title": ("track", "title"),
    "artist": ("artist", "name"),
    "album": ("album", "title"),
    "license": ("track", "license"),
    "split": ("set", "split"),
    "subset": ("set", "subset"),
}


def files_read(folder):
    """The files of the data set that `read_labels` reads."""
    return [folder / "tracks.csv", folder / "genres.csv"]


def read_labels(folder, subset):
    """The labels of the tracks of a subset, a DataFrame with the columns filename, those
    of `SOURCES` without the subset, and citation.

    Raises InputError where a file is missing or is something else.
    """
    table = _read_tracks(folder, subset)
    titles = _read_genres(folder)
    table.insert(0, "filename", [_clip_name(track) for track in table.index])
    table["genres"] = [_genre_names(text, titles) for text in table["genres"]]
    table["citation"] = [_citation(row) for row in table.itertuples()]
    return table.drop(columns="subset")


def _read_table(folder, name, **kwargs):
    """One CSV of the data set, all text."""
    path = folder / name
    if not folder.is_dir():
        raise InputError(
            f"{folder}: {'not a' if folder.exists() else 'no such'} folder; "
            "give the one that fma_metadata.zip unpacks to"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder that fma_metadata.zip unpacks to")
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", **kwargs)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as CSV: {error}") from error


def _read_tracks(folder, subset):
    """Our columns of tracks.csv for one subset, a DataFrame indexed by track."""
    tracks = _read_table(folder, "tracks.csv", index_col=0, header=[0, 1])
    missing = [" ".join(column) for column in SOURCES.values() if column not in tracks.columns]
    if missing:
        raise InputError(
            f"{folder / 'tracks.csv'}: no column {missing[0]!r}; "
            "is it the tracks.csv of fma_metadata.zip?"
        )
    table = tracks[list(SOURCES.values())].set_axis(list(SOURCES), axis=1)
    # names hold line breaks and runs of blanks
    table = table.apply(lambda column: column.str.split().str.join(" "))
    values = SUBSETS[subset]
    return table[table["subset"].isin(values)] if values else table


def _read_genres(folder):
    """Genre number as text -> its title."""
    genres = _read_table(folder, "genres.csv")
    if not {"genre_id", "title"} <= set(genres.columns):
        raise InputError(
            f"{folder / 'genres.csv'}: no columns genre_id and title; "
            "is it the genres.csv of fma_metadata.zip?"
        )
    return dict(zip(genres["genre_id"], genres["title"], strict=True))


def _genre_names(text, titles):
    """`[21, 103]` as the names of the genres, joined by semicolons; a number without a
    title stays a number.
    """
    return "; ".join(titles.get(number, number) for number in re.findall(r"\d+", text))


def _clip_name(track):
    """The clip of a track: `2` -> `000/000002.mp3`."""
    return f"{int(track) // 1000:03d}/{int(track):06d}.mp3"


def _citation(track):
    """Artist, title, album and license of a track, as far as they are known."""
    album = f", {track.album}" if track.album else ""
    license = f". {track.license}" if track.license else ""
    return f"{track.artist}: {track.title}{album}{license}"
