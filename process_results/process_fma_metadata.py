"""Turn the metadata of the Free Music Archive data set (FMA, Defferrard et al. 2017)
into a metadata CSV of ours.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

from pathlib import Path

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.files.outputs import check_outputs
from sound_eval.files.tables import write_csv

EXAMPLE = """\
example, on your own files:
  python process_results/process_fma_metadata.py fma_metadata/ fma_small.csv --subset small

FMA_METADATA_DIR is what fma_metadata.zip unpacks to; it holds tracks.csv and genres.csv. The
columns of the CSV are filename, genre_top, genres, title, artist, album, license, split
(training, validation, test) and citation.
"""
KIND = "FMA's labels"  # of the output


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "fma_metadata",
        type=Path,
        metavar="FMA_METADATA_DIR",
        help="folder with tracks.csv and genres.csv",
    )
    parser.add_argument("output", type=Path, metavar="OUT.csv", help="the CSV to write")
    parser.add_argument(
        "--subset",
        choices=("small", "medium", "large", "full"),
        default="small",
        help="tracks of which FMA archive (default: small)",
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Read, write, report."""
    args = parse_arguments(argv)
    from sound_eval.songs import fma

    check_outputs({args.output: KIND}, fma.files_read(args.fma_metadata))
    table = fma.read_labels(args.fma_metadata, args.subset)
    write_csv(args.output, KIND, table.columns, table.itertuples(index=False, name=None))
    n_labelled = (table["genre_top"] != "").sum()
    splits = ", ".join(f"{n} {name}" for name, n in table["split"].value_counts().items())
    print(f"wrote {args.output}: {len(table)} tracks, {n_labelled} with a genre_top; {splits}")
    print_next("python", "spectrify_all.py", f"fma_{args.subset}/", f"fma_{args.subset}_vectors/")
    return 0


if __name__ == "__main__":
    run_main(main)
