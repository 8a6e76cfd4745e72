"""Learn one vector per song from a tree of log-mel files, until stopped.

The run folder holds everything to go on from.
"""

import sound_eval.interrupts  # first: Ctrl-C while the rest loads is one line

import signal
import time
from pathlib import Path

from sound_eval.cli import (
    positive_int,
    positive_number,
    print_next,
    run_main,
    script_parser,
    seed_number,
)
from sound_eval.model.run import Options, train

EXAMPLE = """example:
  python spectrogram_doc2vec.py example_vectors/ example_outs/ --config=configs/small_train.yaml

Stop with Ctrl-C at any time: the epoch under way is saved. The same command goes on from the last
save. Without --epochs, --max-minutes or --patience the training runs until it is stopped."""


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "vectors_dir",
        metavar="VECTORS_DIR",
        type=Path,
        help="log-mel tree, as spectrify_all.py writes it",
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help="run folder, made or resumed")
    parser.add_argument(
        "--config",
        type=Path,
        help="YAML file (default: configs/default_config.yaml, "
        "or the run folder's own on resuming)",
    )
    some = {"type": positive_int, "metavar": "N"}
    parser.add_argument("--epochs", help="stop after N more epochs", **some)
    parser.add_argument(
        "--max-minutes",
        type=positive_number,
        metavar="M",
        help="stop M minutes after the command began, and save",
    )
    parser.add_argument("--patience", help="stop after N epochs without a lower cost", **some)
    parser.add_argument(
        "--keep", help="keep only the last N vector_at_*.npy (default: all)", **some
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write RUN_DIR/tensorboard: scalars, and vectors for the projector",
    )
    parser.add_argument(
        "--seed",
        type=seed_number,
        default=0,
        help="of the first weights and of the pairs drawn (default: 0)",
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Train as the command line says."""
    began = time.monotonic()
    args = parse_arguments(argv)
    # like Ctrl-C it ends at once while there is nothing to save
    signal.signal(signal.SIGTERM, sound_eval.interrupts.on_signal)
    limits = (args.epochs, args.max_minutes, args.patience)
    options = Options(*limits, args.keep, args.tensorboard, args.seed, began)
    trained = train(args.vectors_dir, args.run_dir, args.config, options)
    print(
        f"{args.run_dir}: {trained.n_songs} song vectors after epoch {trained.epoch} in "
        f"{trained.vectors_name}, songs in music_list.txt"
    )
    print_next(
        "python",
        "static_web_viewer/display_vector_data.py",
        args.run_dir,
        "AUDIO_DIR",
        "METADATA.csv",
        "MAP_DIR",
    )
    return 0


if __name__ == "__main__":
    run_main(main)
