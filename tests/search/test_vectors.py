"""Song-vector arithmetic, paths, playlists and hubness:
against slow references, planted geometry, and invariants.
"""

import numpy as np
import pytest
from scipy.stats import norm

from sound_eval.errors import InputError
from sound_eval.search.vectors import (
    STEP_POWER,
    Cosine,
    MutualProximity,
    Rules,
    Selection,
    angles,
    combine,
    first,
    hubness,
    intrinsic_dimension,
    neighbours,
    path,
    playlist,
    ranked,
    top,
    unit_vectors,
    walk,
)


def random_unit(n_songs, dim, seed=0):
    return unit_vectors(np.random.default_rng(seed).standard_normal((n_songs, dim)))


def arc(degrees):
    """Unit vectors (n, 2) at these angles."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(
        np.float32
    )


def test_unit_vectors_have_length_one_and_zero_stays_zero():
    unit = unit_vectors([[3.0, 4.0], [0.0, 0.0]])
    assert np.allclose(unit, [[0.6, 0.8], [0, 0]]) and unit.dtype == np.float32


def test_unit_vectors_refuse_what_is_not_finite():
    with pytest.raises(InputError, match="1 of 2 vectors hold nan or inf"):
        unit_vectors([[1.0, np.nan], [1.0, 2.0]])


def test_combine_is_the_direction_of_the_signed_sum():
    a, b, c = random_unit(3, 5)
    wanted = a + b - c
    assert np.allclose(combine([a, b], [c]), wanted / np.linalg.norm(wanted), atol=1e-6)


def test_combine_refuses_a_sum_of_nothing():
    a = random_unit(1, 5)[0]
    with pytest.raises(InputError, match="the sum is zero"):
        combine([a], [a])


@pytest.mark.parametrize("count", [1, 7, 40, 99])
def test_top_equals_a_full_sort(count):
    scores = np.random.default_rng(0).standard_normal((5, 40))
    assert np.array_equal(top(scores, count), np.argsort(-scores, axis=1)[:, :count])


def test_top_orders_equal_scores_by_row():
    assert top(np.array([[1.0, 2.0, 2.0, 1.0, 2.0]]), 4)[0].tolist() == [1, 2, 4, 0]


@pytest.mark.parametrize("measure", [Cosine, MutualProximity])
def test_ranked_visits_every_song_once_in_order_of_score(measure):
    unit = random_unit(3000, 8)
    search = measure(unit)
    rows = list(ranked(search, unit[17]))
    scores = search.scores(unit[17:18])[0][rows]
    assert sorted(rows) == list(range(3000)) and rows[0] == 17
    assert (np.diff(scores) <= 1e-6).all()


def test_neighbours_equal_the_loop_over_songs(monkeypatch):
    unit = random_unit(50, 6)
    monkeypatch.setattr("sound_eval.search.vectors.BLOCK_BYTES", 8 * 50 * 7)  # blocks of 7 songs
    done = []
    found = neighbours(Cosine(unit), 4, on_block=done.append)
    for row in range(50):
        order = [other for other in np.argsort(-(unit @ unit[row]), kind="stable") if other != row]
        assert found[row].tolist() == order[:4]
    assert sum(done) == 50 and max(done) == 7


def test_neighbours_apart_leave_out_songs_of_the_same_label():
    unit, labels = random_unit(30, 6), np.array(list("abc") * 10)
    found = neighbours(Cosine(unit), 25, apart=labels)
    assert found.shape == (30, 20), "each song has 20 of another label"
    assert (labels[found] != labels[:, None]).all()


def test_mutual_proximity_equals_its_definition():
    unit = random_unit(40, 5)
    similarity = unit.astype(float) @ unit.T.astype(float)
    mean, std = similarity.mean(axis=1), similarity.std(axis=1)
    ours, theirs = (
        norm.cdf((similarity - mean[:, None]) / std[:, None]),
        norm.cdf((similarity - mean) / std),
    )
    assert np.allclose(
        MutualProximity(unit).scores(unit), -np.log(1 - ours * theirs), rtol=1e-3, atol=1e-4
    )


def test_mutual_proximity_is_symmetric_and_takes_the_crowd_from_a_hub():
    """A song in the middle of a high-dimensional cloud is everybody's neighbour;
    mutual proximity mends that, whatever the seed.
    """
    for seed in range(5):
        cloud = np.random.default_rng(seed).standard_normal((400, 200)) + 0.5
        unit = unit_vectors(np.vstack([cloud, cloud.mean(axis=0)]))
        plain, mutual = (
            hubness(neighbours(Cosine(unit), 5)),
            hubness(neighbours(MutualProximity(unit), 5)),
        )
        assert plain["occurrences"][-1] > 350
        assert mutual["occurrences"][-1] < 100
        assert mutual["never"] < plain["never"]
        scores = MutualProximity(unit).scores(unit)
        assert np.allclose(scores, scores.T, rtol=1e-3, atol=1e-3)


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


def test_path_walks_a_planted_arc_in_even_steps():
    """Songs lie on an arc, and as many anywhere else;
    the walk from one end of the arc to the other takes every tenth.
    """
    on_arc = np.hstack([arc(np.linspace(0, 90, 91)), np.zeros((91, 6))])
    unit = unit_vectors(np.vstack([on_arc, random_unit(91, 8)]))
    candidates = np.array([row for row in range(len(unit)) if row not in (0, 90)])
    rows = path(unit, unit[0], unit[90], candidates, steps=9)
    assert rows == list(range(10, 90, 10))


def test_path_is_the_best_of_all_walks():
    """Against the search through every ordered choice of two songs in between."""
    for seed in range(5):
        unit = random_unit(12, 4, seed)
        progress = (angles(unit, unit[:1]) - angles(unit, unit[-1:]))[:, 0]
        cost = angles(unit, unit).astype(float) ** STEP_POWER
        walks = {
            (i, j): cost[0, i] + cost[i, j] + cost[j, 11]
            for i in range(1, 11)
            for j in range(1, 11)
            if progress[i] < progress[j]
        }
        assert tuple(path(unit, unit[0], unit[11], np.arange(1, 11), 3)) == min(
            walks, key=walks.get
        )


def test_walk_repeats_no_song_and_gets_nearer_to_the_end():
    unit = random_unit(500, 10)
    rows = walk(Cosine(unit), [(3, unit[3]), (400, unit[400])], 12, Rules())
    assert len(set(rows)) == 11 and not {3, 400} & set(rows)
    progress = [
        float(angles(unit[[row]], unit[[3]])[0, 0] - angles(unit[[row]], unit[[400]])[0, 0])
        for row in rows
    ]
    assert progress == sorted(progress)


def test_walk_has_smaller_largest_steps_than_the_songs_nearest_to_the_straight_line():
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
        ours = walk(Cosine(unit), [(0, unit[0]), (1, unit[1])], 8, Rules())
        worst = [
            max(
                angles(unit[[a]], unit[[b]])[0, 0]
                for a, b in zip([0, *rows], [*rows, 1], strict=True)
            )
            for rows in (straight, ours)
        ]
        gains.append(worst[0] - worst[1])
    assert np.mean(np.array(gains) > 0) >= 0.9 and np.mean(gains) > np.radians(10)


def test_walk_keeps_to_the_rules():
    unit, groups = random_unit(300, 6), np.array([str(row % 40) for row in range(300)], object)
    allowed = np.arange(300) % 2 == 0
    rows = walk(
        Cosine(unit),
        [(3, unit[3]), (200, unit[200])],
        10,
        Rules(allowed=allowed, groups=groups, max_per=1),
    )
    listed = [groups[row] for row in [3, *rows, 200]]
    assert len(set(listed)) == 11 and all(row % 2 == 0 for row in rows)


def test_walk_says_when_there_are_too_few_songs():
    unit = random_unit(8, 6)
    with pytest.raises(InputError, match="9 steps need 8 songs in between; only 6"):
        walk(Cosine(unit), [(0, unit[0]), (1, unit[1])], 9, Rules())
    assert walk(Cosine(unit), [(0, unit[0]), (1, unit[1])], 1, Rules()) == []


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


def test_hubness_counts_lists():
    found = np.array([[1, 2], [2, 3], [1, 3], [2, 1]])
    hubs = hubness(found)
    assert hubs["occurrences"].tolist() == [0, 3, 3, 2] and hubs["never"] == 0.25
    assert hubs["skewness"] == pytest.approx(-0.8165, abs=1e-4)  # of 0, 3, 3, 2 by hand


@pytest.mark.parametrize("dimension", [2, 5])
def test_intrinsic_dimension_is_that_of_the_sphere_the_songs_lie_on(dimension):
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.standard_normal((40, dimension + 1)))[0]
    unit = unit_vectors(random.standard_normal((3000, dimension + 1)) @ turn.T)
    assert intrinsic_dimension(unit, neighbours(Cosine(unit), 10)) == pytest.approx(
        dimension, rel=0.15
    )


def test_intrinsic_dimension_leaves_out_songs_with_a_copy():
    unit = random_unit(300, 4)
    doubled = np.vstack([unit, unit[:20]])
    found = neighbours(Cosine(doubled), 10)
    assert np.isfinite(intrinsic_dimension(doubled, found))
    assert np.isnan(
        intrinsic_dimension(
            np.repeat(unit[:2], 20, axis=0), neighbours(Cosine(np.repeat(unit[:2], 20, axis=0)), 5)
        )
    )


def test_intrinsic_dimension_of_lists_that_cannot_tell_is_nan_without_a_warning(recwarn):
    unit = unit_vectors(np.random.default_rng(0).standard_normal((20, 4)))
    assert np.isnan(intrinsic_dimension(unit, neighbours(Cosine(unit), 1)))
    assert np.isnan(intrinsic_dimension(0 * unit, neighbours(Cosine(0 * unit), 5)))
    assert not recwarn.list
