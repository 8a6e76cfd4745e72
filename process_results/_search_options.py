"""The command line of similar_songs.py: verbs, their options, and which go together."""

import argparse
import re

from sound_eval.cli import positive_int

UNIT_SECONDS = {"h": 3600, "min": 60, "m": 60, "s": 1}
TERMS_HELP = (
    "+ or - and a song, without a space: +A adds the unit vector of A, -A takes it away, A alone "
    "adds. A song whose own name begins with a sign keeps it behind the first: --x.mp3 takes "
    "-x.mp3 away, and -./--top takes away a song that is spelled like an option"
)


def seconds_from_text(text):
    """The `type` of --length: `60min`, `1h30min` or `90s` as seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)", text.strip().lower())
    understood = "".join(number + unit for number, unit in parts)
    if not parts or understood != re.sub(r"\s", "", text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected something like 60min, 1h30min or 90s")
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)


def condition(text):
    """The `type` of --where: `COLUMN=VALUE` as (column, value)."""
    column, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r}: expected COLUMN=VALUE")
    return column, value


def share(text):
    """The `type` of --drift: a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 1")
    return number


class ColumnAndNumber(argparse.Action):
    """The `action` of --max-per: `artist 2` as (column, number)."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Check and store."""
        column, number = values
        if not re.fullmatch("0*[1-9][0-9]{0,8}", number):
            raise argparse.ArgumentError(
                self,
                f"{column} {number}: expected a column and a number of songs: --max-per artist 2",
            )
        setattr(namespace, self.dest, (column, int(number)))


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
        metavar="DIR", help="the log-mel tree, which tells durations without opening audio"
    ),
    # the former name of --log-mel-dir
    "--vectors-dir": dict(dest="log_mel_dir", help=argparse.SUPPRESS),
    "--top": dict(type=positive_int, default=10, metavar="N", help="songs in a list (default 10)"),
    "--where": dict(
        action="append",
        type=condition,
        default=[],
        metavar="COLUMN=VALUE",
        help="only songs with this label; may be given again",
    ),
    "--max-per": dict(
        nargs=2,
        action=ColumnAndNumber,
        default=(None, None),
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
PATH_OPTIONS = {
    "--steps": dict(
        type=positive_int,
        metavar="N",
        help="steps from the first song to the last (default: one less than --top)",
    ),
}
PLAYLIST_OPTIONS = {
    "--length": dict(
        type=seconds_from_text,
        metavar="TIME",
        help="how long it lasts at least: 60min, 1h30min; needs --log-mel-dir or --audio-dir",
    ),
    "--drift": dict(
        type=share,
        default=0.3,
        help="0 stays around SONG, 1 always goes on from the last song (default 0.3)",
    ),
}
STATS_OPTIONS = {
    "--neighbours": dict(
        type=positive_int,
        default=10,
        metavar="K",
        help="length of the neighbour lists (default 10)",
    ),
    "--same": dict(metavar="COLUMN", help="also: how many neighbours have the same label"),
    "--apart": dict(
        metavar="COLUMN", help="songs of the same label are left out of each other's lists"
    ),
}
# verb -> what it does, its songs, its options
VERBS = {
    "near": (
        "the songs nearest to each SONG",
        dict(nargs="+", metavar="SONG"),
        LIST_OPTIONS,
    ),
    "like": (
        "the songs nearest to a sum of songs, which are left out themselves: +A +B -C",
        dict(nargs="+", metavar="TERM", help=TERMS_HELP),
        LIST_OPTIONS,
    ),
    "path": (
        "a walk from one song to another through songs between them, in even steps",
        dict(nargs=2, metavar="SONG"),
        LIST_OPTIONS | PATH_OPTIONS,
    ),
    "playlist": (
        "a list that begins with SONG and drifts away from it, no song twice",
        dict(nargs=1, metavar="SONG"),
        LIST_OPTIONS | PLAYLIST_OPTIONS,
    ),
    "stats": (
        "hubs, songs that are nobody's neighbour, intrinsic dimension",
        None,
        RUN_OPTIONS | STATS_OPTIONS,
    ),
}


def parse_arguments(parser, argv):
    """Read the command line: a verb, a run folder, songs, options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (text, songs, options) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        verb.add_argument("run_dir", metavar="RUN_DIR", help="what spectrogram_doc2vec.py wrote")
        for option, settings in options.items():
            verb.add_argument(option, **settings)
        if songs:
            verb.add_argument("songs", **songs)
    if argv[:1] == ["like"]:
        argv = ["like", *separate_terms(argv[1:])]
    args = parser.parse_args(argv)
    if args.verb != "stats" and (mistake := misfit(args)):
        verbs.choices[args.verb].error(mistake)
    return args


def misfit(args):
    """Which options of a list do not go together, and why; '' where all do."""
    if args.json and args.csv:
        return "--json and --csv both print to the terminal; give one of them"
    if args.m3u8 and not args.audio_dir:
        return "--m3u8 needs --audio-dir, the folder that its paths lead to"
    if args.index and args.mutual_proximity:
        return "--index searches by cosine; leave --mutual-proximity out"
    is_timed = args.verb == "playlist" and args.length is not None
    if is_timed and not (args.log_mel_dir or args.audio_dir):
        return "--length needs to know how long songs last: give --log-mel-dir or --audio-dir"
    return ""


def separate_terms(argv):
    """The arguments of `like` with options first and everything else behind `--`, so
    that -C is no option for argparse.
    """
    options = []
    others = []
    values_left = 0
    for argument in argv:
        name, sign, _ = argument.partition("=")
        if values_left:
            options.append(argument)
            values_left -= 1
        elif argument in ("-h", "--help") or name in LIST_OPTIONS:
            options.append(argument)
            values_left = 0 if sign else values_of(name)
        elif argument != "--":
            others.append(argument)
    return [*options, "--", *others]


def values_of(option):
    """How many values stand behind an option of a list."""
    settings = LIST_OPTIONS.get(option, {"action": "help"})
    if settings.get("action") in ("store_true", "help"):
        return 0
    return settings.get("nargs", 1)
