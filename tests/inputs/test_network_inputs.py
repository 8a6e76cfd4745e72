"""A log-mel file becomes inputs in one way, and what is no log-mel is named."""

import numpy as np
import pytest
from conftest import write_run_folder
from planted import planted_song, small_config, write_tree

from sound_eval.errors import InputError
from sound_eval.files.writing import save_array
from sound_eval.inputs.network_inputs import (
    exact_inputs,
    inputs_of_frames,
    list_songs,
    read_inputs,
)


def test_a_tree_that_is_none_is_told_before_anything_is_read(tmp_path):
    run = write_run_folder(tmp_path / "run", np.eye(3), ["a.npy", "b.npy", "c.npy"])
    with pytest.raises(InputError, match="a run folder, where a tree of log-mel files is expected"):
        list_songs(run.path)
    write_tree(tmp_path / "tree", 3)
    np.save(tmp_path / "tree" / "line\nbreak.npy", np.zeros((5, 12), np.float32))
    with pytest.raises(InputError, match="holds a line break"):
        list_songs(tmp_path / "tree")


@pytest.mark.parametrize("texture_seconds", [0, 2])
def test_inputs_are_rounded_alike_wherever_they_come_from(tmp_path, texture_seconds):
    config = small_config(TEXTURE_SECONDS=texture_seconds, TEXTURE_STEP_SECONDS=0.5)
    frames = planted_song(0, 0)
    save_array(tmp_path / "tree" / "a.mp3.npy", frames)
    inputs = read_inputs(tmp_path / "tree", "a.mp3", config)
    assert inputs.dtype == np.float16
    np.testing.assert_array_equal(inputs, inputs_of_frames(frames, config, "a.mp3"))
    exact = exact_inputs(frames, config, "a.mp3")
    assert exact.dtype == np.float32
    np.testing.assert_array_equal(inputs, exact.astype(np.float16))


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "holds NaN"), (-1e5, "holds values up to 1e.05")]
)
def test_frames_of_no_log_mel_are_refused_wherever_they_come_from(tmp_path, value, message):
    frames = planted_song(0, 0)
    frames[3, 4] = value
    save_array(tmp_path / "a.mp3.npy", frames)
    with pytest.raises(InputError, match=rf"a\.mp3\.npy: {message}"):
        read_inputs(tmp_path, "a.mp3", small_config())
    with pytest.raises(InputError, match=f"song.flac: {message}"):
        inputs_of_frames(frames, small_config(), "song.flac")


def test_a_song_without_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.mp3\.npy: missing; is .* the tree that the run"):
        read_inputs(tmp_path, "a.mp3", small_config())
