"""The five figures of a corpus cut into clips:
against plain references, on planted corpora and on noise.
"""

from collections import Counter

import numpy as np
import pytest
from conftest import script_module
from sklearn.metrics import average_precision_score

clip_scores = script_module("benchmarks/clip_scores.py")


def corpus(
    seed, n_songs=40, clips=4, n_labels=4, noise=1.0, label_distance=1.0, song_distance=1.0, dim=20
):
    """Vectors, songs and labels: each label a point, each song a point near it, each
    clip a point near that.
    """
    random = np.random.default_rng(seed)
    song = np.repeat(np.arange(n_songs), clips)
    label = song % n_labels
    vectors = (
        label_distance * random.standard_normal((n_labels, dim))[label]
        + song_distance * random.standard_normal((n_songs, dim))[song]
    )
    vectors = vectors + noise * random.standard_normal((len(song), dim))
    return (
        vectors,
        np.array([f"song {i}" for i in song], dtype=object),
        np.array([f"label {i}" for i in label], dtype=object),
    )


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def plain_retrieval(vectors, songs):
    """First-rank share and mean average precision, one query at a time, the latter
    by scikit-learn.
    """
    first, precision = [], []
    for i in range(len(vectors)):
        others = [j for j in range(len(vectors)) if j != i]
        same = np.array([songs[j] == songs[i] for j in others])
        if same.any():
            nearness = np.array([cosine(vectors[i], vectors[j]) for j in others])
            first.append(same[nearness.argmax()])
            precision.append(average_precision_score(same, nearness))
    return np.mean(first), np.mean(precision)


def plain_vote(vectors, songs, labels):
    """Balanced accuracy of the vote of the five nearest clips of other songs,
    one clip at a time.
    """
    right = {label: [] for label in labels}
    for i in range(len(vectors)):
        others = [j for j in range(len(vectors)) if songs[j] != songs[i]]
        nearest = sorted(others, key=lambda j: -cosine(vectors[i], vectors[j]))[:5]
        votes = Counter(labels[j] for j in nearest)
        voted = min(label for label, count in votes.items() if count == max(votes.values()))
        right[labels[i]].append(voted == labels[i])
    return np.mean([np.mean(values) for values in right.values()])


@pytest.mark.parametrize("seed", range(3))
def test_retrieval_and_vote_equal_plain_references(seed, monkeypatch):
    monkeypatch.setattr(clip_scores, "BLOCK", 33)  # several blocks, the last one short
    vectors, songs, labels = corpus(seed, noise=2.0)
    songs[5] = "a song of one clip"
    nearness = clip_scores.by_cosine(vectors)
    assert clip_scores.song_retrieval(nearness, songs) == pytest.approx(
        plain_retrieval(vectors, songs), abs=1e-6
    )
    assert clip_scores.neighbour_vote(nearness, songs, labels) == pytest.approx(
        plain_vote(vectors, songs, labels), abs=1e-9
    )


def test_a_corpus_that_is_easy_scores_high_everywhere():
    vectors, songs, labels = corpus(0, noise=0.2, label_distance=4.0)
    values = clip_scores.five_scores(vectors, songs, labels, "piece", "style")
    assert list(values) == ["piece_r1", "piece_mAP", "style_knn5", "style_svm", "style_nmi"]
    assert min(values.values()) > 0.9


def test_noise_scores_chance():
    values = [
        clip_scores.five_scores(*corpus(seed, label_distance=0, song_distance=0))
        for seed in range(4)
    ]
    mean = {name: np.mean([value[name] for value in values]) for name in values[0]}
    assert mean["song_r1"] < 0.06 and mean["song_mAP"] < 0.08  # three of 159 clips are right
    assert abs(mean["label_knn5"] - 0.25) < 0.08 and abs(mean["label_svm"] - 0.25) < 0.08
    assert mean["label_nmi"] < 0.06


def test_knowing_the_song_is_no_help_with_the_label():
    vectors, songs, labels = corpus(0, noise=0.1, label_distance=0, song_distance=3.0)
    values = clip_scores.five_scores(vectors, songs, labels)
    assert values["song_r1"] > 0.95
    assert values["label_knn5"] < 0.45 and values["label_svm"] < 0.45


def distances_between(points, others):
    return np.sqrt(((points[:, None] - others) ** 2).sum(axis=2))


def test_classical_scaling_finds_places_with_the_distances():
    points = np.random.default_rng(0).standard_normal((30, 5)) * [5, 4, 3, 2, 1]
    distances = distances_between(points, points)
    places = clip_scores.classical_scaling(distances)
    assert places.shape == (30, 5)  # no axis that the distances do not ask for
    assert distances_between(places, places) == pytest.approx(distances, abs=1e-6)
    assert places.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-9)
    assert (np.diff(places.var(axis=0)) < 0).all()
    one_way = distances + np.triu(np.ones((30, 30)), 1) - np.tril(np.ones((30, 30)), -1)
    assert clip_scores.classical_scaling(one_way).shape == (30, 5)
    narrow = clip_scores.classical_scaling(distances, 2)
    assert narrow == pytest.approx(places[:, :2])


def test_distances_that_no_places_have_are_scaled_to_those_that_can_be():
    # a path of three steps whose ends are nearer than its steps allow
    distances = np.array([[0, 1, 5], [1, 0, 1], [5, 1, 0]], float)
    places = clip_scores.classical_scaling(distances)
    assert places.shape == (3, 1) and np.isfinite(places).all()


def test_distances_score_as_the_vectors_that_they_are_of():
    vectors, songs, labels = corpus(0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = distances_between(unit, unit)
    by_vectors = clip_scores.five_scores(vectors, songs, labels, "piece", "style")
    by_distances = clip_scores.five_scores_of_distances(distances, songs, labels, "piece", "style")
    assert list(by_distances) == list(by_vectors)
    ranked = ["piece_r1", "piece_mAP", "style_knn5"]
    assert [by_distances[name] for name in ranked] == [by_vectors[name] for name in ranked]
    assert 0.3 < by_vectors["piece_r1"] < 1
    assert abs(by_distances["style_svm"] - by_vectors["style_svm"]) < 0.1
