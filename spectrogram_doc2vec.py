"""Learn one vector per song from a tree of log-mel files, until stopped.

The run folder holds everything to go on from.
"""

import sound_eval.interrupts  # first: Ctrl-C while the rest loads is one line

import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from sound_eval.cli import print_next, run_main, script_parser, seed_number
from sound_eval.config import differences, read_config, to_yaml
from sound_eval.errors import InputError
from sound_eval.files.trees import is_inside
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import INPUT_KEYS, list_songs
from sound_eval.log_mel.tree_state import STATE_NAME
from sound_eval.model import devices, inference, song_vectors
from sound_eval.model.monitor import Asked, Monitor
from sound_eval.model.run_folder import OWN_FOLDERS, RunFolder, RunWriter
from sound_eval.model.state import read_state
from sound_eval.terminal import quiet_tensorflow, warn

EXAMPLE = """example:
  python spectrogram_doc2vec.py example_vectors/ example_outs/ --config=configs/small_train.yaml

Stop with Ctrl-C at any time: the epoch under way is saved. The same command goes on from the last save.
Without --epochs, --max-minutes or --patience the training runs until it is stopped."""

# Config keys that a run cannot change: what the networks see, and their shape.
FIXED_KEYS = (*INPUT_KEYS, "HIDDEN_SIZE", "OUTPUT_VECTOR_SIZE")
NAMED_IN_ERROR = 5  # missing songs that an error names


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
    parser.add_argument("--epochs", type=int, metavar="N", help="stop after N more epochs")
    parser.add_argument(
        "--max-minutes",
        type=float,
        metavar="M",
        help="stop M minutes after the command began, and save",
    )
    parser.add_argument(
        "--patience", type=int, metavar="N", help="stop after N epochs without a lower cost"
    )
    parser.add_argument(
        "--keep", type=int, metavar="N", help="keep only the last N vector_at_*.npy (default: all)"
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
    args = parser.parse_args(argv)
    for name in ("epochs", "max_minutes", "patience", "keep"):
        value = getattr(args, name)
        if value is not None and not value > 0:  # nan is not either
            parser.error(f"--{name.replace('_', '-')} is {value}, expected more than 0")
    return args


class Stop:
    """Whether to stop: by a signal, or because `minutes` (or None) are over since
    `began`. A second signal ends the process at once.
    """

    def __init__(self, began, minutes):
        self.began = began
        self.deadline = began + minutes * 60 if minutes else float("inf")
        self.signalled = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.on_signal)

    def on_signal(self, number, _frame):
        """Note the signal; the next one has its usual deadly effect."""
        self.signalled = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        print(
            "\nstopping after this step and saving; once more to stop at once",
            file=sys.stderr,
            flush=True,
        )

    def now(self):
        """Whether the training should end."""
        return self.signalled or time.monotonic() >= self.deadline


def check_places(run_dir, vectors_dir):
    """Raise InputError where the files of the run folder and of a log-mel tree would be
    taken for each other's.
    """
    if is_inside(run_dir, vectors_dir):
        raise InputError(
            f"{run_dir}: lies in the log-mel tree {vectors_dir}, "
            "and its files would be taken for songs; give one outside"
        )
    for folder in (run_dir.resolve(), *run_dir.resolve().parents):
        if (folder / STATE_NAME).is_file():
            raise InputError(
                f"{run_dir}: lies in the log-mel tree {folder}, "
                "and its files would be taken for songs; give one outside"
            )
    for name in OWN_FOLDERS:
        if is_inside(vectors_dir, run_dir / name):
            raise InputError(
                f"{vectors_dir}: lies in {run_dir / name}, which the run folder keeps for itself; "
                "give another run folder"
            )


def settled_config(args, run):
    """The configuration to train with."""
    return run.config() if args.config is None and run.exists() else read_config(args.config)


def check_config(config, run):
    """Raise InputError where the run folder was trained with an architecture or inputs
    that `config` does not have.
    """
    if run.exists() and (changed := differences(config, run.config(), FIXED_KEYS)):
        raise InputError(
            f"{run.path}: was trained with another configuration: {'; '.join(changed)}; "
            "give another run folder"
        )
    run.check_config(config)


def settled_songs(args, run, present):
    """Names of the songs, of which `present` lie in the tree:
    those of the run folder first and in their order; and how many are new.
    """
    trained = run.music_list() if run.exists() else []
    missing = sorted(set(trained) - set(present))
    if missing:
        named = ", ".join(missing[:NAMED_IN_ERROR]) + (
            ", ..." if len(missing) > NAMED_IN_ERROR else ""
        )
        raise InputError(
            f"{args.vectors_dir}: {len(missing)} of the {len(trained)} songs that {run.path} was "
            f"trained on are gone: {named}; put them back, or train into a new run folder"
        )
    known = set(trained)
    new = [name for name in present if name not in known]
    if len(trained) + len(new) < 2:
        raise InputError(
            f"{args.vectors_dir}: holds one song only ({present[0]}); "
            "a song vector tells a song from others, so give at least two"
        )
    return trained + new, len(new) if trained else 0


def settled_state(run, corpus, config, n_new, seed):
    """The state to go on from: that of the run folder, with inferred vectors for new
    songs, or a fresh one.
    """
    from sound_eval.model import training

    if not run.exists():
        return training.new_state(config, corpus, seed)
    state = read_state(run.snapshot())
    return (
        training.with_new_songs(state, inferred(state, corpus, config, n_new)) if n_new else state
    )


def inferred(state, corpus, config, n_new):
    """Song terms (n_new, dim_out) of the last `n_new` songs."""
    print(f"{n_new} new songs: their vectors are inferred and then trained on")
    rows = range(len(corpus.names))[-n_new:]
    return inference.infer_song_terms(inference.networks_from(state), rows, corpus.song, config)


def save(run, corpus, state, epoch, cost):
    """Write the run folder after `epoch`;
    what is published are the song vectors.
    """
    networks = inference.networks_from(state)
    references = inference.draw_references(networks, corpus)
    words = song_vectors.mean_words_of_corpus(networks, corpus)
    vectors = song_vectors.song_vectors(state["songs/average"], words)
    run.save(epoch, vectors, state | {"references": references}, cost)


def shower(trainer, monitor, board):
    """What is called after every chunk of steps:
    `board` may be None, and only the first of several workers shows anything.
    """

    def show(rows, cost):
        monitor.chunk(rows, cost)
        if board:
            board.scalars(
                int(trainer.state["step"]),
                {"cost": cost, "rows per second": monitor.rate(time.monotonic())},
            )

    return show if trainer.workers.chief else lambda rows, cost: None


def open_board(args, run, workers):
    """The Board of --tensorboard, or None."""
    if not args.tensorboard or not workers.chief:
        return None
    from sound_eval.model.board import Board

    return Board(run.path / "tensorboard")


def train(args, run, trainer, corpus, stop):
    """The loop over epochs: train, save, report; returns the last epoch saved."""
    epoch = run.epoch() if run.exists() else 0
    last = epoch + args.epochs if args.epochs else None
    costs = [cost for _, cost in run.costs()]
    asked = Asked(args.max_minutes, args.epochs, stop.began, epoch)
    monitor = Monitor(
        trainer.steps_per_epoch * trainer.rows_per_step, trainer.config.TRAIN_STEPS_PER_PRINT, asked
    )
    workers = trainer.workers
    board = open_board(args, run, workers)

    def should_stop():
        return workers.any(stop.now())

    while not should_stop() and epoch != last:
        monitor.start_epoch(epoch + 1)
        cost = trainer.run_epoch(epoch + 1, should_stop, shower(trainer, monitor, board))
        if cost is None:
            break
        epoch += 1
        if workers.chief:
            save(run, corpus, trainer.state, epoch, cost)
            if args.keep:
                run.keep_last(args.keep)
            if board:
                board.vectors(run.vectors(), corpus.names)
            monitor.saved(cost, run.vectors_path(epoch))
        costs.append(cost)
        if (
            args.patience
            and len(costs) > args.patience
            and min(costs[-args.patience :]) >= min(costs[: -args.patience])
        ):
            monitor.say(f"the cost has not fallen for {args.patience} epochs: done")
            break
    workers.any(False)  # the others wait until the chief has saved: who leaves early looks lost
    return epoch


def begin(args, run, workers, present, config):
    """Everything up to the first step:
    the names of the songs, their corpus, and a trainer; the run folder is then begun.
    """
    check_config(config, run)  # only under the lock does the folder stand still
    names, n_new = settled_songs(args, run, present)
    if args.tensorboard and workers.chief:
        from sound_eval.model import board

        board.check(run.path / "tensorboard")
    corpus = workers.in_turn(
        lambda: open_corpus(args.vectors_dir, names, config, run.cache_path, is_own=run.exists())
    )
    print(f"{len(names)} songs, {corpus.inputs.shape[0]} inputs of {corpus.inputs.shape[1]} values")

    from sound_eval.model import (
        training,
    )  # TensorFlow, after everything that can be said without it

    state = settled_state(run, corpus, config, n_new, args.seed)
    workers.check_same(
        "\n".join([to_yaml(config), str(args.seed), str(state["step"]), *names]),
        "the song list, configuration, seed or run folder",
    )
    trainer = training.Trainer(corpus, config, state, args.seed, workers)
    if trainer.warning:
        warn(trainer.warning)
    if workers.chief:
        run.start(config, names)
    return names, corpus, trainer


def main(argv=None):
    """Train as the command line says."""
    began = time.monotonic()
    args = parse_arguments(argv)
    # like Ctrl-C it ends at once while there is nothing to save
    signal.signal(signal.SIGTERM, sound_eval.interrupts.on_signal)
    check_places(args.run_dir, args.vectors_dir)
    present = list_songs(args.vectors_dir)
    run = RunFolder(args.run_dir)
    config = settled_config(args, run)
    quiet_tensorflow()
    workers = devices.join(config.USE_GPU)
    with RunWriter(run.path) if workers.chief else nullcontext(run) as run:
        names, corpus, trainer = begin(args, run, workers, present, config)
        epoch = train(args, run, trainer, corpus, Stop(began, args.max_minutes))
    if not epoch:
        raise InputError(f"{run.path}: stopped before the first step, so there is nothing to save")
    print(
        f"{run.path}: {len(names)} song vectors after epoch {epoch} in "
        f"{run.vectors_path(epoch).name}, songs in music_list.txt"
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
