"""Which inputs a training step sees, and which pairs of them are local or global.

Conventions
-----------
A step takes one *run* of consecutive inputs from each of `songs_per_batch` songs. Every input is A of one row and B of another, so a step
of n rows encodes n times A and n times B and scores n * n pairs:

    local    both in one run, at most `window` inputs apart, and at least so far that their windows share no frame
    global   from different runs, hence drawn independently

Songs are dealt from shuffled decks, so all songs are trained equally often; a run starts anywhere in its song with equal chance.
Random numbers come from a NumPy generator made of (seed, epoch): an epoch is the same whether the training was interrupted before it or
not. What is drawn is a few integers a run; the pairs are formed in the training graph (`model.pair_masks`).
"""
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np


class Batches(NamedTuple):
    """The draws of several steps. Each array begins with (n_steps, songs_per_batch)."""

    songs: np.ndarray  # int64, rows of the music list
    first: np.ndarray  # int64, first input of the run, as a row of the corpus' inputs
    valid: np.ndarray  # int32, real inputs of the run; a song shorter than a run is taken whole and the rest of its run is void
    shown: np.ndarray  # (.., run_length) float32, 0 where the word vector is hidden and the song vector has to explain the pair alone


def epoch_random(seed, epoch):
    """The generator of one epoch's random numbers."""
    return np.random.default_rng([seed, epoch])


def draw_songs(random, n_songs, n_steps, songs_per_batch):
    """Songs (n_steps, songs_per_batch) int64 from shuffled decks; in one step no song comes twice unless two decks meet in it."""
    wanted = n_steps * songs_per_batch
    decks = -(-wanted // n_songs)
    return np.concatenate([random.permutation(n_songs) for _ in range(decks)])[:wanted].reshape(n_steps, songs_per_batch)


def draw_batches(random, corpus, songs, run_length, hide):
    """Batches for the `songs` (n_steps, songs_per_batch); each word vector is hidden with probability `hide`."""
    lengths = corpus.lengths[songs]
    first = corpus.starts[songs] + random.integers(0, np.maximum(lengths - run_length, 0) + 1)
    shown = random.random((*songs.shape, run_length), np.float32) >= hide
    return Batches(songs, first, np.minimum(lengths, run_length).astype(np.int32), shown.astype(np.float32))


def read_inputs(corpus, batches, run_length):
    """The inputs of `batches`, one run after the other, as a pool (n_runs * run_length, dim), and Batches whose `first` counts in it."""
    pool = np.zeros((batches.first.size * run_length, corpus.inputs.shape[1]), corpus.inputs.dtype)
    for run, (first, valid) in enumerate(zip(batches.first.ravel(), batches.valid.ravel(), strict=True)):
        pool[run * run_length : run * run_length + valid] = corpus.inputs.read(first, valid)
    return pool, batches._replace(first=np.arange(0, len(pool), run_length).reshape(batches.first.shape))


def in_advance(items):
    """The items of an iterator, each made in a thread while the one before is being used."""
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = thread.submit(next, items, None)
            yield item
