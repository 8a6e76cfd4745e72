"""How well song vectors tell labels:
held-out scores of a classifier, beside those of trivial features and guesses.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
from pathlib import Path

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.evaluation import report
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labelled import read_labelled, read_vectors
from sound_eval.songs.labels import FILENAME

EXAMPLE = """\
example:
  python process_results/logistic_regress.py example_input/labels.csv example_outs/music_list.txt \\
      example_outs/vector_at_$(cat example_outs/epoc_num.txt).npy --label genre \\
      --log-mel-dir example_vectors/ --report example_results/report/
"""
BASELINES = {
    "mean + deviation": "log-mel mean + deviation",
    "MFCC statistics": "MFCC statistics",
}  # pooling -> its name in the table


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("metadata", type=Path, help="CSV with a filename column and labels")
    parser.add_argument("music_list", type=Path, help="music_list.txt of the run folder")
    parser.add_argument("vectors", type=Path, help="vector_at_X.npy of the run folder")
    report.add_options(parser)
    parser.add_argument(
        "--log-mel-dir",
        dest="vectors_dir",
        type=Path,
        metavar="DIR",
        help="log-mel tree: adds the figures of trivial features and of random weights",
    )
    # the former name of --log-mel-dir
    parser.add_argument("--vectors-dir", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def features_of(args, names):
    """The vectors to evaluate, name -> (n_songs, dim), with the baselines if there
    is a log-mel tree.
    """
    features = {"song vectors": read_vectors(args.vectors, names)}
    if args.vectors_dir:
        from sound_eval.evaluation.pooling import pool_tree

        pooled = pool_tree(args.vectors_dir, names, BASELINES, "reading log-mel")
        features |= {BASELINES[pooling]: vectors for pooling, vectors in pooled.items()}
        features |= random_weights(args, names)
    return features


def random_weights(args, names):
    """The vectors that the run's model gives before training, where the vectors lie in
    a run folder with its weights.
    """
    from sound_eval.model.state import read_weights

    folder = RunFolder(args.vectors.parent)
    if not folder.exists():
        return {}
    run = folder.snapshot()
    weights = read_weights(run)
    if not {"mean", "deviation"} <= weights.keys():
        return {}
    from sound_eval.model.untrained import inputs_of, untrained_vectors

    inputs = inputs_of(args.vectors_dir, names, run.config)
    return {
        "random weights": untrained_vectors(
            inputs, weights["mean"], weights["deviation"], run.config, args.seed
        )
    }


def main(argv=None):
    """Evaluate, print, write."""
    args = parse_arguments(argv)
    report.check_report(args, [args.metadata, args.music_list, args.vectors])
    songs = read_labelled(args.metadata, args.music_list)
    task = report.task_of(songs, args)
    features = features_of(args, songs.names)
    report.report(
        task, report.evaluate(task, features, args.model, args.seed), songs.table[FILENAME], args
    )
    print_next(
        "python",
        "process_results/sphere_kmeans.py",
        args.metadata,
        args.music_list,
        args.vectors,
        "--csv-column",
        task.column,
    )


if __name__ == "__main__":
    run_main(main)
