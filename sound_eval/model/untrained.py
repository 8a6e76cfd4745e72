"""The same model with random weights: what the inputs and the architecture know
before any training.

The document vector of a song is its song vector plus its mean word vector. Before
training song vectors are zero, so what is left is the mean of net_1 over the song's
inputs, with the weights that a training would begin with.
"""

import numpy as np

from sound_eval.errors import InputError
from sound_eval.model import corpus as corpora
from sound_eval.model import inference
from sound_eval.terminal import Progress, quiet_tensorflow


def untrained_vectors(inputs, mean, deviation, config, seed=0):
    """Document vectors (n_songs, dim) float32 of songs, an iterable of inputs
    (n, dim_in), by the networks of `config` before training.

    `mean` and `deviation` (dim_in,) normalise the inputs.
    """
    quiet_tensorflow()
    from sound_eval.model.network import init_network

    weights = init_network(
        np.random.default_rng(seed), len(mean), config.HIDDEN_SIZE, config.OUTPUT_VECTOR_SIZE
    )
    networks = inference.Networks(net_1=weights, net_2={}, mean=mean, deviation=deviation)
    return np.stack([inference.mean_word(networks, song) for song in inputs]).astype(np.float32)


def inputs_of(vectors_dir, names, config):
    """The inputs (n, dim_in) of each song of a log-mel tree, one after the other.

    Raises InputError where a file is missing.
    """
    with Progress(len(names), "song", "vectors from random weights") as progress:
        for name in names:
            path = corpora.log_mel_path(vectors_dir, name)
            if not path.is_file():
                raise InputError(
                    f"{path}: missing; is {vectors_dir} the tree that the run was trained on?"
                )
            yield corpora.read_inputs(path, config)
            progress.update(1)
