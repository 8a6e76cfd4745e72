"""Write the word vector of every input of every song as a tree, and, where asked, a
vector per song, those never trained on included.
"""

import sound_eval.interrupts  # noqa: F401  first: Ctrl-C while the rest loads is one line

import sys
from functools import partial
from pathlib import Path

import numpy as np

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.inputs.network_inputs import list_songs, read_inputs
from sound_eval.model import song_vectors
from sound_eval.model.inference import networks_of
from sound_eval.model.run_folder import RunFolder, check_no_run_folder
from sound_eval.model.state import read_state
from sound_eval.model.word_vectors import check_outside_trees, write_word_vectors
from sound_eval.songs.library import check_song_vectors, save_song_vectors
from sound_eval.terminal import warn

EXAMPLE = """example:
  python calc_all_vecs.py example_vectors/ example_outs/ example_word_vectors/ \\
      --song-vectors example_word_vectors/songs.npy

An input is a texture summary of some seconds, or a single frame where the run was trained
with TEXTURE_SECONDS: 0. With --song-vectors the songs that the run knows keep their trained
terms; those of the others are inferred with the networks frozen, the same on every call.
By default a song's vector is the sum of its song term and its mean word vector, as in the
run folder's vector_at_*.npy."""


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "vectors_dir",
        metavar="VECTORS_DIR",
        type=Path,
        help="log-mel tree, as spectrify_all.py writes it",
    )
    parser.add_argument(
        "run_dir",
        metavar="RUN_DIR",
        type=Path,
        help="run folder, as spectrogram_doc2vec.py writes it",
    )
    parser.add_argument(
        "out_dir",
        metavar="OUT_DIR",
        type=Path,
        help="tree of word vectors, (n_inputs, OUTPUT_VECTOR_SIZE) float32 for each song",
    )
    parser.add_argument(
        "--song-vectors",
        metavar="FILE.npy",
        type=Path,
        help="also write a vector per song, with a music_list.txt beside it",
    )
    add_kinds(parser.add_mutually_exclusive_group())
    parser.add_argument(
        "--infer-all",
        action="store_true",
        help="infer the terms of the songs that the run knows too, as if they were new",
    )
    args = parser.parse_args(argv)
    path = args.song_vectors
    if path is None and (args.kind != "sum" or args.infer_all):
        parser.error(
            "--mean-words, --song-only and --infer-all say what --song-vectors FILE.npy shall "
            "hold; give that too"
        )
    if path is not None and path.suffix != ".npy" and not path.is_dir():
        parser.error(f"--song-vectors {path}: writes a .npy file; give it that suffix")
    return args


def add_kinds(group):
    """The options that say which of song_vectors.KINDS to write."""
    for kind, text in (
        ("sum", "song vectors: song term + mean word vector (default)"),
        ("mean-words", "the mean word vector alone"),
        ("song-only", "the song term alone, without the words"),
    ):
        group.add_argument(
            f"--{kind}", dest="kind", action="store_const", const=kind, default="sum", help=text
        )


def check(args):
    """Raise InputError where what is to be written would replace what is read, or be
    taken for it the next time.
    """
    path = args.song_vectors
    for output in [args.out_dir, path] if path else [args.out_dir]:
        check_outside_trees(output, args.vectors_dir)
    check_no_run_folder(args.out_dir, "the word vectors")
    if path is None:
        return
    if path.is_dir():
        raise InputError(
            f"{path}: a folder; --song-vectors names a file, such as {path / 'songs.npy'}"
        )
    check_no_run_folder(path.parent, "the music_list.txt beside the song vectors")
    check_song_vectors(path)


def write_song_vectors(args, run, state, networks, mean_words):
    """Write the vector of each song, whose mean word vectors (dim_out,) are given by
    name, and the music list beside them.
    """
    songs = list(mean_words)
    check_song_vectors(args.song_vectors, songs)
    known = {}
    if not args.infer_all:
        known = dict(zip(run.names, state.songs.average, strict=True))
    read = partial(read_inputs, args.vectors_dir, config=run.config)
    words = np.stack(list(mean_words.values()))
    inferred = 0 if args.kind == "mean-words" else len(set(songs) - set(known))
    vectors = song_vectors.of_kind(
        args.kind,
        lambda: song_vectors.known_or_inferred(networks, songs, known, read, run.config),
        lambda: words,
    )
    save_song_vectors(args.song_vectors, songs, vectors, args.kind, networks)
    print(
        f"{args.song_vectors}: {len(songs)} song vectors ({inferred} inferred), {args.kind}; "
        "songs in music_list.txt beside it"
    )


def main(argv=None):
    """Read the run, write the tree and the song vectors."""
    args = parse_arguments(argv)
    check(args)
    run = RunFolder(args.run_dir).snapshot()
    state = read_state(run)
    networks = networks_of(state)
    songs = list_songs(args.vectors_dir)
    mean_words, failed = write_word_vectors(
        args.vectors_dir, args.out_dir, networks, songs, run.config
    )
    for error in failed:
        print(f"skipped: {error}", file=sys.stderr)
    if not mean_words:
        raise InputError(f"{args.vectors_dir}: none of its {len(songs)} files can be used")
    print(f"{args.out_dir}: word vectors of {len(mean_words)} songs")
    if failed:
        warn(f"{len(failed)} of {len(songs)} songs left out, see above")
    if args.song_vectors:
        write_song_vectors(args, run, state, networks, mean_words)
    say_next(args)
    return 3 if failed else 0


def say_next(args):
    """What to type next."""
    if not args.song_vectors:
        print_next("python", "process_results/vecwise_regress.py", "METADATA.csv", args.out_dir)
        return
    print_next(
        "python",
        "process_results/logistic_regress.py",
        "METADATA.csv",
        args.song_vectors.parent / MUSIC_LIST_NAME,
        args.song_vectors,
    )


if __name__ == "__main__":
    run_main(main)
