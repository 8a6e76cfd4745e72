"""Run every stage on a folder of music: log-mel, training, scores beside chance, map. Without a folder, on synthesized music.

Everything goes to a folder of its own under `demo/`, named after the music's folder and its whole path, so that two demos never mix. A second
run on the same folder takes up what the first left: only new songs are decoded, and the training goes on.
"""
import argparse
import hashlib
import shlex
import subprocess
import sys
import time
from pathlib import Path

import _repo_root  # noqa: F401  puts sound_eval on the import path
from sound_eval.cli import InputError, run_main
from sound_eval.labelled import choose_label_column, read_labelled
from sound_eval.metadata import column, read_metadata
from sound_eval.run_folder import RunFolder

REPO = Path(__file__).resolve().parent.parent
EXAMPLE_MUSIC = REPO / "example_input"
CONFIG = REPO / "configs" / "small_train.yaml"
N_CLUSTERS = 8
FEWEST_OF_A_LABEL = 5  # songs: the classifier's cross-validation has five folds
SOME_FAILED = 3  # spectrify_all.py: some files could not be decoded, the rest is there


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  python tools/demo.py ~/Music --labels my_labels.csv",
    )
    parser.add_argument("music", nargs="?", default="", help="folder of audio files (default: synthesize example_input/)")
    parser.add_argument("--labels", default="", metavar="FILE", help="CSV with a filename column (default: from the files' tags and top folders)")
    parser.add_argument("--label", default="", metavar="COLUMN", help="the column to score against (default: genre, …, or the only one)")
    parser.add_argument("--max-minutes", type=float, default=1.0, metavar="M", help="how long to train (default: 1)")
    parser.add_argument("--out", type=Path, default=REPO / "demo", metavar="DIR", help="where the demos' folders go (default: the checkout's demo/)")
    return parser.parse_args()


def folder_of(music, demos):
    """The folder of this music's demo, e.g. `demo/Music-1f3a9c`."""
    digest = hashlib.sha256(str(music).encode("utf-8", "surrogateescape")).hexdigest()
    return demos / f"{music.name}-{digest[:6]}"


def run(script, *args, accepted=(0,)):
    """Run one script of the checkout, shown as it would be typed; raises InputError where it fails."""
    command = [script, *map(str, args)]
    print(f"\n$ python {shlex.join(command)}", flush=True)
    status = subprocess.run([sys.executable, str(REPO / script), *command[1:]]).returncode
    if status not in accepted:
        raise InputError(f"{script} stopped with exit status {status}; its message stands above")


def existing(path, kind):
    """An absolute path of a folder or file that is there."""
    path = Path(path).expanduser().resolve()
    if not (path.is_dir() if kind == "folder" else path.is_file()):
        raise InputError(f"{path}: no such {kind}")
    return path


def labels_of(args, music, folder):
    """The CSV of labels and the column to score against; labels that cannot be used are refused before anything long begins."""
    labels = args.labels and existing(args.labels, "file")
    if not labels and args.music:
        labels = folder / "labels.csv"
        run("process_results/labels_from_tags.py", music, labels)
    labels = labels or music / "labels.csv"
    table = read_metadata(labels)
    label = args.label or choose_label_column(table, labels)
    column(table, label, labels)
    return labels, label


def score(run_folder, labels, label, folder):
    """Classifier and clusters against the labels, beside chance. Returns the options with which the map shows the clusters."""
    songs = read_labelled(labels, run_folder.path / "music_list.txt")
    counts = songs.table[label].str.strip().value_counts().drop("", errors="ignore")
    if (counts >= FEWEST_OF_A_LABEL).sum() < 2:
        print(f"\n{labels}: fewer than two values of {label!r} are in {FEWEST_OF_A_LABEL} songs or more: nothing to score against")
        return []
    inputs = (labels, run_folder.path / "music_list.txt", run_folder.vectors_path())
    run("process_results/logistic_regress.py", *inputs, "--label", label, "--vectors-dir", folder / "vectors")
    picture = folder / "sphere_kmeans.png"
    run("process_results/sphere_kmeans.py", *inputs, "--centers", min(N_CLUSTERS, len(songs)), "--csv-column", label, "--output", picture)
    return ["--clusters", picture.with_suffix(".csv")]


def main():
    """Every stage in turn."""
    args, start = parse_args(), time.monotonic()
    music = existing(args.music, "folder") if args.music else EXAMPLE_MUSIC
    folder = folder_of(music, args.out.absolute())
    if not args.music:
        run("make_example_music.py", music)
    labels, label = labels_of(args, music, folder)
    run("spectrify_all.py", music, folder / "vectors", f"--config={CONFIG}", accepted=(0, SOME_FAILED))
    run_folder = RunFolder(folder / "outs")
    run("spectrogram_doc2vec.py", folder / "vectors", run_folder.path, f"--config={CONFIG}", "--max-minutes", args.max_minutes)
    clusters = score(run_folder, labels, label, folder)
    inputs = (run_folder.path, music, labels, folder / "map")
    run("static_web_viewer/display_vector_data.py", *inputs, "--vectors-dir", folder / "vectors", *clusters)
    print(f"\nall stages done in {time.monotonic() - start:.0f} s; the map to open:\n{folder / 'map' / 'index.html'}")


if __name__ == "__main__":
    run_main(main)
