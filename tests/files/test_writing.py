"""Files whole under their names: arrays, and a second place for a user's file."""

import errno
import os

import numpy as np
import pytest

from sound_eval.errors import InputError, one_line
from sound_eval.files.reading import load_array
from sound_eval.files.writing import atomic_write, place_file, save_array, save_text


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3),
        np.arange(6, dtype=np.float16).reshape(2, 3).T,
        np.empty((0, 4), np.float32),
        np.array([2**40]),
    ],
)
def test_an_array_is_read_as_it_was_written(tmp_path, array):
    save_array(tmp_path / "a.npy", array)
    read = load_array(tmp_path / "a.npy")
    assert read.dtype == array.dtype and read.shape == array.shape
    np.testing.assert_array_equal(read, array)


def test_arrays_of_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match="Python objects"):
        save_array(tmp_path / "a.npy", np.array([{}]))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "list.txt").write_text("a/b.mp3.npy")
    with pytest.raises(
        InputError, match=r"list.txt: not a whole .npy array \(text, or pickled objects\)"
    ):
        load_array(tmp_path / "list.txt")


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as error:
        save_text(tmp_path / "folder", "text")
    assert one_line(error.value) == f"{tmp_path / 'folder'}: Is a directory"
    with pytest.raises(OSError) as error, atomic_write(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write says it
    assert one_line(error.value) == f"{tmp_path / 'a.txt'}: No space left on device"
    with pytest.raises(OSError) as error, atomic_write(tmp_path / "a.txt"):
        raise OSError(errno.EIO, "Input/output error")  # it may be of what is read
    assert "a.txt" not in one_line(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("link", [True, False])
def test_a_file_gets_a_second_place_and_stays_what_it_is(tmp_path, link):
    source, target = tmp_path / "a.mp3", tmp_path / "folder" / ("x" * 251 + ".mp3")
    source.write_bytes(b"music")
    for _ in range(2):  # the second time onto itself
        place_file(source, target, link)
    assert target.read_bytes() == source.read_bytes() == b"music"
    assert source.samefile(target) == link
    assert target.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert os.listdir(target.parent) == [target.name]


def test_where_no_link_can_be_a_copy_is_made_and_no_link_written_through(tmp_path, monkeypatch):
    """The target may be a link to another song; copying into it would write through that."""
    source, other, target = tmp_path / "a.mp3", tmp_path / "b.mp3", tmp_path / "map" / "a.mp3"
    source.write_bytes(b"music a")
    other.write_bytes(b"music b")
    place_file(other, target)
    monkeypatch.setattr(os, "link", refuse_links)
    place_file(source, target)
    assert (source.read_bytes(), other.read_bytes(), target.read_bytes()) == (
        b"music a",
        b"music b",
        b"music a",
    )
    assert not source.samefile(target)


def refuse_links(*_args, **_kwargs):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_a_source_that_cannot_be_linked_for_another_reason_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mp3"):
        place_file(tmp_path / "gone.mp3", tmp_path / "map" / "gone.mp3")
    assert os.listdir(tmp_path / "map") == []
