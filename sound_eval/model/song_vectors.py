"""What the song vector of a song is, and the mean word vectors that are in it.

    song vector = song term + mean word vector

The *song term* is what training learned of the song beside its words, or what inference
finds for a song it never saw; the *word vector* of an input is net_1 of it. So a song
vector is the mean, over the song, of the left factor that the model holds against
net_2(B). It is a row of `vector_at_{x}.npy`; each part alone can be had as well (KINDS).

Conventions
-----------
Inputs are not normalised, (n, dim) per song; vectors are (n_songs, dim_out) float32.
"""

import numpy as np

from sound_eval.inputs.network_inputs import read_inputs
from sound_eval.model.inference import BLOCK_INPUTS, Networks, infer_song_terms, song_terms
from sound_eval.model.state import init_network
from sound_eval.terminal import Progress

# of vectors per song: the song vector, the mean word vector, the song term
KINDS = ("sum", "mean-words", "song-only")
MOST_MEAN_INPUTS = 1024  # inputs that a mean word vector is taken over, evenly spaced
MOST_INPUTS_OF_ALL = 1 << 24  # inputs that the means of a whole corpus are taken over
LEAST_MEAN_INPUTS = 16  # of each song, however many there are
PROGRESS_DELAY = 2.0  # seconds that a save may take without a word


def song_vectors(terms, mean_words):
    """Song vectors (n_songs, dim_out) from their two parts."""
    return terms + mean_words


def of_kind(kind, terms, mean_words):
    """Vectors (n_songs, dim_out) of one of KINDS. `terms()` and `mean_words()`
    (n_songs, dim_out) are called only where the kind has that part.
    """
    if kind == "song-only":
        return terms()
    if kind == "mean-words":
        return mean_words()
    return song_vectors(terms(), mean_words())


def of_inputs(kind, networks, songs, config):
    """Vectors (n_songs, dim_out) of one of KINDS for `songs`, a sequence of inputs
    (n, dim), as if the run had not seen them.
    """
    return of_kind(
        kind,
        lambda: song_terms(networks, songs, config),
        lambda: np.stack([mean_word(networks, inputs) for inputs in songs]),
    )


def known_or_inferred(networks, songs, known, read, config):
    """Song terms (n_songs, dim_out) of the names `songs`: those in `known`, a dict
    name -> term (dim_out,), and inferred ones; `read(song)` gives a song's inputs (n, dim).
    """
    new = [song for song in songs if song not in known]
    inferred = dict(zip(new, infer_song_terms(networks, new, read, config), strict=True))
    terms = known | inferred
    return np.stack([terms[song] for song in songs])


# ---- mean word vectors ----


def evenly(count, most):
    """At most `most` positions out of `count`, evenly spaced."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(int)


def mean_word(networks, inputs):
    """Mean word vector (dim_out,) of a song's inputs (n, dim)."""
    return networks.words(inputs[evenly(len(inputs), MOST_MEAN_INPUTS)]).mean(axis=0)


def mean_of_words(words):
    """Mean word vector (dim_out,) of the word vectors (n, dim_out) of all inputs of a
    song, over the same inputs as `mean_word`.
    """
    return words[evenly(len(words), MOST_MEAN_INPUTS)].mean(axis=0)


def mean_words_of_corpus(networks, corpus):
    """Mean word vectors (n_songs, dim_out) of all songs of a corpus, by blocks of songs.

    In a large corpus each mean is over fewer inputs, so that a save takes minutes with
    a million songs: MOST_INPUTS_OF_ALL in all, but LEAST_MEAN_INPUTS of each song,
    which for clips of 30 s score as all their inputs do.
    """
    most = min(max(MOST_INPUTS_OF_ALL // len(corpus.names), LEAST_MEAN_INPUTS), MOST_MEAN_INPUTS)
    counts = np.minimum(corpus.lengths, most)
    block = max(1, BLOCK_INPUTS // most)
    means = []
    with Progress(len(counts), "song", "mean word vectors", delay=PROGRESS_DELAY) as progress:
        for first in range(0, len(counts), block):
            n = counts[first : first + block]
            starts = corpus.starts[first : first + len(n)]
            lengths = corpus.lengths[first : first + len(n)]
            rows = [
                start + evenly(length, most) for start, length in zip(starts, lengths, strict=True)
            ]
            words = networks.words(corpus.inputs.take(np.concatenate(rows)))
            means.append(np.add.reduceat(words, np.cumsum(n) - n, axis=0) / n[:, None])
            progress.update(len(n))
    return np.concatenate(means).astype(np.float32)


# ---- a baseline: the same model before training ----


def inputs_of(log_mel_dir, songs, config):
    """The inputs (n, dim) float16 of each of the `songs` of a log-mel tree, one after the
    other; raises InputError as `read_inputs`.
    """
    with Progress(len(songs), "song", "vectors before training") as progress:
        for song in songs:
            yield read_inputs(log_mel_dir, song, config)
            progress.update(1)


def untrained_networks(state, config, seed=0):
    """The networks that a training of `config` would begin with: what the inputs and the
    architecture know alone. They make word vectors only, of what those of `state` see.
    """
    dim_out = config.OUTPUT_VECTOR_SIZE
    random = np.random.default_rng(seed)
    net_1 = init_network(random, state.seen.shape[1], config.HIDDEN_SIZE, dim_out)
    return Networks(net_1, {}, state.mean, state.deviation, state.seen)
