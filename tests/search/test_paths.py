"""Lists by rules, paths and playlists: against slow references, planted geometry, and
invariants.
"""

import numpy as np
import pytest
from random_vectors import random_unit

from sound_eval.errors import InputError
from sound_eval.search.paths import (
    STEP_POWER,
    Rules,
    Selection,
    angles,
    first,
    most_even_path,
    path_between,
    playlist,
)
from sound_eval.search.vectors import Cosine, ranked, unit_vectors


def arc(degrees):
    """Unit vectors (n, 2) at these angles."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(
        np.float32
    )


def test_selection_takes_each_song_once_and_only_what_is_allowed():
    unit = random_unit(6, 4)
    selection = Selection(unit, Rules(allowed=np.array([True, True, False, True, True, True])))
    selection.leave_out(0, unit[0])
    assert first([0, 1, 2, 3, 3, 4, 5], 3, selection) == [1, 3, 4]
    assert first(range(6), 3, selection) == [5]


def test_selection_limits_a_group_but_not_songs_without_a_label():
    selection = Selection(
        random_unit(6, 4), Rules(groups=np.array(["a", "a", "a", "", "", "b"], object), max_per=2)
    )
    assert first(range(6), 6, selection) == [0, 1, 3, 4, 5]


def test_selection_counts_entered_songs_but_not_left_out_ones():
    unit, groups = random_unit(4, 4), np.array(["a", "a", "a", "b"], object)
    entered, left_out = (Selection(unit, Rules(groups=groups, max_per=1)) for _ in range(2))
    entered.enter(0, unit[0])
    left_out.leave_out(0, unit[0])
    assert first(range(4), 4, entered) == [3] and first(range(4), 4, left_out) == [1, 3]


def test_selection_drops_duplicates_of_listed_songs_and_of_the_question():
    unit = arc([0, 1, 40, 41, 90])  # cos 1 degree = .9998, cos 40 degrees = .77
    selection = Selection(unit, Rules(drop_duplicates=True))
    selection.leave_out(None, arc([89])[0])
    assert first(range(5), 5, selection) == [0, 2]


def test_path_follows_a_planted_arc_in_even_steps():
    """Songs lie on an arc, and as many anywhere else;
    the path from one end of the arc to the other takes every tenth.
    """
    on_arc = np.hstack([arc(np.linspace(0, 90, 91)), np.zeros((91, 6))])
    unit = unit_vectors(np.vstack([on_arc, random_unit(91, 8)]))
    candidates = np.array([row for row in range(len(unit)) if row not in (0, 90)])
    rows = most_even_path(unit, unit[0], unit[90], candidates, steps=9)
    assert rows == list(range(10, 90, 10))


def test_path_is_the_best_of_all_paths():
    """Against the search through every ordered choice of two songs in between."""
    for seed in range(5):
        unit = random_unit(12, 4, seed)
        progress = (angles(unit, unit[:1]) - angles(unit, unit[-1:]))[:, 0]
        cost = angles(unit, unit).astype(float) ** STEP_POWER
        paths = {
            (i, j): cost[0, i] + cost[i, j] + cost[j, 11]
            for i in range(1, 11)
            for j in range(1, 11)
            if progress[i] < progress[j]
        }
        assert tuple(most_even_path(unit, unit[0], unit[11], np.arange(1, 11), 3)) == min(
            paths, key=paths.get
        )


def test_path_repeats_no_song_and_gets_nearer_to_the_end():
    unit = random_unit(500, 10)
    rows = path_between(Cosine(unit), [(3, unit[3]), (400, unit[400])], 12, Rules())
    assert len(set(rows)) == 11 and not {3, 400} & set(rows)
    progress = [
        float(angles(unit[[row]], unit[[3]])[0, 0] - angles(unit[[row]], unit[[400]])[0, 0])
        for row in rows
    ]
    assert progress == sorted(progress)


def test_path_has_smaller_largest_steps_than_the_songs_nearest_to_the_straight_line():
    """What the dynamic programme is for:
    over seeds, its worst step is better than that of the obvious method.
    """
    gains = []
    for seed in range(20):
        unit = random_unit(400, 10, seed)
        selection, straight = Selection(unit, Rules()), []
        selection.leave_out(0, unit[0])
        selection.leave_out(1, unit[1])
        for part in np.arange(1, 8) / 8:
            point = unit_vectors((1 - part) * unit[0] + part * unit[1])
            straight += first(ranked(Cosine(unit), point), 1, selection)
        ours = path_between(Cosine(unit), [(0, unit[0]), (1, unit[1])], 8, Rules())
        worst = [
            max(
                angles(unit[[a]], unit[[b]])[0, 0]
                for a, b in zip([0, *rows], [*rows, 1], strict=True)
            )
            for rows in (straight, ours)
        ]
        gains.append(worst[0] - worst[1])
    assert np.mean(np.array(gains) > 0) >= 0.9 and np.mean(gains) > np.radians(10)


def test_path_keeps_to_the_rules():
    unit, groups = random_unit(300, 6), np.array([str(row % 40) for row in range(300)], object)
    allowed = np.arange(300) % 2 == 0
    rows = path_between(
        Cosine(unit),
        [(3, unit[3]), (200, unit[200])],
        10,
        Rules(allowed=allowed, groups=groups, max_per=1),
    )
    listed = [groups[row] for row in [3, *rows, 200]]
    assert len(set(listed)) == 11 and all(row % 2 == 0 for row in rows)


def test_path_says_when_there_are_too_few_songs():
    unit = random_unit(8, 6)
    with pytest.raises(InputError, match="9 steps need 8 songs in between; only 6"):
        path_between(Cosine(unit), [(0, unit[0]), (1, unit[1])], 9, Rules())
    assert path_between(Cosine(unit), [(0, unit[0]), (1, unit[1])], 1, Rules()) == []


def test_playlist_without_drift_is_the_neighbour_list_and_with_drift_wanders_farther():
    farther = []
    for seed in range(10):
        unit = random_unit(600, 6, seed)

        def rows(drift, unit=unit):
            selection = Selection(unit, Rules())
            selection.enter(0, unit[0])
            return playlist(
                Cosine(unit), unit[0], selection, drift, wanted=lambda rows: len(rows) < 30
            )

        assert rows(0) == [row for row in ranked(Cosine(unit), unit[0]) if row][:30]
        assert len(set(rows(1))) == 30 and 0 not in rows(1)
        farther.append(np.mean(unit[rows(0)] @ unit[0]) > np.mean(unit[rows(1)] @ unit[0]))
    assert all(farther)


def test_playlist_ends_when_no_song_is_left():
    unit = random_unit(5, 3)
    selection = Selection(unit, Rules())
    selection.enter(2, unit[2])
    assert sorted(playlist(Cosine(unit), unit[2], selection, 0.5, wanted=lambda rows: True)) == [
        0,
        1,
        3,
        4,
    ]
