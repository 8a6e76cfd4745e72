"""Lists of songs by rules: the first that fit, playlists that wander off, paths from one
song to another.

Conventions
-----------
As in `vectors`: `unit` are float32 rows (n_songs, dim) of length 1, a position is a unit
vector (dim,), songs are rows of `unit`, and equal scores are ordered by row.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from sound_eval.errors import InputError
from sound_eval.search.vectors import ranked, unit_vectors

# two songs at least this similar count as one recording: a clip and its Ogg copy are,
# two pieces hardly ever
DUPLICATE_SIMILARITY = 0.97
PATH_CANDIDATES = 1000  # songs that a path chooses from
# of a step's angle: 1 asks for a short path whatever its steps, infinity for the
# smallest largest step
STEP_POWER = 8


@dataclass(frozen=True)
class Rules:
    """Which songs may stand in a list beside each other: the `allowed`, at most `max_per`
    of one group, no duplicates.
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
        self.unit = unit
        self.rules = rules
        self.used = set()  # rows that are listed or left out
        self.vectors = []  # of these songs, for `drop_duplicates`
        self.per_group = {}  # group -> how many of its songs are listed

    def leave_out(self, row, vector):
        """A song not to be listed, and with `drop_duplicates` neither are its copies.

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
        if row in self.used:
            return False
        if self.rules.allowed is not None and not self.rules.allowed[row]:
            return False
        return not (self._group_is_full(row) or self._is_duplicate(row))

    def _group_is_full(self, row):
        """Whether the song's group has as many songs in the list as it may."""
        if not self.rules.max_per:
            return False
        group = self.rules.groups[row]
        return group != "" and self.per_group.get(group, 0) >= self.rules.max_per

    def _is_duplicate(self, row):
        """Whether the song is a copy of one that is listed or left out."""
        if not self.rules.drop_duplicates or not self.vectors:
            return False
        similarity = np.stack(self.vectors) @ self.unit[row]
        return similarity.max() >= DUPLICATE_SIMILARITY

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


def path_between(search, ends, steps, rules):
    """Rows of the `steps` - 1 songs of a path between two `ends`, each a pair (row or
    None, unit vector), that the rules admit.

    Where a group has more songs on the path than it may, those past its share are taken
    away and a new path is looked for.
    """
    (_, start), (_, end) = ends
    pool = Selection(search.unit, dataclasses.replace(rules, max_per=None))
    for end_row, vector in ends:
        pool.leave_out(end_row, vector)
    candidates = _path_candidates(search, start, end, steps, pool)
    while True:
        rows = most_even_path(search.unit, start, end, candidates, steps)
        quota = Selection(search.unit, dataclasses.replace(rules, drop_duplicates=False))
        for end_row, vector in ends:
            quota.enter(end_row, vector)
        excess = [row for row in rows if not quota.take(row)]
        if not excess:
            return rows
        candidates = candidates[~np.isin(candidates, excess)]


def _path_candidates(search, start, end, steps, selection):
    """Rows of songs near the straight line between two unit vectors, about
    PATH_CANDIDATES, equally many for each step.
    """
    rows = []
    for part in np.arange(1, steps) / steps:
        point = unit_vectors((1 - part) * start + part * end)
        rows += first(ranked(search, point), max(10, PATH_CANDIDATES // steps), selection)
    return np.array(rows, int)


def most_even_path(unit, start, end, candidates, steps):
    """Rows of the `steps` - 1 songs on a path from one unit vector to another, in steps
    that are small and even.

    Of all paths through `candidates` that come nearer to the end and farther from the
    start with each song (in the difference of the two angles), it is the one with the
    least sum of angle**STEP_POWER over its steps. Since every song lies farther on than
    the one before, none occurs twice. Raises InputError where there are too few
    candidates.
    """
    if len(candidates) < steps - 1:
        raise InputError(
            f"{steps} steps need {steps - 1} songs in between; "
            f"only {len(candidates)} are left to choose from"
        )
    if steps == 1:
        return []
    from_start = angles(unit[candidates], start[None])[:, 0]
    to_end = angles(unit[candidates], end[None])[:, 0]
    order = np.lexsort((candidates, from_start - to_end))
    candidates = candidates[order]
    step_cost = angles(unit[candidates], unit[candidates]) ** STEP_POWER
    # a step leads to a song that lies farther on, never back
    step_cost[np.tril_indices(len(candidates))] = np.inf
    first_cost = from_start[order] ** STEP_POWER
    last_cost = to_end[order] ** STEP_POWER
    return candidates[_cheapest(first_cost, step_cost, last_cost, steps - 1)].tolist()


def _cheapest(first_cost, step_cost, last_cost, count):
    """The `count` numbers i, j, ..., z with the least first_cost[i] + step_cost[i, j] +
    ... + last_cost[z], by dynamic programming (Viterbi 1967).
    """
    cost = first_cost
    before = []  # for each step (n,): the song from which each song is reached best
    for _ in range(count - 1):
        total = cost[:, None] + step_cost
        before.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    chosen = [int(np.argmin(cost + last_cost))]
    for previous in reversed(before):
        chosen.append(int(previous[chosen[-1]]))
    return chosen[::-1]


def angles(a, b):
    """Angles (n, m) in radians between unit vectors (n, dim) and (m, dim)."""
    return np.arccos(np.clip(a @ b.T, -1, 1))
