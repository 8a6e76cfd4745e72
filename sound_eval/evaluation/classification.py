"""Do vectors know labels? Held-out predictions of a classifier, and their scores with intervals.

Conventions
-----------
Vectors are (n, dim) float; labels (n,) are text without empty values; groups (n,) say
which rows must not be on both sides of a split (songs of one artist). A *fold* is a
pair of row numbers (train, test). The classifier's regularisation is chosen inside the
training rows of each fold, so no test row has a say in anything that predicts it.
Predictions are (n,) label texts; rows of no test part hold None and are not scored.
"""

import warnings
from contextlib import contextmanager

import numpy as np

from sound_eval.errors import InputError

MODELS = ("svm", "logistic", "knn")
INNER_FOLDS = 3  # for choosing the regularisation
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of the SVM and of logistic regression
NEIGHBOURS = (1, 3, 5, 10, 20)
N_RESAMPLES = 1000  # of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles
SCORES = ("accuracy", "balanced accuracy", "macro F1")
SPLIT_PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


def learnable(labels, n_folds, groups=None):
    """Rows (n,) whose label is in at least `n_folds` rows, or with groups in at least
    two groups, so that it can be held out.
    """
    if groups is None:
        distinct, counts = np.unique(labels, return_counts=True)
        return np.isin(labels, distinct[counts >= n_folds])
    # the label of each group, once for every label that the group has
    in_groups = [label for label, _ in set(zip(labels, groups, strict=True))]
    distinct, counts = np.unique(np.array(in_groups, dtype=object), return_counts=True)
    return np.isin(labels, distinct[counts >= 2])


def stratified_folds(labels, n_folds=5, groups=None, seed=0):
    """Folds that keep the shares of the labels, and with groups put no group on both sides.

    Raises InputError where there is one label only, or fewer rows or groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _check_two_labels(labels)
    units = labels if groups is None else np.unique(groups)
    what = "songs" if groups is None else "groups"
    if len(units) < n_folds:
        raise InputError(
            f"{len(units)} {what} are fewer than {n_folds} folds: "
            "more labelled songs are needed, or fewer folds"
        )
    most = np.unique(labels, return_counts=True)[1].max()
    if most < n_folds:
        raise InputError(
            f"no label is in more than {most} songs, fewer than {n_folds} folds: "
            "is it a column of labels, not of titles?"
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    with _quiet_about_rare_labels():
        return list(splitter.split(np.zeros(len(labels)), labels, groups))


def _check_two_labels(labels):
    """Raise InputError where there is nothing to tell apart."""
    distinct = sorted(set(labels))
    if len(distinct) < 2:
        raise InputError(
            f"{len(distinct)} label to tell apart ({', '.join(distinct) or 'none'}): "
            "a classifier needs two or more"
        )


def official_fold(split):
    """The one fold of an official split (n,), and which of its training rows are for
    validation (n_train,).

    Rows of the parts `train` and `validation` train, rows of `test` test; an empty
    value takes no part. Raises InputError for an unknown value or a missing part.
    """
    part_of = {spelling: part for part, spellings in SPLIT_PARTS.items() for spelling in spellings}
    part_of[""] = ""
    unknown = sorted({value for value in split if value.lower() not in part_of})
    if unknown:
        known = ", ".join(filter(None, part_of))
        raise InputError(f"split value {unknown[0]!r} is unknown; known are {known}")
    parts = np.array([part_of[value.lower()] for value in split])
    train = np.flatnonzero(np.isin(parts, ("train", "validation")))
    test = np.flatnonzero(parts == "test")
    for part, rows in (("training", train), ("test", test)):
        if not len(rows):
            raise InputError(f"the split column has no {part} rows among the labelled songs")
    return (train, test), parts[train] == "validation"


@contextmanager
def _quiet_about_rare_labels():
    """Silence scikit-learn's warning on labels rarer than folds: `learnable` has decided
    which are too rare.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        yield


def classifier(model, inner_folds):
    """A scikit-learn estimator that z-scores its input and chooses its regularisation
    by balanced accuracy on inner folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    estimators = {
        "svm": LinearSVC(class_weight="balanced", dual=False),
        "logistic": LogisticRegression(class_weight="balanced", max_iter=1000),
        "knn": KNeighborsClassifier(metric="cosine", weights="distance"),
    }
    choices = {"n_neighbors": NEIGHBOURS} if model == "knn" else {"C": STRENGTHS}
    grid = {f"model__{name}": values for name, values in choices.items()}
    pipeline = Pipeline([("scale", StandardScaler()), ("model", estimators[model])])
    return GridSearchCV(pipeline, grid, scoring=_balanced_accuracy_of, cv=inner_folds)


def _balanced_accuracy_of(estimator, vectors, labels):
    """Balanced accuracy as scikit-learn wants a scorer."""
    return scores(labels, estimator.predict(vectors))["balanced accuracy"]


def held_out_predictions(
    model, vectors, labels, folds, groups=None, validation=None, seed=0, progress=None
):
    """Predict the test rows of every fold from its training rows; returns (n,) label
    texts, None for rows never tested.

    `validation` (n_train,) marks the training rows of the single fold on which the
    regularisation is chosen. `progress` is updated by one for every fold.
    """
    from threadpoolctl import threadpool_limits

    predicted = np.full(len(labels), None, dtype=object)
    for train, test in folds:
        _check_two_labels(labels[train])
        train_groups = None if groups is None else groups[train]
        inner = _inner_folds(labels[train], train_groups, validation, seed)
        # matrices this small are up to 30 times slower on several threads that
        # wait for each other
        with threadpool_limits(1):
            fitted = classifier(model, inner).fit(vectors[train], labels[train])
            predicted[test] = fitted.predict(vectors[test])
        if progress is not None:
            progress.update(1)
    return predicted


def _inner_folds(labels, groups, validation, seed):
    """Folds within training rows: the given validation rows, or stratified folds as outside.

    Where so few groups are left that some fold would train on one label, the groups are
    let go: only the choice of the regularisation suffers.
    """
    if validation is not None and validation.any() and not validation.all():
        return [(np.flatnonzero(~validation), np.flatnonzero(validation))]
    if groups is not None and len(set(groups)) >= INNER_FOLDS:
        folds = stratified_folds(labels, INNER_FOLDS, groups, seed)
        if all(len(set(labels[train])) > 1 for train, _ in folds):
            return folds
    most = int(np.unique(labels, return_counts=True)[1].max())
    return stratified_folds(labels, max(2, min(INNER_FOLDS, most)), None, seed)


def majority_predictions(labels, folds):
    """Predict the commonest training label everywhere."""
    predicted = np.full(len(labels), None, dtype=object)
    for train, test in folds:
        distinct, counts = np.unique(labels[train], return_counts=True)
        predicted[test] = distinct[counts.argmax()]
    return predicted


def chance_scores(labels, folds):
    """The scores expected of drawing each test label at random with the labels' shares
    in the training rows.
    """
    distinct, codes = np.unique(labels, return_inverse=True)
    confusion = np.zeros((len(distinct), len(distinct)))
    for train, test in folds:
        shares = np.bincount(codes[train], minlength=len(distinct)) / len(train)
        confusion += np.outer(np.bincount(codes[test], minlength=len(distinct)), shares)
    return _scores_of_confusion(confusion)


def is_tested(predicted):
    """Which rows (n,) were in a test part."""
    return np.array([label is not None for label in predicted])


def as_numbers(labels, predicted):
    """Distinct labels, and the tested rows of truth and prediction as their numbers:
    (k,), (n_tested,), (n_tested,).
    """
    tested = is_tested(predicted)
    both = np.concatenate([labels[tested], predicted[tested]]).astype(str)
    distinct, numbers = np.unique(both, return_inverse=True)
    return distinct, numbers[: tested.sum()], numbers[tested.sum() :]


def confusion_matrix(truth, predicted, k, weights=None):
    """Counts (k, k): row the true number, column the predicted one."""
    return np.bincount(truth * k + predicted, weights=weights, minlength=k * k).reshape(k, k)


def scores(labels, predicted):
    """The `SCORES` of predicted label texts, as a dict."""
    distinct, truth, guessed = as_numbers(labels, predicted)
    return _scores_of_confusion(confusion_matrix(truth, guessed, len(distinct)))


def _scores_of_confusion(confusion):
    """Accuracy, balanced accuracy (mean recall of the labels that occur) and macro F1
    (of those that occur or are predicted).
    """
    hits = np.diag(confusion)
    true = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    occurs = true > 0
    named = true + predicted > 0
    values = (
        hits.sum() / true.sum(),
        np.mean(hits[occurs] / true[occurs]),
        np.mean(2 * hits[named] / (true + predicted)[named]),
    )
    return {name: float(value) for name, value in zip(SCORES, values, strict=True)}


def bootstrap(truth, predicted, units=None, seed=0):
    """Scores of `N_RESAMPLES` resamples with replacement (Efron 1979), as a dict of
    arrays (N_RESAMPLES,).

    Whole `units` (n_tested,) are drawn where given, since songs of one artist are not
    independent. The same seed draws the same resamples, so two sets of predictions of
    the same rows can be compared pair by pair.
    """
    random = np.random.default_rng(seed)
    k = 1 + int(max(truth.max(), predicted.max()))
    unit_of = np.arange(len(truth)) if units is None else np.unique(units, return_inverse=True)[1]
    n_units = int(unit_of.max()) + 1
    rounds = []
    for _ in range(N_RESAMPLES):
        times = np.bincount(random.integers(n_units, size=n_units), minlength=n_units)
        confusion = confusion_matrix(truth, predicted, k, times[unit_of])
        rounds.append(_scores_of_confusion(confusion))
    return {name: np.array([values[name] for values in rounds]) for name in SCORES}


def interval(samples):
    """The 95 % percentile interval of bootstrap samples, (low, high)."""
    low, high = np.percentile(samples, INTERVAL)
    return float(low), float(high)
