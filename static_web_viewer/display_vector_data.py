"""Make the map of a run: a folder with a page to open, in which songs that sound alike
lie together and can be played.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
import sys
from pathlib import Path

from sound_eval.cli import print_next, run_main, script_parser, seed_number

EXAMPLE = """example:
  python static_web_viewer/display_vector_data.py example_outs/ example_input/ \\
      example_input/labels.csv example_map/
  then open example_map/index.html, or upload the folder to any web space"""
DEFAULT_PORT = 8000


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", type=Path, help="run folder of spectrogram_doc2vec.py")
    add("audio_dir", metavar="AUDIO_DIR", type=Path, help="the folder of music")
    text = "labels, with a `filename` column; - takes each song's top folder as its label"
    add("metadata", metavar="METADATA.csv", help=text)
    add("out_dir", metavar="OUT_DIR", type=Path, help="folder of the map, made if need be")
    add_sound_options(add)
    add_place_options(add)
    clusters = parser.add_mutually_exclusive_group()
    text = "show K clusters by spherical k-means"
    clusters.add_argument("--centers", type=int, metavar="K", help=text)
    text = "show the clusters of a CSV that sphere_kmeans.py wrote"
    clusters.add_argument("--clusters", type=Path, metavar="FILE", help=text)
    add("--title", default="", help="heading of the page (default: the name of AUDIO_DIR)")
    text = f"then show the map at 127.0.0.1 (default port: {DEFAULT_PORT})"
    add("--serve", type=port_number, nargs="?", const=DEFAULT_PORT, metavar="PORT", help=text)
    text = "seed of t-SNE, k-means and --max-points (default: %(default)s)"
    add("--seed", type=seed_number, default=0, help=text)
    args = parser.parse_args(argv)
    check_together(args, parser)
    return args


def add_sound_options(add):
    """Options for what lies beside the page."""
    text = (
        "how songs get beside the map: a hard link takes no space and falls back to a copy "
        "(default: %(default)s)"
    )
    add("--audio", choices=("link", "copy", "none"), default="link", help=text)
    text = "make mp3 previews of this length, from the middle of each song"
    add("--clip", type=seconds, default=0.0, metavar="SECONDS", help=text)
    text = "log-mel tree of spectrify_all.py, for a spectrogram of each song"
    add("--log-mel-dir", "--vectors-dir", dest="vectors_dir", type=Path, metavar="DIR", help=text)


def add_place_options(add):
    """Options for where songs lie."""
    text = "where songs lie: t-SNE, PCA, or positions (n_songs, 2) of your own (default: tsne)"
    add("--projection", default="tsne", metavar="tsne|pca|FILE.npy", help=text)
    text = (
        "t-SNE: about how many neighbours count as near (default: 30, "
        "of fewer than 91 songs a third)"
    )
    add("--perplexity", type=perplexity, metavar="P", help=text)
    text = "keep the places of the songs that are on the map in OUT_DIR, and place new songs among them"
    add("--update", action="store_true", help=text)
    text = "at most N songs, drawn at random; the page says so"
    add("--max-points", type=int, metavar="N", help=text)


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


def main(argv=None):
    """Build the map, say what it is, serve it if wanted."""
    args = parse_arguments(argv)
    from sound_eval.map.build import MapPlan, build_map, open_folder
    from sound_eval.map.server import MapServer

    plan = MapPlan(
        run_dir=args.run_dir,
        audio_dir=args.audio_dir,
        metadata=None if args.metadata == "-" else args.metadata,
        audio=args.audio,
        clip_seconds=args.clip,
        log_mel_dir=args.vectors_dir,
        projection=args.projection,
        perplexity=args.perplexity,
        keep_places=args.update,
        n_clusters=args.centers,
        clusters_csv=args.clusters,
        max_points=args.max_points,
        title=args.title,
        seed=args.seed,
    )
    folder = open_folder(args.out_dir, plan)
    server = None if args.serve is None else MapServer(args.serve)
    n_songs, n_heard = build_map(folder, plan)
    page = args.out_dir / "index.html"
    size = f"{folder.record.megabytes():.1f} MB in all"
    print(f"wrote {page}: {n_songs} songs, {n_heard} to be heard, {size}")
    if server is None:
        print_next("open" if sys.platform == "darwin" else "xdg-open", page)
    else:
        server.serve(folder.path, folder.record.names())


if __name__ == "__main__":
    run_main(main)
