"""The frozen networks of a run, and song terms for songs that training never saw.

The song term of a new song is the training step for a new document with frozen
networks:

    minimise over s:  HIDE_WORDS * cost of the song's own pairs with the song term alone
                      + SONG_L2 * |s|^2

a regularised logistic regression whose inputs are the context vectors net_2(B),
strictly convex in s, so it has one answer. It is found by Newton's method with
backtracking, many songs at once, without random numbers: the same song gets the same
vector on every call. No global pair is taken for kin here, as it may be in training
(`network.global_cost`), for then there could be several answers.

Conventions
-----------
`Networks` holds NumPy arrays as a save publishes them. Inputs are not normalised,
(n, dim) per song; vectors are (n_songs, dim_out) float32. Global pairs need inputs of
other songs: `references` (n_references, dim_out) are context vectors of inputs drawn
evenly from the training corpus.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from sound_eval.errors import InputError
from sound_eval.inputs.closed_form import ClosedForm
from sound_eval.inputs.network_inputs import overlap
from sound_eval.log_mel.processes import usable_cores
from sound_eval.model.pairs import least_distance
from sound_eval.model.state import from_arrays
from sound_eval.terminal import Progress

N_REFERENCES = 256  # context vectors that stand for the whole corpus
# fractions that many multiples of it leave lie evenly, however many they are (Weyl)
GOLDEN_RATIO = 0.6180339887
BLOCK_INPUTS = 16384  # inputs that go through a network at once
MOST_INPUTS = 256  # inputs of a song that a solution looks at
SONGS_AT_ONCE = 64  # solved together, by one thread
NEWTON_STEPS = 30  # convergence takes about five; the bound is for the pathological
TOLERANCE = 1e-4  # largest gradient component at which a song counts as solved
HALVINGS = 12  # of a Newton step that does not lower the cost
# without any L2 a song whose pairs can be told apart for certain has no finite answer
LEAST_L2 = 1e-4


# ---- the networks ----


@dataclass(frozen=True)
class Networks:
    """The frozen networks, what normalises their inputs, what they see of these (dim,
    2 dim_out), and the references.
    """

    net_1: dict
    net_2: dict
    mean: np.ndarray
    deviation: np.ndarray
    seen: np.ndarray
    references: np.ndarray = None

    @property
    def dim_out(self):
        """Values in a vector."""
        return len(self.net_1["output_bias"])

    def words(self, inputs):
        """Word vectors net_1(A) (n, dim_out) of inputs (n, dim)."""
        return self._vectors(self.net_1, inputs)

    def contexts(self, inputs):
        """Context vectors net_2(B) (n, dim_out) of inputs (n, dim)."""
        return self._vectors(self.net_2, inputs)

    def words_only(self):
        """Networks that make word vectors and nothing else: less to send to processes."""
        return replace(self, net_2={}, references=None)

    def digest(self):
        """A short text that differs for other networks:
        vectors compare with each other only where it is the same.
        """
        layers = [net[name] for net in (self.net_1, self.net_2) for name in sorted(net)]
        digest = hashlib.sha256()
        for array in (*layers, self.mean, self.deviation, self.seen):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()[:16]

    def _vectors(self, net, inputs):
        """What `net` makes of inputs, a block at a time."""
        blocks = [inputs[i : i + BLOCK_INPUTS] for i in range(0, len(inputs), BLOCK_INPUTS)]
        return np.concatenate([self._block(net, block) for block in blocks])

    def _block(self, net, inputs):
        """What `net` makes of inputs, all at once."""
        normal = (np.asarray(inputs, np.float32) - self.mean) / self.deviation
        hidden = np.maximum(normal @ self.seen @ net["hidden_kernel"] + net["hidden_bias"], 0)
        return hidden @ net["output_kernel"] + net["output_bias"]


def networks_of(state):
    """Networks from the running averages of a training's State, its ClosedForm before
    the first step.
    """
    if not state.step:
        return closed_form_of(state)
    averages = state.slots.average
    return Networks(*averages, state.mean, state.deviation, state.seen, state.references)


def closed_form_of(state):
    """The ClosedForm that a training began with."""
    return ClosedForm(state.mean, state.deviation, state.basis)


def networks_from(arrays):
    """Networks, or the ClosedForm, from the arrays of a save by name.

    Raises InputError where one of them is missing.
    """
    try:
        state = from_arrays(arrays)
    except KeyError as error:
        message = f"the run folder's weights hold no networks ({error} is missing)"
        raise InputError(f"{message}; is it a run folder of spectrogram_doc2vec.py?") from error
    return networks_of(state)


def draw_references(networks, corpus):
    """Context vectors of N_REFERENCES inputs, evenly over songs and over the time in
    each: (n_references, dim_out). None for the ClosedForm, which has no song terms.
    """
    if isinstance(networks, ClosedForm):
        return None
    songs = np.linspace(0, len(corpus.names), N_REFERENCES, endpoint=False).astype(int)
    share = (np.arange(N_REFERENCES) * GOLDEN_RATIO) % 1
    rows = corpus.starts[songs] + (share * corpus.lengths[songs]).astype(int)
    return networks.contexts(np.concatenate([corpus.inputs.read(row, 1) for row in rows]))


# ---- song terms ----


def infer_song_terms(networks, songs, read, config):
    """Song terms (n_songs, dim_out) of `songs`, a sequence of whatever `read` takes;
    `read(song)` gives a song's inputs (n, dim).

    The songs are read a group at a time, so that memory holds a few of them, however
    many there are; how far it is shows.
    """
    at_once = SONGS_AT_ONCE * usable_cores()  # a group for each thread
    solved = [np.empty((0, networks.dim_out), np.float32)]
    with Progress(len(songs), "song", "inferring") as progress:
        for first in range(0, len(songs), at_once):
            group = songs[first : first + at_once]
            solved.append(song_terms(networks, [read(song) for song in group], config))
            progress.update(len(group))
    return np.concatenate(solved)


def song_terms(networks, songs, config):
    """Song terms (n_songs, dim_out) of `songs`, a sequence of inputs (n, dim), solved to
    convergence; zeros by the ClosedForm.

    Raises InputError where the networks come without references.
    """
    if isinstance(networks, ClosedForm):
        return np.zeros((len(songs), networks.dim_out), np.float32)
    if networks.references is None or networks.references.shape[1:] != (networks.dim_out,):
        raise InputError(
            "the run folder's weights hold no references, which new songs are told from; "
            "train one more epoch"
        )
    groups = [songs[i : i + SONGS_AT_ONCE] for i in range(0, len(songs), SONGS_AT_ONCE)]
    # Products of small matrices: one thread for each group is faster than all threads
    # for each product.
    with threadpool_limits(1), ThreadPoolExecutor(usable_cores()) as threads:
        solved = threads.map(
            lambda group: _solve(_Pairs.of(networks, group, config), config), groups
        )
        return np.concatenate(list(solved))


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
class _Pairs:
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
        n_local = max(map(len, chosen))
        n_references = len(networks.references)
        n_b = n_local + n_references
        contexts = np.zeros((len(songs), n_b, networks.dim_out), np.float32)
        contexts[:, n_local:] = networks.references
        weight = np.zeros(contexts.shape[:2], np.float32)
        weight[:, n_local:] = 0.5 * config.HIDE_WORDS / n_references
        rows = [inputs[positions] for inputs, positions in zip(songs, chosen, strict=True)]
        ends = np.cumsum([len(positions) for positions in chosen])
        local = np.split(networks.contexts(np.concatenate(rows)), ends)
        for i, positions in enumerate(chosen):
            share = _local_weight(positions, len(songs[i]), config)
            contexts[i, : len(positions)] = local[i]
            weight[i, : len(positions)] = config.HIDE_WORDS * share
        sign = np.where(np.arange(n_b) < n_local, 1, -1).astype(np.float32)
        return cls(contexts, weight, sign)

    def logits(self, s):
        """Dot products (n_songs, n_b) of the song terms `s` (n_songs, dim_out) with
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
        weighted = self.contexts.swapaxes(1, 2) * curvature[:, None, :]
        return gradient, np.matmul(weighted, self.contexts)


def _local_weight(positions, n_inputs, config):
    """Share (n,) of one half of the cost for the local pairs that each of
    `positions` is the B of.
    """
    distance = np.abs(positions[:, None] - positions[None, :])
    least = least_distance(n_inputs, overlap(config), config.WINDOW_SIZE)
    local = (distance >= least) & (distance <= config.WINDOW_SIZE)
    return 0.5 * local.sum(0) / max(local.sum(), 1)


# Our own Newton: SciPy's solvers and scikit-learn's logistic regression take one song at
# a time, and thousands of small problems are solved here as one stack of matrices.
def _solve(pairs, config):
    """The song terms (n_songs, dim_out) float32 that minimise the cost of `pairs`
    with its L2 term.
    """
    l2 = max(config.SONG_L2, LEAST_L2)
    s = np.zeros((len(pairs.contexts), pairs.contexts.shape[2]), np.float32)
    cost = pairs.cost(s)
    for _ in range(NEWTON_STEPS):
        gradient, hessian = pairs.derivatives(s)
        gradient = gradient + 2 * l2 * s
        if np.abs(gradient).max() < TOLERANCE:
            break
        hessian[:, range(s.shape[1]), range(s.shape[1])] += 2 * l2
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        s, cost = _descend(pairs, s, step, cost, l2)
    return s


def _descend(pairs, s, step, cost, l2):
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
