"""The Bokeh figure of the map: layers without data, which the page fills and colours.

Layers from the back: links (from the selected song to its nearest), trail (songs
played), songs, doubts (songs whose surroundings on the map are not to be trusted),
marks (the selected song and its nearest).
Axes, grids and toolbar are left out: positions on the map have no unit. The page
drives the tools.
"""

from functools import cache

import numpy as np
from bokeh.embed import json_item
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    LassoSelectTool,
    PanTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

NO_COLOUR = np.zeros(1, np.uint32)


def _make_figure():
    """The figure."""
    plot = figure(
        name="map",
        output_backend="webgl",
        sizing_mode="stretch_both",
        x_range=Range1d(-1, 1),
        y_range=Range1d(-1, 1),
        tools=[],
        toolbar_location=None,
        min_border=0,
        outline_line_color=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        lod_threshold=20_000,
        lod_factor=8,
    )
    plot.axis.visible = False
    plot.grid.visible = False
    _add_tools(plot)
    _add_layers(plot)
    return plot


def _add_tools(plot):
    """Pan and zoom, and the two ways to draw round songs, told apart in the page by their names."""
    wheel = WheelZoomTool(name="zoom")
    plot.add_tools(
        PanTool(name="pan"),
        wheel,
        LassoSelectTool(name="lasso", renderers=[]),
        BoxSelectTool(name="box", renderers=[]),
    )
    plot.toolbar.active_scroll = wheel


def _add_layers(plot):
    """The layers, each with a source of its own name."""
    ends = ("x0", "y0", "x1", "y1")
    links = _empty("links", *ends)
    plot.segment(*ends, source=links, name="links", line_width=1.5, line_alpha=0.8)
    look = {"line_width": 2, "line_alpha": 0.5, "line_dash": [2, 4]}
    plot.line("x", "y", source=_empty("trail", "x", "y"), name="trail", **look)
    songs = ColumnDataSource({"x": [0.0], "y": [0.0], "colour": NO_COLOUR}, name="songs")
    # Circles and not markers: the canvas draws them without a change of its coordinates
    # for each, in two thirds of the time.
    point = {"radius": 1, "radius_units": "screen", "line_color": None}
    plot.circle("x", "y", source=songs, name="songs", fill_color="colour", **point)
    plot.circle("x", "y", source=_empty("doubts", "x", "y"), name="doubts", **point)
    marks = _empty("marks", "x", "y", "size")
    plot.scatter("x", "y", source=marks, name="marks", size="size", fill_color=None, line_width=2)


def _empty(name, *columns):
    """A source with no rows."""
    return ColumnDataSource({column: [] for column in columns}, name=name)


@cache
def figure_json():
    """The figure as the JSON value that `Bokeh.embed.embed_item` takes.

    It is made once: Bokeh counts the ids of its models on, so that a second one in the
    same process would be other bytes, and the same map another build.
    """
    return json_item(_make_figure(), "map")
