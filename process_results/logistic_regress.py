"""How well song vectors tell labels: held-out scores of a classifier, beside those of
trivial features and guesses.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
from pathlib import Path

import _classification_script as shared

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.search.vectors import read_vectors
from sound_eval.songs.labels import read_labelled

EXAMPLE = """\
example:
  python process_results/logistic_regress.py example_input/labels.csv \\
      example_outs/music_list.txt example_outs/vector_at_$(cat example_outs/epoc_num.txt).npy \\
      --label genre --log-mel-dir example_vectors/ --report example_results/report/
"""


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("metadata", type=Path, help="CSV with a filename column and labels")
    parser.add_argument("music_list", type=Path, help="music_list.txt of the run folder")
    parser.add_argument("vectors", type=Path, help="vector_at_X.npy of the run folder")
    shared.add_options(parser)
    parser.add_argument(
        "--log-mel-dir",
        type=Path,
        metavar="DIR",
        help="log-mel tree: adds the figures of trivial features and of the model before training",
    )
    # the former name of --log-mel-dir
    parser.add_argument("--vectors-dir", dest="log_mel_dir", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    """Compare, print, write."""
    args = parse_arguments(argv)
    shared.check_outputs_of(args, [args.metadata, args.music_list, args.vectors])
    songs = read_labelled(args.metadata, args.music_list)
    protocol = shared.protocol_of(songs, args)
    features = {"song vectors": read_vectors(args.vectors, songs.names)}
    if args.log_mel_dir:
        from sound_eval.evaluation.baselines import baselines

        features |= baselines(args.log_mel_dir, songs.names, args.vectors.parent, args.seed)
    shared.compare_and_report(protocol, features, songs, args)
    print_next(
        "python",
        "process_results/sphere_kmeans.py",
        args.metadata,
        args.music_list,
        args.vectors,
        "--csv-column",
        protocol.column,
    )
    return 0


if __name__ == "__main__":
    run_main(main)
