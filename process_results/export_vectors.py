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

import argparse
from pathlib import Path

import numpy as np

from sound_eval.cli import run_main, script_parser, seed_number
from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs
from sound_eval.songs import export
from sound_eval.songs.library import Library

EXAMPLE = """examples:
  python process_results/export_vectors.py example_outs/ example_results/songs.bin
  python process_results/export_vectors.py example_outs/ example_results/songs.parquet \\
      --metadata example_input/labels.csv
      then: embedding-atlas example_results/songs.parquet --vector vector --x x --y y"""
# songs, evenly chosen, whose neighbours x and y are judged by; of all, a large export
# would take longer
MOST_ASKED = 10_000


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("run_dir", metavar="RUN_DIR", help="what spectrogram_doc2vec.py wrote")
    parser.add_argument(
        "out",
        metavar="OUT",
        type=export_name,
        help=f"file to write: {', '.join(export.WRITERS)}",
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
    return parser.parse_args(argv)


def export_name(text):
    """The `type` of OUT: a file name whose suffix is a format."""
    try:
        export.check_suffix(Path(text))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def main(argv=None):
    """Parse, read, write."""
    args = parse_arguments(argv)
    kinds = dict.fromkeys(export.files_of(args.out), export.KIND)
    check_outputs(kinds, [args.metadata, args.song_vectors])
    library = Library(args.run_dir, args.song_vectors, args.metadata)

    def positions(vectors):
        """The songs (n_songs, 2) on a map; prints how far it tells the truth."""
        from sound_eval.map import projection, truth

        asked = np.linspace(0, len(vectors) - 1, min(len(vectors), MOST_ASKED)).astype(int)
        plane = projection.best_plane(truth.Truth(vectors, asked), seed=args.seed)
        print(plane)
        return plane.positions

    export.write_library(args.out, library, positions)
    n_songs, dim = library.vectors.shape
    print(f"wrote {args.out}: {n_songs} vectors of {dim}")
    return 0


if __name__ == "__main__":
    run_main(main)
