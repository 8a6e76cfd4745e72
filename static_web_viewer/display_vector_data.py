"""Make the map of a run: a folder with a page to open, in which songs that sound alike lie together and can be played."""
import argparse
from pathlib import Path

import _repo_root  # noqa: F401
from sound_eval.cli import InputError, Progress, print_next, run_main
from sound_eval.run_folder import RunFolder
from sound_eval.trees import audio_name, load_array, save_array, save_text

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
    add("--clip", type=float, default=0.0, metavar="SECONDS", help="make mp3 previews of this length, from the middle of each song")
    projection_help = "where songs lie: t-SNE, PCA, or positions (n_songs, 2) of your own"
    add("--projection", default="tsne", metavar="tsne|pca|FILE.npy", help=projection_help)
    add("--perplexity", type=float, default=30.0, help="t-SNE: about how many neighbours count as near (default: %(default)s)")
    add("--title", default="", help="heading of the page (default: the name of AUDIO_DIR)")
    add("--seed", type=int, default=0, help="seed of t-SNE (default: %(default)s)")
    return parser.parse_args()


def read_labels(names, metadata):
    """A table of labels with one row per song, from the CSV or from the folders."""
    from sound_eval.metadata import labels_from_folders, read_joined

    return labels_from_folders(names) if metadata == NO_METADATA else read_joined(names, metadata)


def positions_of(vectors, args):
    """Positions (n_songs, 2) as `--projection` wants them."""
    from sound_eval import projection

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


def point_size(n_songs):
    """Diameter of a point in pixels: large while there is room."""
    return next(size for size, at_most in ((13, 300), (10, 1500), (7, 5000), (5, 20_000), (3, float("inf"))) if n_songs <= at_most)


def write_map(out_dir, title, table, positions, vectors, audio, encoded_suffix):
    """Write the page and its data files, the page last."""
    import map_data
    import map_page
    from map_figure import figure_json

    from sound_eval.projection import trust

    songs = {
        "title": title,
        "names": table["filename"].tolist(),
        "columns": map_data.encode_columns(table),
        "positions": map_data.encode_array(positions),
        "trust": map_data.encode_array(trust(vectors, positions)),
        "audio": map_data.encode_array(audio),
        "encodedSuffix": encoded_suffix,
        "titleColumn": map_data.title_column(table),
        "colour": map_data.first_colour(table),
        "pointSize": point_size(len(table)),
        "figure": figure_json(point_size(len(table))),
    }
    save_array(out_dir / "data" / "positions.npy", positions)
    save_text(out_dir / "data" / "songs.js", map_data.script("songs", songs))
    save_text(out_dir / "data" / "vectors.js", map_data.script("vectors", map_data.encode_vectors(vectors)))
    save_text(out_dir / "index.html", map_page.make_page(title))


def megabytes(folder):
    """Size of all files below a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main():
    """Read the run, place the songs, write the folder."""
    args = parse_arguments()
    run = RunFolder(args.run_dir)
    vectors, names = run.vectors(), [audio_name(name) for name in run.music_list()]
    if not args.audio_dir.is_dir():
        raise InputError(f"{args.audio_dir}: no such folder; AUDIO_DIR is the folder of music that the run was made from")
    table = read_labels(names, args.metadata)
    from map_audio import AudioPlan, place_audio

    positions = positions_of(vectors, args)
    plan = AudioPlan(args.audio, args.clip)
    audio = place_audio(args.audio_dir, names, args.out_dir, plan)
    write_map(args.out_dir, args.title or args.audio_dir.resolve().name, table, positions, vectors, audio, plan.suffix)
    print(f"wrote {args.out_dir / 'index.html'}: {len(names)} songs, {(audio > 0).sum()} to be heard, {megabytes(args.out_dir):.1f} MB in all")
    print_next("xdg-open", args.out_dir / "index.html")


if __name__ == "__main__":
    run_main(main)
