"""What errors say of files that cannot be written or read, and which names a tree may hold."""

import numpy as np
import pytest

from sound_eval.errors import InputError
from sound_eval.files.trees import (
    checked_names,
    read_music_list,
    read_names,
    save_music_list,
    walk_songs,
)
from sound_eval.files.writing import save_array


def test_what_is_no_text_is_no_music_list(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones(3))
    with pytest.raises(InputError, match=r"vectors.npy: not UTF-8 text .* right file\?"):
        read_music_list(tmp_path / "vectors.npy")


def test_songs_bear_the_names_of_their_audio_and_files_and_lines_the_suffix(tmp_path):
    songs = ["a b/1.mp3", "a/2.wav", "a/odd.npy", "bare"]
    for song in songs:
        save_array(tmp_path / "tree" / f"{song}.npy", np.ones((2, 3)))
    assert walk_songs(tmp_path / "tree") == songs
    save_music_list(tmp_path / "list.txt", songs)
    assert (tmp_path / "list.txt").read_text() == "".join(f"{song}.npy\n" for song in songs)
    assert read_music_list(tmp_path / "list.txt") == songs
    assert read_names(tmp_path / "list.txt") == [f"{song}.npy" for song in songs]
    (tmp_path / "list.txt").write_text("a.mp3\nb.mp3.npy\n")  # as a person may write one
    assert read_music_list(tmp_path / "list.txt") == ["a.mp3", "b.mp3"]
    save_array(tmp_path / "tree" / "c.mp3.NPY", np.ones((2, 3)))
    with pytest.raises(InputError, match=r"c\.mp3\.NPY: its suffix is not written \.npy"):
        walk_songs(tmp_path / "tree")


def test_rows_keep_the_order_of_the_files(tmp_path):
    for song in ("a", "a b"):
        save_array(tmp_path / f"{song}.npy", np.ones((2, 3)))
    assert walk_songs(tmp_path) == ["a b", "a"]  # as in the lists of former versions


@pytest.mark.parametrize(
    ("name", "message"),
    [("a\nb.npy", "line break"), ("a\rb.npy", "line break"), ("a\udcff.npy", "valid UTF-8")],
)
def test_names_that_no_music_list_can_hold(name, message):
    assert checked_names(["ü/a b.npy"]) == ["ü/a b.npy"]
    with pytest.raises(InputError, match=message):
        checked_names(["ü/a b.npy", name])
