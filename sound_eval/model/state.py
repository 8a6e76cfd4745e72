"""The state of a training as one structure of arrays: its beginning, and its reader.

    net_1/..., net_2/...                        the networks (`network.init_network`)
    adam_m/..., adam_v/..., average/...         Adam's moments and the running averages,
                                                for each of these
    step                                        steps done
    songs/vector                                (n_songs, dim_out) the song terms
    songs/adam_m, songs/adam_v, songs/average   the same for each of these
    songs/step                                  (n_songs,) steps in which the song took part
    mean, deviation                             (dim,) what normalises the inputs
    basis                                       (dim, dim_out) the closed form (`closed_form`)
    seen                                        (dim, 2 dim_out) what the networks see of
                                                normalised inputs, which they are multiplied by
    references                                  (n_references, dim_out) what new songs are told
                                                from (`inference`)

These are the names of the arrays in a save, which a resumed training goes on from
exactly. In memory they are a `State`, a tree of named tuples and dicts that TensorFlow
takes as it is; no other module knows the names.

Conventions
-----------
A *tree* is any such structure, whatever its leaves are. This module knows no TensorFlow.
"""

from typing import NamedTuple

import numpy as np

from sound_eval.errors import InputError
from sound_eval.inputs import closed_form
from sound_eval.inputs.network_inputs import input_size

LAYERS = ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")


class Nets(NamedTuple):
    """Something for each layer of both networks, each a dict with the keys `LAYERS`."""

    net_1: dict
    net_2: dict


class Slots(NamedTuple):
    """What is kept beside the networks: Adam's moments and the running average."""

    adam_m: Nets
    adam_v: Nets
    average: Nets


class Songs(NamedTuple):
    """One row for each song."""

    term: np.ndarray
    adam_m: np.ndarray
    adam_v: np.ndarray
    average: np.ndarray
    step: np.ndarray


class State(NamedTuple):
    """All that a training goes on from; see the module's list."""

    mean: np.ndarray
    deviation: np.ndarray
    basis: np.ndarray
    seen: np.ndarray
    step: np.ndarray
    nets: Nets
    slots: Slots
    songs: Songs
    # None before the first save
    references: np.ndarray | None = None


def _nets_names(prefix=""):
    """The names of both networks' layers in a save."""
    return Nets(*({layer: f"{prefix}{net}/{layer}" for layer in LAYERS} for net in Nets._fields))


NAMES = State(
    mean="mean",
    deviation="deviation",
    basis="basis",
    seen="seen",
    step="step",
    nets=_nets_names(),
    slots=Slots(*(_nets_names(f"{slot}/") for slot in Slots._fields)),
    songs=Songs(
        term="songs/vector",
        adam_m="songs/adam_m",
        adam_v="songs/adam_v",
        average="songs/average",
        step="songs/step",
    ),
    references="references",
)


def mapped(function, *trees):
    """The tree of what `function` makes of the leaves of trees of one structure."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: mapped(function, *(tree[key] for tree in trees)) for key in first}
    if hasattr(first, "_fields"):
        return type(first)(*(mapped(function, *parts) for parts in zip(*trees, strict=True)))
    return function(*trees)


def to_arrays(state):
    """The leaves of a State by their names in a save."""
    arrays = {}
    mapped(arrays.__setitem__, NAMES, state)
    return {name: array for name, array in arrays.items() if array is not None}


def from_arrays(arrays):
    """The State of the arrays of a save, by name; KeyError where one is missing."""
    return mapped(({NAMES.references: None} | arrays).__getitem__, NAMES)


def shapes(config, n_songs):
    """Shapes of the arrays in a save, by name, for the networks and songs of one run."""
    dim = input_size(config)
    dim_out = config.OUTPUT_VECTOR_SIZE
    net = {
        "hidden_kernel": (2 * dim_out, config.HIDDEN_SIZE),
        "hidden_bias": (config.HIDDEN_SIZE,),
        "output_kernel": (config.HIDDEN_SIZE, dim_out),
        "output_bias": (dim_out,),
    }
    nets = Nets(net, net)
    table = (n_songs, dim_out)
    tree = State(
        mean=(dim,),
        deviation=(dim,),
        basis=(dim, dim_out),
        seen=(dim, 2 * dim_out),
        step=(),
        nets=nets,
        slots=Slots(nets, nets, nets),
        songs=Songs(table, table, table, table, step=(n_songs,)),
    )
    return to_arrays(tree)


def read_weights(snapshot):
    """The arrays of a run's `Snapshot` by name. Raises InputError where they do not fit its
    configuration and songs, are not finite, or its networks were made for other inputs
    than there are now.
    """
    weights = snapshot.weights
    _check_input_size(snapshot)
    for name, shape in shapes(snapshot.config, len(snapshot.names)).items():
        if name in weights and weights[name].shape != shape:
            raise InputError(
                f"{snapshot.weights_path}: {name} has shape {weights[name].shape}, where "
                f"config.yaml and music_list.txt ask for {shape}; are they of one run?"
            )
        if name in weights and not np.isfinite(weights[name]).all():
            raise InputError(f"{snapshot.weights_path}: {name} holds NaN or infinite values")
    return weights


def _check_input_size(snapshot):
    """Raise InputError where a run's networks take other inputs than there are now."""
    expected = input_size(snapshot.config)
    mean = snapshot.weights.get("mean", np.empty(expected))
    size = len(np.atleast_1d(mean))
    if size != expected:
        raise InputError(
            f"{snapshot.path}: its networks take inputs of {size} values, and this version makes "
            f"{expected}; train into another run folder"
        )
    if NAMES.mean in snapshot.weights and NAMES.basis not in snapshot.weights:
        raise InputError(
            f"{snapshot.path}: was trained by a former version, whose networks take other inputs; "
            "train into another run folder"
        )


def read_state(snapshot):
    """The State that a training goes on from: `read_weights`, with nothing missing."""
    try:
        return from_arrays(read_weights(snapshot))
    except KeyError as error:
        raise InputError(
            f"{snapshot.weights_path}: lacks {error.args[0]}, so the training cannot go on; "
            "train into another run folder"
        ) from error


# ---- what a training begins with ----


def new_state(config, corpus, seed):
    """The State before the first step: the closed form, networks of random weights, no
    song terms.
    """
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
