"""What sphere_kmeans.py prints and writes of a clustering held against labels.

Conventions
-----------
A clustering is that of `clustering`; labels (n_songs,) are text, '' where a song has
none: such songs are clustered, and left out of the figures.
"""

import numpy as np

from sound_eval.evaluation import clustering as k_means
from sound_eval.files.tables import frame_text

NO_LABEL = "(no label)"


def agreement_text(clustering, labels, column, seed=0):
    """The figures of clusters against labels, beside those of clusters of the same
    sizes dealt out at random.
    """
    labelled = labels != ""
    truth = labels[labelled]
    assignments = clustering.assignments[labelled]
    ours = k_means.agreement(truth, assignments)
    random = k_means.random_agreement(truth, assignments, seed)
    lines = [
        f"clusters against {column!r} ({len(set(truth))} values, {len(truth)} songs)",
        f"{'':14}clusters  random",
    ]
    lines += [f"{name:14}{value:8.3f}{random[name]:8.3f}" for name, value in ours.items()]
    return "\n".join(lines)


def clusters_text(clustering, labels, names):
    """For each cluster its size, the labels that it has more of than expected, and its
    most central songs.
    """
    labelled = labels != ""
    truth = labels[labelled]
    assignments = clustering.assignments[labelled]
    lines = []
    for cluster in range(len(clustering.centroids)):
        size = int((clustering.assignments == cluster).sum())
        common = k_means.over_represented(truth, assignments, cluster)
        shown = ", ".join(f"{label} {count} (x{lift:.1f})" for label, count, lift in common)
        lines.append(f"\ncluster {cluster}: {size} songs; {shown or 'no label stands out'}")
        for row in k_means.most_central(clustering, cluster):
            lines.append(f"  {clustering.similarity[row]:.3f}  {names[row]}")
    return "\n".join(lines)


def label_counts(clustering, labels):
    """Distinct labels, distinct clusters, and how many songs have both (l, c), those
    without a label among them.
    """
    return k_means.contingency(np.where(labels != "", labels, NO_LABEL), clustering.assignments)


def clusters_csv(table, clustering):
    """CSV of the metadata of every song (a DataFrame) with its cluster and its cosine
    similarity to the centroid.
    """
    similarity = np.round(clustering.similarity, 4)
    return frame_text(table.assign(cluster=clustering.assignments, cluster_similarity=similarity))
