"""The systems that benchmarks/train.py times: how each trains, and what its seconds are.

All times are seconds from the start of a command, see train.py.
"""

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import one_pair

from sound_eval.config import Config, save_config
from sound_eval.inputs.corpus import open_corpus
from sound_eval.log_mel.processes import usable_cores
from sound_eval.model import inference, pairs, song_vectors
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.state import new_state

ROOT = Path(__file__).resolve().parent.parent
LOOK_ROWS = 100_000  # between two looks, about: a second or two of training
AUDIO_WORDS = 1000  # clusters of k-means
NEGATIVES = 5
# what a program that trains Doc2Vec on our inputs needs
DOC2VEC_IMPORTS = """
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from sklearn.cluster import MiniBatchKMeans
from sound_eval.inputs.corpus import open_corpus
"""
# lines of a training: some rows are trained, an epoch is saved
TRAINED_LINE = re.compile(r"epoch [0-9]+: cost .* rows/s, ")
SAVED_LINE = re.compile(r"epoch ([0-9]+): .*, wrote ")


class Look(NamedTuple):
    """Vectors (n_songs, dim), and the seconds from the start of a command until it has
    them.
    """

    seconds: float
    vectors: np.ndarray


class Result(NamedTuple):
    """The Looks at one system in the order of time, and its rows per second; None where
    too few were trained to tell.
    """

    looks: list
    rate: float | None


@dataclass(frozen=True)
class Setup:
    """What every system works on: the command line, configuration, names of the songs,
    and the run folder of our training.
    """

    args: argparse.Namespace
    config: Config
    names: list
    run: RunFolder

    def open_corpus(self):
        """The songs as inputs, from the cache in the run folder, where it is built at first."""
        return open_corpus(self.args.vectors_dir, self.names, self.config, self.run.cache_path)

    @cached_property
    def chunk_rows(self):
        """Rows in one call of our compiled function, on one device."""
        from sound_eval.model.training import CHUNK_STEPS

        return CHUNK_STEPS * int(np.prod(pairs.step_shape(self.config, self.open_corpus().lengths)))

    @property
    def look_rows(self):
        """Rows between two looks: whole chunks, so that each line that is said is as many rows."""
        return max(1, round(LOOK_ROWS / self.chunk_rows)) * self.chunk_rows


class Clock:
    """The seconds of a command that trains and shows `seconds` now, without what its looks
    at vectors take.
    """

    def __init__(self, seconds=0.0):
        self.zero = time.monotonic() - seconds
        self.rows = 0
        # (seconds, rows) after the first rows, and after the last
        self.first = None
        self.last = None

    def now(self):
        """Seconds by now."""
        return time.monotonic() - self.zero

    def trained(self, rows):
        """`rows` more are trained."""
        self.rows += rows
        self.last = (self.now(), self.rows)
        self.first = self.first or self.last

    def looked(self):
        """A look that began when the last rows were trained is done: its seconds."""
        seconds = self.now()
        self.zero += seconds - self.last[0]
        return seconds

    def rate(self):
        """Rows per second since the first ones were done, None where these are all."""
        (start, before), (end, after) = self.first, self.last
        return (after - before) / (end - start) if after > before else None


# ---- ours ----


class Watch:
    """What a training says, line by line: `saves` are (epoch, seconds)."""

    def __init__(self, chunk_rows):
        self.clock = Clock()
        self.chunk_rows = chunk_rows
        self.saves = []

    def hear(self, line):
        """Note a line as it comes; other lines are shown."""
        if TRAINED_LINE.match(line):
            self.clock.trained(self.chunk_rows)
        elif saved := SAVED_LINE.match(line):
            epoch = int(saved[1])
            self.saves.append((epoch, self.clock.looked() if epoch else self.clock.now()))
        else:
            print(line, end="", file=sys.stderr, flush=True)

    def seconds_trained(self):
        """Seconds of the command when the last rows were trained, 0 before the first."""
        return self.clock.last[0] if self.clock.last else 0


def ours(setup):
    """The Result of our command, and the seconds until it had trained its first rows."""
    watch = run_command(setup)
    looks = [Look(seconds, setup.run.vectors(epoch)) for epoch, seconds in watch.saves]
    return Result(looks, watch.clock.rate()), watch.clock.first[0]


def run_command(setup):
    """The Watch of a training of --seconds; it is stopped as a person stops it."""
    settings = setup.run.path.with_name("config.yaml")
    often = {"TRAIN_STEPS_PER_SAVE": setup.look_rows, "TRAIN_STEPS_PER_PRINT": 1}
    save_config(settings, setup.config.replace(**often))
    command = [sys.executable, ROOT / "spectrogram_doc2vec.py", setup.args.vectors_dir]
    command += [setup.run.path, "--config", settings, "--seed", str(setup.args.seed)]
    watch = Watch(setup.chunk_rows)
    stopped = False
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipe) as process:
        for line in process.stdout:
            watch.hear(line)
            if not stopped and watch.seconds_trained() >= setup.args.seconds:
                process.terminate()
                stopped = True
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return watch


# ---- one pair at a time ----


class Race:
    """A Trainer that is looked at while it trains in this process."""

    def __init__(self, trainer, setup, first):
        self.trainer = trainer
        self.seconds = setup.args.seconds
        self.look_rows = setup.look_rows
        # what the clock shall show after the first rows
        self.first = first
        self.clock = None
        self.looks = []
        self.unseen = 0

    def run(self):
        """Train until the time is up; returns the Result."""
        epoch = 0
        while not self.over():
            epoch += 1
            self.trainer.run_epoch(epoch, self.over, self.advance)
        if self.unseen:
            self.look()
        return Result(self.looks, self.clock.rate())

    def over(self):
        """Whether the time is up."""
        return self.clock is not None and self.clock.now() >= self.seconds

    def advance(self, rows, _cost):
        """`rows` more are trained; look at the vectors now and then."""
        self.clock = self.clock or Clock(self.first)
        self.clock.trained(rows)
        self.unseen += rows
        if self.unseen >= self.look_rows:
            self.look()

    def look(self):
        """Take the vectors that a save would publish."""
        state = self.trainer.state
        words = song_vectors.mean_words_of_corpus(inference.networks_of(state), self.trainer.corpus)
        vectors = song_vectors.song_vectors(state.songs.average, words)
        self.looks.append(Look(self.clock.looked(), vectors))
        self.unseen = 0


def one_pair_at_a_time(setup, first):
    """The Result of one pair at a time, whose first rows are trained at `first` seconds."""
    corpus = setup.open_corpus()
    state = new_state(setup.config, corpus, setup.args.seed)
    trainer = one_pair.trainer_class()(corpus, setup.config, state, setup.args.seed)
    return Race(trainer, setup, first).run()


# ---- gensim ----


def doc2vec(setup):
    """The Result of gensim's Doc2Vec; its rows per second are those of the longest training."""
    clock = Clock(seconds_of_imports())
    documents = audio_documents(setup)
    made = clock.now()
    looks = []
    for epochs in doublings(setup.args.doc2vec_epochs):
        clock = Clock(made)
        model = new_doc2vec(setup, epochs)
        model.build_vocab(documents)
        begun = clock.now()
        model.train(documents, total_examples=model.corpus_count, epochs=epochs)
        looks.append(Look(clock.now(), model.dv.vectors))
    rows = epochs * sum(len(document.words) for document in documents)
    return Result(looks, rows / (looks[-1].seconds - begun))


def seconds_of_imports():
    """What a process takes that imports what Doc2Vec on our inputs needs and ends.

    The second time, when they need not come from the disk.
    """
    for _ in range(2):
        clock = Clock()
        subprocess.run([sys.executable, "-c", DOC2VEC_IMPORTS], cwd=ROOT, check=True)
    return clock.now()


def audio_documents(setup):
    """The songs as gensim's documents of audio words."""
    from gensim.models.doc2vec import TaggedDocument
    from sklearn.cluster import MiniBatchKMeans

    corpus = setup.open_corpus()
    inputs = (corpus.inputs.read().astype(np.float32) - corpus.mean) / corpus.deviation
    clusters = MiniBatchKMeans(
        AUDIO_WORDS, batch_size=4096, n_init=1, random_state=setup.args.seed
    ).fit_predict(inputs)
    songs = np.split(clusters, corpus.starts[1:-1])
    return [TaggedDocument(list(map(str, song)), [row]) for row, song in enumerate(songs)]


def new_doc2vec(setup, epochs):
    """gensim's model before its training."""
    from gensim.models.doc2vec import Doc2Vec

    return Doc2Vec(
        vector_size=setup.config.OUTPUT_VECTOR_SIZE,
        dm=0,
        negative=NEGATIVES,
        sample=0,
        min_count=1,
        epochs=epochs,
        workers=usable_cores(),
        seed=setup.args.seed,
    )


def doublings(most):
    """1, 2, 4, ... below `most`, and `most`."""
    return [2**power for power in range((most - 1).bit_length())] + [most]
