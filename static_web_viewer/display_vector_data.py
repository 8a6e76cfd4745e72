"""Make the map of a run: a folder with a page to open, in which songs that sound alike
lie together and can be played.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
import sys
from functools import partial
from pathlib import Path

from sound_eval.cli import print_next, run_main, script_parser, seed_number
from sound_eval.errors import InputError
from sound_eval.files.trees import array_bytes, is_inside, load_array, names_text
from sound_eval.log_mel.tree_state import STATE_NAME
from sound_eval.model.run_folder import RunFolder
from sound_eval.terminal import Progress, warn

EXAMPLE = """example:
  python static_web_viewer/display_vector_data.py example_outs/ example_input/ example_input/labels.csv example_map/
  then open example_map/index.html, or upload the folder to any web space"""
NO_METADATA = "-"


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", type=Path, help="run folder of spectrogram_doc2vec.py")
    add("audio_dir", metavar="AUDIO_DIR", type=Path, help="the folder of music")
    add(
        "metadata",
        metavar="METADATA.csv",
        help="labels, with a `filename` column; - takes each song's top folder as its label",
    )
    add("out_dir", metavar="OUT_DIR", type=Path, help="folder of the map, made if need be")
    audio_help = (
        "how songs get beside the map: a hard link takes no space and falls back to a copy "
        "(default: %(default)s)"
    )
    add("--audio", choices=("link", "copy", "none"), default="link", help=audio_help)
    add(
        "--clip",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="make mp3 previews of this length, from the middle of each song",
    )
    add(
        "--log-mel-dir",
        dest="vectors_dir",
        type=Path,
        metavar="DIR",
        help="log-mel tree of spectrify_all.py, for a spectrogram of each song",
    )
    # the former name of --log-mel-dir
    add("--vectors-dir", type=Path, help=argparse.SUPPRESS)
    projection_help = (
        "where songs lie: t-SNE, PCA, or positions (n_songs, 2) of your own (default: %(default)s)"
    )
    add("--projection", default="tsne", metavar="tsne|pca|FILE.npy", help=projection_help)
    perplexity_help = (
        "t-SNE: about how many neighbours count as near (default: 30, "
        "of fewer than 91 songs a third)"
    )
    add("--perplexity", type=perplexity, metavar="P", help=perplexity_help)
    add(
        "--update",
        action="store_true",
        help="keep the places of the songs that are on the map in OUT_DIR, "
        "and place new songs among them",
    )
    clusters = parser.add_mutually_exclusive_group()
    clusters.add_argument(
        "--centers", type=int, metavar="K", help="show K clusters by spherical k-means"
    )
    clusters.add_argument(
        "--clusters",
        type=Path,
        metavar="FILE",
        help="show the clusters of a CSV that sphere_kmeans.py wrote",
    )
    add(
        "--max-points",
        type=int,
        metavar="N",
        help="at most N songs, drawn at random; the page says so",
    )
    add("--title", default="", help="heading of the page (default: the name of AUDIO_DIR)")
    add(
        "--serve",
        type=port_number,
        nargs="?",
        const=8000,
        metavar="PORT",
        help="then show the map at 127.0.0.1 (default port: 8000)",
    )
    add(
        "--seed",
        type=seed_number,
        default=0,
        help="seed of t-SNE, k-means and --max-points (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    check_together(args, parser)
    return args


def seconds(text):
    """A length in seconds for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a length in seconds, such as 30")
    return value


def port_number(text):
    """A port for argparse; 0 takes a free one."""
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to {(1 << 16) - 1}")
    return int(text)


def perplexity(text):
    """A perplexity for argparse."""
    value = float(text)
    if not 1 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number of neighbours, at least 1")
    return value


def check_together(args, parser):
    """Refuse options that contradict each other."""
    if args.update and (args.max_points or args.projection != "tsne"):
        parser.error("--update keeps a t-SNE of all songs; leave out --max-points and --projection")
    if args.clip and args.audio == "none":
        parser.error("--clip makes sound and --audio none leaves it out")
    if args.max_points is not None and args.max_points < 1:
        parser.error(f"--max-points {args.max_points}: expected at least 1")


def read_songs(args):
    """Names and vectors (n_songs, dim) of the songs to show, and how many the run has."""
    import numpy as np

    run = RunFolder(args.run_dir).snapshot()
    vectors, names = run.vectors, run.names
    if not args.audio_dir.is_dir():
        raise InputError(
            f"{args.audio_dir}: no such folder; AUDIO_DIR is the folder of "
            "music that the run was made from"
        )
    rows = np.arange(len(names))
    if args.max_points and args.max_points < len(names):
        rows = np.sort(
            np.random.default_rng(args.seed).choice(rows, args.max_points, replace=False)
        )
    return [names[row] for row in rows], vectors[rows], len(names)


def read_labels(names, metadata):
    """A table of labels with one row per song, from the CSV or from the folders."""
    from sound_eval.songs.labels import labels_from_folders, read_joined

    return labels_from_folders(names) if metadata == NO_METADATA else read_joined(names, metadata)


def plane_of(names, vectors, args):
    """The songs on a plane as the options want them, a projection.Plane, held against the PCA."""
    from sound_eval.map import projection

    with Progress(len(vectors), "song", "true neighbours") as progress:
        truth = projection.Truth(vectors, report=progress.update)
    if args.projection == "tsne":
        warn_of_perplexity(len(vectors), args.perplexity)
    if args.update:
        plane = updated_plane(names, truth, args)
    elif args.projection == "pca":
        plane = projection.pca_plane(truth)
    elif args.projection == "tsne":
        plane = projection.best_plane(truth, args.perplexity, args.seed)
    else:
        own = own_positions(args.projection, len(vectors))
        plane = projection.held_against_pca(args.projection, own, truth)
    print(plane)
    return plane


def warn_of_perplexity(n_songs, wanted):
    """Say so where fewer neighbours count as near than were asked for."""
    from sound_eval.map.projection import perplexity_for

    used = perplexity_for(n_songs, wanted)
    if wanted is not None and used < wanted:
        warn(f"--perplexity {wanted:g} is more than {n_songs} songs allow; it is {used:.3g} here")


def own_positions(path, n_songs):
    """Positions (n_songs, 2) from a file; raises InputError where they do not fit."""
    import numpy as np

    positions = load_array(path)
    if (
        positions.shape != (n_songs, 2)
        or positions.dtype.kind not in "fiu"
        or not np.isfinite(positions).all()
    ):
        raise InputError(
            f"{path}: {positions.dtype} of shape {positions.shape}, "
            f"expected finite numbers of shape ({n_songs}, 2), one row per song"
        )
    return positions.astype(np.float32)


def updated_plane(names, truth, args):
    """A Plane of the positions of the map in OUT_DIR for songs that it has, and places
    among them for the others.
    """
    import numpy as np

    from sound_eval.map import projection
    from sound_eval.map.former import read_places

    before = read_places(args.out_dir)
    is_old = np.array([name in before for name in names])
    old_positions = np.array(
        [before[name] for name in names if name in before], np.float32
    ).reshape(-1, 2)
    gone = len(before) - is_old.sum()
    print(f"{is_old.sum()} songs keep their places, {(~is_old).sum()} are new, {gone} are gone")
    with Progress(projection.PLACE_STEPS, "step", "placing new songs") as progress:
        positions = projection.place(
            truth, is_old, old_positions, args.perplexity, args.seed, progress.update
        )
    plane = projection.held_against_pca("the map kept", positions, truth)
    if plane.trust.mean() < plane.pca_trust:
        warn("a PCA would be truer than the places kept; leave out --update to make the map anew")
    return plane


def first_colour(table):
    """The column to colour by at first:
    the one that evaluation takes for the label, else that of fewest values, but two;
    None without any.
    """
    from sound_eval.map import data
    from sound_eval.songs.labels import choose_label_column

    try:
        return choose_label_column(table, "labels")
    except InputError:
        return data.fewest_values(table)


def cluster_songs(names, vectors, positions, table, args):
    """The table with a `cluster` column, and what the page is told of each cluster;
    as it was where none are wanted.
    """
    if args.centers is None and args.clusters is None:
        return table, []
    import numpy as np

    from sound_eval.evaluation.clustering import spherical_kmeans
    from sound_eval.map import clusters as map_clusters
    from sound_eval.map import data

    if args.clusters:
        clusters = map_clusters.read_clusters(names, args.clusters)
    else:
        clusters = (
            spherical_kmeans(vectors, args.centers, seed=args.seed)
            .assignments.astype(str)
            .astype(object)
        )
    no_names = [map_clusters.CLUSTER, data.title_column(table)]
    label = first_colour(table.drop(columns=no_names, errors="ignore"))
    labels = table[label].to_numpy(object) if label else np.full(len(names), "", object)
    column, described = map_clusters.describe_clusters(vectors, positions, clusters, labels)
    print(map_clusters.sizes_line(clusters))
    return table.assign(**{map_clusters.CLUSTER: column}), described


def point_size(n_songs):
    """Diameter of a point in pixels: large while there is room."""
    return next(
        size
        for size, at_most in ((13, 300), (10, 1500), (7, 5000), (5, 20_000), (3, float("inf")))
        if n_songs <= at_most
    )


def write_map(folder, title, table, plane, vectors, extra):
    """Write the page and its data files, the page last; `extra` goes into the data as it is."""
    from sound_eval.map import data, page
    from sound_eval.map.figure import figure_json

    songs = {
        "title": title,
        "names": table["filename"].tolist(),
        "columns": data.encode_columns(table),
        "positions": data.encode_array(plane.positions),
        "trust": data.encode_array(plane.trust),
        "titleColumn": data.title_column(table),
        "colour": first_colour(table),
        "pointSize": point_size(len(table)),
        "figure": figure_json(),
    }
    files = {
        "songs.js": data.script("songs", songs | extra).encode(),
        "vectors.js": data.script("vectors", data.encode_vectors(vectors)).encode(),
        "positions.npy": array_bytes(plane.positions),
        "songs.txt": names_text(songs["names"]).encode(),
    }
    folder.publish(files, partial(page.make_page, title))


def add_sound(names, args, folder):
    """Bring songs and spectrograms beside the map;
    returns what the page is told of them, and how many can be heard.
    """
    from sound_eval.map import data
    from sound_eval.map.sounds import AudioPlan, place_audio

    plan = AudioPlan(args.audio, args.clip)
    audio, renamed = place_audio(args.audio_dir, names, folder, plan)
    told = {"audio": data.encode_array(audio), "encodedSuffix": plan.suffix, "renamed": renamed}
    return told | add_thumbnails(names, args, folder), int((audio > 0).sum())


def add_thumbnails(names, args, folder):
    """Spectrograms beside the map if wanted; returns what the page is told of them."""
    import numpy as np

    from sound_eval.map import data

    found, renamed, suffix = np.zeros(len(names), np.uint8), {}, ""
    if args.vectors_dir is not None:
        from sound_eval.map.thumbnails import write_thumbnails

        seconds_per_frame = RunFolder(args.run_dir).config().seconds_per_frame
        found, renamed, suffix = write_thumbnails(
            args.vectors_dir, names, folder, args.clip, seconds_per_frame
        )
    return {
        "thumbnails": data.encode_array(found),
        "thumbnailSuffix": suffix,
        "renamedThumbnails": renamed,
    }


def check_out_dir(args):
    """Raise InputError where OUT_DIR is, holds or lies in a folder that its files
    do not belong in.
    """
    from sound_eval.map.folder import PARTS

    out_dir, audio_dir = args.out_dir, args.audio_dir
    if out_dir.resolve() == audio_dir.resolve():
        raise InputError(f"{out_dir}: is AUDIO_DIR; the map needs a folder of its own")
    if is_inside(out_dir, audio_dir) and args.audio != "none":
        raise InputError(
            f"{out_dir}: lies in AUDIO_DIR, where the map's songs would be taken for music; "
            "give a folder outside of it"
        )
    for part in PARTS:
        if is_inside(audio_dir, out_dir / part):
            raise InputError(
                f"{audio_dir}: lies in {out_dir / part}, which is the map's own; "
                "give another folder for the map"
            )
    if RunFolder(out_dir).exists():
        raise InputError(
            f"{out_dir}: is a run folder; the map needs a folder of its own, "
            f"such as {out_dir / 'map'}"
        )
    tree = next(
        (
            folder
            for folder in (out_dir.resolve(), *out_dir.resolve().parents)
            if (folder / STATE_NAME).is_file()
        ),
        None,
    )
    if tree:
        raise InputError(
            f"{out_dir}: lies in the log-mel tree {tree}, which is for log-mels alone; "
            "give another folder"
        )


def main(argv=None):
    """Read the run, place the songs, write the folder."""
    from sound_eval.map.folder import MapFolder
    from sound_eval.map.server import MapServer

    args = parse_arguments(argv)
    check_out_dir(args)
    folder = MapFolder(args.out_dir)
    folder.check()
    server = None if args.serve is None else MapServer(args.serve)
    names, vectors, n_in_run = read_songs(args)
    table = read_labels(names, args.metadata)
    plane = plane_of(names, vectors, args)
    table, clusters = cluster_songs(names, vectors, plane.positions, table, args)
    title = args.title or args.audio_dir.resolve().name
    with folder.building():
        sound, n_heard = add_sound(names, args, folder)
        write_map(
            folder, title, table, plane, vectors, sound | {"clusters": clusters, "nInRun": n_in_run}
        )
    print(
        f"wrote {args.out_dir / 'index.html'}: {len(names)} songs, {n_heard} to be heard, "
        f"{folder.megabytes():.1f} MB in all"
    )
    if server is None:
        print_next("open" if sys.platform == "darwin" else "xdg-open", args.out_dir / "index.html")
    else:
        server.serve(folder.path, folder.names())


if __name__ == "__main__":
    run_main(main)
