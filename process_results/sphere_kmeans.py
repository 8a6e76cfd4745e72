"""Cluster song vectors by spherical k-means and hold the clusters against a label:
figures, a picture, a CSV.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
from pathlib import Path

import numpy as np

from sound_eval.cli import print_next, run_main, script_parser, seed_number
from sound_eval.errors import InputError
from sound_eval.evaluation import clustering, figures
from sound_eval.files.outputs import CLUSTERS, check_outputs, write_outputs
from sound_eval.files.tables import frame_text
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labelled import choose_label_column, read_labelled, read_vectors
from sound_eval.songs.labels import FILENAME
from sound_eval.terminal import Progress, warn

EXAMPLE = """\
example:
  python process_results/sphere_kmeans.py example_input/labels.csv example_outs/music_list.txt \\
      example_outs/vector_at_$(cat example_outs/epoc_num.txt).npy --centers 8 --csv-column genre --output example_results/sphere_kmeans.png

The clusters go into a CSV beside the picture: the labels of every song and its cluster, a metadata file that the map can colour by.
"""
NO_LABEL = "(no label)"


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("metadata", type=Path, help="CSV with a filename column and labels")
    parser.add_argument("music_list", type=Path, help="music_list.txt of the run folder")
    parser.add_argument("vectors", type=Path, help="vector_at_X.npy of the run folder")
    parser.add_argument("--centers", type=int, default=8, help="number of clusters (default: 8)")
    parser.add_argument(
        "--output",
        type=Path,
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
        type=int,
        default=10,
        help="runs of k-means, of which the best counts (default: 10)",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of the starts of k-means (default: 0)"
    )
    return parser.parse_args(argv)


def k_range(text):
    """`2:30` as the range 2 .. 30, both ends included."""
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


def check(args, n_songs):
    """Raise InputError for options that cannot be met."""
    if args.restarts < 1:
        raise InputError(f"--restarts {args.restarts}: expected at least 1")
    if args.choose_k and args.choose_k[-1] >= n_songs:
        raise InputError(
            f"--choose-k up to {args.choose_k[-1]}: expected fewer "
            f"clusters than the {n_songs} songs"
        )


def table_beside(picture):
    """Where the table of the clusters goes."""
    return picture.with_suffix(".csv")


def curve_beside(picture):
    """Where the picture of the silhouettes goes."""
    return picture.with_stem(picture.stem + "_silhouette")


def check_paths(args):
    """Raise InputError where what is to be written would replace something else."""
    figures.check_name(args.output)
    paths = [args.output, table_beside(args.output)]
    if args.choose_k:
        paths.append(curve_beside(args.output))
    try:
        check_outputs(
            dict.fromkeys(paths, CLUSTERS), [args.metadata, args.music_list, args.vectors]
        )
    except InputError as error:
        raise InputError(f"{error} (by --output {args.output})") from error


def choose_k(vectors, args):
    """The number of clusters with the best silhouette, and the picture of all, path ->
    bytes; prints all.
    """
    values = []
    with Progress(len(args.choose_k), "k", "clustering") as progress:
        for k in args.choose_k:
            assignments = clustering.spherical_kmeans(
                vectors, k, args.restarts, args.seed
            ).assignments
            values.append(clustering.silhouette(vectors, assignments))
            progress.update(1)
    print(
        "silhouette by number of clusters:",
        ", ".join(f"{k}: {value:.3f}" for k, value in zip(args.choose_k, values, strict=True)),
    )
    best = args.choose_k[int(np.argmax(values))]
    path = curve_beside(args.output)
    print(f"the best is {best}")
    return best, {
        path: figures.picture(
            path,
            figures.curve,
            args.choose_k,
            values,
            "number of clusters",
            "mean silhouette (cosine)",
        )
    }


def print_agreement(labels, assignments, column, seed):
    """The figures of clusters against labels, beside those of clusters of the same
    sizes dealt out at random.
    """
    ours, random = (
        clustering.agreement(labels, assignments),
        clustering.random_agreement(labels, assignments, seed),
    )
    print(
        f"\nclusters against {column!r} ({len(set(labels))} values, {len(labels)} songs)\n"
        f"{'':14}clusters  random"
    )
    for name, value in ours.items():
        print(f"{name:14}{value:8.3f}{random[name]:8.3f}")


def print_clusters(result, labels, labelled, names):
    """For each cluster its size, the labels that it has more of than expected, and its
    most central songs.
    """
    for cluster in range(len(result.centroids)):
        size = int((result.assignments == cluster).sum())
        common = clustering.over_represented(
            labels[labelled], result.assignments[labelled], cluster
        )
        shown = (
            ", ".join(f"{label} {n} (x{lift:.1f})" for label, n, lift in common)
            or "no label stands out"
        )
        print(f"\ncluster {cluster}: {size} songs; {shown}")
        for row in clustering.most_central(result, cluster):
            print(f"  {result.similarity[row]:.3f}  {names[row]}")


def clusters_csv(songs, result):
    """CSV of the metadata of every song with its cluster and its cosine similarity
    to the centroid.
    """
    return frame_text(
        songs.table.assign(
            cluster=result.assignments, cluster_similarity=np.round(result.similarity, 4)
        )
    )


def main(argv=None):
    """Cluster, compare, draw, write."""
    args = parse_arguments(argv)
    check_paths(args)
    songs = read_labelled(args.metadata, args.music_list)
    vectors = read_vectors(args.vectors, songs.names)
    check(args, len(songs))
    column = args.csv_column or choose_label_column(songs.table, songs.source)
    labels = songs.values(column)
    labelled = labels != ""
    if not labelled.all():
        warn(
            f"{(~labelled).sum()} songs have no value in column {column!r}; "
            "they are clustered, and left out of the figures"
        )

    k, contents = choose_k(vectors, args) if args.choose_k else (args.centers, {})
    result = clustering.spherical_kmeans(vectors, k, args.restarts, args.seed)
    counts = clustering.contingency(np.where(labelled, labels, NO_LABEL), result.assignments)
    contents[args.output] = figures.picture(args.output, figures.stacked_bars, *counts, column)
    table = table_beside(args.output)
    contents[table] = clusters_csv(songs, result).encode()
    write_outputs(contents, CLUSTERS)

    silhouette = clustering.silhouette(vectors, result.assignments)
    print(
        f"{k} clusters of {len(songs)} songs: mean cosine to the centroid {result.objective:.3f}, "
        f"silhouette {silhouette:.3f}"
    )
    print_agreement(labels[labelled], result.assignments[labelled], column, args.seed)
    print_clusters(result, labels, labelled, songs.table[FILENAME])
    print("\n" + "\n".join(f"wrote {path}" for path in contents))
    beside = args.vectors.parent
    # not for those of calc_all_vecs.py
    run_dir = beside if RunFolder(beside).exists() else "RUN_DIR"
    page = "static_web_viewer/display_vector_data.py"
    print_next("python", page, run_dir, "AUDIO_DIR", table, "MAP_DIR")


if __name__ == "__main__":
    run_main(main)
