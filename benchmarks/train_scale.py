"""Rows per second of the trainer as the number of songs and the batch grow, on made-up
inputs in memory.

The songs share one pool of noise, each a stretch of it, so a million songs need no
disk; their rows of the song tables are their own and as large as in earnest. A row is
one A and one B; a step of n rows scores n * n pairs, so larger batches cost more per
row and learn more from it. Compilation is left out. Prints two tables in Markdown.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sound_eval.cli import positive_number, run_main, script_parser, seed_number
from sound_eval.config import read_config
from sound_eval.files.tables import print_markdown
from sound_eval.inputs.corpus import Corpus
from sound_eval.inputs.network_inputs import input_size
from sound_eval.model.state import new_state
from sound_eval.terminal import quiet_tensorflow

EXAMPLE = """example:
  python benchmarks/train_scale.py --seconds 5"""

SONGS = (1_000, 10_000, 100_000, 1_000_000)
BATCHES = (256, 1024, 2048, 4096, 8192)
INPUTS_PER_SONG = 113  # a clip of 30 s in summaries of 2 s every 0.25 s
POOL_INPUTS = 50_000
WARM_UP_CHUNKS = 2  # the first compiles


@dataclass(frozen=True)
class Inputs:
    """Inputs in memory, as `input_file.InputFile` gives them."""

    array: np.ndarray
    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    nbytes = property(lambda self: self.array.nbytes)

    def read(self):
        """All of them."""
        return self.array


class SharedCorpus(Corpus):
    """Songs of equal length whose stretches of the inputs overlap."""

    @property
    def lengths(self):
        """Inputs of each song (n_songs,)."""
        return np.full(len(self.names), INPUTS_PER_SONG)


def make_corpus(n_songs, dim, seed):
    """A SharedCorpus of noise."""
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((POOL_INPUTS, dim), np.float32).astype(np.float16)
    starts = random.integers(0, POOL_INPUTS - INPUTS_PER_SONG, n_songs)
    normalisation = np.stack([np.zeros(dim), np.ones(dim)]).astype(np.float32)
    covariances = np.stack([np.eye(dim), np.eye(dim)])
    return SharedCorpus(range(n_songs), Inputs(inputs), starts, *normalisation, covariances)


def rows_per_second(n_songs, config, args):
    """Rows per second over --seconds of training, and the size of the song tables in bytes."""
    from sound_eval.model import training

    corpus = make_corpus(n_songs, input_size(config), args.seed)
    trainer = training.Trainer(corpus, config, new_state(config, corpus, args.seed), args.seed)
    trainer.steps_per_epoch = 10**6
    chunks = []  # (rows, time)
    trainer.run_epoch(
        1,
        lambda: bool(chunks) and over(chunks, args.seconds),
        lambda rows, cost: chunks.append((rows, time.monotonic())),
    )
    timed = chunks[WARM_UP_CHUNKS - 1 :]
    tables = sum(table.nbytes for table in trainer.state.songs)
    return sum(rows for rows, _ in timed[1:]) / (timed[-1][1] - timed[0][1]), tables


def over(chunks, seconds):
    """Whether enough was timed."""
    return len(chunks) > WARM_UP_CHUNKS and chunks[-1][1] - chunks[WARM_UP_CHUNKS - 1][1] >= seconds


def rows_by_songs(config, args):
    """Cells of the table by the number of songs, as they are measured."""
    for n_songs in SONGS:
        rate, tables = rows_per_second(n_songs, config, args)
        yield f"{n_songs:,}", f"{rate:,.0f}", f"{tables / 1e6:,.0f}"


def rows_by_batch(config, args):
    """Cells of the table by the batch, as they are measured."""
    for batch in BATCHES:
        changed = config.replace(BATCH_SIZE=batch, SONGS_PER_BATCH=max(2, batch // 6))
        rate, _ = rows_per_second(SONGS[1], changed, args)
        yield batch, f"{rate:,.0f}", f"{rate * batch:,.0f}"


def main(argv=None):
    """Parse, time, print."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "--config", type=Path, help="YAML file (default: configs/default_config.yaml)"
    )
    parser.add_argument(
        "--seconds", type=positive_number, default=5, help="timed for each figure (default: 5)"
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of inputs, weights and pairs (default: 0)"
    )
    args = parser.parse_args(argv)
    quiet_tensorflow()
    config = read_config(args.config)
    print_markdown(["songs", "rows/s", "song tables, MB"], rows_by_songs(config, args))
    print()
    print_markdown(["batch", "rows/s", "pairs scored a second"], rows_by_batch(config, args))
    return 0


if __name__ == "__main__":
    run_main(main)
