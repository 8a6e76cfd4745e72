"""Write the word vector of every input of every song as a tree, and, where asked, a
vector per song, those never trained on included.
"""

import sound_eval.interrupts  # noqa: F401  first: Ctrl-C while the rest loads is one line

import dataclasses
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.marks import MUSIC_LIST_NAME
from sound_eval.files.outputs import OutputTree
from sound_eval.files.trees import is_inside, log_mel_name, write_array
from sound_eval.log_mel.tree_state import STATE_NAME
from sound_eval.model import corpus as corpora
from sound_eval.model import inference
from sound_eval.model.run_folder import RunFolder, check_no_run_folder
from sound_eval.model.state import read_state
from sound_eval.songs.library import check_song_vectors, save_song_vectors
from sound_eval.terminal import Progress, warn

EXAMPLE = """example:
  python calc_all_vecs.py example_vectors/ example_outs/ example_word_vectors/ --song-vectors example_word_vectors/songs.npy

An input is a texture summary of some seconds, or a single frame where the run was trained with TEXTURE_SECONDS: 0. With --song-vectors
the songs that the run knows keep their trained rows; the others are inferred with the networks frozen, the same on every call.
By default a song's vector is the sum of its song vector and its mean word vector, as in the run folder's vector_at_*.npy."""


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
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--sum",
        dest="kind",
        action="store_const",
        const="sum",
        default="sum",
        help="song + mean word vector (default)",
    )
    kind.add_argument(
        "--mean-words",
        dest="kind",
        action="store_const",
        const="mean-words",
        help="the mean word vector alone",
    )
    kind.add_argument(
        "--song-only",
        dest="kind",
        action="store_const",
        const="song-only",
        help="the song vector alone, without the words",
    )
    parser.add_argument(
        "--infer-all",
        action="store_true",
        help="infer the songs that the run knows too, as if they were new",
    )
    args = parser.parse_args(argv)
    if args.song_vectors is None and (args.kind != "sum" or args.infer_all):
        parser.error(
            "--mean-words, --song-only and --infer-all say what --song-vectors FILE.npy shall "
            "hold; give that too"
        )
    return args


def check(args):
    """Raise InputError where what is to be written would replace what is read, or be
    taken for it the next time.
    """
    outputs = [args.out_dir] + ([args.song_vectors] if args.song_vectors else [])
    for path in outputs:
        if is_inside(path, args.vectors_dir):
            raise InputError(
                f"{path}: lies in the log-mel tree {args.vectors_dir}, "
                "whose files it would replace or mix with; give a place outside"
            )
        for folder in (path.resolve(), *path.resolve().parents):
            if (folder / STATE_NAME).is_file():
                raise InputError(
                    f"{path}: lies in the log-mel tree {folder}, whose files it would mix with; "
                    "give a place outside"
                )
    check_no_run_folder(args.out_dir, "the word vectors")
    if not args.song_vectors:
        return
    if args.song_vectors.is_dir():
        raise InputError(
            f"{args.song_vectors}: a folder; --song-vectors names a file, "
            f"such as {args.song_vectors / 'songs.npy'}"
        )
    if args.song_vectors.suffix != ".npy":
        raise InputError(
            f"{args.song_vectors}: --song-vectors writes a .npy file; give it that suffix"
        )
    check_no_run_folder(args.song_vectors.parent, "the music_list.txt beside the song vectors")
    check_song_vectors(args.song_vectors)


def write_words(args, networks, config, names):
    """Write the tree of word vectors;
    returns the mean word vector of each song and the names of the files
    that cannot be used.
    """
    # what is sent to the processes
    words_only = dataclasses.replace(networks, net_2={}, references=None)
    tree = OutputTree(args.out_dir, "word vectors")
    with tree.locked():
        tree.check([log_mel_name(name) for name in names])
        results = corpora.in_processes(
            partial(write_song, args.vectors_dir, tree, words_only, config), names, "word vectors"
        )
        means = dict(zip(names, results, strict=True))
    failed = {name: means.pop(name) for name in names if isinstance(means[name], InputError)}
    for error in failed.values():
        print(f"skipped: {error}", file=sys.stderr)
    return means, list(failed)


def write_song(vectors_dir, tree, networks, config, name):
    """Write the word vectors of one song;
    returns their mean (dim_out,), or the InputError that says why the
    file cannot be used.
    """
    try:
        words = networks.words(read_inputs(corpora.log_mel_path(vectors_dir, name), config))
    except InputError as error:
        return error
    with tree.write(log_mel_name(name)) as file:
        write_array(file, np.ascontiguousarray(words, np.float32))
    return words[inference.evenly(len(words), inference.MOST_MEAN_INPUTS)].mean(axis=0)


def read_inputs(path, config):
    """Network inputs (n, dim) of one log-mel file; raises InputError where it cannot be used."""
    # rounded as in training, so that both give the same vectors
    return corpora.read_inputs(path, config).astype(np.float16)


def song_rows(args, run, state, networks, config, means):
    """Song vectors (n_songs, dim) without words, for the songs of `means`:
    trained rows, or inferred ones; and how many are inferred.
    """
    trained = {} if args.infer_all else {name: row for row, name in enumerate(run.names)}
    unknown = [name for name in means if name not in trained]
    rows = dict(zip(trained, state.songs.average[list(trained.values())], strict=True))
    with Progress(len(unknown), "song", "inferring") as progress:
        at_once = inference.SONGS_AT_ONCE * os.cpu_count()  # a group for each thread
        for first in range(0, len(unknown), at_once):
            group = unknown[first : first + at_once]
            solved = inference.song_vectors(
                networks,
                [
                    read_inputs(corpora.log_mel_path(args.vectors_dir, name), config)
                    for name in group
                ],
                config,
            )
            rows.update(zip(group, solved, strict=True))
            progress.update(len(group))
    return np.stack([rows[name] for name in means]), len(unknown)


def write_song_vectors(args, run, state, networks, config, means):
    """Write the vector per song and the music list beside it."""
    words = np.stack(list(means.values()))
    inferred = 0
    vectors = words
    if args.kind != "mean-words":
        songs, inferred = song_rows(args, run, state, networks, config, means)
        vectors = songs + words if args.kind == "sum" else songs
    save_song_vectors(args.song_vectors, list(means), vectors, args.kind, networks)
    print(
        f"{args.song_vectors}: {len(means)} song vectors ({inferred} inferred), {args.kind}; "
        "songs in music_list.txt beside it"
    )


def main(argv=None):
    """Read the run, write the tree and the song vectors."""
    args = parse_arguments(argv)
    check(args)
    run = RunFolder(args.run_dir).snapshot()
    config, state = run.config, read_state(run)
    networks = inference.networks_of(state)
    names = corpora.list_songs(args.vectors_dir)
    means, failed = write_words(args, networks, config, names)
    if not means:
        raise InputError(f"{args.vectors_dir}: none of its {len(names)} files can be used")
    print(f"{args.out_dir}: word vectors of {len(means)} songs")
    if failed:
        warn(f"{len(failed)} of {len(names)} songs left out, see above")
    if args.song_vectors is not None:
        check_song_vectors(args.song_vectors, list(means))
        write_song_vectors(args, run, state, networks, config, means)
        music_list = args.song_vectors.parent / MUSIC_LIST_NAME
        print_next(
            "python",
            "process_results/logistic_regress.py",
            "METADATA.csv",
            music_list,
            args.song_vectors,
        )
    else:
        print_next("python", "process_results/vecwise_regress.py", "METADATA.csv", args.out_dir)
    return 3 if failed else 0


if __name__ == "__main__":
    run_main(main)
