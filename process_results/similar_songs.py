"""Ask the song vectors of a run: what is near a song, what lies in a sum of songs, a
way between two, a playlist, hubs.

A SONG is the path of a song, a part of the path that fits only one song (in any case),
or its row in music_list.txt; an audio file that the run never saw is turned into a
vector on the spot. All songs of the run are compared, by the cosine of their vectors;
`similarity` is that cosine, in paths and playlists with the song before.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
import json
import os
import re
import sys
from itertools import pairwise

import numpy as np

from sound_eval.audio.durations import Durations
from sound_eval.cli import run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs
from sound_eval.search.faiss_index import FaissIndex
from sound_eval.search.vectors import (
    Cosine,
    MutualProximity,
    Selection,
    combine,
    first,
    hubness,
    intrinsic_dimension,
    neighbours,
    playlist,
    ranked,
    walk,
)
from sound_eval.songs.finding import seconds_from_text
from sound_eval.songs.library import Library
from sound_eval.songs.lists import as_csv, as_json, as_text, save_m3u8
from sound_eval.terminal import Progress, warn

EXAMPLE = """examples:
  python process_results/similar_songs.py near example_outs/ "volume 01/03" --top 5
  python process_results/similar_songs.py like example_outs/ "+volume 01/03" "+volume 02/05" "-volume 03/07"
  python process_results/similar_songs.py path example_outs/ 3 17 --steps 8 --m3u8 example_results/walk.m3u8 --audio-dir example_input/
  python process_results/similar_songs.py playlist example_outs/ 17 --length 15min --audio-dir example_input/ \\
      --metadata example_input/labels.csv --max-per genre 6
  python process_results/similar_songs.py stats example_outs/ --mutual-proximity --metadata example_input/labels.csv --same genre
  python make_example_music.py example_results/new/ --pieces 1 --seed 1      # songs that the run never saw
  python process_results/similar_songs.py near example_outs/ example_results/new/*/*.mp3 --json"""

TERMS_HELP = """+ or - and a song, without a space: +A adds the unit vector of A, -A takes it away, A alone adds. A song whose own name begins
with a sign keeps it behind the first: --x.mp3 takes -x.mp3 away, and -./--top takes away a song that is spelled like an option"""

RUN_OPTIONS = {
    "--metadata": dict(
        metavar="FILE.csv",
        help="labels by `filename`; without it the one label is `folder`, "
        "the top folder of the path",
    ),
    "--song-vectors": dict(
        metavar="FILE.npy",
        help="vectors in place of the run's last ones, with their music_list.txt beside them",
    ),
    "--mutual-proximity": dict(
        action="store_true",
        help="rank by mutual proximity, which keeps hubs from crowding the lists",
    ),
    "--json": dict(action="store_true", help="print JSON"),
}
LIST_OPTIONS = RUN_OPTIONS | {
    "--csv": dict(action="store_true", help="print CSV"),
    "--m3u8": dict(metavar="FILE", help="write the list as a playlist; needs --audio-dir"),
    "--audio-dir": dict(
        metavar="DIR",
        help="the audio folder: for --m3u8, durations, and songs given by the path of their file",
    ),
    "--log-mel-dir": dict(
        dest="vectors_dir",
        metavar="DIR",
        help="the log-mel tree, which tells durations without opening audio",
    ),
    # the former name of --log-mel-dir
    "--vectors-dir": dict(help=argparse.SUPPRESS),
    "--top": dict(type=int, default=10, metavar="N", help="songs in a list (default 10)"),
    "--where": dict(
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only songs with this label; may be given again",
    ),
    "--max-per": dict(
        nargs=2,
        metavar=("COLUMN", "N"),
        help="at most N songs of one value of COLUMN in a list: --max-per artist 2",
    ),
    "--drop-duplicates": dict(
        action="store_true",
        help="leave out copies: songs that are as similar as one recording is to itself",
    ),
    "--index": dict(
        metavar="FILE",
        help="search with a FAISS index, made on first use; approximate, "
        "worth it above a million songs",
    ),
}


def build_parser():
    """The command line: a verb, a run folder, songs."""
    parser = script_parser(__doc__, EXAMPLE)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    near = add_verb(verbs, "near", LIST_OPTIONS, "the songs nearest to each SONG")
    near.add_argument("songs", nargs="+", metavar="SONG")
    like = add_verb(
        verbs,
        "like",
        LIST_OPTIONS,
        "the songs nearest to a sum of songs, which are left out themselves: +A +B -C",
    )
    like.add_argument("songs", nargs="+", metavar="TERM", help=TERMS_HELP)
    path = add_verb(
        verbs,
        "path",
        LIST_OPTIONS,
        "a walk from one song to another through songs between them, in even steps",
    )
    path.add_argument("songs", nargs=2, metavar="SONG")
    path.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="steps from the first song to the last (default: one less than --top)",
    )
    wander = add_verb(
        verbs,
        "playlist",
        LIST_OPTIONS,
        "a list that begins with SONG and drifts away from it, no song twice",
    )
    wander.add_argument("songs", nargs=1, metavar="SONG")
    wander.add_argument(
        "--length",
        metavar="TIME",
        help="how long it lasts at least: 60min, 1h30min; needs --log-mel-dir or --audio-dir",
    )
    wander.add_argument(
        "--drift",
        type=float,
        default=0.3,
        help="0 stays around SONG, 1 always goes on from the last song (default 0.3)",
    )
    stats = add_verb(
        verbs, "stats", RUN_OPTIONS, "hubs, songs that are nobody's neighbour, intrinsic dimension"
    )
    stats.add_argument(
        "--neighbours",
        type=int,
        default=10,
        metavar="K",
        help="length of the neighbour lists (default 10)",
    )
    stats.add_argument(
        "--same", metavar="COLUMN", help="also: how many neighbours have the same label"
    )
    stats.add_argument(
        "--apart",
        metavar="COLUMN",
        help="songs of the same label are left out of each other's lists",
    )
    return parser


def add_verb(verbs, name, options, text):
    """The parser of one verb, with its run folder and options."""
    parser = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("run_dir", metavar="RUN_DIR", help="what spectrogram_doc2vec.py wrote")
    for option, settings in options.items():
        parser.add_argument(option, **settings)
    return parser


def separate_terms(argv):
    """The arguments of `like` with options first and everything else behind `--`, so
    that -C is no option for argparse.
    """
    options, others, values_left = [], [], 0
    for argument in argv:
        name, sign, _ = argument.partition("=")
        if values_left:
            options.append(argument)
            values_left -= 1
        elif argument in ("-h", "--help") or name in LIST_OPTIONS:
            options.append(argument)
            settings = LIST_OPTIONS.get(name, {"action": "help"})
            values_left = (
                0
                if sign
                else settings.get(
                    "nargs", 0 if settings.get("action") in ("store_true", "help") else 1
                )
            )
        elif argument != "--":
            others.append(argument)
    return [*options, "--", *others]


def search_of(args, unit):
    """The search that the arguments ask for."""
    if args.index:
        return FaissIndex(unit, args.index)
    return MutualProximity(unit) if args.mutual_proximity else Cosine(unit)


def rules_of(args, library):
    """The rules for a list that the arguments give."""
    column, limit = args.max_per or (None, None)
    if limit is not None and not re.fullmatch("0*[1-9][0-9]{0,8}", limit):
        raise InputError(
            f"--max-per {column} {limit}: expected a column and a number of songs: "
            "--max-per artist 2"
        )
    return library.rules(args.where, column, int(limit or 0), args.drop_duplicates)


def near(args, library, search):
    """A list for each song."""
    queries = [library.query(text) for text in args.songs]
    return [
        (query.name, nearest(args, library, search, [query], query.vector)) for query in queries
    ]


def like(args, library, search):
    """One list for the sum."""
    signed = [(text[0], text[1:]) if text[:1] in ("+", "-") else ("+", text) for text in args.songs]
    queries = [(sign, term(library, sign, text)) for sign, text in signed]
    vector = combine(
        [query.vector for sign, query in queries if sign == "+"],
        [query.vector for sign, query in queries if sign == "-"],
    )
    title = " ".join(f"{sign}{query.name}" for sign, query in queries)
    return [(title, nearest(args, library, search, [query for _, query in queries], vector))]


def term(library, sign, text):
    """The song of one term; where there is none, an option may be misspelled."""
    try:
        return library.query(text)
    except InputError as error:
        hint = f" (and there is no option {sign}{text})" if (sign + text).startswith("--") else ""
        raise InputError(f"{error}{hint}") from error


def nearest(args, library, search, queries, vector):
    """Entries of the songs nearest to a unit vector, without the songs that were asked for."""
    selection = Selection(library.unit, rules_of(args, library))
    for query in queries:
        selection.leave_out(query.row, query.vector)
    rows = first(ranked(search, vector), args.top, selection)
    return [library.entry(row, library.names[row], library.unit[row] @ vector) for row in rows]


def path(args, library, search):
    """One list from the first song to the last."""
    start, end = (library.query(text) for text in args.songs)
    if start.name == end.name:
        raise InputError(f"{start.name}: a path needs two songs")
    steps = args.steps or max(1, args.top - 1)
    rows = walk(
        search, [(start.row, start.vector), (end.row, end.vector)], steps, rules_of(args, library)
    )
    return [(f"{start.name} to {end.name}", chain(library, start, *map(library.song, rows), end))]


def wander(args, library, search):
    """One list that begins with the song."""
    seed, durations = library.query(args.songs[0]), durations_of(args, library)
    length = seconds_from_text(args.length) if args.length else None
    selection = Selection(library.unit, rules_of(args, library))
    selection.enter(seed.row, seed.vector)
    lengths = [durations.seconds(seed.row, seed.name)] if length is not None else []

    def wanted(rows):
        if length is None:
            return len(rows) < args.top - 1
        lengths.extend(
            durations.seconds(row, library.names[row]) for row in rows[len(lengths) - 1 :]
        )
        return sum(lengths) < length

    rows = playlist(search, seed.vector, selection, args.drift, wanted)
    if wanted(rows):
        warn(f"no song is left; the list ends after {len(rows) + 1} songs")
    return [(f"from {seed.name}", chain(library, seed, *map(library.song, rows)))]


def chain(library, *queries):
    """Entries of songs in a row, each with its similarity to the one before."""
    similarities = [None, *(a.vector @ b.vector for a, b in pairwise(queries))]
    return [
        library.entry(query.row, query.name, similarity)
        for query, similarity in zip(queries, similarities, strict=True)
    ]


def durations_of(args, library):
    """Durations by what the arguments give."""
    return Durations(
        library.run.config if args.vectors_dir else None, args.vectors_dir, args.audio_dir
    )


def write_playlist(args, library, lists):
    """The lists one after the other as M3U8, each song once."""
    durations, entries = (
        durations_of(args, library),
        {entry.name: entry for _, entries in lists for entry in entries}.values(),
    )
    save_m3u8(
        args.m3u8,
        [
            (library.audio_path(entry), entry.title, durations.seconds(entry.row, entry.name))
            for entry in entries
        ],
    )
    print(f"wrote {args.m3u8}: {len(entries)} songs", file=sys.stderr)


def print_stats(args, library):
    """Hubness and what goes with it, for cosine and, where asked for, mutual proximity."""
    searches = {"cosine": Cosine(library.unit)} | (
        {"mutual proximity": MutualProximity(library.unit)} if args.mutual_proximity else {}
    )
    apart, same = (library.labels(name) if name else None for name in (args.apart, args.same))
    with Progress(len(library.names) * len(searches), "song", "comparing") as progress:
        found = {
            name: neighbours(search, args.neighbours, apart, progress.update)
            for name, search in searches.items()
        }
    columns = {
        name: occurrence_stats(library, lists) | (label_stats(lists, same) if args.same else {})
        for name, lists in found.items()
    }
    dimension = intrinsic_dimension(library.unit, found["cosine"])
    columns["cosine"]["intrinsic dimension"] = (
        round(dimension, 2) if np.isfinite(dimension) else None
    )
    if args.json:
        print(json.dumps(columns, ensure_ascii=False, indent=1))
        return 0
    print(
        f"{len(library.names)} songs, vectors of {library.unit.shape[1]}, "
        f"lists of {args.neighbours}"
    )
    print(" " * 50, *(f"{name:>20}" for name in columns))
    for line in columns["cosine"]:
        print(
            f"{line:50}",
            *(
                f"{'' if (value := column.get(line)) is None else value:>20}"
                for column in columns.values()
            ),
        )
    return 0


def occurrence_stats(library, found):
    """How evenly songs occur in neighbour lists, as lines of a report."""
    hubs = hubness(found)
    hub = int(hubs["occurrences"].argmax())
    return {
        "lists that the most frequent neighbour is in": int(hubs["occurrences"][hub]),
        "the most frequent neighbour": library.names[hub],
        "skewness of the occurrences": round(hubs["skewness"], 3),
        "share of songs that are nobody's neighbour": round(hubs["never"], 3),
    }


def label_stats(found, labels):
    """How often neighbours have the same label, as lines of a report;
    songs without a label are not asked.
    """
    labelled = labels != ""
    hits = (labels[found] == labels[:, None])[labelled]
    shares = np.unique(labels[labelled].astype(str), return_counts=True)[1] / labelled.sum()
    return {
        "first neighbours with the same label": round(float(hits[:, 0].mean()), 3),
        "neighbours with the same label": round(float(hits.mean()), 3),
        "songs with the same label, drawn by chance": round(float(np.sum(shares**2)), 3),
    }


VERBS = {"near": near, "like": like, "path": path, "playlist": wander}


def check(args):
    """Raise InputError for options that do not go together or make no sense."""
    for name in ("top", "steps", "neighbours"):
        if (value := getattr(args, name, None)) is not None and value < 1:
            raise InputError(f"--{name} {value}: expected at least 1")
    if args.verb == "stats":
        return
    if args.json and args.csv:
        raise InputError("--json and --csv both print to the terminal; give one of them")
    if args.m3u8 and not args.audio_dir:
        raise InputError("--m3u8 needs --audio-dir, the folder that its paths lead to")
    for option, folder in (("--audio-dir", args.audio_dir), ("--log-mel-dir", args.vectors_dir)):
        if folder and not os.path.isdir(folder):
            raise InputError(f"{folder}: no such folder, given as {option}")
    check_paths(args)
    if args.index and args.mutual_proximity:
        raise InputError("--index searches by cosine; leave --mutual-proximity out")
    if args.verb == "playlist" and not 0 <= args.drift <= 1:
        raise InputError(f"--drift {args.drift:g}: expected a number from 0 to 1")
    if args.verb == "playlist" and args.length and not (args.vectors_dir or args.audio_dir):
        raise InputError(
            "--length needs to know how long songs last: give --log-mel-dir or --audio-dir"
        )


def check_paths(args):
    """Raise InputError where what is to be written would replace something;
    an index that is there is read.
    """
    read = [
        args.metadata,
        args.song_vectors,
        *(text for text in args.songs if os.path.isfile(text)),
    ]
    kinds = {args.m3u8: "playlist"} if args.m3u8 else {}
    if args.index and os.path.lexists(args.index):
        read.append(args.index)
    elif args.index:
        kinds[args.index] = "index"
    check_outputs(kinds, read)


def main(argv=None):
    """Parse, ask, print."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["like"]:
        argv = ["like", *separate_terms(argv[1:])]
    args = build_parser().parse_args(argv)
    check(args)
    if args.verb == "stats":
        return print_stats(args, Library(args.run_dir, args.song_vectors, args.metadata))
    library = Library(args.run_dir, args.song_vectors, args.metadata, args.audio_dir)
    lists = VERBS[args.verb](args, library, search_of(args, library.unit))
    sys.stdout.write((as_json if args.json else as_csv if args.csv else as_text)(lists))
    if args.m3u8:
        write_playlist(args, library, lists)
    return 0


if __name__ == "__main__":
    run_main(main)
