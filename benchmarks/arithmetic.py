"""Do sums of song vectors mean anything? Mixes of two songs, made with ffmpeg, against
the sums of their vectors.

For random pairs of songs A, B two files are made: both played together, and B after A.
Their vectors are inferred as those of any new file. `like +A +B` is then held against A
and B alone and against chance, and `like +MIX -A` against the search for B without the
subtraction. Prints two tables in Markdown.

Unrelated: the same count for the mix of another pair, which says how often a sum is
nearer merely because it is a sum.
Ranks are over all songs of the run but the ones in the question; the mix itself counts
as one of them where it is looked for.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import tempfile
from pathlib import Path

import numpy as np

from sound_eval import programs
from sound_eval.cli import positive_int, run_main, script_parser, seed_number
from sound_eval.errors import InputError
from sound_eval.files.tables import print_markdown
from sound_eval.search.vectors import unit_vectors
from sound_eval.songs.audio_query import vectors_of_audio
from sound_eval.songs.library import Library
from sound_eval.terminal import Progress

EXAMPLE = """example:
  python benchmarks/arithmetic.py example_outs/ example_input/ --pairs 100 \\
      --metadata example_input/labels.csv --apart genre"""

# what both songs are brought to before they are joined
COMMON = "aformat=sample_fmts=flt:sample_rates=44100:channel_layouts=stereo"
MIXES = {
    "A and B together": f"[0:a]{COMMON}[a];[1:a]{COMMON}[b];[a][b]amix=inputs=2:duration=shortest",
    "A, then B": f"[0:a]{COMMON}[a];[1:a]{COMMON}[b];[a][b]concat=n=2:v=0:a=1",
}


def draw_pairs(library, count, apart, seed):
    """Rows (count, 2) of random pairs, of different labels in the column `apart`
    where that is given.
    """
    random = np.random.default_rng(seed)
    labels = library.labels(apart) if apart else np.arange(len(library.names))
    pairs = random.integers(len(library.names), size=(20 * count, 2))
    pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]][:count]
    if len(pairs) < count:
        raise InputError(
            f"only {len(pairs)} pairs of songs that differ; "
            f"is --apart {apart} one value nearly everywhere?"
        )
    return pairs


def make_mix(path, first, second, graph):
    """Join two audio files into a float WAV file, so that nothing clips."""
    inputs = [*programs.input_of(first), *programs.input_of(second)]
    output = ["-filter_complex", graph, "-c:a", "pcm_f32le", "-y", f"file:{path}"]
    command = ["ffmpeg", "-nostdin", "-v", "error", *inputs, *output]
    status, _, messages = programs.run(command, watch=path)
    if status:
        raise InputError(f"ffmpeg cannot join {first} and {second}: {messages.strip()}")


def mix_vectors(library, pairs, graph, what):
    """Unit vectors (n_pairs, dim) of the mixes of pairs of songs."""
    vectors = []
    with tempfile.TemporaryDirectory() as folder, Progress(len(pairs), "mix", what) as progress:
        for first, second in pairs:
            path = Path(folder) / "mix.wav"
            make_mix(
                path,
                library.audio_dir / library.names[first],
                library.audio_dir / library.names[second],
                graph,
            )
            vectors.append(vectors_of_audio(library.run, [path])[0])
            progress.update(1)
    return unit_vectors(np.stack(vectors))


def cosine(a, b):
    """Similarity (n,) of rows that belong together."""
    return np.einsum("nd,nd->n", a, b)


def ranks(unit, queries, left_out, targets):
    """Rank (n,), from 1, of `targets` (n, dim) among all songs by similarity to
    `queries` (n, dim), rows `left_out` (n, k) aside.
    """
    similarity = queries @ unit.T
    np.put_along_axis(similarity, left_out, -np.inf, axis=1)
    return 1 + np.sum(similarity > cosine(queries, targets)[:, None], axis=1)


def shares(values, conditions):
    """Cells of a table row: the means of boolean arrays, in percent."""
    return [*values, *(f"{100 * np.mean(condition):.0f} %" for condition in conditions)]


def similarity_row(name, mix, a, b, others):
    """The mix against the sum, its terms and chance;
    `others` (n, dim) are songs that have nothing to do with the mix.
    """
    total = unit_vectors(a + b)
    unrelated_mix = np.roll(mix, 1, axis=0)
    best = np.maximum(cosine(mix, a), cosine(mix, b))
    means = [cosine(mix, total), best, cosine(mix, unit_vectors(a + others)), cosine(mix, others)]
    nearer = cosine(mix, total) > best
    unrelated = cosine(unrelated_mix, total) > np.maximum(
        cosine(unrelated_mix, a), cosine(unrelated_mix, b)
    )
    return shares([name, *(f"{mean.mean():.3f}" for mean in means)], [nearer, unrelated])


def rank_rows(unit, name, mix, pairs):
    """Where the mix stands in the lists of the sum and of A, and where B stands in the
    lists of mix - A and of the mix.
    """
    a, b = unit[pairs.T]
    questions = {
        f"{name}: the mix, by +A +B": ranks(unit, unit_vectors(a + b), pairs, mix),
        f"{name}: the mix, by A alone": ranks(unit, a, pairs, mix),
        f"{name}: B, by +mix -A": ranks(unit, unit_vectors(mix - a), pairs[:, :1], b),
        f"{name}: B, by the mix alone": ranks(unit, mix, pairs[:, :1], b),
    }
    return [
        shares([question, f"{np.median(rank):.0f}"], [rank == 1, rank <= 10])
        for question, rank in questions.items()
    ]


def main(argv=None):
    """Parse, mix, compare."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("run_dir", metavar="RUN_DIR", help="what spectrogram_doc2vec.py wrote")
    parser.add_argument(
        "audio_dir", metavar="AUDIO_DIR", type=Path, help="the audio that the run was trained on"
    )
    parser.add_argument(
        "--pairs", type=positive_int, default=100, help="pairs of songs (default 100)"
    )
    parser.add_argument("--metadata", metavar="FILE.csv", help="labels by `filename`, for --apart")
    parser.add_argument(
        "--apart", metavar="COLUMN", help="the two songs of a pair differ in this label"
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of the pairs (default 0)")
    args = parser.parse_args(argv)
    library = Library(args.run_dir, metadata=args.metadata, audio_dir=args.audio_dir)
    pairs = draw_pairs(library, args.pairs, args.apart, args.seed)
    a, b = library.unit[pairs.T]
    others = library.unit[
        np.random.default_rng(args.seed + 1).integers(len(library.unit), size=len(pairs))
    ]
    mixes = {name: mix_vectors(library, pairs, graph, name) for name, graph in MIXES.items()}
    print(
        f"{len(pairs)} pairs of {len(library.names)} songs; "
        f"rank 1 by chance {100 / len(library.names):.1f} %\n"
    )
    header = [
        "cosine of the mix with",
        "A + B",
        "A or B, the nearer",
        "A + another",
        "another",
        "sum nearer than both",
        "unrelated",
    ]
    print_markdown(header, [similarity_row(name, mix, a, b, others) for name, mix in mixes.items()])
    print()
    rows = [row for name, mix in mixes.items() for row in rank_rows(library.unit, name, mix, pairs)]
    print_markdown(["looked for", "median rank", "first", "in the first 10"], rows)
    return 0


if __name__ == "__main__":
    run_main(main)
