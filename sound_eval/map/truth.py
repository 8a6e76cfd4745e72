"""Who is truly near whom, and how far places on a plane tell it.

Conventions
-----------
Vectors are (n_songs, dim) float; the distance of two songs is 1 - cosine of their
vectors (a vector of zeros is at distance 1 from everything). Trust of a song is the
share of its neighbours on the plane that are its neighbours in truth, 0 to 1.
"""

import numpy as np
from scipy.spatial import cKDTree

from sound_eval.search.vectors import BLOCK_BYTES, unit_vectors

N_NEAR = 10  # neighbours on the plane that are asked for
N_AROUND = 30  # nearest songs that count as neighbours in truth
ROUNDING = 1e-6  # of cosines of float32 vectors


class Truth:
    """Who is truly near whom, which planes are held against.

    A song's neighbours in truth are the songs at least as similar to it as its
    `N_AROUND`-th nearest; of fewer than 91 songs, as the nearest third of all, for else
    every song would be a neighbour of every other and any plane true. `rows` are the
    songs that are asked about, all by default.
    """

    def __init__(self, vectors, rows=None, report=None):
        """`report(count)` is called with the number of songs done since the last call."""
        self.unit = unit_vectors(vectors)
        self.rows = np.arange(len(self.unit)) if rows is None else np.asarray(rows)
        n_others = len(self.unit) - 1
        self.n_around = min(N_AROUND, max(1, n_others // 3))
        self.n_near = min(N_NEAR, self.n_around, max(3, self.n_around // 3))
        self.reach = self._similarity_reached(report) if n_others > 1 else None

    def _similarity_reached(self, report):
        """The cosine of each song to the last of its neighbours in truth, (n_rows,)."""
        n_songs = len(self.unit)
        size = max(1, int(BLOCK_BYTES / (8 * n_songs)))
        reach = np.empty(len(self.rows), np.float32)
        for start in range(0, len(self.rows), size):
            rows = self.rows[start : start + size]
            similarity = self.unit[rows] @ self.unit.T
            similarity[np.arange(len(rows)), rows] = -np.inf
            last = n_songs - self.n_around
            reach[start : start + size] = np.partition(similarity, last, axis=1)[:, last]
            if report:
                report(len(rows))
        return reach

    def trust(self, positions):
        """The share of each song's `n_near` nearest on the plane that are its
        neighbours in truth: (n_rows,) float32.

        1 means that the plane tells the truth around a song, 0 that its neighbours
        there are strangers. Of two songs or one nothing can be told wrongly.
        """
        if self.reach is None:
            return np.ones(len(self.rows), np.float32)
        near = self._nearest_on(positions)
        size = max(1, int(BLOCK_BYTES / (8 * near.shape[1] * self.unit.shape[1])))
        trust = np.empty(len(self.rows), np.float32)
        for start in range(0, len(self.rows), size):
            part = slice(start, start + size)
            own = self.unit[self.rows[part]]
            similarity = np.einsum("nkd,nd->nk", self.unit[near[part]], own)
            trust[part] = (similarity >= self.reach[part, None] - ROUNDING).mean(axis=1)
        return trust

    def _nearest_on(self, positions):
        """The `n_near` songs nearest to each on the plane, itself left out: (n_rows, n_near)."""
        found = cKDTree(positions).query(positions[self.rows], self.n_near + 1)[1]
        other = found != self.rows[:, None]
        # Where more songs lie on the very same spot, any of those will do.
        other[other.all(axis=1), -1] = False
        return found[other].reshape(len(self.rows), self.n_near)


def trust(vectors, positions, report=None):
    """The trust of each song (n,) for positions (n, 2); `report` as in `Truth`."""
    return Truth(vectors, report=report).trust(positions)
