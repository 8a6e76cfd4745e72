"""Several vectors of the same songs, compared on the same folds.

Conventions
-----------
A *protocol* is what is asked: the songs that take part, their labels and the folds. A
*result* is how one kind of vectors does on it. Scores are shares between 0 and 1;
intervals are 95 % bootstrap intervals over songs, or over groups where given.
"""

from dataclasses import dataclass

import numpy as np

from sound_eval.evaluation import classification
from sound_eval.songs.labels import choose_label_column
from sound_eval.terminal import Progress, warn

LEADING_SCORE = "balanced accuracy"  # the one that differences are told of


@dataclass(frozen=True)
class Protocol:
    """Rows (n,) of the music list that take part, their labels (n,), the folds over
    them, and in words how these were made.

    `groups` (n,) are never on both sides of a fold; `validation` marks the training
    rows of the only fold on which the regularisation is chosen.
    """

    column: str
    rows: np.ndarray
    labels: np.ndarray
    folds: list
    how: str
    groups: np.ndarray | None = None
    validation: np.ndarray | None = None

    @property
    def n_tested(self):
        """How many songs are in a test part."""
        return sum(len(test) for _, test in self.folds)

    def __str__(self):
        """One line on what is asked."""
        return (
            f"label {self.column!r}: {len(set(self.labels))} values, {len(self.rows)} songs, "
            f"{self.n_tested} tested; {self.how}"
        )


@dataclass(frozen=True)
class Result:
    """How one kind of vectors does: predictions (n,), scores, their intervals, and the
    interval of the first result's lead.
    """

    name: str
    scores: dict
    predicted: np.ndarray | None = None
    intervals: dict | None = None
    lead: tuple | None = None


def choose_protocol(songs, label=None, group=None, split=None, n_folds=5, seed=0):
    """The Protocol for LabelledSongs; songs that cannot take part are counted on stderr.

    `label`, `group` and `split` are columns: what to predict, what is never on both
    sides of a fold, and an official split in place of folds.
    """
    column = label or choose_label_column(songs.table, songs.source)
    rows = np.arange(len(songs))
    for name in filter(None, (column, group, split)):
        has_value = songs.values(name)[rows] != ""
        rows = _rows_left(rows, has_value, f"have no value in column {name!r}")
    if split:
        return _official_protocol(songs, column, split, rows)
    labels = songs.values(column)
    groups = songs.values(group) if group else None
    kept = classification.learnable(labels[rows], n_folds, None if groups is None else groups[rows])
    too_few = "fewer than two groups" if group else f"fewer than {n_folds} songs"
    rows = _rows_left(rows, kept, f"have a label that is in {too_few}")
    groups = None if groups is None else groups[rows]
    folds = classification.stratified_folds(labels[rows], n_folds, groups, seed)
    how = f"{n_folds} stratified folds" + (f", no {group} on both sides" if group else "")
    return Protocol(column, rows, labels[rows], folds, how, groups)


def _official_protocol(songs, column, split, rows):
    """The Protocol of an official split of the songs in `rows`."""
    fold, validation = classification.official_fold(songs.values(split)[rows])
    labels = songs.values(column)[rows]
    how = f"the split of column {split!r}"
    return Protocol(column, rows, labels, [fold], how, validation=validation)


def _rows_left(rows, keep, why):
    """`rows` where `keep`, with a warning that counts the others."""
    if not keep.all():
        warn(f"{(~keep).sum()} songs {why}; they are left out")
    return rows[keep]


def compare(protocol, features, model, seed=0):
    """Results for each of `features`, name -> (n_songs, dim) vectors in the order of
    the music list, and for trivial guesses.

    The first of `features` is what the others are compared with.
    """
    predictions = {}
    folds = protocol.folds
    with Progress(len(features) * len(folds), "fold", "classifying") as progress:
        for name, vectors in features.items():
            predictions[name] = classification.held_out_predictions(
                model,
                vectors[protocol.rows],
                protocol.labels,
                folds,
                groups=protocol.groups,
                validation=protocol.validation,
                seed=seed,
                progress=progress,
            )
    majority = classification.majority_predictions(protocol.labels, folds)
    predictions["majority label"] = majority
    samples = {
        name: _bootstrap(protocol, predicted, seed) for name, predicted in predictions.items()
    }
    first = samples[next(iter(samples))]
    results = [
        _result(name, protocol, predicted, samples[name], first)
        for name, predicted in predictions.items()
    ]
    return [*results, Result("chance", classification.chance_scores(protocol.labels, folds))]


def _bootstrap(protocol, predicted, seed):
    """Bootstrap samples of the scores, by whole groups where there are groups."""
    _, truth, guessed = classification.as_numbers(protocol.labels, predicted)
    units = None
    if protocol.groups is not None:
        units = protocol.groups[classification.is_tested(predicted)]
    return classification.bootstrap(truth, guessed, units, seed)


def _result(name, protocol, predicted, samples, first):
    """The Result of predictions; `first` are the samples of the first result."""
    intervals = {score: classification.interval(values) for score, values in samples.items()}
    lead = None
    if samples is not first:
        lead = classification.interval(first[LEADING_SCORE] - samples[LEADING_SCORE])
    scores = classification.scores(protocol.labels, predicted)
    return Result(name, scores, predicted, intervals, lead)
