"""Evaluate several vectors of the same songs on the same folds; what a classification
script prints and writes.

Conventions
-----------
A *task* is what is asked: the songs that take part, their labels and the folds. A
*result* is how one kind of vectors does on it. Scores are shares between 0 and 1;
intervals are 95 % bootstrap intervals over songs, or over groups where given.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sound_eval.cli import seed_number
from sound_eval.errors import InputError
from sound_eval.evaluation import classification, figures
from sound_eval.evaluation.classification import SCORES
from sound_eval.files.outputs import check_outputs, write_outputs
from sound_eval.files.tables import frame_text
from sound_eval.songs.labelled import choose_label_column
from sound_eval.songs.labels import FILENAME
from sound_eval.terminal import Progress, warn

LEADING_SCORE = "balanced accuracy"  # the one that differences are reported for
REPORT_FILES = ("report.md", "report.json", "predictions.csv", "confusion.png")
REPORT_KIND = "report"  # of these outputs


@dataclass(frozen=True)
class Task:
    """Rows (n,) of the music list that take part, their labels (n,), the folds over
    them, and how these were made.
    """

    column: str
    rows: np.ndarray
    labels: np.ndarray
    folds: list
    groups: np.ndarray | None = None
    validation: np.ndarray | None = None
    described: str = ""

    @property
    def tested(self):
        """How many songs are in a test part."""
        return sum(len(test) for _, test in self.folds)


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


def add_options(parser):
    """The options that every classification script shares."""
    parser.add_argument(
        "--model",
        choices=classification.MODELS,
        default="svm",
        help="classifier (default: linear SVM)",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="column to predict (default: genre, genre_top, … or the only one that can be a label)",
    )
    splits = parser.add_mutually_exclusive_group()
    splits.add_argument(
        "--group",
        metavar="COLUMN",
        help="column whose values never lie on both sides of a split, such as artist",
    )
    splits.add_argument(
        "--split",
        metavar="COLUMN",
        help="column with an official split: training, validation, test",
    )
    parser.add_argument(
        "--folds", type=int, default=5, help="folds of the cross-validation (default: 5)"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.md, report.json, confusion.png and predictions.csv there",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of the folds and of the bootstrap (default: 0)"
    )


def check_report(args, read):
    """Raise InputError where the report that the options ask for cannot be written;
    `read` are the files that are read.
    """
    if args.report:
        check_outputs({args.report / name: REPORT_KIND for name in REPORT_FILES}, read)


def task_of(songs, args):
    """The Task that the options ask for; songs that cannot take part are counted on stderr."""
    if args.folds < 3:
        raise InputError(
            f"--folds {args.folds}: expected at least 3, so that the "
            "training part can be split again"
        )
    column = args.label or choose_label_column(songs.table, songs.source)
    labels = songs.values(column)
    rows = np.arange(len(songs))
    for name in filter(None, (column, args.group, args.split)):
        rows = rows_left(rows, songs.values(name)[rows] != "", f"have no value in column {name!r}")
    if args.split:
        fold, validation = classification.official_fold(songs.values(args.split)[rows])
        return Task(
            column,
            rows,
            labels[rows],
            [fold],
            None,
            validation,
            f"the split of column {args.split!r}",
        )
    groups = songs.values(args.group) if args.group else None
    too_few = "fewer than two groups" if args.group else f"fewer than {args.folds} songs"
    kept = classification.learnable(
        labels[rows], args.folds, None if groups is None else groups[rows]
    )
    rows = rows_left(rows, kept, f"have a label that is in {too_few}")
    groups = None if groups is None else groups[rows]
    folds = classification.stratified_folds(labels[rows], args.folds, groups, args.seed)
    described = f"{args.folds} stratified folds" + (
        f", no {args.group} on both sides" if args.group else ""
    )
    return Task(column, rows, labels[rows], folds, groups, None, described)


def rows_left(rows, keep, why):
    """`rows` where `keep`, with a warning that counts the others."""
    if not keep.all():
        warn(f"{(~keep).sum()} songs {why}; they are left out")
    return rows[keep]


def evaluate(task, features, model, seed=0):
    """Results for each of `features`, name -> (n_songs, dim) vectors in the order of
    the music list, and for trivial guesses.

    The first of `features` is what the others are compared with.
    """
    results, first = [], None
    with Progress(len(features) * len(task.folds), "fold", "classifying") as progress:
        for name, vectors in features.items():
            options = {
                "groups": task.groups,
                "validation": task.validation,
                "seed": seed,
                "progress": progress,
            }
            predicted = classification.held_out_predictions(
                model, vectors[task.rows], task.labels, task.folds, **options
            )
            result, samples = scored(name, task, predicted, first, seed)
            first = first or samples
            results.append(result)
    results.append(
        scored(
            "majority label",
            task,
            classification.majority_predictions(task.labels, task.folds),
            first,
            seed,
        )[0]
    )
    results.append(Result("chance", classification.chance_scores(task.labels, task.folds)))
    return results


def scored(name, task, predicted, first, seed):
    """A Result and its bootstrap samples; `first` are the samples of the first result, or None."""
    _, truth, guessed = classification.encode(task.labels, predicted)
    tested = np.array([label is not None for label in predicted])
    samples = classification.bootstrap(
        truth, guessed, None if task.groups is None else task.groups[tested], seed
    )
    intervals = {score: classification.interval(values) for score, values in samples.items()}
    lead = (
        None
        if first is None
        else classification.interval(first[LEADING_SCORE] - samples[LEADING_SCORE])
    )
    return Result(name, classification.scores(truth, guessed), predicted, intervals, lead), samples


def describe(task):
    """One line on what was evaluated."""
    return (
        f"label {task.column!r}: {len(set(task.labels))} values, {len(task.rows)} songs, "
        f"{task.tested} tested; {task.described}"
    )


def cells(result):
    """A result as text cells: its name, each score with its interval, and the lead of
    the first result over it.
    """
    intervals = result.intervals or {}
    shown = [
        f"{result.scores[name]:.3f}"
        + (" [{:.3f}, {:.3f}]".format(*intervals[name]) if name in intervals else "")
        for name in SCORES
    ]
    return [result.name, *shown, "{:+.3f} to {:+.3f}".format(*result.lead) if result.lead else ""]


def table_text(results):
    """The results as aligned lines for the terminal."""
    rows = [header(results), *map(cells, results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def table_markdown(results):
    """The results as a Markdown table."""
    rows = [header(results), ["---"] * (len(SCORES) + 2), *map(cells, results)]
    return (
        "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
        )
        + "\n"
    )


def header(results):
    """The heads of the columns of `cells`."""
    return ["", *SCORES, f"lead of {results[0].name} ({LEADING_SCORE})"]


def per_class_text(task, result):
    """Precision, recall, F1 and support of every label, as scikit-learn lays them out."""
    from sklearn.metrics import classification_report

    tested = np.array([label is not None for label in result.predicted])
    return classification_report(
        task.labels[tested].astype(str),
        result.predicted[tested].astype(str),
        digits=3,
        zero_division=0,
    )


def report(task, results, names, args):
    """Print the results, and then write them where the options ask for it;
    `names` (n_songs,) are in the order of the music list.
    """
    print(
        f"{describe(task)}\n\n{results[0].name}:\n{per_class_text(task, results[0])}\n"
        f"{table_text(results)}"
    )
    print(
        "in brackets: 95 % bootstrap intervals; chance draws labels with the shares of the "
        "training songs\n"
    )
    for path in write_report(args.report, task, results, names, args.model) if args.report else []:
        print("wrote", path)


def write_report(folder, task, results, names, model):
    """Write the REPORT_FILES into `folder`; returns their paths.

    `names` (n_songs,) are in the order of the music list.
    """
    texts = [
        report_markdown(task, results, model),
        json.dumps(as_json(task, results, model), indent=1, ensure_ascii=False) + "\n",
        predictions_csv(task, results, names),
    ]
    contents = [*(text.encode() for text in texts), confusion_picture(task, results[0])]
    paths = [Path(folder) / name for name in REPORT_FILES]
    write_outputs(dict(zip(paths, contents, strict=True)), REPORT_KIND)
    return paths


def report_markdown(task, results, model):
    """The report for reading: what was asked, all scores, and those of every label."""
    head = f"{describe(task)}; classifier: {model}.\n\n{table_markdown(results)}"
    return (
        f"{head}\nBrackets: 95 % bootstrap intervals.\n\n```\n"
        f"{per_class_text(task, results[0])}```\n"
    )


def confusion_picture(task, result):
    """The confusion matrix of a result, as the bytes of a PNG."""
    labels, truth, guessed = classification.encode(task.labels, result.predicted)
    confusion = classification.confusion_matrix(truth, guessed, len(labels))
    title = f"{task.column}, {LEADING_SCORE} {result.scores[LEADING_SCORE]:.3f}"
    return figures.picture("confusion.png", figures.confusion, confusion, labels, title)


def as_json(task, results, model):
    """The whole evaluation as plain values."""
    labels, truth, guessed = classification.encode(task.labels, results[0].predicted)
    return {
        "label": task.column,
        "model": model,
        "split": task.described,
        "songs": len(task.rows),
        "tested": task.tested,
        "results": [
            {"name": r.name, "scores": r.scores, "intervals": r.intervals, "lead_interval": r.lead}
            for r in results
        ],
        "labels": labels.tolist(),
        "confusion": classification.confusion_matrix(truth, guessed, len(labels)).tolist(),
    }


def predictions_csv(task, results, names):
    """CSV of the name, the truth, and what each kind of vectors predicted while the
    song was held out.
    """
    import pandas as pd

    table = pd.DataFrame({FILENAME: [names[row] for row in task.rows], task.column: task.labels})
    for result in results:
        if result.predicted is not None:
            table[f"predicted by {result.name}"] = result.predicted
    tested = [label is not None for label in results[0].predicted]
    return frame_text(table[tested])
