"""The word vector of every input of every song of a log-mel tree, as a tree of its own."""

from functools import partial

import numpy as np

from sound_eval.errors import InputError
from sound_eval.files.marks import log_mel_tree_of
from sound_eval.files.outputs import OutputTree
from sound_eval.files.trees import is_inside, log_mel_name
from sound_eval.files.writing import write_array
from sound_eval.inputs.network_inputs import read_inputs
from sound_eval.inputs.song_processes import in_processes
from sound_eval.model.song_vectors import mean_of_words

KIND = "word vectors"  # of the files, in the record of outputs


def write_word_vectors(log_mel_dir, out_dir, networks, songs, config):
    """Write the word vectors (n_inputs, dim_out) float32 of each of the `songs` of a
    log-mel tree to `out_dir`, one `.npy` file per song.

    Returns the mean word vectors (dim_out,) by song, and an InputError for each song
    whose file cannot be used. Raises InputError where something else stands in the
    place of one of the files.
    """
    # what is sent to the processes
    words_only = networks.words_only()
    tree = OutputTree(out_dir, KIND)
    with tree.locked():
        tree.check([log_mel_name(song) for song in songs])
        write = partial(_write_song, log_mel_dir, tree, words_only, config)
        results = dict(zip(songs, in_processes(write, songs, KIND), strict=True))
    failed = [result for result in results.values() if isinstance(result, InputError)]
    means = {song: result for song, result in results.items() if not isinstance(result, InputError)}
    return means, failed


def check_outside_trees(path, log_mel_dir):
    """Raise InputError where `path` lies in the tree `log_mel_dir`, or in another log-mel
    tree: what is written there would replace its files, or mix with them.
    """
    if is_inside(path, log_mel_dir):
        raise InputError(
            f"{path}: lies in the log-mel tree {log_mel_dir}, "
            "whose files it would replace or mix with; give a place outside"
        )
    tree = log_mel_tree_of(path)
    if tree is not None:
        raise InputError(
            f"{path}: lies in the log-mel tree {tree}, whose files it would mix with; "
            "give a place outside"
        )


def _write_song(log_mel_dir, tree, networks, config, song):
    """Write the word vectors of one song;
    returns their mean (dim_out,), or the InputError that says why its
    file cannot be used.
    """
    try:
        words = networks.words(read_inputs(log_mel_dir, song, config))
    except InputError as error:
        return error
    with tree.write(log_mel_name(song)) as file:
        write_array(file, np.ascontiguousarray(words, np.float32))
    return mean_of_words(words)
