"""Run every stage on a folder of music: log-mel, training, scores beside chance, map.

Without a folder, on synthesized music. Everything goes to a folder of its own under
`demo/`, named after the music's folder and its whole path, so that two demos never mix.
A second run on the same folder takes up what the first left: only new songs are
decoded, and the training goes on. All that the scripts print is in `log.txt` there.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import hashlib
import json
import re
import signal
import sys
import time
from pathlib import Path

from demo_stages import Display, Runner, Stage

from sound_eval import interrupts
from sound_eval.cli import run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.evaluation.report import REPORT_FILES, REPORT_KIND
from sound_eval.files import outputs
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labels import choose_label_column, column, read_labelled, read_metadata

REPO = Path(__file__).resolve().parent.parent
EXAMPLE_MUSIC = REPO / "example_input"
CONFIG = REPO / "configs" / "small_train.yaml"
EXAMPLE = """example:
  python tools/demo.py example_input/ --labels example_input/labels.csv"""
N_CLUSTERS = 8
FEWEST_OF_A_LABEL = 5  # songs: the classifier's cross-validation has five folds
SOME_FAILED = 3  # spectrify_all.py: some files could not be decoded, the rest is there

MUSIC = Stage("music", 20, ("composing",))
LABELS = Stage("labels", 3, ("reading tags",))
LOG_MEL = Stage("log-mel", 4, ("spectrify",))
CLASSIFIER = Stage(
    "classifier", 8, ("reading log-mel", "vectors from random weights", "classifying")
)
CLUSTERS = Stage("clusters", 4, ())
MAP = Stage("map", 8, ("true neighbours", "t-SNE", "audio", "spectrograms"))


def training(minutes):
    """The stage whose length is asked for; the start-up counts, the last save does not."""
    return Stage("training", 60 * minutes + 3, ("training",))


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "music",
        nargs="?",
        default="",
        help="folder of audio files (default: synthesize example_input/)",
    )
    parser.add_argument(
        "--labels",
        default="",
        metavar="FILE",
        help="CSV with a filename column (default: from the files' tags and top folders)",
    )
    parser.add_argument(
        "--label",
        default="",
        metavar="COLUMN",
        help="the column to score against (default: genre, …, or the only one)",
    )
    parser.add_argument(
        "--max-minutes", type=float, default=1.0, metavar="M", help="how long to train (default: 1)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=REPO / "demo",
        metavar="DIR",
        help="where the demos' folders go (default: the checkout's demo/)",
    )
    args = parser.parse_args(argv)
    if not 0 < args.max_minutes < float("inf"):
        parser.error(f"--max-minutes is {args.max_minutes}, expected more than 0")
    return args


def folder_of(music, demos):
    """The folder of this music's demo, e.g. `demo/Music-1f3a9c`."""
    digest = hashlib.sha256(str(music).encode("utf-8", "surrogateescape")).hexdigest()
    return demos / f"{music.name}-{digest[:6]}"


def existing(path, kind):
    """An absolute path of a folder or file that is there."""
    path = Path(path).expanduser().resolve()
    if not (path.is_dir() if kind == "folder" else path.is_file()):
        raise InputError(f"{path}: no such {kind}")
    return path


def checked_label(labels, label):
    """The column to score against, which the CSV `labels` has."""
    table = read_metadata(labels)
    label = label or choose_label_column(table, labels)
    column(table, label, labels)
    return label


class Demo:
    """The stages, with what one hands to the next."""

    def __init__(self, args):
        self.args, self.start = args, time.monotonic()
        self.music = existing(args.music, "folder") if args.music else EXAMPLE_MUSIC
        self.folder = folder_of(self.music, args.out.absolute())
        self.vectors, self.map = self.folder / "vectors", self.folder / "map"
        self.run_folder = RunFolder(self.folder / "outs")
        self.labels = existing(args.labels, "file") if args.labels else None
        self.label = checked_label(self.labels, args.label) if self.labels else ""
        self.results = {}  # name -> words
        first = [] if args.music and self.labels else [LABELS if args.music else MUSIC]
        stages = [*first, LOG_MEL, training(args.max_minutes), CLASSIFIER, CLUSTERS, MAP]
        self.display = Display(stages)
        self.runner = Runner(self.display, self.folder / "log.txt")
        self.run = self.runner.run
        self.clusters = []

    def stages(self):
        """Every stage in turn."""
        named = {
            "music": self.make_music,
            "labels": self.read_labels,
            "log-mel": self.log_mel,
            "training": self.train,
        }
        named |= {"classifier": self.classify, "clusters": self.cluster, "map": self.make_map}
        for stage in self.display.stages:
            self.display.begin()
            self.display.end(named[stage.name]())

    def make_music(self):
        """The example music."""
        made, there = re.search(
            r": (\d+) pieces, (\d+) were there", self.run("make_example_music.py", self.music)
        ).groups()
        self.labels = self.labels or self.music / "labels.csv"
        self.label = checked_label(self.labels, self.args.label)
        new = f", {made} of them new" if int(made) and int(there) else ""
        return f"{int(made) + int(there)} pieces{new}" + ("" if int(made) else ", nothing new")

    def read_labels(self):
        """Labels from tags and folders."""
        self.labels = self.folder / "labels.csv"
        self.make_way(outputs.LABELS, self.labels)
        self.run("process_results/labels_from_tags.py", self.music, self.labels)
        self.label = checked_label(self.labels, self.args.label)
        values = read_metadata(self.labels)[self.label].str.strip()
        return f"{len(values)} files, {values[values != ''].nunique()} values of {self.label!r}"

    def log_mel(self):
        """The log-mel tree."""
        printed = self.run(
            "spectrify_all.py",
            self.music,
            self.vectors,
            f"--config={CONFIG}",
            accepted=(0, SOME_FAILED),
        )
        done, skipped, failed = re.search(
            r"^done (\d+).*, skipped (\d+).*, failed (\d+)$", printed, re.M
        ).groups()
        hours = re.search(r"[\d.]+ h of audio", printed)
        words = [
            f"{int(done) + int(skipped)} songs",
            f"{done} of them new" if int(skipped) and int(done) else "",
        ]
        words += [hours[0] if hours else "nothing new", f"{failed} FAILED" if int(failed) else ""]
        return ", ".join(filter(None, words))

    def train(self):
        """The run folder."""
        before = self.run_folder.epoch() if self.run_folder.exists() else 0
        minutes = ("--max-minutes", self.args.max_minutes)
        self.run(
            "spectrogram_doc2vec.py",
            self.vectors,
            self.run_folder.path,
            f"--config={CONFIG}",
            *minutes,
        )
        epoch, cost = self.run_folder.costs()[-1]
        epochs = f"{epoch - before} epoch{'s' * (epoch - before != 1)}{' more' if before else ''}"
        return f"{epochs}, cost {cost:.3f}"

    def inputs(self):
        """What the scripts of the evaluation read."""
        return self.labels, self.run_folder.path / MUSIC_LIST_NAME, self.run_folder.vectors_path()

    def scorable(self):
        """Whether enough songs have labels for a score; and how many songs there are."""
        songs = read_labelled(self.labels, self.run_folder.path / MUSIC_LIST_NAME)
        counts = songs.table[self.label].str.strip().value_counts().drop("", errors="ignore")
        return (counts >= FEWEST_OF_A_LABEL).sum() >= 2, len(songs)

    def classify(self):
        """Held-out accuracy beside chance and trivial features."""
        if not self.scorable()[0]:
            few = (
                f"fewer than two values of {self.label!r} are in {FEWEST_OF_A_LABEL} songs or more"
            )
            return f"left out: {few}"
        report = self.folder / "report"
        options = ("--label", self.label, "--log-mel-dir", self.vectors, "--report", report)
        self.make_way(REPORT_KIND, *(report / name for name in REPORT_FILES))
        self.run("process_results/logistic_regress.py", *self.inputs(), *options)
        told = json.loads((report / "report.json").read_text(encoding="utf-8"))
        accuracy = {result["name"]: result["scores"]["accuracy"] for result in told["results"]}
        shown = ", ".join(
            f"{name} {accuracy[name]:.3f}" for name in ("chance", "log-mel mean + deviation")
        )
        self.results["accuracy on held-out songs"] = (
            f"{accuracy['song vectors']:.3f} by {self.label}; {shown}"
        )
        return f"{told['songs']} songs, {len(told['labels'])} values of {self.label!r}"

    def cluster(self):
        """Clusters beside the labels."""
        scorable, n_songs = self.scorable()
        if not scorable:
            return "left out too"
        picture, k = self.folder / "sphere_kmeans.png", min(N_CLUSTERS, n_songs)
        options = ("--centers", k, "--csv-column", self.label, "--output", picture)
        self.make_way(outputs.CLUSTERS, picture, picture.with_suffix(".csv"))
        printed = self.run("process_results/sphere_kmeans.py", *self.inputs(), *options)
        ours, random = re.search(r"^NMI +(\S+) +(\S+)$", printed, re.M).groups()
        self.results["clusters agree with labels"] = f"NMI {ours}; {random} at random"
        self.clusters = ["--clusters", picture.with_suffix(".csv")]
        return f"{k} clusters"

    def make_map(self):
        """The map, and how far it can be trusted."""
        inputs = (self.run_folder.path, self.music, self.labels, self.map)
        options = ("--log-mel-dir", self.vectors, *self.clusters)
        printed = self.run("static_web_viewer/display_vector_data.py", *inputs, *options)
        songs, heard, size = re.search(
            r": (\d+) songs, (\d+) to be heard, (.*) in all", printed
        ).groups()
        trusted, beside = re.search(
            r": ([\d.]+) % of the neighbours on the map are .*?(?: \(PCA: ([\d.]+) %\))?$",
            printed,
            re.M,
        ).groups()
        self.results["songs to be heard"] = f"{heard} of {songs}"
        self.results["trust of the map"] = (
            f"{float(trusted) / 100:.3f} of the neighbours on it are neighbours in truth"
            + (f"; on a PCA {float(beside) / 100:.3f}" if beside else "")
        )
        return f"{songs} songs, {size}"

    def make_way(self, kind, *paths):
        """Keep under another name what stands at `paths` in the demo's folder and is no output.

        A person has changed it, or a former version made it.
        """
        for path in paths:
            if kept := outputs.set_aside(path, kind):
                line = f"{path}: is not as this version made it; kept as {kept.name}"
                self.display.write(f"warning: {line}", sys.stderr)

    def report(self):
        """The results; last the file to open."""
        width = max(map(len, self.results))
        print()
        for name, words in self.results.items():
            print(f"{name:{width}}   {words}")
        seconds = time.monotonic() - self.start
        print(f"\nall stages done in {seconds:.0f} s; what they printed is in {self.runner.path}")
        print(f"the map to open:\n{self.map / 'index.html'}")


def main(argv=None):
    """Every stage in turn, then the results."""
    args = parse_arguments(argv)
    signal.signal(signal.SIGTERM, interrupts.on_signal)
    demo = Demo(args)
    try:
        demo.stages()
    except KeyboardInterrupt:
        kept = "what is done is kept, and the same command goes on from there"
        demo.display.write(f"stopped at {demo.display.heading()}; {kept}", sys.stderr)
        raise
    finally:
        demo.display.close()
    demo.report()


if __name__ == "__main__":
    run_main(main)
