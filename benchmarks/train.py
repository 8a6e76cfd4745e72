"""What seconds of training pay: the scores of song vectors by the seconds since the
command began, of ours, of one pair at a time and of gensim's Doc2Vec, on one corpus, in
one run, as a table and a picture.

ours: spectrogram_doc2vec.py as a process of its own, on a log-mel tree whose cache is
built before. It saves the closed form, vector_at_0.npy, and from then on every
LOOK_ROWS pairs. A time is that at which the vectors are saved, from the start of the
process, so the interpreter, imports, list of songs, check of the cache, closed form,
compilation and the save itself count; of the saves before only the closed form's does,
as a run that saves once has no others.
one pair at a time: the same networks, song vectors, Adam and averages, compiled alike,
but a step of n rows scores n pairs and not n * n (`one_pair`). It has no command: it
begins with random weights, in this process, and its first rows are taken to be trained
when ours were. Its looks are as many rows apart as ours, and count likewise.
gensim Doc2Vec: PV-DBOW with five negative samples on *audio words*, the clusters that
k-means finds in the same inputs; one row is one word with its document. Its learning
rate falls to zero at the end, so each point is a training of its own, of 1, 2, 4, ...
passes up to --doc2vec-epochs. Each has in its time what the interpreter and the
imports take, timed as a process, the opening of the cached inputs, k-means and the
vocabulary.

Scores are computed when all of a system is done. Rows per second leave out what comes
before the first rows, and saves. The CSV needs the columns of --song and --label; clips
of one song are cut from one recording. Prints a table in Markdown, with all five scores
of the closed form and of each system's last vectors, and whether any score of ours is
below the closed form's after the first minute.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import clip_scores
import numpy as np
from racers import Result, Setup, doc2vec, one_pair_at_a_time, ours

from sound_eval.cli import positive_int, positive_number, run_main, script_parser, seed_number
from sound_eval.config import read_config
from sound_eval.evaluation import figures
from sound_eval.files.outputs import check_outputs, write_outputs
from sound_eval.files.tables import print_markdown
from sound_eval.inputs.network_inputs import list_songs
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labels import column, read_joined
from sound_eval.terminal import quiet_tensorflow

EXAMPLE = """example, on your own files:
  python benchmarks/train.py bench_out/vectors corpus/metadata.csv --seconds 60"""

KIND = "seconds"  # of the output
BAR = 0.589  # song_mAP of the first implementation after nine minutes on this project's corpus
FIRST_MINUTE = 60  # seconds
SECONDS = "seconds from the start of the command"  # the axis of the picture
CLOSED_FORM = "closed form"


@dataclass(frozen=True)
class Judge:
    """Scores vectors by the songs and labels (n_songs,) of a command line."""

    args: argparse.Namespace
    songs: np.ndarray
    labels: np.ndarray

    @property
    def names(self):
        """The names of the five scores."""
        return clip_scores.names_of_five(self.args.song, self.args.label)

    def five(self, vectors):
        """The five scores of vectors as a dict."""
        names = (self.args.song, self.args.label)
        return clip_scores.five_scores(vectors, self.songs, self.labels, *names, self.args.seed)

    def curve(self, result):
        """The points of a system in the picture, as dicts."""
        _, song_name, label_name, *_ = self.names
        points = []
        for look in result.looks:
            near = clip_scores.by_cosine(look.vectors)
            _, song_map = clip_scores.song_retrieval(near, self.songs)
            vote = clip_scores.neighbour_vote(near, self.songs, self.labels)
            points.append({SECONDS: look.seconds, song_name: song_map, label_name: vote})
        return points

    def row(self, name, result, curve):
        """The cells of a system, whose points are `curve`, in the table."""
        last = result.looks[-1]
        song_name = self.names[1]
        reached = (f"{point[SECONDS]:.1f}" for point in curve if point[song_name] >= BAR)
        return [
            name,
            f"{result.rate:,.0f}" if result.rate else "",
            next(reached, "never"),
            f"{last.seconds:.1f}",
            *(f"{value:.3f}" for value in self.five(last.vectors).values()),
        ]

    def first_minute(self, looks):
        """A line that says in which scores the last of our `looks` in the first minute is
        below the first of them, the closed form.
        """
        trained = [look for look in looks[1:] if look.seconds <= FIRST_MINUTE]
        if not trained:
            return "ours was not looked at in the first minute after the closed form"
        last = trained[-1]
        before, after = (self.five(look.vectors) for look in (looks[0], last))
        behind = [
            f"{name} ({after[name]:.3f}, it has {before[name]:.3f})"
            for name in self.names
            if round(after[name], 3) < round(before[name], 3)
        ]
        where = ", ".join(behind) or "no score"
        return f"ours after {last.seconds:.1f} s is behind the closed form in {where}"


def systems(setup):
    """Name and Result of each system, one after the other as they are trained."""
    result, first = ours(setup)
    yield CLOSED_FORM, Result(result.looks[:1], None)
    yield "ours", result
    yield "one pair at a time", one_pair_at_a_time(setup, first)
    yield "gensim Doc2Vec", doc2vec(setup)


def print_table(judge, results):
    """Print the row of each of `results`, (name, Result), as it comes; returns the looks of
    each and the points of each in the picture, as dicts.
    """
    looks = {}
    curves = {}

    def rows():
        for name, result in results:
            looks[name] = result.looks
            curves[name] = judge.curve(result)
            yield judge.row(name, result, curves[name])

    bar = f"seconds to {judge.args.song}_mAP {BAR}"
    print_markdown(["", "rows/s", bar, "seconds in all", *judge.names], rows())
    return looks, curves


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "vectors_dir",
        metavar="VECTORS_DIR",
        type=Path,
        help="log-mel tree, as spectrify_all.py writes it",
    )
    parser.add_argument("metadata", metavar="METADATA.csv", type=Path, help="labels by `filename`")
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path("bench_out/seconds.png"),
        metavar="FILE.png",
        help="picture to write, or .svg or .pdf (default: bench_out/seconds.png)",
    )
    parser.add_argument(
        "--config", type=Path, help="YAML file (default: configs/default_config.yaml)"
    )
    parser.add_argument(
        "--song",
        default="song",
        metavar="COLUMN",
        help="the recording that a clip is cut from (default: song)",
    )
    parser.add_argument(
        "--label",
        default="album",
        metavar="COLUMN",
        help="what kinship is judged by (default: album)",
    )
    parser.add_argument(
        "--seconds",
        type=positive_number,
        default=60,
        help="of each of our trainers, from the start of the command (default: 60)",
    )
    parser.add_argument(
        "--doc2vec-epochs",
        type=positive_int,
        default=100,
        metavar="N",
        help="passes of Doc2Vec over the corpus, at most (default: 100)",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of weights, pairs and scores (default: 0)"
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Train each system, print the table, draw the picture."""
    args = parse_arguments(argv)
    figures.check_name(args.picture)
    check_outputs({args.picture: KIND}, [args.metadata, args.config])
    config = read_config(args.config)
    names = list_songs(args.vectors_dir)
    table = read_joined(names, args.metadata)
    songs, labels = (column(table, name, args.metadata) for name in (args.song, args.label))
    judge = Judge(args, songs, labels)
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(args, config, names, RunFolder(Path(folder) / "run"))
        looks, curves = print_table(judge, systems(setup))
    print(f"\n{judge.first_minute(looks['ours'])}")
    shown = (curves, SECONDS, judge.names[1:3], [CLOSED_FORM])
    picture = figures.picture(args.picture, figures.courses, *shown)
    write_outputs({args.picture: picture}, KIND)
    print(f"wrote {args.picture}")
    return 0


if __name__ == "__main__":
    run_main(main)
