"""Make the map of a run: a folder with a page to open, in which songs that sound alike lie together and can be played."""
import argparse
from pathlib import Path

import _repo_root  # noqa: F401
from sound_eval.cli import InputError, Progress, print_next, run_main, seed_number
from sound_eval.run_folder import RunFolder
from sound_eval.trees import audio_name, load_array, read_music_list, save_array, save_music_list, save_text

EXAMPLE = """example:
  python static_web_viewer/display_vector_data.py example_outs/ example_input/ example_input/labels.csv example_map/
  then open example_map/index.html, or upload the folder to any web space"""
NO_METADATA = "-"


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", type=Path, help="run folder of spectrogram_doc2vec.py")
    add("audio_dir", metavar="AUDIO_DIR", type=Path, help="the folder of music")
    add("metadata", metavar="METADATA.csv", help="labels, with a `filename` column; - takes each song's top folder as its label")
    add("out_dir", metavar="OUT_DIR", type=Path, help="folder of the map, made if need be")
    audio_help = "how songs get beside the map: a hard link takes no space and falls back to a copy (default: %(default)s)"
    add("--audio", choices=("link", "copy", "none"), default="link", help=audio_help)
    add("--clip", type=seconds, default=0.0, metavar="SECONDS", help="make mp3 previews of this length, from the middle of each song")
    add("--vectors-dir", type=Path, metavar="DIR", help="log-mel tree of spectrify_all.py, for a spectrogram of each song")
    projection_help = "where songs lie: t-SNE, PCA, or positions (n_songs, 2) of your own (default: %(default)s)"
    add("--projection", default="tsne", metavar="tsne|pca|FILE.npy", help=projection_help)
    add("--perplexity", type=float, default=30.0, help="t-SNE: about how many neighbours count as near (default: %(default)s)")
    add("--update", action="store_true", help="keep the places of the songs that are on the map in OUT_DIR, and place new songs among them")
    clusters = parser.add_mutually_exclusive_group()
    clusters.add_argument("--centers", type=int, metavar="K", help="show K clusters by spherical k-means")
    clusters.add_argument("--clusters", type=Path, metavar="FILE", help="show the clusters of a CSV that sphere_kmeans.py wrote")
    add("--max-points", type=int, metavar="N", help="at most N songs, drawn at random; the page says so")
    add("--title", default="", help="heading of the page (default: the name of AUDIO_DIR)")
    add("--serve", type=int, nargs="?", const=8000, metavar="PORT", help="then show the map at 127.0.0.1 (default port: 8000)")
    add("--seed", type=seed_number, default=0, help="seed of t-SNE, k-means and --max-points (default: %(default)s)")
    args = parser.parse_args()
    check_together(args, parser)
    return args


def seconds(text):
    """A length in seconds for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a length in seconds, such as 30")
    return value


def check_together(args, parser):
    """Refuse options that contradict each other."""
    if args.update and (args.max_points or args.projection != "tsne"):
        parser.error("--update keeps a t-SNE of all songs; leave out --max-points and --projection")
    if args.clip and args.audio == "none":
        parser.error("--clip makes sound and --audio none leaves it out")
    if args.perplexity < 1:
        parser.error(f"--perplexity {args.perplexity:g}: expected at least 1")
    if args.max_points is not None and args.max_points < 1:
        parser.error(f"--max-points {args.max_points}: expected at least 1")


def read_songs(args):
    """Names and vectors (n_songs, dim) of the songs to show, and how many the run has."""
    import numpy as np

    run = RunFolder(args.run_dir)
    vectors, names = run.vectors(), [audio_name(name) for name in run.music_list()]
    if not args.audio_dir.is_dir():
        raise InputError(f"{args.audio_dir}: no such folder; AUDIO_DIR is the folder of music that the run was made from")
    rows = np.arange(len(names))
    if args.max_points and args.max_points < len(names):
        rows = np.sort(np.random.default_rng(args.seed).choice(rows, args.max_points, replace=False))
    return [names[row] for row in rows], vectors[rows], len(names)


def read_labels(names, metadata):
    """A table of labels with one row per song, from the CSV or from the folders."""
    from sound_eval.metadata import labels_from_folders, read_joined

    return labels_from_folders(names) if metadata == NO_METADATA else read_joined(names, metadata)


def positions_of(names, vectors, args):
    """Positions (n_songs, 2) as the options want them."""
    from sound_eval import projection

    if args.update:
        return updated_positions(names, vectors, args)
    if args.projection == "pca":
        return projection.pca(vectors)
    if args.projection != "tsne":
        return own_positions(args.projection, len(vectors))
    with Progress(projection.STEPS, "step", "t-SNE") as progress:
        return projection.tsne(vectors, args.perplexity, args.seed, progress.update)


def own_positions(path, n_songs):
    """Positions (n_songs, 2) from a file; raises InputError where they do not fit."""
    import numpy as np

    positions = load_array(path)
    if positions.shape != (n_songs, 2) or positions.dtype.kind not in "fiu" or not np.isfinite(positions).all():
        raise InputError(f"{path}: {positions.dtype} of shape {positions.shape}, expected finite numbers of shape ({n_songs}, 2), one row per song")
    return positions.astype(np.float32)


def updated_positions(names, vectors, args):
    """Positions (n_songs, 2): those of the map in OUT_DIR for songs that it has, and places among them for the others."""
    import numpy as np

    from sound_eval import projection

    data = args.out_dir / "data"
    if not (data / "songs.txt").is_file():
        raise InputError(f"{args.out_dir}: no map to update; leave out --update to make one")
    before = dict(zip(read_music_list(data / "songs.txt"), load_array(data / "positions.npy"), strict=True))
    is_old = np.array([name in before for name in names])
    old_positions = np.array([before[name] for name in names if name in before], np.float32).reshape(-1, 2)
    gone = len(before) - is_old.sum()
    print(f"{is_old.sum()} songs keep their places, {(~is_old).sum()} are new, {gone} are gone")
    with Progress(projection.PLACE_STEPS, "step", "placing new songs") as progress:
        return projection.place(vectors, is_old, old_positions, args.perplexity, args.seed, progress.update)


def first_colour(table):
    """The column to colour by at first: the one that evaluation takes for the label, else that of fewest values, but two; None without any."""
    import map_data

    from sound_eval.labelled import choose_label_column

    try:
        return choose_label_column(table, "labels")
    except InputError:
        return map_data.fewest_values(table)


def cluster_songs(names, vectors, positions, table, args):
    """The table with a `cluster` column, and what the page is told of each cluster; as it was where none are wanted."""
    if args.centers is None and args.clusters is None:
        return table, []
    import map_clusters

    from sound_eval.clustering import spherical_kmeans

    if args.clusters:
        clusters = map_clusters.read_clusters(names, args.clusters)
    else:
        clusters = spherical_kmeans(vectors, args.centers, seed=args.seed).assignments.astype(str).astype(object)
    label = first_colour(table.drop(columns=map_clusters.CLUSTER, errors="ignore"))
    labels = table[label].to_numpy(object) if label else clusters
    column, described = map_clusters.describe_clusters(vectors, positions, clusters, labels)
    print(map_clusters.sizes_line(clusters))
    return table.assign(**{map_clusters.CLUSTER: column}), described


def point_size(n_songs):
    """Diameter of a point in pixels: large while there is room."""
    return next(size for size, at_most in ((13, 300), (10, 1500), (7, 5000), (5, 20_000), (3, float("inf"))) if n_songs <= at_most)


def trust_of(vectors, positions):
    """How far the map can be trusted around each song, (n_songs,)."""
    from sound_eval.projection import trust

    with Progress(len(vectors), "song", "true neighbours") as progress:
        return trust(vectors, positions, report=progress.update)


def write_map(out_dir, title, table, positions, vectors, extra):
    """Write the page and its data files, the page last; `extra` goes into the data as it is."""
    import map_data
    import map_page
    from map_figure import figure_json

    songs = {
        "title": title,
        "names": table["filename"].tolist(),
        "columns": map_data.encode_columns(table),
        "positions": map_data.encode_array(positions),
        "trust": map_data.encode_array(trust_of(vectors, positions)),
        "titleColumn": map_data.title_column(table),
        "colour": first_colour(table),
        "pointSize": point_size(len(table)),
        "figure": figure_json(),
    }
    save_array(out_dir / "data" / "positions.npy", positions)
    save_music_list(out_dir / "data" / "songs.txt", songs["names"])
    save_text(out_dir / "data" / "songs.js", map_data.script("songs", songs | extra))
    save_text(out_dir / "data" / "vectors.js", map_data.script("vectors", map_data.encode_vectors(vectors)))
    save_text(out_dir / "index.html", map_page.make_page(title))


def add_sound(names, args):
    """Bring songs and spectrograms beside the map; returns what the page is told of them, and how many can be heard."""
    import map_data
    from map_audio import AudioPlan, place_audio

    plan = AudioPlan(args.audio, args.clip)
    audio = place_audio(args.audio_dir, names, args.out_dir, plan)
    told = {"audio": map_data.encode_array(audio), "encodedSuffix": plan.suffix}
    return told | {"thumbnails": map_data.encode_array(add_thumbnails(names, args))}, int((audio > 0).sum())


def add_thumbnails(names, args):
    """Spectrograms beside the map if wanted; returns which songs have one, (n_songs,) uint8."""
    import numpy as np

    if args.vectors_dir is None:
        return np.zeros(len(names), np.uint8)
    from map_thumbnails import write_thumbnails

    seconds_per_frame = RunFolder(args.run_dir).config().TIME_SEGMENT_SIZE
    return write_thumbnails(args.vectors_dir, names, args.out_dir, args.clip, seconds_per_frame)


def megabytes(folder):
    """Size of all files below a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main():
    """Read the run, place the songs, write the folder."""
    args = parse_arguments()
    names, vectors, n_in_run = read_songs(args)
    table = read_labels(names, args.metadata)
    positions = positions_of(names, vectors, args)
    table, clusters = cluster_songs(names, vectors, positions, table, args)
    sound, n_heard = add_sound(names, args)
    title = args.title or args.audio_dir.resolve().name
    write_map(args.out_dir, title, table, positions, vectors, sound | {"clusters": clusters, "nInRun": n_in_run})
    print(f"wrote {args.out_dir / 'index.html'}: {len(names)} songs, {n_heard} to be heard, {megabytes(args.out_dir):.1f} MB in all")
    if args.serve is None:
        print_next("xdg-open", args.out_dir / "index.html")
    else:
        from map_server import serve

        serve(args.out_dir, args.serve)


if __name__ == "__main__":
    run_main(main)
