"""Five figures for vectors of a corpus whose songs are cut into clips: is a clip next
to the others of its song, and do songs of one label agree?

    {song}_r1      share of clips whose nearest other clip is of the same song
    {song}_mAP     mean average precision of ranking the other clips of the same song first
    {label}_knn5   balanced accuracy of the label voted by the five nearest clips of other songs
    {label}_svm    balanced accuracy of a linear SVM, mean over five folds, no song in
                   training and test
    {label}_nmi    normalised mutual information of spherical k-means with the labels, as many
                   clusters as labels, mean over ten starts

Conventions
-----------
Vectors are (n_clips, dim); songs and labels are (n_clips,) texts. Nearness is cosine
similarity. Higher is better everywhere.

Where a method gives distances (n_clips, n_clips) and no vectors, nearness is by these
distances, and {label}_svm and {label}_nmi, which need vectors, are those of the places
that classical scaling finds for the clips.
"""

import numpy as np

from sound_eval.evaluation.classification import scores, stratified_folds
from sound_eval.evaluation.clustering import agreement, spherical_kmeans
from sound_eval.search.vectors import unit_vectors

N_NEIGHBOURS = 5
N_FOLDS = 5
# of k-means: on one set of vectors, NMI differs by .03 between starts that
# are equally good
N_STARTS = 10
SVM_C = 0.02  # fixed, so that the figure is comparable between vectors
BLOCK = 512  # clips ranked at once
PLACE_SIZE = 128  # values in a place by classical scaling, as in a vector of ours


def five_scores(
    vectors, songs, labels, song_name="song", label_name="label", seed=0, nearness=None
):
    """The five figures as a dict, named after the columns.

    `nearness` maps rows (n_rows,) to how near each clip is to them (n_rows, n_clips);
    without it that is the cosine similarity of the vectors.
    """
    nearness = nearness or by_cosine(vectors)
    values = (
        *song_retrieval(nearness, songs),
        neighbour_vote(nearness, songs, labels),
        svm_score(vectors, songs, labels, seed),
        cluster_score(vectors, labels, seed),
    )
    return dict(zip(names_of_five(song_name, label_name), values, strict=True))


def five_scores_of_distances(distances, songs, labels, *args, **kwargs):
    """The five figures where only distances (n_clips, n_clips) are known; the other
    arguments are those of `five_scores`.
    """
    places = classical_scaling(distances)
    return five_scores(places, songs, labels, *args, nearness=by_distance(distances), **kwargs)


def by_cosine(vectors):
    """Nearness by the cosine similarity of vectors (n_clips, dim)."""
    unit = unit_vectors(vectors)
    return lambda rows: unit[rows] @ unit.T


def by_distance(distances):
    """Nearness by distances (n_clips, n_clips)."""
    return lambda rows: -distances[rows]


def classical_scaling(distances, dim=PLACE_SIZE):
    """Places (n_clips, dim) whose Euclidean distances are close to the given ones, with
    mean 0 and the widest axis first (Torgerson 1952).

    Of distances that differ by direction it takes the mean. There are fewer columns
    where fewer axes can be real.
    """
    squared = ((distances + distances.T) / 2) ** 2
    inner = -(squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()) / 2
    widths, axes = np.linalg.eigh(inner)
    widest = np.argsort(-widths)[:dim]
    # below it there is only rounding, and the axes that no real place has are negative
    widest = widest[widths[widest] > 1e-9 * widths.max()]
    return axes[:, widest] * np.sqrt(widths[widest])


def names_of_five(song_name, label_name):
    """The names of the five figures."""
    of_label = [f"{label_name}_{what}" for what in ("knn5", "svm", "nmi")]
    return [f"{song_name}_r1", f"{song_name}_mAP", *of_label]


def rankings(nearness, n_clips, left_out):
    """Blocks of (rows, other clips by falling nearness (n_rows, n_clips)); where
    `left_out(rows)` (n_rows, n_clips) is true they come last.
    """
    for first in range(0, n_clips, BLOCK):
        rows = np.arange(first, min(first + BLOCK, n_clips))
        near = np.where(left_out(rows), -np.inf, nearness(rows))
        yield rows, np.argsort(-near, axis=1, kind="stable")


def song_retrieval(nearness, songs):
    """Share of clips whose nearest other is of their song, and mean average precision.

    Clips without another of their song do not count.
    """
    _, codes = np.unique(songs, return_inverse=True)
    clips = np.arange(len(songs))
    first = []
    precision = []
    for rows, order in rankings(nearness, len(songs), lambda rows: rows[:, None] == clips):
        relevant = (codes[order] == codes[rows, None])[:, :-1]  # the last one is the clip itself
        relevant = relevant[relevant.any(axis=1)]
        at_rank = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
        first.extend(relevant[:, 0])
        precision.extend((at_rank * relevant).sum(axis=1) / relevant.sum(axis=1))
    return float(np.mean(first)), float(np.mean(precision))


def neighbour_vote(nearness, songs, labels):
    """Balanced accuracy of the commonest label among the nearest clips of other songs, of
    equally common ones the first in the alphabet.
    """
    _, song_codes = np.unique(songs, return_inverse=True)
    distinct, codes = np.unique(labels, return_inverse=True)
    voted = np.empty(len(songs), int)

    def of_same_song(rows):
        return song_codes[rows, None] == song_codes

    for rows, order in rankings(nearness, len(songs), of_same_song):
        # (n_rows, n_labels)
        votes = (codes[order[:, :N_NEIGHBOURS, None]] == np.arange(len(distinct))).sum(axis=1)
        voted[rows] = votes.argmax(axis=1)
    return scores(labels, distinct[voted])["balanced accuracy"]


def svm_score(vectors, songs, labels, seed=0):
    """Mean over folds of the balanced accuracy of a linear SVM on z-scored vectors."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    values = []
    for train, test in stratified_folds(labels, N_FOLDS, songs, seed):
        svm = make_pipeline(
            StandardScaler(), LinearSVC(C=SVM_C, class_weight="balanced", max_iter=5000)
        )
        predicted = svm.fit(vectors[train], labels[train]).predict(vectors[test])
        values.append(scores(labels[test], predicted)["balanced accuracy"])
    return float(np.mean(values))


def cluster_score(vectors, labels, seed=0):
    """Mean over starts of the normalised mutual information of clusters and labels."""
    runs = (
        spherical_kmeans(vectors, len(set(labels)), restarts=1, seed=N_STARTS * seed + start)
        for start in range(N_STARTS)
    )
    return float(np.mean([agreement(labels, run.assignments)["NMI"] for run in runs]))
