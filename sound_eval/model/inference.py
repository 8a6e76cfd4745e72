"""Vectors from frozen networks: word vectors of inputs, and document vectors of songs,
those that training never saw included.

The document vector of a song is its *song vector* plus its *mean word vector*, the mean
of net_1(A) over the song: the mean, over the song, of what the model holds against
net_2(B). The song vector of a new song is the training step for a new document with
frozen networks:

    minimise over s:  HIDE_WORDS * cost of the song's own pairs with the song vector alone  +  SONG_L2 * |s|^2

a regularised logistic regression whose inputs are the context vectors net_2(B),
strictly convex in s, so it has one answer. It is found by Newton's method with
backtracking, many songs at once, without random numbers: the same song gets the same
vector on every call. No global pair is taken for kin here, as it may be in training
(`model.global_cost`), for then there could be several answers.

Conventions
-----------
`Networks` holds NumPy arrays as a save publishes them. Inputs are not normalised,
(n, dim) per song; vectors are (n_songs, dim_out) float32. Global pairs need inputs of
other songs: `references` (n_references, dim_out) are context vectors of inputs drawn
evenly from the training corpus.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from sound_eval.errors import InputError
from sound_eval.model.corpus import overlap
from sound_eval.model.pairs import least_distance
from sound_eval.model.state import LAYERS
from sound_eval.terminal import Progress

KINDS = (
    "sum",
    "mean-words",
    "song-only",
)  # of vectors per song: the document vector, or one of its two parts alone
N_REFERENCES = 256  # context vectors that stand for the whole corpus
MOST_INPUTS = 256  # inputs of a song that a solution looks at
MOST_MEAN_INPUTS = 1024  # inputs that a mean word vector is taken over, evenly spaced
MOST_INPUTS_OF_ALL = 1 << 24  # inputs that the mean word vectors of a whole corpus are taken over
LEAST_MEAN_INPUTS = 16  # of each song, however many there are
SONGS_AT_ONCE = 64
BLOCK_INPUTS = 16384  # inputs encoded at once
NEWTON_STEPS = 30  # convergence takes about five; the bound is for the pathological
TOLERANCE = 1e-4  # largest gradient component at which a song counts as solved
PROGRESS_DELAY = 2.0  # seconds that a save may take without a word
HALVINGS = 12  # of a Newton step that does not lower the cost


@dataclass(frozen=True)
class Networks:
    """The frozen networks, what normalises their inputs, and the references."""

    net_1: dict
    net_2: dict
    mean: np.ndarray
    deviation: np.ndarray
    references: np.ndarray = None

    def words(self, inputs):
        """Word vectors net_1(A) (n, dim_out) of inputs (n, dim)."""
        return self.encode(self.net_1, inputs)

    def contexts(self, inputs):
        """Context vectors net_2(B) (n, dim_out) of inputs (n, dim)."""
        return self.encode(self.net_2, inputs)

    def encode(self, net, inputs):
        """Vectors of not normalised inputs, a block at a time."""
        blocks = [inputs[i : i + BLOCK_INPUTS] for i in range(0, len(inputs), BLOCK_INPUTS)]
        return np.concatenate([self.encode_block(net, block) for block in blocks])

    def digest(self):
        """A short text that differs for other networks:
        vectors compare with each other only where it is the same.
        """
        digest = hashlib.sha256()
        for array in (
            *(net[name] for net in (self.net_1, self.net_2) for name in sorted(net)),
            self.mean,
            self.deviation,
        ):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()[:16]

    def encode_block(self, net, inputs):
        """`encode` at once."""
        normal = (np.asarray(inputs, np.float32) - self.mean) / self.deviation
        hidden = np.maximum(normal @ net["hidden_kernel"] + net["hidden_bias"], 0)
        return hidden @ net["output_kernel"] + net["output_bias"]


def networks_of(state):
    """Networks from the running averages of a training's State."""
    averages = state.slots.average
    return Networks(*averages, state.mean, state.deviation, state.references)


def networks_from(arrays):
    """Networks from the arrays of a save: the running averages
    `average/net_1/hidden_kernel` ..., `mean`, `deviation`, `references`.

    Raises InputError where one of them is missing.
    """
    try:
        nets = {
            net: {layer: arrays[f"average/{net}/{layer}"] for layer in LAYERS}
            for net in ("net_1", "net_2")
        }
        return Networks(
            **nets,
            mean=arrays["mean"],
            deviation=arrays["deviation"],
            references=arrays.get("references"),
        )
    except KeyError as error:
        message = f"the run folder's weights hold no networks ({error} is missing)"
        raise InputError(f"{message}; is it a run folder of spectrogram_doc2vec.py?") from error


def draw_references(networks, corpus):
    """Context vectors of N_REFERENCES inputs, evenly over songs and over the time in
    each: (n_references, dim_out).
    """
    songs = np.linspace(0, len(corpus.names), N_REFERENCES, endpoint=False).astype(int)
    golden = (
        np.arange(N_REFERENCES) * 0.6180339887
    ) % 1  # evenly spread over any number of draws (Weyl's sequence)
    rows = corpus.starts[songs] + (golden * corpus.lengths[songs]).astype(int)
    return networks.contexts(np.concatenate([corpus.inputs.read(row, 1) for row in rows]))


def evenly(count, most):
    """At most `most` positions out of `count`, evenly spaced."""
    return (
        np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(int)
    )


def mean_word(networks, inputs):
    """Mean word vector (dim_out,) of a song's inputs (n, dim)."""
    return networks.words(inputs[evenly(len(inputs), MOST_MEAN_INPUTS)]).mean(axis=0)


def mean_words(networks, songs):
    """Mean word vectors (n_songs, dim_out) of the songs, an iterable of inputs (n, dim)."""
    return np.stack([mean_word(networks, inputs) for inputs in songs])


def corpus_words(networks, corpus):
    """Mean word vectors (n_songs, dim_out) of all songs of a corpus, by blocks of songs.

    In a large corpus each mean is over fewer inputs, so that a save takes minutes with
    a million songs: MOST_INPUTS_OF_ALL in all, but LEAST_MEAN_INPUTS of each song,
    which for clips of 30 s score as all their inputs do.
    """
    most = min(max(MOST_INPUTS_OF_ALL // len(corpus.names), LEAST_MEAN_INPUTS), MOST_MEAN_INPUTS)
    counts = np.minimum(corpus.lengths, most)
    block = max(1, BLOCK_INPUTS // most)
    means = []
    with Progress(len(counts), "song", "mean word vectors", delay=PROGRESS_DELAY) as progress:
        for first in range(0, len(counts), block):
            n = counts[first : first + block]
            rows = [
                start + evenly(length, most)
                for start, length in zip(
                    corpus.starts[first:], corpus.lengths[first : first + block], strict=False
                )
            ]
            words = networks.words(corpus.inputs.take(np.concatenate(rows)))
            means.append(np.add.reduceat(words, np.cumsum(n) - n, axis=0) / n[:, None])
            progress.update(len(n))
    return np.concatenate(means).astype(np.float32)


def vectors_of_kind(kind, networks, songs, config):
    """Vectors (n_songs, dim_out) of one of KINDS for `songs`, a sequence of inputs
    (n, dim), known to the run or not.
    """
    if kind == "song-only":
        return song_vectors(networks, songs, config)
    words = mean_words(networks, songs)
    return words if kind == "mean-words" else words + song_vectors(networks, songs, config)


def song_vectors(networks, songs, config):
    """Song vectors (n_songs, dim_out) of `songs`, a sequence of inputs (n, dim),
    solved to convergence.
    """
    if (
        networks.references is None
        or networks.references.shape[1:] != networks.net_2["output_bias"].shape
    ):
        raise InputError(
            "the run folder's weights hold no references, which new songs are told from; "
            "train one more epoch"
        )
    groups = [songs[i : i + SONGS_AT_ONCE] for i in range(0, len(songs), SONGS_AT_ONCE)]
    # Products of small matrices: one thread for each group is faster than all threads
    # for each product.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.concatenate(
            list(
                threads.map(lambda group: solve(Pairs.of(networks, group, config), config), groups)
            )
        )


def positions_in(n_inputs, window):
    """Positions of the inputs that a solution looks at:
    all, or evenly spaced stretches as long as a window allows pairs in.
    """
    if n_inputs <= MOST_INPUTS:
        return np.arange(n_inputs)
    stretch = min(MOST_INPUTS, window + 1)
    firsts = np.linspace(0, n_inputs - stretch, max(1, MOST_INPUTS // stretch)).astype(int)
    return np.unique((firsts[:, None] + np.arange(stretch)).ravel())


@dataclass(frozen=True)
class Pairs:
    """The pairs of several songs, padded to one size; the words are hidden, so a pair
    is known by its context vector alone.

    `contexts` (n_songs, n_b, dim_out), of which the last n_references belong to global
    pairs; `weight` (n_songs, n_b) is each context's share of the cost; `sign` (n_b,) is
    +1 for local and -1 for global pairs: a pair costs softplus(sign * logit).
    """

    contexts: np.ndarray
    weight: np.ndarray
    sign: np.ndarray

    @classmethod
    def of(cls, networks, songs, config):
        """The pairs of a group of songs, each an array of inputs (n, dim)."""
        chosen = [positions_in(len(inputs), config.WINDOW_SIZE) for inputs in songs]
        n_local, n_references = max(map(len, chosen)), len(networks.references)
        contexts = np.zeros(
            (len(songs), n_local + n_references, networks.references.shape[1]), np.float32
        )
        weight = np.zeros(contexts.shape[:2], np.float32)
        contexts[:, n_local:], weight[:, n_local:] = (
            networks.references,
            0.5 * config.HIDE_WORDS / n_references,
        )
        rows = np.concatenate(
            [inputs[positions] for inputs, positions in zip(songs, chosen, strict=True)]
        )
        encoded = np.split(
            networks.contexts(rows), np.cumsum([len(positions) for positions in chosen])
        )
        for i, positions in enumerate(chosen):
            contexts[i, : len(positions)] = encoded[i]
            weight[i, : len(positions)] = config.HIDE_WORDS * local_weight(
                positions, len(songs[i]), config
            )
        return cls(
            contexts,
            weight,
            np.where(np.arange(n_local + n_references) < n_local, 1, -1).astype(np.float32),
        )

    def logits(self, s):
        """Dot products (n_songs, n_b) of the song vectors `s` (n_songs, dim_out) with
        their contexts, by sign.
        """
        return self.sign * np.matmul(self.contexts, s[:, :, None])[:, :, 0]

    def cost(self, s):
        """Cost of each song (n_songs,) without the L2 term."""
        return (np.logaddexp(0, self.logits(s)) * self.weight).sum(1)

    def derivatives(self, s):
        """Gradient (n_songs, dim_out) and Hessian (n_songs, dim_out, dim_out) of
        the cost at `s`.
        """
        probability = expit(self.logits(s))
        slope = self.sign * probability * self.weight
        curvature = probability * (1 - probability) * self.weight
        gradient = np.matmul(slope[:, None, :], self.contexts)[:, 0]
        return gradient, np.matmul(
            self.contexts.swapaxes(1, 2) * curvature[:, None, :], self.contexts
        )


def local_weight(positions, n_inputs, config):
    """Share (n,) of one half of the cost for the local pairs that each of
    `positions` is the B of.
    """
    distance = np.abs(positions[:, None] - positions[None, :])
    least = least_distance(n_inputs, overlap(config), config.WINDOW_SIZE)
    local = (distance >= least) & (distance <= config.WINDOW_SIZE)
    return 0.5 * local.sum(0) / max(local.sum(), 1)


def solve(pairs, config):
    """The song vectors (n_songs, dim_out) float32 that minimise the cost of `pairs`
    with its L2 term.
    """
    # without any, a song whose pairs can be told apart for certain has no finite answer
    l2 = max(config.SONG_L2, 1e-4)
    s = np.zeros((len(pairs.contexts), pairs.contexts.shape[2]), np.float32)
    cost = pairs.cost(s)
    for _ in range(NEWTON_STEPS):
        gradient, hessian = pairs.derivatives(s)
        gradient = gradient + 2 * l2 * s
        if np.abs(gradient).max() < TOLERANCE:
            break
        hessian[:, range(s.shape[1]), range(s.shape[1])] += 2 * l2
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        s, cost = descend(pairs, s, step, cost, l2)
    return s


def descend(pairs, s, step, cost, l2):
    """`s - length * step` with the longest halved length, song by song, at which the
    total cost does not rise; and that cost.
    """
    length = np.ones((len(s), 1), np.float32)
    for _ in range(HALVINGS):
        trial = s - length * step
        trial_cost = pairs.cost(trial) + l2 * (trial**2).sum(1)
        worse = trial_cost > cost + 1e-6
        if not worse.any():
            break
        length[worse] /= 2
    keep = worse[:, None]
    return np.where(keep, s, trial), np.where(worse, cost, trial_cost)
