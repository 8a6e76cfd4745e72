"""How well frame vectors, pooled over each song, tell labels;
beside the song vectors of the run, on the same splits.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

from pathlib import Path

import numpy as np

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.evaluation import report
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.files.trees import log_mel_name, walk_songs
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labelled import LabelledSongs
from sound_eval.songs.labels import FILENAME, read_joined
from sound_eval.terminal import warn

EXAMPLE = """\
example:
  python process_results/vecwise_regress.py example_input/labels.csv example_word_vectors/ --run-dir example_outs/ --label genre

FRAME_VECTORS_DIR is the tree that calc_all_vecs.py writes, or any tree of .npy files (n_frames, dim), a log-mel tree included.
"""
POOLINGS = {
    "mean": "mean of frame vectors",
    "mean + deviation": "frame vectors' mean + deviation",
}  # pooling -> its name in the table


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "metadata", type=Path, metavar="METADATA.csv", help="CSV with a filename column and labels"
    )
    parser.add_argument(
        "frame_vectors",
        type=Path,
        metavar="FRAME_VECTORS_DIR",
        help="tree of frame vectors, one .npy file per song",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="run folder: adds its song vectors, for the songs that both hold",
    )
    report.add_options(parser)
    return parser.parse_args(argv)


def frame_files(tree):
    """Names of the songs of a tree of frame vectors, without the song vectors that
    calc_all_vecs.py may have put among them.
    """
    names = [
        name for name in walk_songs(tree) if not (tree / f"{log_mel_name(name)}.json").is_file()
    ]
    if not names:
        raise InputError(
            f"{tree}: holds no frame vectors; give the folder that calc_all_vecs.py wrote"
        )
    return names


def shared_songs(names, run):
    """The names that the run, a Snapshot, holds as well, and their song vectors (n, dim)."""
    rows = {name: row for row, name in enumerate(run.names)}
    shared = [name for name in names if name in rows]
    if not shared:
        raise InputError(
            f"{run.path}: none of the {len(names)} songs is in its music list, "
            f"songs are named like {names[0]!r}; is it another run?"
        )
    if len(shared) < len(names):
        warn(
            f"{len(names) - len(shared)} of {len(names)} songs are not in the music list of "
            f"{run.path}; they are left out"
        )
    return shared, run.vectors[[rows[name] for name in shared]].astype(np.float64)


def main(argv=None):
    """Pool, evaluate, print, write."""
    args = parse_arguments(argv)
    report.check_report(args, [args.metadata])
    names, features = frame_files(args.frame_vectors), {}
    if args.run_dir:
        run = RunFolder(args.run_dir).snapshot()
        names, features["song vectors"] = shared_songs(names, run)
    songs = LabelledSongs(names, read_joined(names, args.metadata), str(args.metadata))
    task = report.task_of(songs, args)

    from sound_eval.evaluation.pooling import pool_tree

    pooled = pool_tree(args.frame_vectors, names, POOLINGS, "reading frame vectors")
    features = {POOLINGS[pooling]: vectors for pooling, vectors in pooled.items()} | features
    report.report(
        task, report.evaluate(task, features, args.model, args.seed), songs.table[FILENAME], args
    )
    run_dir = args.run_dir or Path("RUN_DIR")
    vectors = run.vectors_path if args.run_dir else run_dir / "vector_at_X.npy"
    print_next(
        "python",
        "process_results/sphere_kmeans.py",
        args.metadata,
        run_dir / MUSIC_LIST_NAME,
        vectors,
        "--csv-column",
        task.column,
    )


if __name__ == "__main__":
    run_main(main)
