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
from sound_eval.labelled import choose_label_column
from sound_eval.metadata import labels_from_folders, read_metadata
from sound_eval.run_folder import RunFolder
from sound_eval.trees import save_text

REPO = Path(__file__).resolve().parent.parent
EXAMPLE_MUSIC = REPO / "example_input"
CONFIG = REPO / "configs" / "small_train.yaml"
N_CLUSTERS = 8
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
    path = Path(path).expanduser().absolute()
    if not (path.is_dir() if kind == "folder" else path.is_file()):
        raise InputError(f"{path}: no such {kind}")
    return path


def prepare_labels(music, folder, names):
    """A labels CSV for music that came without one: each song's top folder."""
    path = folder / "labels.csv"
    save_text(path, labels_from_folders(names).to_csv(index=False))
    return path


def score(run_folder, labels, folder):
    """The classifier and the clusters against the labels, where these tell songs apart."""
    table = read_metadata(labels)
    column = choose_label_column(table, labels)
    if table[column].nunique() < 2:
        print(f"\n{labels}: every {column} is the same; nothing to score. LABELS=FILE.csv gives labels.")
        return
    inputs = (labels, run_folder.path / "music_list.txt", run_folder.vectors_path())
    run("process_results/logistic_regress.py", *inputs, "--label", column)
    run("process_results/sphere_kmeans.py", *inputs, "--centers", N_CLUSTERS, "--csv-column", column, "--output", folder / "sphere_kmeans.png")


def main():
    """Every stage in turn."""
    args, start = parse_args(), time.monotonic()
    music = existing(args.music, "folder") if args.music else EXAMPLE_MUSIC
    labels = existing(args.labels, "file") if args.labels else None
    folder = folder_of(music, args.out)
    if not args.music:
        run("make_example_music.py", music)
        labels = labels or music / "labels.csv"
    run_folder = RunFolder(folder / "outs")
    run("spectrify_all.py", music, folder / "vectors", f"--config={CONFIG}", accepted=(0, SOME_FAILED))
    run("spectrogram_doc2vec.py", folder / "vectors", run_folder.path, f"--config={CONFIG}", "--max-minutes", args.max_minutes)
    labels = labels or prepare_labels(music, folder, run_folder.music_list())
    score(run_folder, labels, folder)
    run("static_web_viewer/display_vector_data.py", run_folder.path, music, labels, folder / "map")
    print(f"\nall stages done in {time.monotonic() - start:.0f} s; the map to open:\n{folder / 'map' / 'index.html'}")


if __name__ == "__main__":
    run_main(main)
