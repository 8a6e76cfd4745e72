"""The corpus: rows belong to their songs, the cache is reused and renewed, unusable
files are named.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPO
from planted import planted_song, small_config, write_tree

from sound_eval.errors import InputError
from sound_eval.files.writing import save_array, save_text
from sound_eval.inputs import cache as caches
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.moments import SMALLEST_DEVIATION
from sound_eval.inputs.network_inputs import inputs_of_frames, list_songs


def as_inputs(frames):
    """The inputs of single frames."""
    return inputs_of_frames(frames, small_config(), "song.npy")


def open_tree(tree, cache, config=None):
    return open_corpus(tree, list_songs(tree), config or small_config(), cache)


@pytest.mark.parametrize("n_songs", [5, 50])  # by one process, and by several
@pytest.mark.parametrize("texture_seconds", [0, 2])
def test_rows_are_the_songs_inputs(tmp_path, n_songs, texture_seconds):
    config = small_config(TEXTURE_SECONDS=texture_seconds, TEXTURE_STEP_SECONDS=0.5)
    names = write_tree(tmp_path / "tree", n_songs)
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache", config)
    assert corpus.names == names
    for row in (0, n_songs // 2, n_songs - 1):
        path = tmp_path / "tree" / f"{names[row]}.npy"
        expected = inputs_of_frames(np.load(path), config, path)
        np.testing.assert_array_equal(corpus.song(row), expected)
    everything = corpus.inputs.read().astype(np.float64)
    np.testing.assert_allclose(corpus.mean, everything.mean(0), atol=2e-3)
    np.testing.assert_allclose(
        corpus.deviation, np.maximum(everything.std(0), SMALLEST_DEVIATION), atol=2e-3
    )


def test_cache_is_reused_until_the_tree_or_the_keys_change(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree")
    open_tree(tmp_path / "tree", tmp_path / "cache")
    builds = []
    build = caches.build
    monkeypatch.setattr(caches, "build", lambda *args: builds.append(args) or build(*args))
    open_tree(tmp_path / "tree", tmp_path / "cache")
    assert not builds
    np.save(tmp_path / "tree" / "new.wav.npy", np.zeros((50, 12), np.float32))
    assert "new.wav" in open_tree(tmp_path / "tree", tmp_path / "cache").names
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
        list_songs(tmp_path / "empty")


def test_a_cache_cut_short_is_an_error_that_says_what_to_do(tmp_path):
    write_tree(tmp_path / "tree", 3)
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache")
    with open(tmp_path / "cache" / "inputs.npy", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError, match="ends before row"):
        corpus.inputs.read()


# ---- files that change, and caches that are none ----


@pytest.mark.parametrize("n_frames", [119, 121])
@pytest.mark.parametrize("n_songs", [5, 50])
def test_a_song_that_changes_its_length_is_named_and_never_in_anothers_rows(
    tmp_path, monkeypatch, n_songs, n_frames
):
    names = write_tree(tmp_path / "tree", n_songs)
    make = caches.make_input_file

    def changed_meanwhile(*args):
        make(*args)
        # after the songs are measured, before they are read
        np.save(tmp_path / "tree" / f"{names[2]}.npy", planted_song(0, 0, n_frames))

    monkeypatch.setattr(caches, "make_input_file", changed_meanwhile)
    with pytest.raises(
        InputError,
        match=f"1 of {n_songs} .*{names[2]}.npy: was changed while it was read: {n_frames} inputs, "
        "where there were 120",
    ):
        open_tree(tmp_path / "tree", tmp_path / "cache")
    monkeypatch.undo()
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache")
    np.testing.assert_array_equal(corpus.song(2), as_inputs(planted_song(0, 0, n_frames)))
    np.testing.assert_array_equal(
        corpus.song(3), as_inputs(np.load(tmp_path / "tree" / f"{names[3]}.npy"))
    )


@pytest.mark.parametrize("how", ["replaced", "written into"])
def test_a_song_that_changes_at_the_same_length_is_named(tmp_path, monkeypatch, how):
    names = write_tree(tmp_path / "tree", 5)
    path, make = tmp_path / "tree" / f"{names[1]}.npy", caches.make_input_file

    def changed_meanwhile(*args):
        make(*args)
        if how == "replaced":
            save_array(path, planted_song(2, 99))
        else:
            with open(path, "r+b") as file:
                file.seek(-4, os.SEEK_END)
                file.write(bytes(4))

    monkeypatch.setattr(caches, "make_input_file", changed_meanwhile)
    with pytest.raises(InputError, match=f"1 of 5 .*{names[1]}.npy: was changed while it was read"):
        open_tree(tmp_path / "tree", tmp_path / "cache")
    monkeypatch.undo()
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache")
    np.testing.assert_array_equal(corpus.song(1), as_inputs(np.load(path)))


@pytest.mark.parametrize("value", [65505.0, -7e4, 1e30, 1e300])
def test_values_that_the_cache_would_hold_as_infinite_are_refused(tmp_path, value):
    write_tree(tmp_path / "tree", 4)
    frames = planted_song(0, 0).astype(np.float64)
    frames[3, 4] = value
    np.save(tmp_path / "tree" / "loud.npy", frames)
    for config in (small_config(), small_config(TEXTURE_SECONDS=2, TEXTURE_STEP_SECONDS=0.5)):
        with pytest.raises(
            InputError, match=r"1 of 5 .*loud\.npy: holds values up to .*, which no log-mel has"
        ):
            open_tree(tmp_path / "tree", tmp_path / "cache", config)


def test_the_largest_values_come_back_finite(tmp_path):
    write_tree(tmp_path / "tree", 4)
    np.save(tmp_path / "tree" / "loud.npy", np.resize([-65504, 0], (5, 12)).astype(np.float32))
    corpus = open_tree(tmp_path / "tree", tmp_path / "cache")
    assert np.isfinite(corpus.song(corpus.names.index("loud"))).all()
    assert np.isfinite(corpus.covariances).all()


@pytest.mark.parametrize("name", [*caches.ARRAY_NAMES, caches.STATE_NAME])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_files_of_somebody_elses_in_the_place_of_the_cache_are_refused(tmp_path, name, kind):
    write_tree(tmp_path / "tree", 3)
    (tmp_path / "cache").mkdir()
    (tmp_path / "mine").write_text("mine")
    path = tmp_path / "cache" / name
    path.write_text("mine") if kind == "file" else path.symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match=f"{name}: is there, and no training made it"):
        open_tree(tmp_path / "tree", tmp_path / "cache")
    assert path.read_text() == (tmp_path / "mine").read_text() == "mine"
    assert os.listdir(tmp_path / "cache") == [name]


def test_a_link_in_a_cache_is_not_written_through(tmp_path):
    write_tree(tmp_path / "tree", 3)
    open_tree(tmp_path / "tree", tmp_path / "cache")
    os.link(tmp_path / "cache" / "inputs.npy", tmp_path / "mine.npy")
    before = (tmp_path / "mine.npy").read_bytes()
    write_tree(tmp_path / "tree", 4)
    open_tree(tmp_path / "tree", tmp_path / "cache")
    assert (tmp_path / "mine.npy").read_bytes() == before


def test_a_cache_whose_building_was_cut_short_is_built_anew(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree", 4)
    monkeypatch.setattr(caches, "sync_file", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_tree(tmp_path / "tree", tmp_path / "cache")
    monkeypatch.undo()
    assert open_tree(tmp_path / "tree", tmp_path / "cache").inputs.shape == (480, 12)


def test_the_arrays_are_on_the_disk_before_the_file_that_vouches_for_them(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree", 4)
    fsync, calls = os.fsync, []

    def noted(descriptor):
        calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(
        caches, "save_text", lambda path, text: (calls.append(path.name), save_text(path, text))
    )
    open_tree(tmp_path / "tree", tmp_path / "cache")
    # the other arrays have other names while they are written
    names = [name for name in calls if not name.startswith(".writing-")]
    assert names == ["inputs.json", "cache", "inputs.npy", "cache", "inputs.json"]
    assert len(calls) == 10


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("starts.npy", np.array([0, 120, 240, 360])),
        ("starts.npy", np.array([0, 120, 120, 360, 480])),
        ("starts.npy", np.array([0, 120, 240, 360, 481])),
        ("starts.npy", np.zeros(5)),
        ("statistics.npy", np.zeros((2, 13), np.float32)),
        ("statistics.npy", np.full((2, 12), np.nan, np.float32)),
        ("covariances.npy", np.zeros((2, 12, 13))),
        ("covariances.npy", np.full((2, 12, 12), np.inf)),
        ("inputs.npy", np.zeros((480, 12), np.float32)),
        ("inputs.npy", np.zeros((480, 13), np.float16)),
        ("inputs.npy", np.zeros(480, np.float16)),
    ],
)
def test_arrays_of_a_cache_that_do_not_fit_are_named(tmp_path, name, array):
    write_tree(tmp_path / "tree", 4)
    open_tree(tmp_path / "tree", tmp_path / "cache")
    np.save(tmp_path / "cache" / name, array)
    with pytest.raises(InputError, match=r"\.npy: .*delete the folder it lies in and start again"):
        open_tree(tmp_path / "tree", tmp_path / "cache")


def test_a_full_disk_names_the_cache(tmp_path):
    write_tree(tmp_path / "tree", 4)
    code = """
import resource, sys
sys.path[:0] = sys.argv[2:4]
from planted import small_config
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.moments import SMALLEST_DEVIATION
from sound_eval.inputs.network_inputs import list_songs
from sound_eval.cli import run_main
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
tree = sys.argv[1] + "/tree"
cache = sys.argv[1] + "/cache"
run_main(lambda: open_corpus(tree, list_songs(tree), small_config(), cache))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, REPO, REPO / "tests"], capture_output=True, text=True
    )
    assert (
        done.returncode == 1
        and done.stderr == f"error: {tmp_path / 'cache' / 'inputs.npy'}: File too large\n"
    )
