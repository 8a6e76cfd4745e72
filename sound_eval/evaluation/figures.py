"""The pictures of the evaluation scripts, drawn by Matplotlib without a display.

Conventions
-----------
A drawing function takes a Matplotlib `Axes` and data; `picture` makes the axes and
the file's content. Labels are data: a dollar sign or a leading underscore in one
is shown as it is.
"""

import io
from pathlib import Path

import numpy as np

from sound_eval.errors import InputError

SUFFIXES = (".png", ".svg", ".pdf")
MAX_LABELS = 19  # with a colour of their own in a bar plot; the rarer ones share grey
MAX_WRITTEN = 20  # labels beyond which a confusion matrix has no numbers in its cells
MAX_TICKS = 60  # labels beyond which a confusion matrix has no names on its axes
OTHERS = "other labels"


def check_name(path):
    """Raise InputError for a file name that ends in no format we write."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path}: expected the name of a picture that ends in {', '.join(SUFFIXES)}"
        )


def picture(path, draw, *data):
    """The picture that `draw(axes, *data)` makes, as bytes in the format of the
    suffix of `path`.
    """
    check_name(path)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with plt.rc_context({"text.parse_math": False, "svg.fonttype": "none"}):
        figure, axes = plt.subplots(layout="constrained")
        try:
            draw(axes, *data)
            content = io.BytesIO()
            figure.savefig(content, format=Path(path).suffix[1:].lower(), dpi=120)
            return content.getvalue()
        finally:
            plt.close(figure)


def stacked_bars(axes, labels, clusters, counts, title):
    """One bar per cluster, stacked by label; `counts` is (n_labels, n_clusters).

    Labels are stacked from the commonest up and beyond `MAX_LABELS` joined; clusters
    stand in the order of their commonest label, those with most of it first, so that
    the bars of one label stand together.
    """
    labels, counts = _common_labels(labels, counts)
    order = np.lexsort((-counts.max(axis=0), counts.argmax(axis=0)))
    colours = _label_colours(len(labels), OTHERS in labels[-1:])
    bottom = np.zeros(len(order))
    for row, colour in zip(counts[:, order], colours, strict=True):
        axes.bar(
            range(len(order)), row, bottom=bottom, color=colour, edgecolor="white", linewidth=0.5
        )
        bottom += row
    sizes = counts.sum(axis=0)[order]
    shares = counts.max(axis=0)[order] / sizes
    for place, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        axes.text(place, size, f"{share:.0%}", ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(order)), [str(clusters[i]) for i in order])
    axes.set(
        xlabel="cluster (above each bar: the share of its commonest label)",
        ylabel="songs",
        title=title,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.08)
    _outside_legend(axes, labels, colours)
    axes.figure.set_size_inches(max(6, 0.45 * len(order) + 3.5), 5.5)


def _common_labels(labels, counts):
    """Labels and rows of `counts` by falling total; beyond `MAX_LABELS` the rest are
    summed as one.
    """
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    names = [str(labels[i]) for i in order]
    counts = counts[order]
    if len(names) <= MAX_LABELS + 1:
        return names, counts
    rest = counts[MAX_LABELS:].sum(axis=0)
    return [*names[:MAX_LABELS], OTHERS], np.vstack([counts[:MAX_LABELS], rest])


def _label_colours(n_labels, last_is_rest):
    """Distinct colours, (n_labels) RGBA; grey for a last entry that joins the rest."""
    from matplotlib import colormaps

    palette = [*colormaps["tab10"].colors, *colormaps["tab20"].colors[1::2]]
    colours = palette[:n_labels]
    return [*colours[:-1], "lightgrey"] if last_is_rest else colours


def _outside_legend(axes, labels, colours):
    """A legend right of the axes, in the order from top to bottom of the bars."""
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colour) for colour in colours]
    legend = axes.legend(
        patches[::-1],
        ["x"] * len(labels),
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
        fontsize=8,
    )
    for text, label in zip(legend.get_texts(), reversed(labels), strict=True):
        # set here because legend() leaves out labels that begin with an underscore
        text.set_text(label)


def confusion(axes, counts, labels, title):
    """A confusion matrix (k, k), rows true and columns predicted, as shares of each row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.figure.colorbar(image, label="share of the songs of a label", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if len(labels) <= MAX_TICKS:
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= MAX_WRITTEN:
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.5 else "black"
            place = {"ha": "center", "va": "center", "fontsize": 7}
            axes.text(column, row, f"{share:.2f}", color=colour, **place)
    side = float(np.clip(0.35 * len(labels), 4, 20))
    axes.figure.set_size_inches(side + 2.5, side + 1.5)


def curve(axes, x, y, x_name, y_name):
    """A line through points, the highest marked."""
    best = int(np.argmax(y))
    axes.plot(x, y, marker="o", markersize=3)
    axes.plot(x[best], y[best], marker="o", color="tab:red")
    axes.annotate(f" {x[best]}", (x[best], y[best]), color="tab:red")
    axes.set(xlabel=x_name, ylabel=y_name)
    axes.grid(alpha=0.3)


def strips(axes, rows, scores, highlighted=()):
    """A strip per score with one line for each of `rows`, name -> list of dicts score
    -> value: dots for the values, a bar at their mean.
    """
    figure = axes.figure
    axes.remove()
    panels = figure.subplots(1, len(scores), sharey=True)
    names = list(rows)
    for panel, score in zip(panels, scores, strict=True):
        for place, name in enumerate(names):
            values = [row[score] for row in rows[name]]
            colour = "tab:orange" if name in highlighted else "tab:blue"
            panel.barh(place, np.mean(values), color=colour, alpha=0.3)
            panel.plot(values, [place] * len(values), ".", color=colour)
            panel.text(max(values), place, f"  {np.mean(values):.3f}", va="center", fontsize=8)
        panel.set_xlim(0, 1.25 * max(row[score] for values in rows.values() for row in values))
        panel.set_title(score, fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    figure.set_size_inches(2.6 + 2.2 * len(scores), 0.8 + 0.35 * len(names))


def courses(axes, lines, x_name, scores, starred=()):
    """A panel per score with a line for each of `lines`, name -> list of dicts of
    `x_name`, which is on a logarithmic axis, and scores; the points of the `starred`
    are stars without a line.
    """
    figure = axes.figure
    axes.remove()
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for panel, score in zip(panels, scores, strict=True):
        highest = max(point[score] for points in lines.values() for point in points)
        for name, points in lines.items():
            x, y = ([point[key] for point in points] for key in (x_name, score))
            style = {"marker": "o", "markersize": 3}
            if name in starred:
                style = {"marker": "*", "markersize": 14, "linestyle": "none", "zorder": 3}
            panel.plot(x, y, label=name, **style)
        panel.set_xscale("log")
        _plain_ticks(panel.xaxis)
        panel.set_title(score, fontsize=10)
        panel.set_xlabel(x_name)
        panel.set_ylim(0, 1.1 * highest)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    figure.set_size_inches(4.5 * len(scores), 4.5)


def _plain_ticks(axis):
    """Ticks of a logarithmic axis at 1, 2, 5, 10, ..., written as these."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
