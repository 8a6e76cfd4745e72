"""What the map's page is given: labels, positions and vectors in a compact form that a
script file can carry.

Conventions
-----------
An array travels as base64 of its little-endian bytes, {"dtype", "shape", "base64"}.
Vectors travel as int8: each song's vector is scaled to length 1 and turned, each
dimension d is then divided by its own step `scale[d]` and rounded, so that the page
gets the cosine of two songs to within .01 from one byte a value.
What the page is given under which name is declared in static_web_viewer/page/types.d.ts.
A data file is a script, `soundEval.receive(name, value);`, because a page opened from a
disk may load scripts but not fetch files. Only ASCII is written, and `<` is escaped, so
that no title can end the script that holds it.
"""

import base64
import json

import numpy as np

from sound_eval.errors import InputError
from sound_eval.map.figure import figure_json
from sound_eval.search.vectors import unit_vectors
from sound_eval.songs.labels import choose_label_column

INT8_STEPS = 127
EXACT_DIGITS = 15  # of a whole number, that float64 keeps
# a column of numbers with fewer different values is one of categories (disc 1, 2, 3)
FEWEST_NUMBERS = 12
CITATION = "citation"
FILENAME = "filename"
CLUSTER = "cluster"
# columns that may name a song, the first there is counts
TITLE_NAMES = ("title", "track", "name", "song")
# diameters in pixels of points, and up to how many songs they are so large
POINT_SIZES = ((13, 300), (10, 1500), (7, 5000), (5, 20_000))
SMALLEST_POINT = 3


def songs_data(title, table, plane, clusters, n_in_run, sounds, thumbnails):
    """All that songs.js gives to the page: `SongsData` in page/types.d.ts, field by field.

    `table` has a row for each song, `filename` first; `plane` is a `projection.Plane`
    and `clusters` what `clusters.with_clusters` tells of each; `n_in_run` counts the
    songs of the run, of which the map may show fewer; `sounds` and `thumbnails` are
    each a `places.Beside`.
    """
    return {
        "title": title,
        "names": table[FILENAME].tolist(),
        "columns": _encode_columns(table),
        "titleColumn": title_column(table),
        "colour": first_colour(table),
        "positions": _encode_array(plane.positions),
        "trust": _encode_array(plane.trust),
        "clusters": clusters,
        "nInRun": n_in_run,
        "pointSize": _point_size(len(table)),
        "figure": figure_json(),
        "audio": _encode_array(sounds.found),
        "encodedSuffix": sounds.suffix,
        "renamed": sounds.renamed,
        "thumbnails": _encode_array(thumbnails.found),
        "thumbnailSuffix": thumbnails.suffix,
        "renamedThumbnails": thumbnails.renamed,
    }


def vectors_data(vectors):
    """All that vectors.js gives to the page: `VectorsData` in page/types.d.ts."""
    steps, scale = quantise(vectors)
    return {"steps": _encode_array(steps), "scale": _encode_array(scale)}


def _point_size(n_songs):
    """Diameter of a point in pixels: large while there is room."""
    return next((size for size, at_most in POINT_SIZES if n_songs <= at_most), SMALLEST_POINT)


def _encode_array(array):
    """A numpy array as a JSON value."""
    array = np.ascontiguousarray(array)
    little = array.astype(array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "base64": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def _rotation(dim):
    """A fixed random rotation (dim, dim).

    It changes no cosine, and spreads what is large in few dimensions over all of them.
    """
    return np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]


def quantise(vectors):
    """Vectors (n, dim), turned by `rotation`, as int8 steps (n, dim) and the float32
    size of a step in each dimension (dim,).
    """
    unit = unit_vectors(vectors) @ _rotation(np.shape(vectors)[1])
    scale = np.maximum(np.abs(unit).max(axis=0), 1e-12) / INT8_STEPS
    return np.rint(unit / scale).astype(np.int8), scale.astype(np.float32)


def _can_be_float(text):
    """Whether a number keeps its value as float64:
    an identifier of 17 digits would become another, and 1_000 is a name.
    """
    digits = text.strip().lstrip("+-")
    return "_" not in digits and not (digits.isdecimal() and len(digits) > EXACT_DIGITS)


def _numbers_in(values):
    """The values of a column as float64 with NaN for empty ones, or None where it is no
    column of measured numbers.
    """
    filled = [value for value in values if value.strip()]
    if not all(map(_can_be_float, filled)):
        return None
    try:
        numbers = [float(value) for value in filled]
    except ValueError:
        return None
    if len(set(numbers)) < FEWEST_NUMBERS or not np.isfinite(numbers).all():
        return None
    return np.array([float(value) if value.strip() else np.nan for value in values], np.float64)


def _encode_column(name, values):
    """A label column as a JSON value:
    numbers, or a dictionary of texts with one code per song (code 0 is the empty text).
    """
    # clusters are named by numbers and measured by none
    numbers = None if name == CLUSTER else _numbers_in(values)
    if numbers is not None:
        return {"name": name, "kind": "number", "values": _encode_array(numbers)}
    texts = sorted({*values} - {""})
    code_of = {text: code for code, text in enumerate(["", *texts])}
    codes = np.array([code_of[value] for value in values], np.min_scalar_type(len(texts)))
    return {"name": name, "kind": "text", "values": ["", *texts], "codes": _encode_array(codes)}


def _encode_columns(table):
    """All columns but the file name, in the order of the CSV."""
    return [
        _encode_column(name, table[name].tolist()) for name in table.columns if name != FILENAME
    ]


def title_column(table):
    """The column that names a song, or None where the file name must do."""
    lower = {name.lower(): name for name in reversed(table.columns)}
    return next((lower[wanted] for wanted in TITLE_NAMES if wanted in lower), None)


def first_colour(table):
    """The column to colour by at first: the one that evaluation takes for the label,
    else that of fewest values, but at least two; None without any.
    """
    try:
        return choose_label_column(table, "labels")
    except InputError:
        return _fewest_values(table)


def _fewest_values(table):
    """The column with fewest different values, but at least two; None without any."""
    columns = [name for name in table.columns if name not in (FILENAME, CITATION)]
    counts = {name: table[name].nunique() for name in columns}
    several = {name: count for name, count in counts.items() if count >= 2}
    return min(several, key=several.get) if several else None


def script(name, value):
    """The text of a data file that gives `value` to the page under `name`."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c")
    return f"soundEval.receive({json.dumps(name)}, {escaped});\n"
