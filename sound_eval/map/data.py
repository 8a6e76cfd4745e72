"""What the map's page is given: labels, positions and vectors in a compact form that a
script file can carry.

Conventions
-----------
An array travels as base64 of its little-endian bytes, {"dtype", "shape", "base64"}.
Vectors travel as int8: each song's vector is scaled to length 1 and turned, each
dimension d is then divided by its own step `scale[d]` and rounded, so that the page
gets the cosine of two songs to within .01 from one byte a value.
A data file is a script, `soundEval.receive(name, value);`, because a page opened from a
disk may load scripts but not fetch files. Only ASCII is written, and `<` is escaped, so
that no title can end the script that holds it.
"""

import base64
import json

import numpy as np

from sound_eval.search.vectors import unit_vectors

INT8_STEPS = 127
EXACT_DIGITS = 15  # of a whole number, that float64 keeps
# a column of numbers with fewer different values is one of categories (disc 1, 2, 3)
FEWEST_NUMBERS = 12
CITATION, FILENAME, CLUSTER = "citation", "filename", "cluster"
TITLE_NAMES = (
    "title",
    "track",
    "name",
    "song",
)  # columns that may name a song, the first there is counts


def encode_array(array):
    """A numpy array as a JSON value."""
    array = np.ascontiguousarray(array)
    little = array.astype(array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "base64": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def rotation(dim):
    """A fixed random rotation (dim, dim).

    It changes no cosine, and spreads what is large in few dimensions over all of them.
    """
    return np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]


def quantise(vectors):
    """Vectors (n, dim), turned by `rotation`, as int8 steps (n, dim) and the float32
    size of a step in each dimension (dim,).
    """
    unit = unit_vectors(vectors) @ rotation(np.shape(vectors)[1])
    scale = np.maximum(np.abs(unit).max(axis=0), 1e-12) / INT8_STEPS
    return np.rint(unit / scale).astype(np.int8), scale.astype(np.float32)


def encode_vectors(vectors):
    """Quantised vectors as a JSON value."""
    steps, scale = quantise(vectors)
    return {"steps": encode_array(steps), "scale": encode_array(scale)}


def can_be_float(text):
    """Whether a number keeps its value as float64:
    an identifier of 17 digits would become another, and 1_000 is a name.
    """
    digits = text.strip().lstrip("+-")
    return "_" not in digits and not (digits.isdecimal() and len(digits) > EXACT_DIGITS)


def numbers_in(values):
    """The values of a column as float64 with NaN for empty ones, or None where it is no
    column of measured numbers.
    """
    filled = [value for value in values if value.strip()]
    if not all(map(can_be_float, filled)):
        return None
    try:
        numbers = [float(value) for value in filled]
    except ValueError:
        return None
    if len(set(numbers)) < FEWEST_NUMBERS or not np.isfinite(numbers).all():
        return None
    return np.array([float(value) if value.strip() else np.nan for value in values], np.float64)


def encode_column(name, values):
    """A label column as a JSON value:
    numbers, or a dictionary of texts with one code per song (code 0 is the empty text).
    """
    # clusters are named by numbers and measured by none
    numbers = None if name == CLUSTER else numbers_in(values)
    if numbers is not None:
        return {"name": name, "kind": "number", "values": encode_array(numbers)}
    texts = sorted({*values} - {""})
    code_of = {text: code for code, text in enumerate(["", *texts])}
    codes = np.array([code_of[value] for value in values], np.min_scalar_type(len(texts)))
    return {"name": name, "kind": "text", "values": ["", *texts], "codes": encode_array(codes)}


def encode_columns(table):
    """All columns but the file name, in the order of the CSV."""
    return [encode_column(name, table[name].tolist()) for name in table.columns if name != FILENAME]


def title_column(table):
    """The column that names a song, or None where the file name must do."""
    return next(
        (name for wanted in TITLE_NAMES for name in table.columns if name.lower() == wanted), None
    )


def fewest_values(table):
    """The column with fewest different values, but at least two; None without any."""
    counts = {
        name: table[name].nunique() for name in table.columns if name not in (FILENAME, CITATION)
    }
    several = {name: count for name, count in counts.items() if count >= 2}
    return min(several, key=several.get) if several else None


def script(name, value):
    """The text of a data file that gives `value` to the page under `name`."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    return f"soundEval.receive({json.dumps(name)}, {text});\n"
