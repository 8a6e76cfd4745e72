"""Held-out predictions find what is planted and nothing else;
scores equal scikit-learn's; intervals cover.
"""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from sound_eval.errors import InputError
from sound_eval.evaluation import classification


def planted(seed, n=120, k=4, dim=10, distance=2.0):
    """Vectors around one point per label, and the labels."""
    random = np.random.default_rng(seed)
    labels = np.array([f"label {i % k}" for i in range(n)], dtype=object)
    points = distance * random.standard_normal((k, dim))
    return points[np.arange(n) % k] + random.standard_normal((n, dim)), labels


def evaluated(vectors, labels, model="svm", groups=None, seed=0):
    """Out-of-fold predictions (n,)."""
    folds = classification.stratified_folds(labels, 5, groups, seed)
    return classification.held_out_predictions(model, vectors, labels, folds, groups, seed=seed)


def interval_of(labels, predicted, units=None):
    """The interval of the balanced accuracy."""
    _, truth, guessed = classification.as_numbers(labels, predicted)
    samples = classification.bootstrap(truth, guessed, units)
    return classification.interval(samples["balanced accuracy"])


@pytest.mark.parametrize("model", classification.MODELS)
def test_every_model_finds_planted_labels(model):
    vectors, labels = planted(0)
    predicted = evaluated(vectors, labels, model)
    assert classification.scores(labels, predicted)["balanced accuracy"] > 0.9


@pytest.fixture
def two_strengths(monkeypatch):
    """A choice of the regularisation that is made soon."""
    monkeypatch.setattr(classification, "STRENGTHS", (1e-3, 1e-1))


@pytest.mark.usefixtures("two_strengths")
def test_shuffled_labels_score_chance():
    covered = []
    for seed in range(8):
        vectors, labels = planted(seed)
        shuffled = np.random.default_rng(seed).permutation(labels)
        low, high = interval_of(shuffled, evaluated(vectors, shuffled, seed=seed))
        covered.append(low <= 0.25 <= high)
    assert sum(covered) >= 6  # of 95 % intervals, eight


@pytest.mark.usefixtures("two_strengths")
def test_a_vector_that_encodes_the_group_scores_chance_under_group():
    random = np.random.default_rng(0)
    artists = np.repeat(np.arange(40), 6)
    labels = np.array([f"label {artist % 4}" for artist in artists], dtype=object)
    vectors = random.standard_normal((40, 30))[artists] + 0.1 * random.standard_normal((240, 30))
    leaking = classification.scores(labels, evaluated(vectors, labels))
    low, high = interval_of(labels, evaluated(vectors, labels, groups=artists), artists)
    assert leaking["balanced accuracy"] > 0.9
    assert low <= 0.25 <= high


def test_no_group_is_on_both_sides_and_every_song_is_tested_once():
    labels = np.array(["a", "b", "c"] * 40, dtype=object)
    groups = np.random.default_rng(0).integers(20, size=120)
    folds = classification.stratified_folds(labels, 5, groups)
    assert all(not set(groups[train]) & set(groups[test]) for train, test in folds)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(120))


@pytest.mark.parametrize("model", classification.MODELS)
def test_labels_of_test_rows_have_no_say_in_their_predictions(model):
    vectors, labels = planted(1, distance=0.5)
    train, test = classification.stratified_folds(labels, 5)[0]
    other = labels.copy()
    other[test] = np.random.default_rng(0).permutation(labels[test])
    before = classification.held_out_predictions(model, vectors, labels, [(train, test)])
    after = classification.held_out_predictions(model, vectors, other, [(train, test)])
    np.testing.assert_array_equal(before, after)
    assert all(label is None for label in before[train]) and all(
        label is not None for label in before[test]
    )


def test_official_split_trains_on_training_and_validation():
    split = np.array(["training", "test", "validation", "", "Train", "eval"], dtype=object)
    (train, test), validation = classification.official_fold(split)
    assert (
        train.tolist() == [0, 2, 4]
        and test.tolist() == [1, 5]
        and validation.tolist() == [False, True, False]
    )


def test_regularisation_is_chosen_on_the_validation_rows_where_there_are_some():
    validation = np.array([False, False, True, True])
    folds = classification._inner_folds(np.array(list("abab"), dtype=object), None, validation, 0)
    assert [(train.tolist(), test.tolist()) for train, test in folds] == [([0, 1], [2, 3])]


@pytest.mark.parametrize(
    ("split", "message"),
    [(["train", "holdout"], "'holdout' is unknown"), (["train", "val"], "no test rows")],
)
def test_a_split_that_cannot_be_used_is_an_error(split, message):
    with pytest.raises(InputError, match=message):
        classification.official_fold(np.array(split, dtype=object))


def test_one_label_too_few_songs_and_titles_are_errors():
    with pytest.raises(InputError, match="1 label to tell apart"):
        classification.stratified_folds(np.array(["rock"] * 10, dtype=object))
    with pytest.raises(InputError, match="4 songs are fewer than 5 folds"):
        classification.stratified_folds(np.array(list("abab"), dtype=object))
    with pytest.raises(InputError, match="3 groups are fewer than 5 folds"):
        classification.stratified_folds(
            np.array(list("ab") * 6, dtype=object), 5, np.arange(12) % 3
        )
    with pytest.raises(InputError, match="no label is in more than 1 songs"):
        classification.stratified_folds(np.array(list("abcdefgh"), dtype=object))


def test_learnable_labels_can_be_held_out():
    labels = np.array(list("aaaaabbb"), dtype=object)
    assert classification.learnable(labels, 5).tolist() == [True] * 5 + [False] * 3
    groups = np.array([1, 1, 1, 1, 1, 2, 2, 3])
    assert classification.learnable(labels, 5, groups).tolist() == [False] * 5 + [True] * 3


def test_few_groups_of_one_label_each_are_still_classified():
    vectors, labels = planted(0, n=60, k=2)
    groups = np.arange(60) % 4  # two groups of each label
    folds = classification.stratified_folds(labels, 4, groups)
    predicted = classification.held_out_predictions("svm", vectors, labels, folds, groups)
    assert classification.scores(labels, predicted)["accuracy"] > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn(seed):
    random = np.random.default_rng(seed)
    truth = random.integers(4, size=60)
    predicted = random.integers(6, size=60)  # two labels are only ever predicted
    ours = classification.scores(truth, predicted)
    assert ours["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    recalls = [np.mean(predicted[truth == label] == label) for label in np.unique(truth)]
    assert ours["balanced accuracy"] == pytest.approx(np.mean(recalls))
    assert ours["macro F1"] == pytest.approx(
        f1_score(truth, predicted, average="macro", zero_division=0)
    )
    same = random.integers(4, size=60)
    assert classification.scores(truth, same)["balanced accuracy"] == pytest.approx(
        balanced_accuracy_score(truth, same)
    )


def test_chance_is_what_random_guesses_score():
    labels = np.array(list("aaaaaabbbc") * 30, dtype=object)
    folds = classification.stratified_folds(labels, 5)
    random = np.random.default_rng(0)
    guesses = [classification.scores(labels, random.permutation(labels)) for _ in range(300)]
    expected = classification.chance_scores(labels, folds)
    for name in ("accuracy", "balanced accuracy"):
        assert expected[name] == pytest.approx(
            np.mean([guess[name] for guess in guesses]), abs=0.01
        )
    assert expected["balanced accuracy"] == pytest.approx(1 / 3, abs=0.01)


def test_majority_is_the_commonest_training_label():
    labels = np.array(list("aab") * 10, dtype=object)
    folds = classification.stratified_folds(labels, 5)
    assert set(classification.majority_predictions(labels, folds)) == {"a"}


def test_the_interval_of_accuracy_has_the_width_of_a_binomial():
    random = np.random.default_rng(0)
    truth = np.arange(400) % 2
    predicted = np.where(random.random(400) < 0.8, truth, 1 - truth)
    low, high = classification.interval(classification.bootstrap(truth, predicted)["accuracy"])
    share = np.mean(truth == predicted)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 400), rel=0.1)
    assert low < share < high


def test_groups_that_succeed_or_fail_as_one_widen_the_interval():
    groups = np.repeat(np.arange(40), 10)
    truth = np.zeros(400, int)
    predicted = np.repeat(np.random.default_rng(0).integers(2, size=40), 10)
    samples = [
        classification.bootstrap(truth, predicted, units)["accuracy"] for units in (None, groups)
    ]
    by_song, by_group = (np.diff(classification.interval(values))[0] for values in samples)
    assert by_group / by_song == pytest.approx(np.sqrt(10), rel=0.2)


def test_the_same_seed_draws_the_same_resamples():
    truth, predicted = np.arange(50) % 3, np.arange(50) % 2
    first, second = (
        classification.bootstrap(truth, predicted, seed=4)["accuracy"] for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
