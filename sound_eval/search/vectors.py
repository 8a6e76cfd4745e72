"""What song vectors answer: neighbours, sums and differences, ways from one song to
another, playlists, hubs.

Conventions
-----------
`unit` is a float32 array (n_songs, dim) of rows of length 1, as `unit_vectors` makes
it; similarity is the cosine, `unit @ unit.T`. A query or a position is a unit vector
(dim,). Songs are given and returned as rows, integers into `unit`. Everything here is
deterministic: equal scores are ordered by row.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from sound_eval.errors import InputError

BLOCK_BYTES = 64e6  # memory of one block of scores
FIRST_LOOK = 256  # songs ranked at first; a list that needs more asks for GROWTH times as many
GROWTH = 8
# two songs at least this similar count as one recording: a clip and its Ogg copy are,
# two pieces hardly ever
DUPLICATE_SIMILARITY = 0.97
PATH_CANDIDATES = 1000  # songs that a path chooses from
# of a step's angle: 1 asks for a short path whatever its steps, infinity for the
# smallest largest step
STEP_POWER = 8


def unit_vectors(vectors):
    """Rows of (n, dim) or one vector (dim,) scaled to length 1, float32;
    a zero row stays zero. Raises InputError on nan and inf.
    """
    vectors = np.asarray(vectors, np.float32)
    finite = np.isfinite(vectors).all(axis=-1)
    if not finite.all():
        raise InputError(
            f"{np.sum(~finite)} of {finite.size} vectors hold nan or inf; did the training diverge?"
        )
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def combine(plus, minus=()):
    """The unit vector of a sum of unit vectors `plus` less the unit vectors `minus`;
    raises InputError where nothing is left.
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
        """Scores (n_queries, n_songs) of unit vectors (n_queries, dim) with every song;
        higher is nearer.
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
    seen, size, n_songs = set(), FIRST_LOOK, len(search.unit)
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


@dataclass(frozen=True)
class Rules:
    """Which songs may stand in a list beside each other:
    the `allowed`, at most `max_per` of one group, no duplicates.
    """

    allowed: np.ndarray = None  # (n_songs,) boolean; None allows all
    groups: np.ndarray = None  # (n_songs,) labels; songs of the label '' are in no group
    max_per: int = None
    # leave out what is DUPLICATE_SIMILARITY or more similar to a song
    # listed or asked for
    drop_duplicates: bool = False


class Selection:
    """One list in the making: takes the songs that the rules admit, each once."""

    def __init__(self, unit, rules):
        self.unit, self.rules = unit, rules
        self.used, self.vectors, self.per_group = set(), [], {}

    def leave_out(self, row, vector):
        """A song not to be listed, and with `drop_duplicates` neither are its copies;
        `row` None stands for a song from outside.
        """
        self.used.add(row)
        self.vectors.append(vector)

    def enter(self, row, vector):
        """A song that is in the list, whatever the rules say of it, and counts from now
        on; `row` may be None.
        """
        self.leave_out(row, vector)
        if row is not None and self.rules.max_per:
            group = self.rules.groups[row]
            self.per_group[group] = self.per_group.get(group, 0) + 1

    def admits(self, row):
        """Whether the rules let `row` in."""
        rules = self.rules
        if row in self.used or (rules.allowed is not None and not rules.allowed[row]):
            return False
        if (
            rules.max_per
            and rules.groups[row] != ""
            and self.per_group.get(rules.groups[row], 0) >= rules.max_per
        ):
            return False
        return not (
            rules.drop_duplicates
            and self.vectors
            and np.max(np.stack(self.vectors) @ self.unit[row]) >= DUPLICATE_SIMILARITY
        )

    def take(self, row):
        """Whether `row` enters the list; if so, it counts from now on."""
        if not self.admits(row):
            return False
        self.enter(row, self.unit[row])
        return True


def first(rows, count, selection):
    """The first `count` of `rows` that the selection takes."""
    taken = []
    for row in rows:
        if len(taken) == count:
            break
        if selection.take(row):
            taken.append(row)
    return taken


def playlist(search, position, selection, drift, wanted):
    """Rows of a list that wanders off: the nearest song not used yet, again and again,
    while `wanted(rows)` holds.

    After each song the position, a unit vector (dim,), moves the part `drift` of the
    way to it: at 0 all songs lie around the first position, at 1 each is the nearest
    of the one before.
    """
    rows = []
    while wanted(rows):
        row = next((row for row in ranked(search, position) if selection.take(row)), None)
        if row is None:
            break
        rows.append(row)
        position = unit_vectors((1 - drift) * position + drift * search.unit[row])
    return rows


def walk(search, ends, steps, rules):
    """Rows of the `steps` - 1 songs of a path between two `ends`, each a pair (row or
    None, unit vector), that the rules admit.

    Where a group has more songs on the path than it may, those past its share are taken
    away and a new path is looked for.
    """
    (_, start), (_, end) = ends
    pool = Selection(search.unit, dataclasses.replace(rules, max_per=None))
    for end_row, vector in ends:
        pool.leave_out(end_row, vector)
    candidates = path_candidates(search, start, end, steps, pool)
    while True:
        rows = path(search.unit, start, end, candidates, steps)
        quota = Selection(search.unit, dataclasses.replace(rules, drop_duplicates=False))
        for end_row, vector in ends:
            quota.enter(end_row, vector)
        excess = [row for row in rows if not quota.take(row)]
        if not excess:
            return rows
        candidates = candidates[~np.isin(candidates, excess)]


def path_candidates(search, start, end, steps, selection):
    """Rows of songs near the straight line between two unit vectors, about
    PATH_CANDIDATES, equally many for each step.
    """
    rows = []
    for part in np.arange(1, steps) / steps:
        point = unit_vectors((1 - part) * start + part * end)
        rows += first(ranked(search, point), max(10, PATH_CANDIDATES // steps), selection)
    return np.array(rows, int)


def path(unit, start, end, candidates, steps):
    """Rows of the `steps` - 1 songs on a walk from one unit vector to another, in steps
    that are small and even.

    Of all walks through `candidates` that come nearer to the end and farther from the
    start with each song (in the difference of the two angles), it is the one with the
    least sum of angle**STEP_POWER over its steps, found by dynamic programming. Since
    every song lies farther on than the one before, none occurs twice. Raises InputError
    where there are too few candidates.
    """
    if len(candidates) < steps - 1:
        raise InputError(
            f"{steps} steps need {steps - 1} songs in between; "
            f"only {len(candidates)} are left to choose from"
        )
    if steps == 1:
        return []
    from_start, to_end = (
        angles(unit[candidates], start[None])[:, 0],
        angles(unit[candidates], end[None])[:, 0],
    )
    order = np.lexsort((candidates, from_start - to_end))
    candidates, from_start, to_end = candidates[order], from_start[order], to_end[order]
    step_cost = angles(unit[candidates], unit[candidates]) ** STEP_POWER
    step_cost[np.tril_indices(len(candidates))] = np.inf
    cost, before = from_start**STEP_POWER, []
    for _ in range(steps - 2):
        total = cost[:, None] + step_cost
        before.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    last = [int(np.argmin(cost + to_end**STEP_POWER))]
    for previous in reversed(before):
        last.append(int(previous[last[-1]]))
    return [int(row) for row in candidates[last[::-1]]]


def angles(a, b):
    """Angles (n, m) in radians between unit vectors (n, dim) and (m, dim)."""
    return np.arccos(np.clip(a @ b.T, -1, 1))


def hubness(found):
    """How unevenly songs occur in the neighbour lists `found` (n_songs, count), as
    `neighbours` returns them.

    occurrences   (n_songs,) in how many lists each song stands
    skewness      of the occurrences (Radovanovic, Nanopoulos & Ivanovic, JMLR 2010); 0 where hubs
                  and loners balance
    never         share of the songs that stand in no list
    """
    occurrences = np.bincount(found.ravel(), minlength=len(found))
    deviation = occurrences - occurrences.mean()
    skewness = np.mean(deviation**3) / max(np.mean(deviation**2), 1e-12) ** 1.5
    return {
        "occurrences": occurrences,
        "skewness": float(skewness),
        "never": float(np.mean(occurrences == 0)),
    }


def intrinsic_dimension(unit, found):
    """The number of dimensions that songs spread over locally, from the distances to
    their nearest neighbours `found` (n_songs, count).

    The maximum likelihood estimate of Levina & Bickel (2004), averaged over songs as
    MacKay & Ghahramani (2005) correct it: 1 / mean(log(T_k / T_j)), T_j the distance to
    neighbour j < k. Songs with a copy at distance 0 are left out.
    NaN where the lists are too short or no distances differ.
    """
    similarity = np.einsum("nkd,nd->nk", unit[found], unit)
    distance = np.sort(np.sqrt(np.maximum(2 - 2 * similarity, 0)), axis=1)
    distance = distance[distance[:, 0] > 1e-3]
    ratios = np.log(distance[:, -1:] / distance[:, :-1])
    return float(1 / ratios.mean()) if ratios.any() else float("nan")
