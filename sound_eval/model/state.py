"""The arrays of a run's weights, held against its configuration and songs."""

import numpy as np

from sound_eval.errors import InputError
from sound_eval.inputs.network_inputs import input_size


def state_shapes(config, n_songs):
    """Shapes of the arrays of a training's state (see `training`), by name, for the
    networks and songs of one run.
    """
    layers = {
        "hidden_kernel": (input_size(config), config.HIDDEN_SIZE),
        "hidden_bias": (config.HIDDEN_SIZE,),
        "output_kernel": (config.HIDDEN_SIZE, config.OUTPUT_VECTOR_SIZE),
        "output_bias": (config.OUTPUT_VECTOR_SIZE,),
    }
    shapes = {"mean": (input_size(config),), "deviation": (input_size(config),), "step": ()}
    for part in ("", "average/", "adam_m/", "adam_v/"):
        shapes |= {
            f"{part}{net}/{layer}": shape
            for net in ("net_1", "net_2")
            for layer, shape in layers.items()
        }
    for table in ("vector", "average", "adam_m", "adam_v"):
        shapes[f"songs/{table}"] = (n_songs, config.OUTPUT_VECTOR_SIZE)
    return shapes | {"songs/step": (n_songs,)}


def read_weights(snapshot):
    """The arrays of a run's `Snapshot`. Raises InputError where they do not fit its
    configuration and songs, are not finite, or its networks were made for other inputs
    than there are now.
    """
    weights = snapshot.weights
    config = snapshot.config
    expected = input_size(config)
    size = len(np.atleast_1d(weights.get("mean", np.empty(expected))))
    if size != expected:
        message = (
            f"its networks take inputs of {size} values, and this version makes {expected}; "
            "train into another run folder"
        )
        raise InputError(f"{snapshot.path}: {message}")
    for name, shape in state_shapes(config, len(snapshot.names)).items():
        if name in weights and weights[name].shape != shape:
            message = (
                f"{name} has shape {weights[name].shape}, where config.yaml and "
                f"music_list.txt ask for {shape}"
            )
            raise InputError(f"{snapshot.weights_path}: {message}; are they of one run?")
        if name in weights and not np.isfinite(weights[name]).all():
            raise InputError(f"{snapshot.weights_path}: {name} holds NaN or infinite values")
    return weights


def read_state(snapshot):
    """The state that a training goes on from: `read_weights`, with nothing missing."""
    weights = read_weights(snapshot)
    missing = [
        name for name in state_shapes(snapshot.config, len(snapshot.names)) if name not in weights
    ]
    if missing:
        raise InputError(
            f"{snapshot.weights_path}: lacks {missing[0]}, so the training cannot go on; "
            "train into another run folder"
        )
    return weights
