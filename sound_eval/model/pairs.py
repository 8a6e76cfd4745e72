"""Which inputs a training step sees, and which pairs of them are local or global.

Conventions
-----------
A step takes a *run* of inputs from each of many songs: `run_length` of them, spread at
random over a stretch of WINDOW_SIZE + 1 inputs. Every input is A of one row and B of
another, so a step of n rows encodes n times A and n times B and scores n * n pairs:

    local    both in one run, hence at most WINDOW_SIZE inputs apart, and so far apart that their
             windows share no frame
    global   from different runs, hence drawn independently

Few inputs of many songs teach more than many inputs of few songs, which are much alike.
Songs are dealt from shuffled decks, so all are trained equally often, and a stretch
lies anywhere in its song with equal chance.
Random numbers come from a NumPy generator made of (seed, epoch): an epoch is the same
whether the training was interrupted before it or not. What is drawn here is rows and
positions; the pairs are formed in the training graph (`network.local_pairs`).
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Batches(NamedTuple):
    """The draws of several steps. Each array begins with (n_steps, songs_per_step)."""

    songs: np.ndarray  # int64, rows of the music list
    rows: np.ndarray  # (.., run_length) int64, rows of the inputs
    # (.., run_length) int32, where in the song these inputs are; -1 marks void ones, of
    # songs shorter than a run
    positions: np.ndarray
    least: np.ndarray  # int32, inputs that the two of a local pair are at least apart
    # (.., run_length) float32, 1 where the word vector stands alone, 0 where the
    # song term does
    shown: np.ndarray
    # (n_steps, 2, songs_per_step * run_length) int64, which input of the step is mixed
    # into each, as A and as B
    others: np.ndarray


def epoch_random(seed, epoch, rank=0):
    """The generator of one epoch's random numbers;
    where several workers train, each has its own.
    """
    return np.random.default_rng([seed, epoch, rank])


def step_shape(config, lengths):
    """Songs in a step and inputs of each:
    SONGS_PER_BATCH of them, more where a stretch holds too few inputs to
    fill BATCH_SIZE.
    """
    longest = min(config.WINDOW_SIZE + 1, int(lengths.max()))
    run_length = min(config.BATCH_SIZE // min(config.songs_per_step, len(lengths)), longest)
    return min(config.BATCH_SIZE // run_length, len(lengths)), run_length


@lru_cache(maxsize=2)  # a deck of a million songs lasts for many chunks of steps
def deck(seed, number, rank, n_songs):
    """All songs (n_songs,) int64, shuffled."""
    return np.random.default_rng([seed, number, rank, n_songs]).permutation(n_songs)


def deal_songs(seed, n_songs, first, n_steps, songs_per_step, rank=0):
    """Songs (n_steps, songs_per_step) int64 from card `first` on of an endless row of decks.

    In one step no song comes twice unless two decks meet in it. Decks go on from
    one epoch to the next: all songs have their turn even where an epoch is
    shorter than a deck.
    """
    last = first + n_steps * songs_per_step
    decks = range(first // n_songs, -(-last // n_songs))
    cards = np.concatenate([deck(seed, number, rank, n_songs) for number in decks])
    begin = first - decks[0] * n_songs
    dealt = cards[begin : begin + n_steps * songs_per_step]
    return dealt.reshape(n_steps, songs_per_step)


def least_distance(lengths, overlap, window):
    """Inputs that the two of a local pair are at least apart:
    `overlap`, or half the stretch where a song is too short for that.
    """
    return np.minimum(overlap, np.minimum(lengths, window + 1) // 2)


def _draw_spread(random, stretch, run_length):
    """Offsets (.., run_length) into stretches of the given lengths, one from each of as
    many parts, and a mask of the void ones.
    """
    length = stretch[..., None]
    order = np.arange(run_length)
    parts = np.minimum(length, run_length)
    low = order * length // parts
    high = (order + 1) * length // parts
    offsets = low + (random.random(low.shape, np.float32) * (high - low)).astype(np.int64)
    return np.minimum(offsets, length - 1), np.broadcast_to(order >= parts, offsets.shape)


def draw_batches(random, corpus, songs, run_length, overlap, window, hide):
    """Batches for the `songs` (n_steps, songs_per_step);
    with probability `hide` a song term stands alone, else a word vector.
    """
    lengths = corpus.lengths[songs]
    stretch = np.minimum(lengths, window + 1)
    first = random.integers(0, lengths - stretch + 1)
    spread, void = _draw_spread(random, stretch, run_length)
    positions = first[..., None] + spread
    shown = (random.random((*songs.shape, run_length), np.float32) >= hide).astype(np.float32)
    rows = corpus.starts[songs][..., None] + positions
    least = least_distance(lengths, overlap, window).astype(np.int32)
    shape = (len(songs), 2, songs.shape[1] * run_length)
    others = random.random(shape, np.float32).argsort(axis=-1)
    positions = np.where(void, -1, positions).astype(np.int32)
    return Batches(songs, rows, positions, least, shown, others)


def read_inputs(corpus, batches):
    """The inputs of `batches` as a pool (n_steps * songs_per_step * run_length, dim),
    and Batches whose `rows` count in it.
    """
    pool = corpus.inputs.take(batches.rows.ravel())
    return pool, batches._replace(rows=np.arange(len(pool)).reshape(batches.rows.shape))


def in_advance(items):
    """The items of an iterator, each made in a thread while the one before is being used."""
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = thread.submit(next, items, None)
            yield item
