"""Write the song vectors of a run for other programs; the suffix of OUT says which.

  .txt      word2vec text: `count dim`, then a song a line           gensim, most NLP tools
  .bin      word2vec binary: the same with little-endian float32     gensim, faster and exact
  .tsv      vectors, and labels in OUT_metadata.tsv                  projector.tensorflow.org
  .parquet  labels, x, y and a column of vectors                     Embedding Atlas, pandas, DuckDB
  .csv      labels and a column for each dimension, v0, v1, ...      spreadsheets, R
  .npz      vectors and an array of text for each label              NumPy

word2vec files end a key at a space, so there white space and % in a song's path are
percent-encoded (`my%20song.mp3`); urllib.parse.unquote(key) is the path again. x and y
are t-SNE of cosine distances, as on the map, or the PCA where that is truer, which is
said. A label that has the name of one of these columns is written as NAME_label.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

from pathlib import Path
from urllib.parse import quote

import numpy as np

from sound_eval.cli import run_main, script_parser, seed_number
from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs, write_output
from sound_eval.files.tables import guarded, write_csv
from sound_eval.songs.library import Library

EXAMPLE = """examples:
  python process_results/export_vectors.py example_outs/ example_results/songs.bin
  python process_results/export_vectors.py example_outs/ example_results/songs.parquet --metadata example_input/labels.csv
      then: embedding-atlas example_results/songs.parquet --vector vector --x x --y y"""
# songs, evenly chosen, whose neighbours x and y are judged by; of all, a large export
# would take longer
MOST_ASKED = 10_000

KIND = "vectors"  # of the outputs


def metadata_beside(path):
    """Where the labels of a .tsv go."""
    return path.with_name(f"{path.stem}_metadata.tsv")


def write_word2vec_text(path, library, _seed):
    """Lines `key v1 ... vn` after a line `count dim`;
    nine digits give every float32 back exactly.
    """
    with write_output(path, KIND, "w", encoding="utf-8", newline="\n") as file:
        file.write("{} {}\n".format(*library.vectors.shape))
        for name, vector in zip(library.names, library.vectors, strict=True):
            file.write(
                f"{word2vec_key(name)} {' '.join(f'{value:.9g}' for value in vector.tolist())}\n"
            )


def write_word2vec_binary(path, library, _seed):
    """Key, space, little-endian float32 values, line end; after a line `count dim`."""
    with write_output(path, KIND) as file:
        file.write("{} {}\n".format(*library.vectors.shape).encode())
        for name, vector in zip(library.names, library.vectors.astype("<f4"), strict=True):
            file.write(word2vec_key(name).encode() + b" " + vector.tobytes() + b"\n")


def word2vec_key(name):
    """A song's path with white space and % percent-encoded."""
    return "".join(
        quote(letter) if letter.isspace() or letter == "%" else letter for letter in name
    )


def write_projector(path, library, _seed):
    """Vectors without a header, and labels beside them, which have a header if there
    are two columns or more.
    """
    table, text = labels(library), {"mode": "w", "encoding": "utf-8", "newline": "\n"}
    rows = (
        [table.columns, *table.itertuples(index=False)]
        if table.shape[1] > 1
        else table.itertuples(index=False)
    )
    with (
        write_output(metadata_beside(path), KIND, **text) as beside,
        write_output(path, KIND, **text) as file,
    ):
        for vector in library.vectors.tolist():
            file.write("\t".join(f"{value:.9g}" for value in vector) + "\n")
        for row in rows:  # the format has no quoting
            beside.write("\t".join(guarded(" ".join(value.split())) for value in row) + "\n")


def write_parquet(path, library, seed):
    """A row for each song: labels, x, y, and `vector`, a list of float32."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("Parquet needs the package pyarrow: pip install pyarrow") from error
    table = pyarrow.Table.from_pandas(
        labels(library, "vector", "x", "y").assign(**positions(library, seed)), preserve_index=False
    )
    values = pyarrow.array(library.vectors.ravel(), pyarrow.float32())
    starts = pyarrow.array(
        np.arange(len(library.vectors) + 1, dtype=np.int32) * library.vectors.shape[1]
    )
    with write_output(path, KIND) as file:
        pyarrow.parquet.write_table(
            table.append_column("vector", pyarrow.ListArray.from_arrays(starts, values)), file
        )


def write_table(path, library, _seed):
    """A row for each song: labels, v0, v1, ..."""
    columns = [f"v{column}" for column in range(library.vectors.shape[1])]
    table = labels(library, *columns)
    rows = zip(table.itertuples(index=False, name=None), library.vectors.tolist(), strict=True)
    write_csv(path, KIND, [*table.columns, *columns], ((*texts, *vector) for texts, vector in rows))


def write_npz(path, library, _seed):
    """`vectors` and an array of text for each label; nothing in it is pickled."""
    arrays = {
        name: column.to_numpy(str) for name, column in labels(library, "vectors", "file").items()
    }  # `file` is an argument of savez
    with write_output(path, KIND) as file:
        np.savez(file, vectors=library.vectors, **arrays)


def labels(library, *taken):
    """The labels, a DataFrame with n_songs rows, `filename` first;
    a column whose name is taken is renamed.
    """
    names = []
    for name in library.table.columns:
        while name in taken or name in names:
            name = f"{name}_label"
        names.append(name)
    return library.table.set_axis(names, axis=1)


def positions(library, seed):
    """Columns x and y (n_songs,) float32;
    prints how far they tell the truth, as asked of `MOST_ASKED` songs.
    """
    from sound_eval.map import projection, truth

    n_songs = len(library.vectors)
    asked = np.linspace(0, n_songs - 1, min(n_songs, MOST_ASKED)).astype(int)
    plane = projection.best_plane(truth.Truth(library.vectors, asked), seed=seed)
    print(plane)
    x, y = plane.positions.T
    return {"x": x, "y": y}


WRITERS = {
    ".txt": write_word2vec_text,
    ".bin": write_word2vec_binary,
    ".tsv": write_projector,
    ".parquet": write_parquet,
    ".csv": write_table,
    ".npz": write_npz,
}


def main(argv=None):
    """Parse, read, write."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("run_dir", metavar="RUN_DIR", help="what spectrogram_doc2vec.py wrote")
    parser.add_argument(
        "out", metavar="OUT", type=Path, help=f"file to write: {', '.join(WRITERS)}"
    )
    parser.add_argument(
        "--metadata",
        metavar="FILE.csv",
        help="labels by `filename`; without it the one label is `folder`",
    )
    parser.add_argument(
        "--song-vectors",
        metavar="FILE.npy",
        help="vectors in place of the run's last ones, with music_list.txt beside them",
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of x and y (default 0)")
    args = parser.parse_args(argv)
    write = WRITERS.get(args.out.suffix.lower())
    if write is None:
        raise InputError(
            f"{args.out}: its suffix says the format and must be one of {', '.join(WRITERS)}"
        )
    outputs = [args.out, metadata_beside(args.out)] if write is write_projector else [args.out]
    check_outputs(dict.fromkeys(outputs, KIND), [args.metadata, args.song_vectors])
    library = Library(args.run_dir, args.song_vectors, args.metadata)
    write(args.out, library, args.seed)
    print(f"wrote {args.out}: {len(library.names)} vectors of {library.vectors.shape[1]}")
    return 0


if __name__ == "__main__":
    run_main(main)
