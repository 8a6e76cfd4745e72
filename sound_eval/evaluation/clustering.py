"""Spherical k-means, and how well clusters agree with labels.

Spherical k-means (Dhillon & Modha 2001, "Concept decompositions for large sparse text
data using clustering") maximises the sum of cosine similarities between songs and the
centroid of their cluster. Restarts are seeded by scikit-learn's greedy k-means++
(Arthur & Vassilvitskii 2007), whose squared Euclidean distance is on the unit sphere
twice 1 - cosine. The iterations are our own, as scikit-learn's KMeans moves centroids
off the sphere; so is the silhouette, as scikit-learn's compares all pairs of songs.

Conventions
-----------
Vectors are (n, dim); `unit` are vectors of length 1, centroids (k, dim) have length 1
as well. Clusters are ints 0 .. k - 1, assignments (n,). Labels (n,) may be any values
that compare equal.
"""

from dataclasses import dataclass

import numpy as np

from sound_eval.errors import InputError
from sound_eval.search.vectors import unit_vectors
from sound_eval.terminal import Progress

MAX_ITERATIONS = 200
TOLERANCE = 1e-5  # stop where the mean similarity grew by less than this
FEWEST_TO_STAND_OUT = 3  # rows of a cluster that must carry a label
# probability that any label of any cluster stands out though labels and clusters have
# nothing to do with each other
CHANCE = 0.05
N_SHUFFLES = 20  # random assignments that a score is compared with


@dataclass(frozen=True)
class Clustering:
    """Assignments (n,), unit centroids (k, dim), and each row's cosine similarity to
    its own centroid (n,).
    """

    assignments: np.ndarray
    centroids: np.ndarray
    similarity: np.ndarray

    @property
    def objective(self):
        """Mean cosine similarity of a row to its centroid, which the algorithm maximises."""
        return float(self.similarity.mean())


def spherical_kmeans(vectors, k, restarts=10, seed=0):
    """The best of `restarts` runs of spherical k-means on the rows of `vectors`
    (n, dim), as a Clustering.

    Raises InputError where k is not between 1 and n.
    """
    if not 1 <= k <= len(vectors):
        raise InputError(
            f"{k} clusters of {len(vectors)} songs: expected between 1 and the number of songs"
        )
    unit = unit_vectors(vectors)
    random = np.random.default_rng(seed)
    runs = (one_run(unit, _seed_centroids(unit, k, random)) for _ in range(restarts))
    return max(runs, key=lambda run: run.objective)


def _seed_centroids(unit, k, random):
    """k rows of `unit` to start from, by greedy k-means++."""
    from sklearn.cluster import kmeans_plusplus

    seed = int(random.integers(1 << 32))
    return kmeans_plusplus(unit, k, random_state=seed)[0]


def one_run(unit, centroids):
    """Alternate assignment and centroids from a start (k, dim) until the objective
    stands still; returns a Clustering.
    """
    last = -np.inf
    for _ in range(MAX_ITERATIONS):
        assignments, similarity = _assign(unit, centroids)
        reseed_empty(assignments, similarity, len(centroids))
        centroids = centroids_of(unit, assignments, centroids)
        if similarity.mean() - last < TOLERANCE:
            break
        last = similarity.mean()
    return Clustering(assignments, centroids, np.einsum("nd,nd->n", unit, centroids[assignments]))


def _assign(unit, centroids):
    """The most similar centroid of each row (n,), and the cosine similarity to it (n,)."""
    similarities = unit @ centroids.T  # (n, k)
    assignments = similarities.argmax(axis=1)
    return assignments, similarities[np.arange(len(unit)), assignments]


def reseed_empty(assignments, similarity, k):
    """Give every empty cluster the row that fits its own cluster worst, in place; the
    last row of a cluster is never taken.
    """
    sizes = np.bincount(assignments, minlength=k)
    if sizes.all():
        return
    candidates = iter(np.argsort(similarity, kind="stable"))
    for empty in np.flatnonzero(sizes == 0):
        row = next(row for row in candidates if sizes[assignments[row]] > 1)
        sizes[assignments[row]] -= 1
        sizes[empty] = 1
        assignments[row] = empty


def centroids_of(unit, assignments, before):
    """Unit centroids (k, dim) of the clusters; one whose rows cancel out keeps the
    direction it had `before`.
    """
    members = (assignments == np.arange(len(before))[:, None]).astype(np.float32)  # (k, n)
    sums = members @ unit
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), before)


def silhouette(vectors, assignments):
    """Mean silhouette (Rousseeuw 1987) with the distance 1 - cosine; 0 for a row
    alone in its cluster.

    The mean cosine of a row to a cluster is its product with the cluster's mean vector,
    so all rows cost O(n k dim), not O(n² dim).
    """
    unit = unit_vectors(vectors).astype(np.float64)
    members = assignments == np.unique(assignments)[:, None]  # (k, n)
    sizes = members.sum(axis=1)
    to_sums = unit @ (members @ unit).T  # (n, k)
    is_own = members.T
    outside = np.where(is_own, np.inf, 1 - to_sums / sizes).min(axis=1)
    n_others = (is_own * sizes).sum(axis=1) - 1
    # a row is a part of its own cluster's sum
    to_others = (to_sums * is_own).sum(axis=1) - np.einsum("nd,nd->n", unit, unit)
    inside = 1 - to_others / np.maximum(n_others, 1)
    larger = np.maximum(inside, outside)
    counts = (n_others > 0) & (larger > 0)
    values = np.where(counts, (outside - inside) / np.where(larger > 0, larger, 1), 0)
    return float(values.mean())


def silhouettes(vectors, ks, restarts=10, seed=0):
    """The silhouette of the clusters for each number of clusters in `ks`, a dict.

    Raises InputError where a number is not below that of the songs: what is alone in
    its cluster has no silhouette.
    """
    if max(ks) >= len(vectors):
        raise InputError(
            f"up to {max(ks)} clusters: expected fewer clusters than the {len(vectors)} songs"
        )
    values = {}
    with Progress(len(ks), "k", "clustering") as progress:
        for k in ks:
            assignments = spherical_kmeans(vectors, k, restarts, seed).assignments
            values[k] = silhouette(vectors, assignments)
            progress.update(1)
    return values


def purity(labels, assignments):
    """Share of the rows that have the commonest label of their cluster
    (Manning, Raghavan & Schütze 2008, section 16.3).
    """
    return float(contingency(labels, assignments)[2].max(axis=0).sum() / len(labels))


def contingency(labels, assignments):
    """Distinct labels (l,), distinct clusters (c,), and how many rows have both (l, c)."""
    distinct, label_codes = np.unique(labels, return_inverse=True)
    clusters, cluster_codes = np.unique(assignments, return_inverse=True)
    counts = np.bincount(
        label_codes * len(clusters) + cluster_codes, minlength=len(distinct) * len(clusters)
    )
    return distinct, clusters, counts.reshape(len(distinct), len(clusters))


def agreement(labels, assignments):
    """NMI, ARI, purity, V-measure, homogeneity and completeness of clusters against
    labels, as a dict; 1 is perfect.

    NMI is normalised by the arithmetic mean of both entropies, which makes it equal to
    the V-measure (Rosenberg & Hirschberg 2007).
    """
    from sklearn.metrics import (
        adjusted_rand_score,
        homogeneity_completeness_v_measure,
        normalized_mutual_info_score,
    )

    homogeneity, completeness, v_measure = homogeneity_completeness_v_measure(labels, assignments)
    return {
        "NMI": float(normalized_mutual_info_score(labels, assignments)),
        "ARI": float(adjusted_rand_score(labels, assignments)),
        "purity": purity(labels, assignments),
        "V-measure": float(v_measure),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
    }


def random_agreement(labels, assignments, seed=0):
    """The mean `agreement` of the same clusters dealt out at random: what their number
    and sizes alone would score.
    """
    random = np.random.default_rng(seed)
    rounds = [agreement(labels, random.permutation(assignments)) for _ in range(N_SHUFFLES)]
    return {name: float(np.mean([scores[name] for scores in rounds])) for name in rounds[0]}


def most_central(clustering, cluster, count=3):
    """Rows of a cluster in order of falling similarity to its centroid, at most `count`."""
    rows = np.flatnonzero(clustering.assignments == cluster)
    return rows[np.argsort(-clustering.similarity[rows], kind="stable")][:count]


def over_represented(labels, assignments, cluster, count=3):
    """Labels that stand out in a cluster, as (label, rows in the cluster, lift); the
    least likely by chance first.

    Lift is the share in the cluster over the share overall. A label stands out where at
    least `FEWEST_TO_STAND_OUT` rows of the cluster carry it, and so many more than
    expected that random labels would hardly do it: by Fisher's exact test, one-sided,
    with p times the number of pairs of a label and a cluster that are looked at
    (Bonferroni) at most `CHANCE`. A lift above 1 alone says nothing: of many rare
    labels some always have one row where a tenth of one is expected.
    """
    distinct, clusters, counts = contingency(labels, assignments)
    is_frequent = counts.sum(axis=1) >= FEWEST_TO_STAND_OUT
    distinct = distinct[is_frequent]
    counts = counts[is_frequent]
    totals = counts.sum(axis=1)
    observed = counts[:, np.searchsorted(clusters, cluster)]
    size = int((np.asarray(assignments) == cluster).sum())
    p = at_least_by_chance(observed, totals, size, len(labels))
    lift = observed * len(labels) / (totals * size)
    stands_out = (observed >= FEWEST_TO_STAND_OUT) & (lift > 1) & (p * counts.size <= CHANCE)
    order = [i for i in np.lexsort((-lift, p)) if stands_out[i]][:count]
    return [(distinct[i], int(observed[i]), float(lift[i])) for i in order]


def at_least_by_chance(observed, totals, size, n_rows):
    """The probability that of `size` rows drawn from `n_rows` at least `observed` (l,)
    are among the `totals` (l,) rows of a label.
    """
    from scipy.stats import hypergeom

    return hypergeom.sf(observed - 1, n_rows, totals, size)
