"""Make the map of a run: a folder with a page to open, in which songs that sound alike
lie together and can be played.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
import sys
from pathlib import Path

from sound_eval.cli import (
    positive_int,
    positive_number,
    print_next,
    run_main,
    script_parser,
    seed_number,
    whole_number,
)

EXAMPLE = """example:
  python static_web_viewer/display_vector_data.py example_outs/ example_input/ \\
      example_input/labels.csv example_map/
  then open example_map/index.html, or upload the folder to any web space"""
DEFAULT_PORT = 8000
FOLDERS = "-"  # in place of a CSV of labels


def parse_arguments(argv):
    """The command line; all but OUT_DIR and --serve are fields of a `MapPlan`."""
    parser = script_parser(__doc__, EXAMPLE)
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", type=Path, help="run folder of spectrogram_doc2vec.py")
    add("audio_dir", metavar="AUDIO_DIR", type=Path, help="the folder of music")
    text = "labels, with a `filename` column; - takes each song's top folder as its label"
    add("metadata", metavar="METADATA.csv", help=text)
    add("out_dir", metavar="OUT_DIR", type=Path, help="folder of the map, made if need be")
    text = "a hard link takes no space and falls back to a copy (default: %(default)s)"
    text = f"how songs get beside the map: {text}"
    add("--audio", choices=("link", "copy", "none"), default="link", help=text)
    text = "make mp3 previews of this length, from the middle of each song"
    add(
        "--clip",
        dest="clip_seconds",
        type=positive_number,
        default=0.0,
        metavar="SECONDS",
        help=text,
    )
    text = "log-mel tree of spectrify_all.py, for a spectrogram of each song"
    add("--log-mel-dir", type=Path, metavar="DIR", help=text)
    # the former name of --log-mel-dir
    add("--vectors-dir", dest="log_mel_dir", type=Path, help=argparse.SUPPRESS)
    text = "t-SNE, PCA, or positions (n_songs, 2) of your own (default: %(default)s)"
    text = f"where songs lie: {text}"
    add("--projection", default="tsne", metavar="tsne|pca|FILE.npy", help=text)
    text = "about how many neighbours count as near (default: 30, of fewer than 91 songs a third)"
    add("--perplexity", type=perplexity, metavar="P", help=f"t-SNE: {text}")
    text = "keep the places of the songs that are on the map in OUT_DIR, "
    text = f"{text}and place new songs among them"
    add("--update", dest="keep_places", action="store_true", help=text)
    clusters = parser.add_mutually_exclusive_group()
    text = "show K clusters by spherical k-means"
    clusters.add_argument("--centers", dest="n_clusters", type=positive_int, metavar="K", help=text)
    text = "show the clusters of a CSV that sphere_kmeans.py wrote"
    clusters.add_argument("--clusters", dest="clusters_csv", type=Path, metavar="FILE", help=text)
    text = "at most N songs, drawn at random; the page says so"
    add("--max-points", type=positive_int, metavar="N", help=text)
    add("--title", default="", help="heading of the page (default: the name of AUDIO_DIR)")
    port = whole_number(0, (1 << 16) - 1)
    text = "then show the map at 127.0.0.1 (default port: %(const)s)"
    add("--serve", type=port, nargs="?", const=DEFAULT_PORT, metavar="PORT", help=text)
    text = "seed of t-SNE, k-means and --max-points (default: %(default)s)"
    add("--seed", type=seed_number, default=0, help=text)
    args = parser.parse_args(argv)
    check_together(args, parser)
    return args


def perplexity(text):
    """A perplexity for argparse."""
    value = float(text)
    if not 1 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number of neighbours, at least 1")
    return value


def check_together(args, parser):
    """Refuse options that contradict each other."""
    if args.keep_places and (args.max_points or args.projection != "tsne"):
        parser.error("--update keeps a t-SNE of all songs; leave out --max-points and --projection")
    if args.clip_seconds and args.audio == "none":
        parser.error("--clip makes sound and --audio none leaves it out")


def main(argv=None):
    """Build the map, say what it is, serve it if wanted."""
    options = vars(parse_arguments(argv))
    from sound_eval.map.build import MapPlan, build_map, open_folder
    from sound_eval.map.server import MapServer

    out_dir = options.pop("out_dir")
    port = options.pop("serve")
    if options["metadata"] == FOLDERS:
        options["metadata"] = None
    plan = MapPlan(**options)
    folder = open_folder(out_dir, plan)
    server = None if port is None else MapServer(port)
    n_songs, n_heard = build_map(folder, plan)
    page = out_dir / "index.html"
    megabytes = folder.record.megabytes()
    print(f"wrote {page}: {n_songs} songs, {n_heard} to be heard, {megabytes:.1f} MB in all")
    if server is None:
        print_next("open" if sys.platform == "darwin" else "xdg-open", page)
    else:
        server.serve(folder.path, folder.record.names())


if __name__ == "__main__":
    run_main(main)
