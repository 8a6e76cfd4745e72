"""Clusters on the map: a column, a name where each lies, and its most central songs.

A cluster is named by its number and by the labels that it has so many more of than
chance would give it that they say what it is (`clustering.over_represented`).
"""

from collections import Counter

import numpy as np
from scipy.spatial import cKDTree

from sound_eval.evaluation.clustering import (
    Clustering,
    centroids_of,
    most_central,
    over_represented,
)
from sound_eval.map.data import CLUSTER, first_colour, title_column
from sound_eval.search.vectors import unit_vectors
from sound_eval.songs.labels import column, read_joined

N_CENTRAL = 5
N_CROWD = 12  # songs that must lie close together where a cluster's name is put
N_LABELS = 2  # that a cluster is named after


def read_clusters(names, path):
    """The `cluster` column of a CSV such as sphere_kmeans.py writes, as text
    (n_songs,); '' for songs that it does not name.
    """
    return column(read_joined(names, path), CLUSTER, path)


def with_clusters(table, vectors, positions, clusters):
    """The table with a column of clusters, and what the page is told of each, a list of
    `Cluster` in page/types.d.ts; where `clusters` is None, the table as it is, and [].

    `clusters` (n_songs,) are texts, '' for a song in none.
    """
    if clusters is None:
        return table, []
    no_names = [CLUSTER, title_column(table)]
    label = first_colour(table.drop(columns=no_names, errors="ignore"))
    labels = table[label].to_numpy(object) if label else np.full(len(table), "", object)
    names, described = _describe_clusters(vectors, positions, clusters, labels)
    print(_sizes_line(clusters))
    return table.assign(**{CLUSTER: names}), described


def _describe_clusters(vectors, positions, clusters, labels):
    """Names (n_songs,) of the songs' clusters for a column, and for each cluster
    {"name", "x", "y", "central"} for the page.

    `clusters` (n_songs,) are texts, '' for a song in none; `labels` (n_songs,) are what
    clusters are named after.
    """
    numbers, assignments = np.unique(clusters, return_inverse=True)
    clustering = _clustering_of(vectors, assignments, len(numbers))
    common = [_common_labels(code, labels, assignments) for code in range(len(numbers))]
    names = [_name_of(*one) for one in zip(numbers, common, strict=True)]
    described = []
    for code in np.flatnonzero(numbers != ""):
        inside = assignments == code
        # where the name is true, not merely where the cluster is
        named_after = inside & np.isin(labels, common[code])
        x, y = _densest(positions[named_after if named_after.any() else inside])
        central = most_central(clustering, code, N_CENTRAL).tolist()
        described.append({"name": names[code], "x": float(x), "y": float(y), "central": central})
    of_songs = [names[code] if numbers[code] else "" for code in assignments]
    return np.array(of_songs, object), described


def _clustering_of(vectors, assignments, n_clusters):
    """The Clustering that assigns the songs so."""
    unit = unit_vectors(vectors)
    centroids = centroids_of(unit, assignments, np.zeros((n_clusters, unit.shape[1]), np.float32))
    similarity = np.einsum("nd,nd->n", unit, centroids[assignments])
    return Clustering(assignments, centroids, similarity)


def _name_of(number, common):
    """`3 · rock, metal`."""
    return f"{number} · {', '.join(common)}" if common else str(number)


def _common_labels(code, labels, assignments):
    """At most N_LABELS labels that stand out in a cluster, which it is named after:
    `3 · rock, metal`.

    A label of one song or two never does, so that a title names no cluster.
    """
    known = labels != ""
    if not (assignments[known] == code).any():
        return []
    found = over_represented(labels[known], assignments[known], code, N_LABELS)
    return [label for label, _, _ in found]


def _densest(points):
    """The one of `points` (n, 2) with its N_CROWD nearest the nearest:
    a cluster may lie in several patches, with its mean in none.
    """
    crowd = min(N_CROWD, len(points) - 1)
    distances = cKDTree(points).query(points, [crowd + 1])[0]
    return points[distances.argmin()]


def _sizes_line(clusters):
    """`3 clusters of 10 to 20 songs`."""
    sizes = Counter(cluster for cluster in clusters if cluster).values()
    return f"{len(sizes)} clusters of {min(sizes)} to {max(sizes)} songs"
