"""Approximate search for collections too large to compare a song with every other:
a FAISS HNSW graph, kept in a file.
"""

import os
from pathlib import Path

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs, write_output
from sound_eval.terminal import Progress

KIND = "index"  # of the output
LINKS = 32  # neighbours of a song in the graph (M of Malkov & Yashunin 2020)
# songs kept in sight during a search (efSearch); more finds more of the true neighbours
LOOK_AT_LEAST = 128
ROWS_AT_ONCE = 20_000  # songs added between two reports of progress
ROWS_COMPARED = 100  # songs by which an index is recognised as one of these vectors


class FaissIndex:
    """Search by cosine similarity through a graph, with the interface of `vectors.Cosine`.

    Reads the index at `path`, or builds and writes it where there is no such file.
    Raises InputError where the faiss package is missing, or the file is no index or one
    of other vectors than `unit` (n_songs, dim).
    """

    def __init__(self, unit, path):
        try:
            import faiss
        except ImportError as error:
            raise InputError(
                "an index needs the package faiss-cpu: pip install faiss-cpu"
            ) from error
        self.unit = unit
        self.index = self.read(faiss, path) if os.path.lexists(path) else self.build(faiss, path)

    def read(self, faiss, path):
        """The index in a file, held against the vectors."""
        if not Path(path).is_file():
            raise InputError(f"{path}: not a file; give the name of a file for the index")
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise InputError(
                f"{path}: not a FAISS index ({str(error).splitlines()[-1]})"
            ) from error
        rows = np.linspace(0, len(self.unit) - 1, ROWS_COMPARED).astype(int)
        if (
            index.ntotal != len(self.unit)
            or index.d != self.unit.shape[1]
            or not np.array_equal(index.reconstruct_batch(rows), self.unit[rows])
        ):
            raise InputError(
                f"{path}: made of other vectors; give another name, "
                "or remove it to have it made anew"
            )
        return index

    def build(self, faiss, path):
        """Make the index and write it.

        Raises InputError, before the work, where it cannot be written.
        """
        check_outputs({path: KIND})
        index = faiss.IndexHNSWFlat(self.unit.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        with Progress(len(self.unit), "song", "building the index") as progress:
            for start in range(0, len(self.unit), ROWS_AT_ONCE):
                block = np.ascontiguousarray(self.unit[start : start + ROWS_AT_ONCE])
                index.add(block)
                progress.update(len(block))
        with write_output(path, KIND) as file:
            file.write(faiss.serialize_index(index))
        return index

    def nearest(self, query, count):
        """Rows of about the `count` songs nearest to a unit vector (dim,), best first."""
        self.index.hnsw.efSearch = max(LOOK_AT_LEAST, 2 * count)
        rows = self.index.search(query[None], count)[1][0]
        return rows[rows >= 0]
