"""The songs of a library as other programs read them; the suffix of a file says which.

Conventions
-----------
A writer takes the path, the Library, and a function that gives the positions of its
songs on a map (n_songs, 2), which only formats with positions call.
"""

from urllib.parse import quote

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.outputs import write_output
from sound_eval.files.tables import guarded, write_csv

KIND = "vectors"  # of the outputs
TEXT = {"mode": "w", "encoding": "utf-8", "newline": "\n"}


def files_of(path):
    """The files that an export to `path` writes.

    Raises InputError where the suffix is none that we know.
    """
    check_suffix(path)
    is_projector = WRITERS[path.suffix.lower()] is _write_projector
    return [path, _metadata_beside(path)] if is_projector else [path]


def check_suffix(path):
    """Raise InputError for a suffix that is no format."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(
            f"{path}: its suffix says the format and must be one of {', '.join(WRITERS)}"
        )


def write_library(path, library, positions):
    """Write the library in the format that the suffix of `path` says.

    Raises InputError as `outputs.write_output`, or where a package is missing.
    """
    WRITERS[path.suffix.lower()](path, library, positions)


def _metadata_beside(path):
    """Where the labels of a .tsv go."""
    return path.with_name(f"{path.stem}_metadata.tsv")


def _write_word2vec_text(path, library, _positions):
    """Lines `key v1 ... vn` after a line `count dim`; nine digits give every float32
    back exactly.
    """
    with write_output(path, KIND, **TEXT) as file:
        file.write("{} {}\n".format(*library.vectors.shape))
        for name, vector in zip(library.names, library.vectors.tolist(), strict=True):
            file.write(f"{_word2vec_key(name)} {_digits(vector, ' ')}\n")


def _write_word2vec_binary(path, library, _positions):
    """Key, space, little-endian float32 values, line end; after a line `count dim`."""
    with write_output(path, KIND) as file:
        file.write("{} {}\n".format(*library.vectors.shape).encode())
        for name, vector in zip(library.names, library.vectors.astype("<f4"), strict=True):
            file.write(_word2vec_key(name).encode() + b" " + vector.tobytes() + b"\n")


def _word2vec_key(name):
    """A song's path with white space and % percent-encoded, as a key ends at a space."""
    return "".join(
        quote(letter) if letter.isspace() or letter == "%" else letter for letter in name
    )


def _digits(vector, separator):
    """The values of a vector with nine digits, which tell every float32 from the next."""
    return separator.join(f"{value:.9g}" for value in vector)


def _write_projector(path, library, _positions):
    """Vectors without a header, and labels beside them, which have a header if there
    are two columns or more.
    """
    table = library.table
    rows = list(table.itertuples(index=False))
    if table.shape[1] > 1:
        rows.insert(0, table.columns)
    with (
        write_output(_metadata_beside(path), KIND, **TEXT) as beside,
        write_output(path, KIND, **TEXT) as file,
    ):
        for vector in library.vectors.tolist():
            file.write(_digits(vector, "\t") + "\n")
        for row in rows:
            # not tables.csv_lines: the format knows no quotes, so blanks are all alike
            beside.write("\t".join(guarded(" ".join(value.split())) for value in row) + "\n")


def _write_parquet(path, library, positions):
    """A row for each song: labels, x, y, and `vector`, a list of float32."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("Parquet needs the package pyarrow: pip install pyarrow") from error
    x, y = positions(library.vectors).T
    labels = _labels(library, "vector", "x", "y").assign(x=x, y=y)
    n_songs, dim = library.vectors.shape
    values = pyarrow.array(library.vectors.ravel(), pyarrow.float32())
    starts = pyarrow.array(np.arange(n_songs + 1, dtype=np.int32) * dim)
    vectors = pyarrow.ListArray.from_arrays(starts, values)
    table = pyarrow.Table.from_pandas(labels, preserve_index=False)
    with write_output(path, KIND) as file:
        pyarrow.parquet.write_table(table.append_column("vector", vectors), file)


def _write_table(path, library, _positions):
    """A row for each song: labels, v0, v1, ..."""
    columns = [f"v{column}" for column in range(library.vectors.shape[1])]
    labels = _labels(library, *columns)
    texts = labels.itertuples(index=False, name=None)
    rows = ((*row, *vector) for row, vector in zip(texts, library.vectors.tolist(), strict=True))
    write_csv(path, KIND, [*labels.columns, *columns], rows)


def _write_npz(path, library, _positions):
    """`vectors` and an array of text for each label; nothing in it is pickled."""
    # `file` is an argument of savez
    labels = _labels(library, "vectors", "file")
    arrays = {name: column.to_numpy(str) for name, column in labels.items()}
    with write_output(path, KIND) as file:
        np.savez(file, vectors=library.vectors, **arrays)


def _labels(library, *taken):
    """The labels, a DataFrame with n_songs rows, `filename` first; a column whose name
    is taken is renamed.
    """
    names = []
    for name in library.table.columns:
        while name in taken or name in names:
            name = f"{name}_label"
        names.append(name)
    return library.table.set_axis(names, axis=1)


WRITERS = {
    ".txt": _write_word2vec_text,
    ".bin": _write_word2vec_binary,
    ".tsv": _write_projector,
    ".parquet": _write_parquet,
    ".csv": _write_table,
    ".npz": _write_npz,
}
