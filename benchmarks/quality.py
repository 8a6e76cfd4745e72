"""Our song vectors beside other software's on a labelled corpus: five figures each, as
a table and a picture.

The corpus holds songs cut into clips, with a column that names the song and one that
names what songs have in common. Vectors are kept in OUT_DIR/vectors and made only where
they are missing, so a benchmark can be run in parts. Hand-made features are z-scored.
A method that only compares songs is ranked by its distances, and for the two figures
that need vectors its songs are placed by classical scaling.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import rivals
from clip_scores import five_scores, five_scores_of_distances

from sound_eval.cli import positive_int, positive_number, run_main, script_parser
from sound_eval.config import read_config
from sound_eval.errors import InputError
from sound_eval.evaluation import figures
from sound_eval.evaluation.pooling import pool_tree
from sound_eval.files.outputs import check_outputs, write_outputs
from sound_eval.files.reading import load_array
from sound_eval.files.tables import markdown_table
from sound_eval.files.writing import save_array
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import list_songs
from sound_eval.model.inference import closed_form_of
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.song_vectors import mean_words_of_corpus, untrained_networks
from sound_eval.model.state import new_state
from sound_eval.songs.labels import LabelledSongs, labelled

EXAMPLE = """\
example, on your own files:
  python benchmarks/quality.py corpus/audio bench_out/vectors corpus/metadata.csv \\
      bench_out/quality --song song --label album
"""
KIND = "scores"  # of the outputs
TRAINER = Path(__file__).resolve().parent.parent / "spectrogram_doc2vec.py"


@dataclass(frozen=True)
class System:
    """How to make vectors of a Setup and a seed; whether the seed matters; whether they
    are hand-made features, to be z-scored; whether it makes distances, not vectors.
    """

    make: Callable
    seeded: bool = False
    hand_made: bool = False
    distances: bool = False

    def scores(self, made, known, songs, labels, *names):
        """The five figures of what `make` made, for the clips `known` (n_clips,)."""
        if self.distances:
            made = made[np.ix_(known, known)]
            return five_scores_of_distances(made, songs[known], labels[known], *names)
        return five_scores(made[known], songs[known], labels[known], *names)


@dataclass(frozen=True)
class Setup:
    """What every system works on: the command line, and the songs with their labels."""

    args: argparse.Namespace
    songs: LabelledSongs

    @cached_property
    def corpus(self):
        """The songs as inputs of our model."""
        return open_corpus(
            self.args.vectors_dir, self.songs.names, self.config, self.args.out / "cache"
        )

    @cached_property
    def config(self):
        """The configuration of our model."""
        return read_config(self.args.config)

    @property
    def audio_files(self):
        """The audio file of each song."""
        return [self.args.audio_dir / name for name in self.songs.names]


def pooled(pooling):
    """The system that pools the log-mel frames of each song."""
    return System(
        lambda setup, _seed: pool_tree(
            setup.args.vectors_dir, setup.songs.names, [pooling], pooling
        )[pooling],
        hand_made=True,
    )


def library(extract, name):
    """The system that takes features of audio files from a library."""
    return System(
        lambda setup, _seed: rivals.of_files(extract, setup.audio_files, name), hand_made=True
    )


def comparison(distances):
    """The system that compares audio files two by two."""
    return System(lambda setup, _seed: distances(setup.audio_files), distances=True)


def train(setup, minutes, seed):
    """The song vectors after so many minutes of our training, the start of the program
    and the reading of the corpus included.
    """
    run = RunFolder(setup.args.out / f"run_{minutes:g}_minutes_seed_{seed}")
    options = ["--max-minutes", minutes, "--seed", seed, "--keep", 1]
    if setup.args.config:
        options += ["--config", setup.args.config]
    command = [sys.executable, TRAINER, setup.args.vectors_dir, run.path, *options]
    if not run.exists():
        subprocess.run(list(map(str, command)), check=True)
    after = run.snapshot()
    if after.names != setup.songs.names:
        raise InputError(f"{run.path}: was trained on other songs; give another OUT_DIR")
    return after.vectors


def systems(minutes):
    """Name -> System, ours after each of `minutes` last."""
    return {
        "log-mel mean": pooled("mean"),
        "log-mel mean + deviation": pooled("mean + deviation"),
        "MFCC statistics": pooled("MFCC statistics"),
        "bliss-audio": library(rivals.bliss_features, "bliss-audio"),
        "bliss-audio, weights of 0.13": comparison(rivals.bliss_distances),
        "openSMILE eGeMAPS": library(rivals.egemaps_features, "openSMILE"),
        "Gaussian of MFCCs": System(
            lambda setup, _seed: rivals.gaussian_distances(
                setup.args.vectors_dir, setup.songs.names
            ),
            distances=True,
        ),
        "musly timbre": comparison(rivals.musly_distances),
        "i-vectors": System(
            lambda setup, seed: rivals.i_vectors(
                setup.args.vectors_dir, setup.songs.names, setup.config.OUTPUT_VECTOR_SIZE, seed
            ),
            seeded=True,
        ),
        "Doc2Vec on audio words": System(
            lambda setup, seed: rivals.doc2vec(setup.corpus, setup.config.OUTPUT_VECTOR_SIZE, seed),
            seeded=True,
        ),
        "random weights": System(random_weights, seeded=True),
        "closed form": System(closed_form),
        **{
            f"sound-eval, {m:g} min": System(
                lambda setup, seed, m=m: train(setup, m, seed), seeded=True
            )
            for m in minutes
        },
    }


def random_weights(setup, seed):
    """Our model before training."""
    state = new_state(setup.config, setup.corpus, seed)
    return mean_words_of_corpus(untrained_networks(state, setup.config, seed), setup.corpus)


def closed_form(setup, _seed):
    """Our model as a linear one: vector_at_0.npy of a training."""
    state = new_state(setup.config, setup.corpus, seed=0)
    return mean_words_of_corpus(closed_form_of(state), setup.corpus)


def vectors_of(name, system, setup, seed):
    """Vectors (n_songs, dim) of a system, or distances, made where they are missing;
    hand-made features have mean 0 and deviation 1.
    """
    path = setup.args.out / "vectors" / f"{name.replace(' ', '_')}_seed_{seed}.npy"
    if not path.is_file():
        save_array(path, np.asarray(system.make(setup, seed), np.float32))
    vectors = load_array(path).astype(np.float64)
    if len(vectors) != len(setup.songs):
        raise InputError(
            f"{path}: {len(vectors)} vectors for {len(setup.songs)} songs; "
            "it is of another corpus, give another OUT_DIR"
        )
    if not system.hand_made:
        return vectors
    return (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-9)


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("audio_dir", metavar="AUDIO_DIR", type=Path, help="the corpus' audio")
    parser.add_argument(
        "vectors_dir",
        metavar="VECTORS_DIR",
        type=Path,
        help="its log-mel tree, by spectrify_all.py with the same --config",
    )
    parser.add_argument("metadata", metavar="METADATA.csv", type=Path, help="its labels")
    parser.add_argument(
        "out", metavar="OUT_DIR", type=Path, help="vectors, quality.md, quality.json, quality.png"
    )
    parser.add_argument(
        "--song",
        default="song",
        metavar="COLUMN",
        help="column that clips of one song share (default: song)",
    )
    parser.add_argument(
        "--label", default="album", metavar="COLUMN", help="column of labels (default: album)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="configuration of our training (default: configs/default_config.yaml)",
    )
    parser.add_argument(
        "--minutes",
        type=positive_number,
        nargs="+",
        default=[1, 5],
        help="how long to train (default: 1 5)",
    )
    parser.add_argument(
        "--seeds",
        type=positive_int,
        default=3,
        help="how often what is random is repeated (default: 3)",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="systems whose name holds one of these words"
    )
    return parser.parse_args(argv)


def wanted(name, only):
    """Whether --only asks for a system."""
    return not only or any(word.lower() in name.lower() for word in only)


def scores_in(results):
    """The names of the five figures."""
    return list(next(iter(results.values()))[0])


def table(results):
    """The means over seeds, and where there are several the deviation, in Markdown."""
    scores = scores_in(results)
    lines = []
    for name, rows in results.items():
        shown = [mean_and_deviation([row[score] for row in rows]) for score in scores]
        lines.append([name, *shown])
    return markdown_table(["vectors", *scores], lines)


def mean_and_deviation(values):
    """`0.642`, or `0.642 ± 0.007` of several values."""
    mean = f"{np.mean(values):.3f}"
    return f"{mean} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else mean


def evaluate(setup):
    """Name of a system -> list of its five figures for each seed, as dicts."""
    args = setup.args
    every = systems(args.minutes)
    asked = {name: system for name, system in every.items() if wanted(name, args.only)}
    if not asked:
        raise InputError(
            f"--only {' '.join(args.only)}: no such system; there are {', '.join(every)}"
        )
    songs = setup.songs.values(args.song)
    labels = setup.songs.values(args.label)
    known = (songs != "") & (labels != "")
    results = {}
    for name, system in asked.items():
        results[name] = []
        for seed in range(args.seeds if system.seeded else 1):
            made = vectors_of(name, system, setup, seed)
            results[name].append(system.scores(made, known, songs, labels, args.song, args.label))
        means = {
            score: round(float(np.mean([row[score] for row in results[name]])), 3)
            for score in results[name][0]
        }
        print(name, means, flush=True)
    return results


def main(argv=None):
    """Make vectors, score them, write the table and the picture."""
    args = parse_arguments(argv)
    outputs = [args.out / f"quality.{suffix}" for suffix in ("md", "json", "png")]
    check_outputs(dict.fromkeys(outputs, KIND), [args.metadata])
    names = list_songs(args.vectors_dir)
    results = evaluate(Setup(args, labelled(names, args.metadata)))
    ours = [name for name in results if name.startswith("sound-eval")]
    picture = figures.picture("quality.png", figures.strips, results, scores_in(results), ours)
    contents = [table(results).encode(), (json.dumps(results, indent=1) + "\n").encode(), picture]
    write_outputs(dict(zip(outputs, contents, strict=True)), KIND)
    print(f"\n{table(results)}\nwrote {args.out}/quality.md, quality.json, quality.png")


if __name__ == "__main__":
    run_main(main)
