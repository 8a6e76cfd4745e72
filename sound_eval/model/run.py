"""A training as a whole: begun or resumed in a run folder, one epoch after the other,
each saved there. A new run saves the closed form first, as epoch 0.

TensorFlow is imported after everything that can be said without it, and after that
first save: the modules that need it are imported inside functions.
"""

import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from sound_eval.config import differences, read_config, to_yaml
from sound_eval.errors import InputError
from sound_eval.files.marks import RUN_FOLDERS, log_mel_tree_of
from sound_eval.files.trees import is_inside
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import INPUT_KEYS, list_songs
from sound_eval.model import devices, inference, song_vectors
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter
from sound_eval.model.state import new_state, read_state, to_arrays, with_new_songs
from sound_eval.terminal import Asked, Monitor, quiet_tensorflow, warn

# Config keys that a run cannot change: what the networks see, and their shape.
FIXED_KEYS = (*INPUT_KEYS, "HIDDEN_SIZE", "OUTPUT_VECTOR_SIZE")
NAMED_IN_ERROR = 5  # missing songs that an error names


@dataclass(frozen=True)
class Options:
    """What a training is asked for; None where it does not matter."""

    # stop after so many more
    epochs: int | None = None
    # stop so long after `began`
    minutes: float | None = None
    # stop after so many epochs without a lower cost
    patience: int | None = None
    # vector files that stay, of the last epochs
    keep: int | None = None
    # write what TensorBoard shows
    tensorboard: bool = False
    # of the first weights and of the pairs drawn
    seed: int = 0
    # as time.monotonic() gives it
    began: float = field(default_factory=time.monotonic)


class Trained(NamedTuple):
    """What a training leaves."""

    n_songs: int
    epoch: int
    vectors_name: str


class Stop:
    """Whether to stop: by a signal, or because the minutes of `options` are over.
    A second signal ends the process at once.
    """

    def __init__(self, options):
        minutes = options.minutes or float("inf")
        self.deadline = options.began + minutes * 60
        self.signalled = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.on_signal)

    def on_signal(self, _number, _frame):
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


def train(log_mel_dir, run_dir, config_path, options):
    """Train on a log-mel tree until `options` or a signal ask to stop; returns what is `Trained`.

    The run folder is made, or resumed; the configuration is that of the file
    `config_path`, where that is None the run folder's own, in a new one the default
    preset. Raises InputError where tree, folder and configuration do not fit each other.
    """
    _check_places(run_dir, log_mel_dir)
    present = list_songs(log_mel_dir)
    folder = RunFolder(run_dir)
    config = _settled_config(config_path, folder)
    quiet_tensorflow()
    workers = devices.join(config.USE_GPU)
    writer = nullcontext(folder)
    if workers.chief:
        writer = RunWriter(run_dir)
    with writer as run:
        trainer, stop = begin(log_mel_dir, run, workers, present, config, options)
        epoch = _run_epochs(run, trainer, options, stop)
    return Trained(len(trainer.corpus.names), epoch, run.vectors_path(epoch).name)


# ---- up to the first step ----


def _check_places(run_dir, log_mel_dir):
    """Raise InputError where the files of the run folder and of a log-mel tree would be
    taken for each other's.
    """
    # a tree of anybody's making has no mark
    tree = log_mel_dir if is_inside(run_dir, log_mel_dir) else log_mel_tree_of(run_dir)
    if tree is not None:
        raise InputError(
            f"{run_dir}: lies in the log-mel tree {tree}, "
            "and its files would be taken for songs; give one outside"
        )
    for name in RUN_FOLDERS:
        if is_inside(log_mel_dir, run_dir / name):
            raise InputError(
                f"{log_mel_dir}: lies in {run_dir / name}, which the run folder keeps for itself; "
                "give another run folder"
            )


def _settled_config(config_path, folder):
    """The configuration to train with."""
    if config_path is None and folder.exists():
        return folder.config()
    return read_config(config_path)


def begin(log_mel_dir, run, workers, present, config, options):
    """A Trainer on the songs of the run folder, and of the tree, in which `present` lie,
    and the Stop of its training; the run folder is then begun.
    """
    corpus, state = _settled(log_mel_dir, run, workers, present, config, options)
    start = partial(_start, run, workers, corpus, state, config, options)
    # several workers know only with a Trainer whether they have songs enough
    stop = start() if workers.n_workers == 1 else None
    from sound_eval.model.training import Trainer

    trainer = Trainer(corpus, config, state, options.seed, workers)
    if trainer.warning:
        warn(trainer.warning)
    return trainer, stop or start()


def _settled(log_mel_dir, run, workers, present, config, options):
    """The Corpus to train on and the State to go on from, the same for all workers."""
    # only under the lock does the folder stand still
    check_config(config, run)
    names, n_new = _settled_songs(log_mel_dir, run, present)
    if options.tensorboard and workers.chief:
        from sound_eval.model import board

        board.check(run.path / "tensorboard")
    corpus = workers.in_turn(
        lambda: open_corpus(log_mel_dir, names, config, run.cache_path, is_own=run.exists())
    )
    print(f"{len(names)} songs, {corpus.inputs.shape[0]} inputs of {corpus.inputs.shape[1]} values")
    state = _settled_state(run, corpus, config, n_new, options.seed)
    workers.check_same(
        "\n".join([to_yaml(config), str(options.seed), str(state.step), *names]),
        "the song list, configuration, seed or run folder",
    )
    return corpus, state


def _start(run, workers, corpus, state, config, options):
    """Begin the run folder, a new one with the closed form; returns the Stop, as from then
    on there is something to save.
    """
    is_new = not run.exists()
    if workers.chief:
        run.start(config, corpus.names)
    stop = Stop(options)
    if workers.chief and is_new:
        _save_closed_form(run, state, corpus, options.began)
    return stop


def _save_closed_form(run, state, corpus, began):
    """Write the run folder before any training, and say so."""
    save(run, state, corpus, epoch=0)
    seconds = time.monotonic() - began
    print(
        f"epoch 0: the closed form, wrote {run.vectors_path(0)} after {seconds:.1f} s", flush=True
    )


def check_config(config, run):
    """Raise InputError where the run folder was trained with an architecture or inputs
    that `config` does not have, or `config` would replace what somebody edited.
    """
    if not run.exists():
        return
    if changed := differences(config, run.config(), FIXED_KEYS):
        raise InputError(
            f"{run.path}: was trained with another configuration: {'; '.join(changed)}; "
            "give another run folder"
        )
    run.check_config(config)


def _settled_songs(log_mel_dir, run, present):
    """Names of the songs, of which `present` lie in the tree:
    those of the run folder first and in their order; and how many are new.
    """
    trained = run.music_list() if run.exists() else []
    _check_none_gone(log_mel_dir, run, trained, present)
    known = set(trained)
    new = [name for name in present if name not in known]
    if len(trained) + len(new) < 2:
        raise InputError(
            f"{log_mel_dir}: holds one song only ({present[0]}); "
            "a song vector tells a song from others, so give at least two"
        )
    return trained + new, len(new) if trained else 0


def _check_none_gone(log_mel_dir, run, trained, present):
    """Raise InputError where songs that were trained on are not present."""
    missing = sorted(set(trained) - set(present))
    if not missing:
        return
    named = ", ".join(missing[:NAMED_IN_ERROR])
    if len(missing) > NAMED_IN_ERROR:
        named += ", ..."
    raise InputError(
        f"{log_mel_dir}: {len(missing)} of the {len(trained)} songs that {run.path} was "
        f"trained on are gone: {named}; put them back, or train into a new run folder"
    )


def _settled_state(run, corpus, config, n_new, seed):
    """The State to go on from: that of the run folder, with inferred song terms for new
    songs, or a fresh one.
    """
    if not run.exists():
        return new_state(config, corpus, seed)
    state = read_state(run.snapshot())
    if n_new:
        networks = inference.networks_of(state)
        state = with_new_songs(state, inferred(networks, corpus, config, n_new))
    return state


def inferred(networks, corpus, config, n_new):
    """Song terms (n_new, dim_out) of the last `n_new` songs."""
    print(f"{n_new} new songs: their vectors are inferred and then trained on")
    rows = range(len(corpus.names))[-n_new:]
    return inference.infer_song_terms(networks, rows, corpus.song, config)


# ---- from epoch to epoch ----


def _run_epochs(run, trainer, options, stop):
    """Train, save and report; returns the last epoch saved."""
    workers = trainer.workers
    epoch = run.epoch() if run.exists() else 0
    last = epoch + options.epochs if options.epochs else None
    costs = [cost for _, cost in run.costs()]
    monitor = _monitor(trainer, options, epoch)
    board = _board(run, workers, options)
    show = _shower(trainer, monitor, board)

    def should_stop():
        return workers.any(stop.now())

    while not should_stop() and epoch != last:
        monitor.start_epoch(epoch + 1)
        cost = trainer.run_epoch(epoch + 1, should_stop, show)
        if cost is None:
            break
        epoch += 1
        costs.append(cost)
        if workers.chief:
            vectors = save(run, trainer.state, trainer.corpus, epoch, cost, options.keep)
            if board:
                board.vectors(vectors, trainer.corpus.names)
            monitor.saved(cost, run.vectors_path(epoch))
        if _has_stalled(costs, options.patience):
            monitor.say(f"the cost has not fallen for {options.patience} epochs: done")
            break
    # the others wait until the chief has saved: who leaves early looks lost
    workers.any(False)
    return epoch


def _has_stalled(costs, patience):
    """Whether none of the last `patience` costs is below all before; never where that is None."""
    if not patience or len(costs) <= patience:
        return False
    return min(costs[-patience:]) >= min(costs[:-patience])


def save(run, state, corpus, epoch, cost=None, keep=None):
    """Write the run folder after `epoch`, whose mean cost is `cost`, and keep the last
    `keep` files of vectors.

    Returns what is published, the song vectors (n_songs, dim_out), by the running
    averages.
    """
    networks = inference.networks_of(state)
    references = inference.draw_references(networks, corpus)
    mean_words = song_vectors.mean_words_of_corpus(networks, corpus)
    vectors = song_vectors.song_vectors(state.songs.average, mean_words)
    run.save(epoch, vectors, to_arrays(state._replace(references=references)), cost)
    if keep:
        run.keep_last(keep)
    return vectors


def _monitor(trainer, options, epoch):
    """The Monitor of a training that goes on after `epoch`."""
    return Monitor(
        trainer.steps_per_epoch * trainer.rows_per_step,
        trainer.config.TRAIN_STEPS_PER_PRINT,
        Asked(options.minutes, options.epochs, options.began, epoch),
    )


def _board(run, workers, options):
    """The Board where one is asked for, else None."""
    if not options.tensorboard or not workers.chief:
        return None
    from sound_eval.model.board import Board

    return Board(run.path / "tensorboard")


def _shower(trainer, monitor, board):
    """What is called after every chunk of steps:
    `board` may be None, and only the first of several workers shows anything.
    """

    def show(rows, cost):
        if not trainer.workers.chief:
            return
        monitor.chunk(rows, cost)
        if board:
            values = {"cost": cost, "rows per second": monitor.rate(time.monotonic())}
            board.scalars(int(trainer.state.step), values)

    return show
