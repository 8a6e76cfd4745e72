"""Synthesize a small labelled music collection to try sound-eval on: eight styles,
every piece composed from its own seed.

Half of the pieces are MP3, half WAV; `labels.csv` beside them holds filename, genre,
title and citation. The same arguments give the same music, and a second run makes only
what is missing.
"""

import sound_eval.interrupts  # noqa: F401  first: Ctrl-C while the rest loads is one line

import shutil
from pathlib import Path

from example_music.collection import (
    LABELS,
    SHORTEST_SECONDS,
    claim_folder,
    compose,
    labels_text,
    plan,
)
from example_music.styles import STYLES
from sound_eval.cli import (
    positive_int,
    positive_number,
    print_next,
    run_main,
    script_parser,
    seed_number,
    whole_number,
)
from sound_eval.errors import InputError


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, "example:\n  python make_example_music.py example_input/")
    parser.add_argument("folder", type=Path, help="where the music goes")
    parser.add_argument(
        "--styles",
        type=whole_number(1, len(STYLES)),
        default=len(STYLES),
        metavar="N",
        help=f"how many of the {len(STYLES)} styles (default: all)",
    )
    parser.add_argument(
        "--pieces",
        type=positive_int,
        default=12,
        metavar="N",
        help="pieces of each style (default: 12)",
    )
    parser.add_argument(
        "--seconds",
        type=positive_number,
        default=25.0,
        metavar="S",
        help="mean length; pieces differ by up to a fifth (default: 25)",
    )
    parser.add_argument(
        "--seed",
        type=seed_number,
        default=0,
        help="another seed gives another collection (default: 0)",
    )
    args = parser.parse_args(argv)
    if args.seconds < SHORTEST_SECONDS:
        parser.error(f"--seconds is {args.seconds:g}, expected at least {SHORTEST_SECONDS:g}")
    return args


def main(argv=None):
    """Plan the collection, then make what is missing, one process per core."""
    args = parse_arguments(argv)
    if shutil.which("ffmpeg") is None:
        raise InputError("ffmpeg is not installed; `make setup` installs it, or says how")
    pieces = plan(args.styles, args.pieces, args.seconds, args.seed)
    claim_folder(args.folder, pieces, labels_text(pieces, args.seed))
    missing = [piece for piece in pieces if not (args.folder / piece.name).exists()]
    compose(args.folder, missing)
    print(
        f"wrote {args.folder}: {len(missing)} pieces, {len(pieces) - len(missing)} were there; "
        f"labels in {args.folder / LABELS}"
    )
    print_next(
        "python",
        "spectrify_all.py",
        args.folder,
        "example_vectors/",
        "--config=configs/small_train.yaml",
    )


if __name__ == "__main__":
    run_main(main)
