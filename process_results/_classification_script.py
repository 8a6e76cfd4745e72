"""What the scripts that classify share: their options, and what they print and write."""

from pathlib import Path

from sound_eval.cli import seed_number, whole_number
from sound_eval.evaluation.classification import MODELS
from sound_eval.evaluation.comparison import choose_protocol, compare
from sound_eval.evaluation.report import check_report, report_text, write_report
from sound_eval.songs.labels import FILENAME


def add_options(parser):
    """The options of every script that classifies."""
    parser.add_argument(
        "--model", choices=MODELS, default="svm", help="classifier (default: linear SVM)"
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="column to predict (default: genre, genre_top, … or the only one that can be a label)",
    )
    splits = parser.add_mutually_exclusive_group()
    splits.add_argument(
        "--group",
        metavar="COLUMN",
        help="column whose values never lie on both sides of a split, such as artist",
    )
    splits.add_argument(
        "--split",
        metavar="COLUMN",
        help="column with an official split: training, validation, test",
    )
    parser.add_argument(
        "--folds",
        # so that the training part can be split again
        type=whole_number(3),
        default=5,
        help="folds of the cross-validation (default: 5)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.md, report.json, confusion.png and predictions.csv there",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of the folds and of the bootstrap (default: 0)"
    )


def check_outputs_of(args, read):
    """Raise InputError where the report that is asked for cannot be written; `read` are
    the files that the script reads.
    """
    if args.report:
        check_report(args.report, read)


def protocol_of(songs, args):
    """The Protocol that the options ask for."""
    return choose_protocol(songs, args.label, args.group, args.split, args.folds, args.seed)


def compare_and_report(protocol, features, songs, args):
    """Compare `features`, name -> vectors, print the results, and write them where the
    options ask for it.
    """
    results = compare(protocol, features, args.model, args.seed)
    print(report_text(protocol, results))
    if args.report:
        names = songs.table[FILENAME]
        for path in write_report(args.report, protocol, results, names, args.model):
            print("wrote", path)
