"""What a classification script prints and writes of a comparison.

Conventions
-----------
A protocol and its results are those of `comparison`, the first result is of the vectors
that the report is about. Names (n_songs,) are in the order of the music list.
"""

import json
from pathlib import Path

import pandas as pd

from sound_eval.evaluation import classification, figures
from sound_eval.evaluation.classification import SCORES
from sound_eval.evaluation.comparison import LEADING_SCORE
from sound_eval.files.outputs import check_outputs, write_outputs
from sound_eval.files.tables import frame_text, markdown_table
from sound_eval.songs.labels import FILENAME

REPORT_FILES = ("report.md", "report.json", "predictions.csv", "confusion.png")
REPORT_KIND = "report"  # of these outputs


def check_report(folder, read):
    """Raise InputError where no report can be written into `folder`; `read` are the
    files that the command reads, which are not replaced either.
    """
    check_outputs({folder / name: REPORT_KIND for name in REPORT_FILES}, read)


def report_text(protocol, results):
    """The report for the terminal."""
    return (
        f"{protocol}\n\n{results[0].name}:\n{_text_by_label(protocol, results[0])}\n"
        f"{_aligned(_score_table(results))}\n"
        "in brackets: 95 % bootstrap intervals; chance draws labels with the shares of the "
        "training songs\n"
    )


def write_report(folder, protocol, results, names, model):
    """Write the REPORT_FILES into `folder`; returns their paths."""
    contents = [
        _markdown(protocol, results, model).encode(),
        _json(protocol, results, model).encode(),
        _predictions_csv(protocol, results, names).encode(),
        _confusion_picture(protocol, results[0]),
    ]
    paths = [Path(folder) / name for name in REPORT_FILES]
    write_outputs(dict(zip(paths, contents, strict=True)), REPORT_KIND)
    return paths


def _score_table(results):
    """Header and rows of text: the name of each result, each score with its interval,
    and the lead of the first result over it.
    """
    header = ["", *SCORES, f"lead of {results[0].name} ({LEADING_SCORE})"]
    rows = []
    for result in results:
        lead = "{:+.3f} to {:+.3f}".format(*result.lead) if result.lead else ""
        rows.append([result.name, *(_with_interval(result, name) for name in SCORES), lead])
    return header, rows


def _with_interval(result, score):
    """A score of a result as text, with its interval where it has one."""
    text = f"{result.scores[score]:.3f}"
    if not result.intervals:
        return text
    low, high = result.intervals[score]
    return f"{text} [{low:.3f}, {high:.3f}]"


def _aligned(table):
    """A table as aligned lines for the terminal."""
    header, rows = table
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _text_by_label(protocol, result):
    """Precision, recall, F1 and support of every label, as scikit-learn lays them out."""
    from sklearn.metrics import classification_report

    tested = classification.is_tested(result.predicted)
    truth = protocol.labels[tested].astype(str)
    guessed = result.predicted[tested].astype(str)
    return classification_report(truth, guessed, digits=3, zero_division=0)


def _markdown(protocol, results, model):
    """The report for reading: what was asked, all scores, and those of every label."""
    return (
        f"{protocol}; classifier: {model}.\n\n{markdown_table(*_score_table(results))}\n"
        f"Brackets: 95 % bootstrap intervals.\n\n```\n{_text_by_label(protocol, results[0])}```\n"
    )


def _confusion(protocol, result):
    """Distinct labels (k,), and how often each was taken for each: counts (k, k)."""
    labels, truth, guessed = classification.as_numbers(protocol.labels, result.predicted)
    return labels, classification.confusion_matrix(truth, guessed, len(labels))


def _confusion_picture(protocol, result):
    """The confusion matrix of a result, as the bytes of a PNG."""
    labels, counts = _confusion(protocol, result)
    title = f"{protocol.column}, {LEADING_SCORE} {result.scores[LEADING_SCORE]:.3f}"
    return figures.picture("confusion.png", figures.confusion, counts, labels, title)


def _json(protocol, results, model):
    """The whole comparison as JSON."""
    labels, counts = _confusion(protocol, results[0])
    values = {
        "label": protocol.column,
        "model": model,
        "split": protocol.how,
        "songs": len(protocol.rows),
        "tested": protocol.n_tested,
        "results": [
            {
                "name": result.name,
                "scores": result.scores,
                "intervals": result.intervals,
                "lead_interval": result.lead,
            }
            for result in results
        ],
        "labels": labels.tolist(),
        "confusion": counts.tolist(),
    }
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _predictions_csv(protocol, results, names):
    """CSV of the name, the truth, and what each kind of vectors predicted while the
    song was held out.
    """
    songs = [names[row] for row in protocol.rows]
    table = pd.DataFrame({FILENAME: songs, protocol.column: protocol.labels})
    for result in results:
        if result.predicted is not None:
            table[f"predicted by {result.name}"] = result.predicted
    return frame_text(table[classification.is_tested(results[0].predicted)])
