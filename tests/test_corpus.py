"""The corpus: rows belong to their songs, the cache is reused and renewed, unusable files are named."""
import os
import signal

import numpy as np
import pytest
from conftest import write_run_folder
from planted import small_config, write_tree

from sound_eval import corpus as corpora
from sound_eval.cli import InputError


def open_tree(tree, cache, config=None):
    return corpora.open_corpus(tree, corpora.list_songs(tree), config or small_config(), cache)


@pytest.mark.parametrize("n_songs", [5, 50])  # by one process, and by several
@pytest.mark.parametrize("texture_seconds", [0, 2])
def test_rows_are_the_songs_inputs(tmp_path, n_songs, texture_seconds):
    config = small_config(TEXTURE_SECONDS=texture_seconds, TEXTURE_STEP_SECONDS=0.5)
    names = write_tree(tmp_path / "tree", n_songs)
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache", config)
    assert corpus.names == names
    for row in (0, n_songs // 2, n_songs - 1):
        expected = corpora.network_inputs(np.load(tmp_path / "tree" / names[row]), config)
        np.testing.assert_array_equal(corpus.song(row), expected.astype(np.float16))
    everything = corpus.inputs.read().astype(np.float64)
    np.testing.assert_allclose(corpus.mean, everything.mean(0), atol=2e-3)
    np.testing.assert_allclose(corpus.deviation, np.maximum(everything.std(0), corpora.SMALLEST_DEVIATION), atol=2e-3)


def test_cache_is_reused_until_the_tree_or_the_keys_change(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree")
    open_tree(tmp_path / "tree", tmp_path / "cache")
    builds = []
    build = corpora.build
    monkeypatch.setattr(corpora, "build", lambda *args: builds.append(args) or build(*args))
    open_tree(tmp_path / "tree", tmp_path / "cache")
    assert not builds
    np.save(tmp_path / "tree" / "new.wav.npy", np.zeros((50, 12), np.float32))
    assert "new.wav.npy" in open_tree(tmp_path / "tree", tmp_path / "cache").names
    open_tree(tmp_path / "tree", tmp_path / "cache", small_config(TEXTURE_SECONDS=1))
    assert len(builds) == 2


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((40, 13), np.float32), r"shape \(40, 13\), expected \(n_frames, 12\)"),
        (np.zeros(40, np.float32), r"shape \(40,\)"),
        (np.zeros((0, 12), np.float32), r"shape \(0, 12\)"),
        (np.zeros((40, 12), np.int16), "dtype int16"),
        (np.full((40, 12), np.nan, np.float32), "NaN"),
        (np.array([{"a": 1}], dtype=object), "not a whole .npy array"),
    ],
)
def test_unusable_files_are_named(tmp_path, array, message):
    write_tree(tmp_path / "tree", 4)
    np.save(tmp_path / "tree" / "bad file.mp3.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message) as error:
        open_tree(tmp_path / "tree", tmp_path / "cache")
    assert "bad file.mp3.npy" in str(error.value)
    assert "1 of 5" in str(error.value)


def test_truncated_file_and_empty_tree(tmp_path):
    write_tree(tmp_path / "tree", 3)
    path = next((tmp_path / "tree").rglob("*.npy"))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a whole"):
        open_tree(tmp_path / "tree", tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.npy file"):
        corpora.list_songs(tmp_path / "empty")


def test_a_cache_cut_short_is_an_error_that_says_what_to_do(tmp_path):
    write_tree(tmp_path / "tree", 3)
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache")
    with open(tmp_path / "cache" / "inputs.npy", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError, match="ends before row"):
        corpus.inputs.read()


def test_networks_for_inputs_of_another_size_are_an_error_that_says_so(tmp_path):
    size = corpora.input_size(small_config())
    for mean in (size, size - 12):
        run = write_run_folder(tmp_path / str(mean), np.zeros((2, 4)), ["a.npy", "b.npy"], small_config(), weights={"mean": np.zeros(mean)})
        if mean == size:
            assert len(corpora.read_weights(run)["mean"]) == size
        else:
            with pytest.raises(InputError, match=f"inputs of {mean} values, and this version makes {size}"):
                corpora.read_weights(run)


def on_interrupt(_item):
    return signal.getsignal(signal.SIGINT)


def ends_its_process(item):
    if item == 50:
        os.kill(os.getpid(), signal.SIGKILL)


def test_processes_leave_ctrl_c_to_the_parent():
    assert set(corpora.in_processes(on_interrupt, range(50), "asking")) == {signal.SIG_IGN}


def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(InputError, match="reading: a process was ended from outside"):
        list(corpora.in_processes(ends_its_process, range(100), "reading"))


def test_a_tree_that_is_none_is_told_before_anything_is_read(tmp_path):
    run = write_run_folder(tmp_path / "run", np.eye(3), ["a.npy", "b.npy", "c.npy"])
    with pytest.raises(InputError, match="a run folder, where a tree of log-mel files is expected"):
        corpora.list_songs(run.path)
    write_tree(tmp_path / "tree", 3)
    np.save(tmp_path / "tree" / "line\nbreak.npy", np.zeros((5, 12), np.float32))
    with pytest.raises(InputError, match="cannot hold a line break"):
        corpora.list_songs(tmp_path / "tree")
