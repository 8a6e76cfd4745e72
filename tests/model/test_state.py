"""The arrays of a run's weights: those that do not fit it are named."""

import numpy as np
import pytest
from conftest import write_run_folder
from planted import small_config

from sound_eval.errors import InputError
from sound_eval.inputs.network_inputs import input_size
from sound_eval.model import state as states


def test_networks_for_inputs_of_another_size_are_an_error_that_says_so(tmp_path):
    size = input_size(small_config())
    for mean in (size, size - 12):
        run = write_run_folder(
            tmp_path / str(mean),
            np.zeros((2, 4)),
            ["a.npy", "b.npy"],
            small_config(),
            weights={"mean": np.zeros(mean), "basis": np.zeros((size, 8))},
        )
        if mean == size:
            assert len(states.read_weights(run.snapshot())["mean"]) == size
        else:
            with pytest.raises(
                InputError, match=f"inputs of {mean} values, and this version makes {size}"
            ):
                states.read_weights(run.snapshot())


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "average/net_1/hidden_kernel",
            np.zeros((16, 17)),
            r"has shape \(16, 17\), where config.yaml and music_list.txt ask for \(16, 16\)",
        ),
        ("songs/vector", np.zeros((3, 8)), r"has shape \(3, 8\)"),
        ("net_2/output_bias", np.full(8, np.nan), "holds NaN"),
        ("step", np.zeros(2), "has shape"),
        ("songs/step", None, "lacks songs/step"),
        ("mean", np.float32(0), "inputs of 1 values"),
        ("basis", None, "was trained by a former version"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, name, array, message):
    config = small_config()
    weights = {
        known: np.zeros(shape, np.float32) for known, shape in states.shapes(config, 2).items()
    }
    vectors = np.zeros((2, 8))
    run = write_run_folder(tmp_path / "whole", vectors, ["a.npy", "b.npy"], config, weights=weights)
    assert set(states.to_arrays(states.read_state(run.snapshot()))) == set(weights)
    spoiled = {
        known: value for known, value in (weights | {name: array}).items() if value is not None
    }
    run = write_run_folder(tmp_path / "run", vectors, ["a.npy", "b.npy"], config, weights=spoiled)
    with pytest.raises(InputError, match=message):
        states.read_state(run.snapshot())
