"""What the demo does at each stage, and the few words in which it tells the result."""

import hashlib
import json
import re
import sys
from pathlib import Path

from demo_stages import Display, Runner, Stage

from sound_eval.errors import InputError
from sound_eval.evaluation.report import REPORT_FILES, REPORT_KIND
from sound_eval.files import outputs
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labels import choose_label_column, column, read_labelled, read_metadata

REPO = Path(__file__).resolve().parent.parent
EXAMPLE_MUSIC = REPO / "example_input"
CONFIG = REPO / "configs" / "small_train.yaml"
N_CLUSTERS = 8
FEWEST_OF_A_LABEL = 5  # songs: the classifier's cross-validation has five folds
BESIDE = ("chance", "log-mel mean + deviation")  # what the accuracy of our vectors is held against
SOME_FAILED = 3  # spectrify_all.py: some files could not be decoded, the rest is there

# what display_vector_data.py prints
MAP_WRITTEN = re.compile(r": (\d+) songs, (\d+) to be heard, (.*) in all")
MAP_TRUSTED = re.compile(
    r": ([\d.]+) % of the neighbours on the map are .*?(?: \(PCA: ([\d.]+) %\))?$", re.M
)

MUSIC = Stage("music", 20, ("composing",))
LABELS = Stage("labels", 3, ("reading tags",))
LOG_MEL = Stage("log-mel", 4, ("spectrify",))
CLASSIFIER = Stage("classifier", 8, ("reading log-mel", "vectors before training", "classifying"))
CLUSTERS = Stage("clusters", 4, ())
MAP = Stage("map", 8, ("true neighbours", "t-SNE", "audio", "spectrograms"))


def training(minutes):
    """The stage whose length is asked for; the start-up counts, the last save does not."""
    return Stage("training", 60 * minutes + 3, ("training",))


def until(minutes):
    """How long to train, as options of spectrogram_doc2vec.py."""
    return ("--max-minutes", minutes)


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


def listed(*words):
    """Words with commas between, empty ones left out."""
    return ", ".join(filter(None, words))


def trained(run_folder, before):
    """What a training that went on after epoch `before` has come to, in words."""
    costs = run_folder.costs()
    if not costs:
        return "no time for an epoch, the closed form alone"
    epoch, cost = costs[-1]
    epochs = "1 epoch" if epoch - before == 1 else f"{epoch - before} epochs"
    more = " more" if before else ""
    return f"{epochs}{more}, cost {cost:.3f}"


class Demo:
    """The stages, with what one hands to the next."""

    def __init__(self, args):
        self.args = args
        self.music = existing(args.music, "folder") if args.music else EXAMPLE_MUSIC
        self.folder = folder_of(self.music, args.out.absolute())
        self.vectors = self.folder / "vectors"
        self.map = self.folder / "map"
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
            "classifier": self.classify,
            "clusters": self.cluster,
            "map": self.make_map,
        }
        for stage in self.display.stages:
            self.display.begin()
            self.display.end(named[stage.name]())

    def make_music(self):
        """The example music."""
        printed = self.run("make_example_music.py", self.music)
        found = re.search(r": (\d+) pieces, (\d+) were there", printed)
        made, there = map(int, found.groups())
        self.labels = self.labels or self.music / "labels.csv"
        self.label = checked_label(self.labels, self.args.label)
        words = [f"{made + there} pieces", f"{made} of them new" if made and there else ""]
        return listed(*words, "" if made else "nothing new")

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
        arguments = (self.music, self.vectors, f"--config={CONFIG}")
        printed = self.run("spectrify_all.py", *arguments, accepted=(0, SOME_FAILED))
        found = re.search(r"^done (\d+).*, skipped (\d+).*, failed (\d+)$", printed, re.M)
        done, skipped, failed = map(int, found.groups())
        hours = re.search(r"[\d.]+ h of audio", printed)
        return listed(
            f"{done + skipped} songs",
            f"{done} of them new" if skipped and done else "",
            hours[0] if hours else "nothing new",
            f"{failed} FAILED" if failed else "",
        )

    def train(self):
        """The run folder."""
        before = self.run_folder.epoch() if self.run_folder.exists() else 0
        options = (f"--config={CONFIG}", *until(self.args.max_minutes))
        self.run("spectrogram_doc2vec.py", self.vectors, self.run_folder.path, *options)
        return trained(self.run_folder, before)

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
            few = f"fewer than two values of {self.label!r}"
            return f"left out: {few} are in {FEWEST_OF_A_LABEL} songs or more"
        report = self.folder / "report"
        options = ("--label", self.label, "--log-mel-dir", self.vectors, "--report", report)
        self.make_way(REPORT_KIND, *(report / name for name in REPORT_FILES))
        self.run("process_results/logistic_regress.py", *self.inputs(), *options)
        told = json.loads((report / "report.json").read_text(encoding="utf-8"))
        accuracy = {result["name"]: result["scores"]["accuracy"] for result in told["results"]}
        beside = listed(*(f"{name} {accuracy[name]:.3f}" for name in BESIDE))
        ours = f"{accuracy['song vectors']:.3f} by {self.label}"
        self.results["accuracy on held-out songs"] = f"{ours}; {beside}"
        return f"{told['songs']} songs, {len(told['labels'])} values of {self.label!r}"

    def cluster(self):
        """Clusters beside the labels."""
        scorable, n_songs = self.scorable()
        if not scorable:
            return "left out too"
        picture = self.folder / "sphere_kmeans.png"
        k = min(N_CLUSTERS, n_songs)
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
        songs, heard, size = MAP_WRITTEN.search(printed).groups()
        trusted, of_pca = MAP_TRUSTED.search(printed).groups()
        self.results["songs to be heard"] = f"{heard} of {songs}"
        trust = f"{float(trusted) / 100:.3f} of the neighbours on it are neighbours in truth"
        beside = f"; on a PCA {float(of_pca) / 100:.3f}" if of_pca else ""
        self.results["trust of the map"] = trust + beside
        return f"{songs} songs, {size}"

    def make_way(self, kind, *paths):
        """Keep under another name what stands at `paths` in the demo's folder and is no output.

        A person has changed it, or a former version made it.
        """
        for path in paths:
            if kept := outputs.set_aside(path, kind):
                line = f"{path}: is not as this version made it; kept as {kept.name}"
                self.display.write(f"warning: {line}", sys.stderr)
