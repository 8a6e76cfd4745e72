"""How well frame vectors, pooled over each song, tell labels; beside the song vectors of
the run, on the same splits.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

from pathlib import Path

import _classification_script as shared

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labels import labelled

EXAMPLE = """\
example:
  python process_results/vecwise_regress.py example_input/labels.csv example_word_vectors/ \\
      --run-dir example_outs/ --label genre

FRAME_VECTORS_DIR is the tree that calc_all_vecs.py writes, or any tree of .npy files
(n_frames, dim), a log-mel tree included.
"""
# pooling -> its name in the table
POOLINGS = {
    "mean": "mean of frame vectors",
    "mean + deviation": "frame vectors' mean + deviation",
}


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
    shared.add_options(parser)
    return parser.parse_args(argv)


def main(argv=None):
    """Pool, compare, print, write."""
    args = parse_arguments(argv)
    shared.check_outputs_of(args, [args.metadata])
    from sound_eval.evaluation import pooling

    names = pooling.frame_files(args.frame_vectors)
    run_dir = args.run_dir or Path("RUN_DIR")
    vectors_path = run_dir / "vector_at_X.npy"
    of_run = {}
    if args.run_dir:
        run = RunFolder(args.run_dir).snapshot()
        vectors_path = run.vectors_path
        names, of_run["song vectors"] = pooling.shared_songs(names, run)
    songs = labelled(names, args.metadata)
    protocol = shared.protocol_of(songs, args)
    pooled = pooling.pool_tree(args.frame_vectors, names, POOLINGS, "reading frame vectors")
    features = {POOLINGS[name]: vectors for name, vectors in pooled.items()} | of_run
    shared.compare_and_report(protocol, features, songs, args)
    print_next(
        "python",
        "process_results/sphere_kmeans.py",
        args.metadata,
        run_dir / MUSIC_LIST_NAME,
        vectors_path,
        "--csv-column",
        protocol.column,
    )
    return 0


if __name__ == "__main__":
    run_main(main)
