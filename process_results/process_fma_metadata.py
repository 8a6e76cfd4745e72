"""Turn the metadata of the Free Music Archive data set (FMA, Defferrard et al. 2017)
into a metadata CSV of ours.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import re
from pathlib import Path

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs
from sound_eval.files.tables import write_csv

EXAMPLE = """\
example, on your own files:
  python process_results/process_fma_metadata.py fma_metadata/ fma_small.csv --subset small

FMA_METADATA_DIR is what fma_metadata.zip unpacks to; it holds tracks.csv and genres.csv. The columns of the CSV are filename,
genre_top, genres, title, artist, album, license, split (training, validation, test) and citation.
"""
KIND = "FMA's labels"  # of the output
SUBSETS = {
    "small": ["small"],
    "medium": ["small", "medium"],
    "large": None,
    "full": None,
}  # None: every track; both hold 106,574
SOURCES = {  # column of ours -> column of tracks.csv
    "genre_top": ("track", "genre_top"),
    "genres": ("track", "genres"),
    "title": ("track", "title"),
    "artist": ("artist", "name"),
    "album": ("album", "title"),
    "license": ("track", "license"),
    "split": ("set", "split"),
    "subset": ("set", "subset"),
}


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "fma_metadata",
        type=Path,
        metavar="FMA_METADATA_DIR",
        help="folder with tracks.csv and genres.csv",
    )
    parser.add_argument("output", type=Path, metavar="OUT.csv", help="the CSV to write")
    parser.add_argument(
        "--subset",
        choices=SUBSETS,
        default="small",
        help="tracks of which FMA archive (default: small)",
    )
    return parser.parse_args(argv)


def read_table(folder, name, **kwargs):
    """One CSV of the data set, all text.

    Raises InputError where it is missing or is something else.
    """
    import pandas as pd

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


def read_tracks(folder, subset):
    """Our columns of tracks.csv for one subset, a DataFrame indexed by the
    track's number as text.
    """
    tracks = read_table(folder, "tracks.csv", index_col=0, header=[0, 1])
    missing = [" ".join(column) for column in SOURCES.values() if column not in tracks.columns]
    if missing:
        raise InputError(
            f"{folder / 'tracks.csv'}: no column {missing[0]!r}; "
            "is it the tracks.csv of fma_metadata.zip?"
        )
    table = tracks[list(SOURCES.values())].set_axis(list(SOURCES), axis=1)
    # names hold line breaks and runs of blanks
    table = table.apply(lambda column: column.str.split().str.join(" "))
    return table[table["subset"].isin(SUBSETS[subset])] if SUBSETS[subset] else table


def read_genres(folder):
    """Genre number as text -> its title."""
    genres = read_table(folder, "genres.csv")
    if not {"genre_id", "title"} <= set(genres.columns):
        raise InputError(
            f"{folder / 'genres.csv'}: no columns genre_id and title; "
            "is it the genres.csv of fma_metadata.zip?"
        )
    return dict(zip(genres["genre_id"], genres["title"], strict=True))


def genre_names(text, titles):
    """`[21, 103]` as the names of the genres, joined by semicolons;
    a number without a title stays a number.
    """
    return "; ".join(titles.get(number, number) for number in re.findall(r"\d+", text))


def clip_name(track):
    """The clip of a track: `2` -> `000/000002.mp3`."""
    return f"{int(track) // 1000:03d}/{int(track):06d}.mp3"


def main(argv=None):
    """Read, join, write."""
    args = parse_arguments(argv)
    check_outputs(
        {args.output: KIND}, [args.fma_metadata / "tracks.csv", args.fma_metadata / "genres.csv"]
    )
    table, titles = read_tracks(args.fma_metadata, args.subset), read_genres(args.fma_metadata)
    table.insert(0, "filename", [clip_name(track) for track in table.index])
    table["genres"] = [genre_names(text, titles) for text in table["genres"]]
    table["citation"] = [
        f"{row.artist}: {row.title}"
        + (f", {row.album}" if row.album else "")
        + (f". {row.license}" if row.license else "")
        for row in table.itertuples()
    ]
    shown = table.drop(columns="subset")
    write_csv(args.output, KIND, shown.columns, shown.itertuples(index=False, name=None))
    labelled, splits = (table["genre_top"] != "").sum(), table["split"].value_counts()
    print(
        f"wrote {args.output}: {len(table)} tracks, {labelled} with a genre_top; "
        + ", ".join(f"{n} {name}" for name, n in splits.items())
    )
    print_next("python", "spectrify_all.py", f"fma_{args.subset}/", f"fma_{args.subset}_vectors/")


if __name__ == "__main__":
    run_main(main)
