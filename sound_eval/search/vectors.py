"""Nearness of song vectors: the cosine and mutual proximity, the neighbours of a song,
sums and differences.

Conventions
-----------
`unit` is a float32 array (n_songs, dim) of rows of length 1, as `unit_vectors` makes
it; similarity is the cosine, `unit @ unit.T`. A query or a position is a unit vector
(dim,). Songs are given and returned as rows, integers into `unit`. Everything here is
deterministic: equal scores are ordered by row.
"""

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.reading import load_array

BLOCK_BYTES = 64e6  # memory of one block of scores
FIRST_LOOK = 256  # songs ranked at first; a list that needs more asks for GROWTH times as many
GROWTH = 8


def unit_vectors(vectors):
    """Rows of (n, dim) or one vector (dim,) scaled to length 1, float32; a zero row stays
    zero.

    Raises InputError on nan and inf.
    """
    vectors = np.asarray(vectors, np.float32)
    finite = np.isfinite(vectors).all(axis=-1)
    if not finite.all():
        raise InputError(
            f"{np.sum(~finite)} of {finite.size} vectors hold nan or inf; did the training diverge?"
        )
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def read_vectors(path, names):
    """The vectors (n_songs, dim) in a file, float64, a row for each of `names`.

    Raises InputError where they do not fit the music list or hold NaN or infinity.
    """
    vectors = load_array(path)
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise InputError(
            f"{path}: shape {vectors.shape} does not fit the {len(names)} songs of the music list; "
            "are both from one run?"
        )
    if not vectors.shape[1] or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: {vectors.shape[1]} values of type {vectors.dtype} for each song, "
            "expected numbers; is it a file of vectors?"
        )
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise InputError(
            f"{path}: the vector of {names[int(bad.argmax())]!r} holds NaN or infinity "
            f"({bad.sum()} such songs)"
        )
    return vectors.astype(np.float64)


def combine(plus, minus=()):
    """The unit vector of a sum of unit vectors `plus` less the unit vectors `minus`.

    Raises InputError where nothing is left.
    """
    total = np.sum(plus, axis=0, dtype=np.float64) - np.sum(minus, axis=0, dtype=np.float64)
    if np.linalg.norm(total) < 1e-6:
        raise InputError("the sum is zero: what is added is taken away again")
    return unit_vectors(total)


def top(scores, count):
    """Columns of the `count` highest values in each row of `scores` (n, m), best first:
    (n, min(count, m)).
    """
    if count < scores.shape[1]:
        columns = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    else:
        columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


class Cosine:
    """Exact search by cosine similarity."""

    def __init__(self, unit):
        self.unit = unit

    def scores(self, queries):
        """Scores (n_queries, n_songs) of unit vectors (n_queries, dim) with every song,
        higher where they are nearer.
        """
        return queries @ self.unit.T

    def nearest(self, query, count):
        """Rows of the `count` songs nearest to a unit vector (dim,), best first."""
        return top(self.scores(query[None]), count)[0]


class MutualProximity(Cosine):
    """Exact search by mutual proximity: a song is near when each is among the nearest
    of the other, so no song is near to all.

    With independent normal similarities (Schnitzer, Flexer, Schedl & Widmer, JMLR 2012,
    section 3.2), s the similarity of x and y, MP = Phi((s - mean_x) / std_x) Phi((s -
    mean_y) / std_y), with the mean and standard deviation over all songs. The score is
    -log(1 - MP), which still tells near songs apart where MP itself rounds to 1. The
    mean similarity of x is x . m and the mean square x' S x, with m the mean vector and
    S the mean outer product, so that no pair of songs needs to be looked at.
    """

    def __init__(self, unit):
        super().__init__(unit)
        self.mean_vector = unit.mean(axis=0, dtype=np.float64)
        self.mean_outer = unit.T.astype(np.float64) @ unit / len(unit)
        self.moments = self.similarity_moments(unit)

    def similarity_moments(self, queries):
        """Mean and standard deviation (n_queries,) of the similarities of
        queries with all songs.
        """
        mean = queries @ self.mean_vector
        mean_square = np.einsum("qd,qd->q", queries @ self.mean_outer, queries)
        return mean, np.sqrt(np.maximum(mean_square - mean**2, 1e-12))

    def scores(self, queries):
        """-log(1 - MP) (n_queries, n_songs)."""
        from scipy.special import log_ndtr

        similarity = super().scores(queries)
        mean, std = self.similarity_moments(queries)
        ours = (similarity - mean[:, None]) / std[:, None]
        theirs = (similarity - self.moments[0]) / self.moments[1]
        return -np.logaddexp(log_ndtr(-ours), log_ndtr(ours) + log_ndtr(-theirs))


def ranked(search, query):
    """All rows from the nearest to `query` on, ranked no further than they are asked for."""
    seen = set()
    size = FIRST_LOOK
    n_songs = len(search.unit)
    while len(seen) < n_songs:
        rows = [int(row) for row in search.nearest(query, min(size, n_songs)) if row not in seen]
        if not rows and size >= n_songs:
            return  # an approximate index may not reach every song
        seen.update(rows)
        yield from rows
        size *= GROWTH


def neighbours(search, count, apart=None, on_block=None):
    """The `count` nearest songs of every song, itself left out: rows (n_songs, count),
    fewer columns where there are not as many.

    Songs of the same label in `apart` (n_songs,) are left out of each other's lists
    too. `on_block(n)` is called after n more songs.
    """
    unit = search.unit
    apart = np.arange(len(unit)) if apart is None else np.unique(apart, return_inverse=True)[1]
    count = min(count, len(unit) - np.bincount(apart).max())
    block = max(1, int(BLOCK_BYTES / (8 * len(unit))))
    found = np.empty((len(unit), count), np.int64)
    for start in range(0, len(unit), block):
        rows = np.arange(start, min(start + block, len(unit)))
        scores = search.scores(unit[rows])
        scores[apart[rows, None] == apart] = -np.inf
        found[rows] = top(scores, count)
        if on_block:
            on_block(len(rows))
    return found
