"""Hubs: do a few songs crowd the neighbour lists, and how many dimensions do songs have?

Conventions
-----------
`found` are neighbour lists (n_songs, count) of rows, as `vectors.neighbours` returns
them; `unit` are float32 rows (n_songs, dim) of length 1. A report is a dict name of a
search -> line -> value.
"""

import numpy as np

from sound_eval.search.vectors import Cosine, MutualProximity, neighbours
from sound_eval.terminal import Progress

COSINE = "cosine"
MUTUAL_PROXIMITY = "mutual proximity"


def hub_report(names, unit, count, mutual_proximity=False, apart=None, same=None):
    """What the lists of the `count` nearest songs say, by the cosine and, where asked
    for, by mutual proximity.

    `names` are those of the songs. Songs of one label in `apart` (n_songs,) are left
    out of each other's lists; how many neighbours have the same label in `same`
    (n_songs,) is told where it is given.
    """
    searches = {COSINE: Cosine(unit)}
    if mutual_proximity:
        searches[MUTUAL_PROXIMITY] = MutualProximity(unit)
    with Progress(len(unit) * len(searches), "song", "comparing") as progress:
        found = {
            name: neighbours(search, count, apart, progress.update)
            for name, search in searches.items()
        }
    report = {}
    for name, lists in found.items():
        report[name] = _occurrence_lines(names, lists)
        if same is not None:
            report[name] |= _label_lines(lists, same)
    dimension = intrinsic_dimension(unit, found[COSINE])
    rounded = round(dimension, 2) if np.isfinite(dimension) else None
    report[COSINE]["intrinsic dimension"] = rounded
    return report


def report_text(report):
    """A report as a table for the terminal, a column for each search."""
    lines = [" ".join([" " * 50, *(f"{name:>20}" for name in report)])]
    for line in report[COSINE]:
        values = [column.get(line) for column in report.values()]
        cells = ["" if value is None else str(value) for value in values]
        lines.append(" ".join([f"{line:50}", *(f"{cell:>20}" for cell in cells)]))
    return "\n".join(lines)


def _occurrence_lines(names, found):
    """How evenly songs occur in neighbour lists."""
    hubs = hubness(found)
    hub = int(hubs["occurrences"].argmax())
    return {
        "lists that the most frequent neighbour is in": int(hubs["occurrences"][hub]),
        "the most frequent neighbour": names[hub],
        "skewness of the occurrences": round(hubs["skewness"], 3),
        "share of songs that are nobody's neighbour": round(hubs["never"], 3),
    }


def _label_lines(found, labels):
    """How often neighbours have the same label; songs without a label are not asked."""
    labelled = labels != ""
    hits = (labels[found] == labels[:, None])[labelled]
    shares = np.unique(labels[labelled].astype(str), return_counts=True)[1] / labelled.sum()
    return {
        "first neighbours with the same label": round(float(hits[:, 0].mean()), 3),
        "neighbours with the same label": round(float(hits.mean()), 3),
        "songs with the same label, drawn by chance": round(float(np.sum(shares**2)), 3),
    }


def hubness(found):
    """How unevenly songs occur in neighbour lists.

    occurrences   (n_songs,) in how many lists each song stands
    skewness      of the occurrences (Radovanovic, Nanopoulos & Ivanovic, JMLR 2010);
                  0 where hubs and loners balance
    never         share of the songs that stand in no list
    """
    from scipy.stats import skew

    occurrences = np.bincount(found.ravel(), minlength=len(found))
    # of equal numbers SciPy knows no skewness
    is_even = occurrences.min() == occurrences.max()
    return {
        "occurrences": occurrences,
        "skewness": 0.0 if is_even else float(skew(occurrences)),
        "never": float(np.mean(occurrences == 0)),
    }


def intrinsic_dimension(unit, found):
    """The number of dimensions that songs spread over locally, from the distances to
    their nearest neighbours `found` (n_songs, count).

    The maximum likelihood estimate of Levina & Bickel (2004), averaged over songs as
    MacKay & Ghahramani (2005) correct it: 1 / mean(log(T_k / T_j)), T_j the distance to
    neighbour j < k. Songs with a copy at distance 0 are left out.
    NaN where the lists are too short or no distances differ.
    """
    similarity = np.einsum("nkd,nd->nk", unit[found], unit)
    distance = np.sort(np.sqrt(np.maximum(2 - 2 * similarity, 0)), axis=1)
    distance = distance[distance[:, 0] > 1e-3]
    ratios = np.log(distance[:, -1:] / distance[:, :-1])
    return float(1 / ratios.mean()) if ratios.any() else float("nan")
