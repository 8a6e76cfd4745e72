"""The state of a training as one structure of arrays, and its reader.

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
