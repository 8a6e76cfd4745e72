"""Spherical k-means against a plain reference and planted clusters;
scores against scikit-learn and by hand.
"""

import time

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from sound_eval.errors import InputError
from sound_eval.evaluation import clustering


def planted(seed, n=300, k=5, dim=12, noise=0.3):
    """Vectors of different lengths around k random directions, and which one each is around."""
    random = np.random.default_rng(seed)
    directions = random.standard_normal((k, dim))
    truth = np.arange(n) % k
    vectors = directions[truth] + noise * random.standard_normal((n, dim))
    return vectors * random.uniform(0.1, 10, (n, 1)), truth


def plain_iterations(vectors, centroids, count):
    """Spherical k-means as Dhillon & Modha write it, one row at a time;
    returns assignments and centroids.
    """
    unit = [vector / np.sqrt(sum(vector**2)) for vector in vectors]
    for _ in range(count):
        assignments = []
        for row in unit:
            cosines = [float(np.dot(row, centroid)) for centroid in centroids]
            assignments.append(cosines.index(max(cosines)))
        for cluster in range(len(centroids)):
            total = sum(row for row, own in zip(unit, assignments, strict=True) if own == cluster)
            centroids[cluster] = total / np.sqrt(sum(total**2))
    return np.array(assignments), np.array(centroids)


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_plain_reference(seed):
    vectors, _ = planted(seed, noise=1.0)
    unit = clustering.unit_vectors(vectors)
    start = unit[np.random.default_rng(seed).choice(len(unit), 5, replace=False)]
    ours = clustering.one_run(unit, start)
    assignments, centroids = plain_iterations(
        vectors, [*start.astype(float)], clustering.MAX_ITERATIONS // 4
    )
    assert (
        ours.assignments == assignments
    ).mean() > 0.99  # float32 against float64, and a tolerance against a fixed count
    np.testing.assert_allclose(ours.centroids, centroids, atol=0.02)


@pytest.mark.parametrize("seed", range(10))
def test_finds_planted_clusters_whatever_the_lengths(seed):
    vectors, truth = planted(seed)
    result = clustering.spherical_kmeans(vectors, 5, seed=seed)
    assert adjusted_rand_score(truth, result.assignments) > 0.97
    np.testing.assert_allclose(np.linalg.norm(result.centroids, axis=1), 1, atol=1e-5)
    # a power of two, so that nothing is rounded
    same = clustering.spherical_kmeans(vectors * 8, 5, seed=seed)
    np.testing.assert_array_equal(result.assignments, same.assignments)


def test_objective_is_the_mean_cosine_and_never_falls_below_a_single_start():
    vectors, _ = planted(0, noise=1.5)
    unit = clustering.unit_vectors(vectors)
    result = clustering.spherical_kmeans(vectors, 5, restarts=10)
    by_hand = np.mean([unit[i] @ result.centroids[result.assignments[i]] for i in range(len(unit))])
    assert result.objective == pytest.approx(by_hand, abs=1e-5)
    assert result.objective >= clustering.spherical_kmeans(vectors, 5, restarts=1).objective


@pytest.mark.parametrize("k", [1, 4, 9, 10])
def test_no_cluster_is_empty(k):
    directions = np.repeat(np.eye(3), [5, 4, 1], axis=0)  # ten rows, three directions
    result = clustering.spherical_kmeans(directions, k)
    assert len(set(result.assignments)) == k


def test_reseeding_takes_the_worst_row_and_empties_no_other_cluster():
    assignments = np.array([0, 0, 0, 2])
    clustering.reseed_empty(assignments, np.array([0.9, 0.2, 0.8, 0.1]), 4)
    assert sorted(assignments.tolist()) == [0, 1, 2, 3]
    # the worst row of the full cluster moves, a row alone stays
    assert assignments[1] == 1 and assignments[3] == 2


def test_a_number_of_clusters_that_cannot_be_met_is_an_error():
    with pytest.raises(InputError, match="4 clusters of 3 songs"):
        clustering.spherical_kmeans(np.eye(3), 4)


@pytest.mark.parametrize("seed", range(3))
def test_silhouette_equals_scikit_learn(seed):
    vectors, truth = planted(seed, n=120, noise=1.0)
    truth[0] = 99  # a row alone in its cluster
    assert clustering.silhouette(vectors, truth) == pytest.approx(
        silhouette_score(vectors, truth, metric="cosine"), abs=1e-6
    )


def test_the_best_silhouette_is_at_the_planted_number_of_clusters():
    vectors, _ = planted(3, k=6)
    values = {
        k: clustering.silhouette(vectors, clustering.spherical_kmeans(vectors, k).assignments)
        for k in range(2, 12)
    }
    assert max(values, key=values.get) == 6


def test_scores_of_perfect_and_of_random_clusters():
    labels = np.array(["a", "b", "c", "d"] * 50, dtype=object)
    perfect = np.array([2, 0, 3, 1] * 50)
    assert clustering.agreement(labels, perfect) == pytest.approx(
        dict.fromkeys(clustering.agreement(labels, perfect), 1.0)
    )
    random = clustering.random_agreement(labels, perfect)
    assert abs(random["ARI"]) < 0.02 and random["NMI"] < 0.1 and 0.25 < random["purity"] < 0.45


def test_purity_and_contingency_by_hand():
    labels, assignments = (
        np.array(["x", "x", "y", "y", "y"], dtype=object),
        np.array([0, 0, 0, 5, 5]),
    )
    distinct, clusters, counts = clustering.contingency(labels, assignments)
    assert distinct.tolist() == ["x", "y"] and clusters.tolist() == [0, 5]
    assert counts.tolist() == [[2, 0], [1, 2]]
    assert clustering.purity(labels, assignments) == pytest.approx(4 / 5)


def test_over_represented_labels_and_central_songs():
    labels = np.array(["rock"] * 40 + ["jazz"] * 40 + ["folk"] * 20, dtype=object)
    assignments = np.array([0] * 40 + [1] * 60)
    assert clustering.over_represented(labels, assignments, 0) == [("rock", 40, pytest.approx(2.5))]
    assert [label for label, _, _ in clustering.over_represented(labels, assignments, 1)] == [
        "jazz",
        "folk",
    ]
    result = clustering.Clustering(
        np.array([0, 1, 0, 0]), np.eye(2), np.array([0.5, 1.0, 0.9, 0.7])
    )
    assert clustering.most_central(result, 0, count=2).tolist() == [2, 3]


def test_no_cluster_is_named_after_one_song_or_two():
    """One song of 23 has a label that no other song has: a lift of 10, and chance all the same."""
    labels = np.array(["alone"] + ["pair"] * 2 + ["rest"] * 227, dtype=object)
    assignments = np.array([0] * 23 + [1] * 207)
    assert clustering.over_represented(labels, assignments, 0) == []
    titles = np.array([f"piece {row}" for row in range(230)], dtype=object)
    assert clustering.over_represented(titles, assignments, 0) == []


def test_three_songs_of_a_common_label_are_no_name_and_of_a_rare_one_are():
    assignments = np.array([0] * 23 + [1] * 207)
    # 3 where 2.3 are expected
    common = np.array(["a"] * 3 + ["b"] * 20 + ["a"] * 20 + ["b"] * 187, dtype=object)
    assert clustering.over_represented(common, assignments, 0) == []
    rare = np.array(["a"] * 3 + ["b"] * 20 + ["b"] * 207, dtype=object)
    assert clustering.over_represented(rare, assignments, 0) == [("a", 3, pytest.approx(10))]


@pytest.mark.parametrize("case", [(100, 2, 3, 4), (9, 3, 2, 5), (8, 8, 8, 24)])
def test_probability_by_chance_equals_fishers_exact_test(case):
    from scipy.stats import fisher_exact

    total, size, observed, n_rows = (
        case[0],
        case[1],
        min(case[2], case[0], case[1]),
        max(case[3], 3 * case[0]),
    )
    table = [[observed, total - observed], [size - observed, n_rows - total - size + observed]]
    ours = clustering.at_least_by_chance(np.array([observed]), np.array([total]), size, n_rows)
    assert ours == pytest.approx([fisher_exact(table, alternative="greater").pvalue])


def test_labels_dealt_out_at_random_hardly_ever_name_a_cluster():
    """Twenty rare labels and five common ones, in eight clusters:
    of 60 collections a twentieth may have a name by chance.
    """
    named = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        kinds = np.where(
            random.random(200) < 0.3,
            5 + random.integers(20, size=200),
            random.integers(5, size=200),
        )
        labels = kinds.astype(str).astype(object)
        assignments = random.integers(8, size=200)
        named += any(
            clustering.over_represented(labels, assignments, cluster) for cluster in range(8)
        )
    assert named <= 8


def test_a_hundred_thousand_songs_in_seconds_of_one_core():
    vectors = np.random.default_rng(0).standard_normal((100_000, 80)).astype(np.float32)
    with threadpool_limits(1):
        # of this process alone: other work on the machine does not count
        start = time.process_time()
        clustering.spherical_kmeans(vectors, 20, restarts=1)
    assert time.process_time() - start < 20  # about 2; ten restarts take 10 on two idle cores
