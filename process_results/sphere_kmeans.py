"""Cluster song vectors by spherical k-means and hold the clusters against a label:
figures, a picture, a CSV.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
from pathlib import Path

from sound_eval.cli import positive_int, print_next, run_main, script_parser, seed_number
from sound_eval.errors import InputError
from sound_eval.evaluation import cluster_report, clustering, figures
from sound_eval.files.outputs import CLUSTERS, check_outputs, write_outputs
from sound_eval.model.run_folder import RunFolder
from sound_eval.search.vectors import read_vectors
from sound_eval.songs.labels import FILENAME, choose_label_column, read_labelled
from sound_eval.terminal import warn

EXAMPLE = """\
example:
  python process_results/sphere_kmeans.py example_input/labels.csv \\
      example_outs/music_list.txt example_outs/vector_at_$(cat example_outs/epoc_num.txt).npy \\
      --centers 8 --csv-column genre --output example_results/sphere_kmeans.png

The clusters go into a CSV beside the picture: the labels of every song and its cluster, a
metadata file that the map can colour by.
"""


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("metadata", type=Path, help="CSV with a filename column and labels")
    parser.add_argument("music_list", type=Path, help="music_list.txt of the run folder")
    parser.add_argument("vectors", type=Path, help="vector_at_X.npy of the run folder")
    parser.add_argument(
        "--centers", type=positive_int, default=8, help="number of clusters (default: 8)"
    )
    parser.add_argument(
        "--output",
        type=picture_name,
        default=Path("sphere_kmeans.png"),
        help="the picture (default: sphere_kmeans.png)",
    )
    parser.add_argument(
        "--csv-column",
        "--csv_collum",
        metavar="COLUMN",
        help="label to hold the clusters against (default: genre, …)",
    )
    parser.add_argument(
        "--choose-k",
        type=k_range,
        metavar="LOW:HIGH",
        help="try these numbers of clusters and take the best silhouette",
    )
    parser.add_argument(
        "--restarts",
        type=positive_int,
        default=10,
        help="runs of k-means, of which the best counts (default: 10)",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of the starts of k-means (default: 0)"
    )
    return parser.parse_args(argv)


def picture_name(text):
    """The `type` of --output: the name of a picture in a format that we write."""
    try:
        figures.check_name(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def k_range(text):
    """The `type` of --choose-k: `2:30` as the range 2 .. 30, both ends included."""
    try:
        low, high = map(int, text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected two whole numbers such as 2:30"
        ) from None
    if not 2 <= low <= high:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected LOW of at least 2 and HIGH not below it"
        )
    return range(low, high + 1)


def outputs_of(args):
    """Where the picture goes, the table of the clusters beside it, and the picture of
    the silhouettes, None where none is asked for.

    Raises InputError where one would replace something else.
    """
    table = args.output.with_suffix(".csv")
    curve = args.output.with_stem(args.output.stem + "_silhouette") if args.choose_k else None
    kinds = dict.fromkeys(filter(None, (args.output, table, curve)), CLUSTERS)
    try:
        check_outputs(kinds, [args.metadata, args.music_list, args.vectors])
    except InputError as error:
        raise InputError(f"{error} (by --output {args.output})") from error
    return args.output, table, curve


def choose_k(vectors, args, curve):
    """The number of clusters with the best silhouette, and the picture of all, path ->
    bytes; prints all.
    """
    values = clustering.silhouettes(vectors, args.choose_k, args.restarts, args.seed)
    shown = ", ".join(f"{k}: {value:.3f}" for k, value in values.items())
    print("silhouette by number of clusters:", shown)
    best = max(values, key=values.get)
    print(f"the best is {best}")
    points = (list(values), list(values.values()))
    axes = ("number of clusters", "mean silhouette (cosine)")
    return best, {curve: figures.picture(curve, figures.curve, *points, *axes)}


def main(argv=None):
    """Cluster, compare, draw, write."""
    args = parse_arguments(argv)
    picture, table, curve = outputs_of(args)
    songs = read_labelled(args.metadata, args.music_list)
    vectors = read_vectors(args.vectors, songs.names)
    column = args.csv_column or choose_label_column(songs.table, songs.source)
    labels = songs.values(column)
    n_unlabelled = int((labels == "").sum())
    if n_unlabelled:
        warn(
            f"{n_unlabelled} songs have no value in column {column!r}; "
            "they are clustered, and left out of the figures"
        )
    k = args.centers
    contents = {}  # path -> bytes
    if args.choose_k:
        k, contents = choose_k(vectors, args, curve)
    result = clustering.spherical_kmeans(vectors, k, args.restarts, args.seed)
    counts = cluster_report.label_counts(result, labels)
    contents[picture] = figures.picture(picture, figures.stacked_bars, *counts, column)
    contents[table] = cluster_report.clusters_csv(songs.table, result).encode()
    write_outputs(contents, CLUSTERS)
    silhouette = clustering.silhouette(vectors, result.assignments)
    print(
        f"{k} clusters of {len(songs)} songs: mean cosine to the centroid {result.objective:.3f}, "
        f"silhouette {silhouette:.3f}\n"
    )
    print(cluster_report.agreement_text(result, labels, column, args.seed))
    print(cluster_report.clusters_text(result, labels, songs.table[FILENAME]))
    print("\n" + "\n".join(f"wrote {path}" for path in contents))
    beside = args.vectors.parent
    # the vectors of calc_all_vecs.py lie in no run folder
    run_dir = beside if RunFolder(beside).exists() else "RUN_DIR"
    page = "static_web_viewer/display_vector_data.py"
    print_next("python", page, run_dir, "AUDIO_DIR", table, "MAP_DIR")
    return 0


if __name__ == "__main__":
    run_main(main)
