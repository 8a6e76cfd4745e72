"""What a training begins with: the closed form, networks of random weights, no song terms."""

import numpy as np

from sound_eval.model import closed_form
from sound_eval.model.state import Nets, Slots, Songs, State, mapped


def new_state(config, corpus, seed):
    """The State before the first step."""
    random = np.random.default_rng(seed)
    dim_out = config.OUTPUT_VECTOR_SIZE
    basis, ratios = closed_form.solve(corpus.covariances, dim_out)
    seen = closed_form.seen_map(corpus.covariances, basis, ratios)
    sizes = (seen.shape[1], config.HIDDEN_SIZE, dim_out)
    nets = Nets(*(init_network(random, *sizes) for _ in Nets._fields))
    n_songs = len(corpus.names)
    tables = [np.zeros((n_songs, dim_out), np.float32) for _ in range(4)]
    return State(
        mean=corpus.mean,
        deviation=corpus.deviation,
        basis=basis,
        seen=seen,
        step=np.int64(0),
        nets=nets,
        slots=Slots(mapped(np.zeros_like, nets), mapped(np.zeros_like, nets), nets),
        songs=Songs(*tables, step=np.zeros(n_songs, np.float32)),
    )


def init_network(random, dim, hidden, dim_out):
    """One hidden layer with ReLU: He initialisation (He et al. 2015), biases zero.
    NumPy arrays by name, for inputs of `dim` values.

    The output is scaled so that the dot product of two vectors starts with variance 1:
    larger ones would have to be unlearned first.
    """
    hidden_kernel = random.standard_normal((dim, hidden)) * np.sqrt(2 / dim)
    output_kernel = random.standard_normal((hidden, dim_out)) * np.sqrt(1 / hidden)
    return {
        "hidden_kernel": hidden_kernel.astype(np.float32),
        "hidden_bias": np.zeros(hidden, np.float32),
        "output_kernel": (output_kernel * dim_out**-0.25).astype(np.float32),
        "output_bias": np.zeros(dim_out, np.float32),
    }


def with_new_songs(state, song_terms):
    """The State with rows added for new songs, which start from `song_terms` (n_new, dim_out)."""
    zeros = np.zeros_like(song_terms)
    steps = np.zeros(len(song_terms), np.float32)
    new = Songs(term=song_terms, adam_m=zeros, adam_v=zeros, average=song_terms, step=steps)
    return state._replace(
        songs=mapped(lambda old, rows: np.concatenate([old, rows]), state.songs, new)
    )
