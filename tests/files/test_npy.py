"""Arrays from files that hold anything:
what is right is read as NumPy reads it, everything else is one line
that names the file.
"""

import io
import os
import random
import struct
import time
import zipfile

import numpy as np
import pytest

from sound_eval.errors import InputError
from sound_eval.files import npy
from sound_eval.files.reading import load_array, load_frames

FRAMES = np.arange(24, dtype=np.float32).reshape(6, 4)


def with_header(text, data=b"", version=1, length=None):
    """The bytes of a `.npy` file with any header."""
    text = text if isinstance(text, bytes) else text.encode("latin-1")
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return npy.MAGIC + bytes([version, 0]) + size + text + data


def header(descr="'<f4'", order="False", shape="(6, 4)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("mmap_mode", [None, "r"])
@pytest.mark.parametrize(
    "array",
    [
        FRAMES,
        np.asfortranarray(FRAMES),
        FRAMES.astype(">f4"),
        np.asfortranarray(FRAMES.astype(">f8")),
        FRAMES.astype(np.float16),
        np.float32(3),
        np.zeros((0, 4), np.float32),
        np.array([2**40, -1]),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.zeros((1,) * 30, np.uint8),
    ],
)
def test_numbers_are_read_as_numpy_reads_them(tmp_path, array, mmap_mode):
    np.save(tmp_path / "a.npy", array)
    read = load_array(tmp_path / "a.npy", mmap_mode)
    assert read.shape == array.shape and read.dtype.newbyteorder("=") == array.dtype.newbyteorder(
        "="
    )
    np.testing.assert_array_equal(read, array)
    if mmap_mode is None:
        assert read.flags.c_contiguous and read.dtype.isnative


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_format_is_read(tmp_path, version):
    (tmp_path / "a.npy").write_bytes(with_header(header(), FRAMES.tobytes(), version))
    np.testing.assert_array_equal(load_array(tmp_path / "a.npy"), FRAMES)


def test_headers_of_python_2_are_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(with_header(header(shape="(6L, 4L)"), FRAMES.tobytes()))
    np.testing.assert_array_equal(load_array(tmp_path / "a.npy"), FRAMES)


def zipped():
    file = io.BytesIO()
    np.savez(file, a=FRAMES)
    return file.getvalue()


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    return file.getvalue()


def records():
    file = io.BytesIO()
    np.save(file, np.zeros(3, [("a", "<f4"), ("b", "<i4")]))
    return file.getvalue()


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


HOSTILE = {
    "nothing": (b"", "text, or pickled"),
    "text": (b"a/b.mp3.npy\n", "text, or pickled"),
    "a zip": (zipped(), "zip archive"),
    "objects": (pickled(), "pickled objects"),
    "records": (records(), "records"),
    "dates": (saved(np.zeros(3, "M8[s]")), "dates"),
    "words": (saved(np.array(["a", "b"])), "text"),
    "magic alone": (npy.MAGIC, "version"),
    "version 9": (with_header(header(), FRAMES.tobytes(), 9), "version"),
    "header cut short": (with_header(header(), length=500), "ends within its header"),
    "a header of 4 GB": (
        with_header(header(), version=2, length=2**32 - 1),
        "a header of 4294967295 bytes",
    ),
    "a header of 60 kB": (with_header("[" * 60_000, version=2), "a header of 60000 bytes"),
    "brackets in brackets": (with_header("(" * 4000), "not readable"),
    "minus minus": (with_header("-" * 4000 + "1"), "not readable"),
    "powers": (with_header(header(shape="(9**9**9, 80)")), "not readable"),
    "a call": (with_header("__import__('os').system('true')"), "not readable"),
    "no dictionary": (with_header("(1, 2)"), "does not describe"),
    "a key too much": (
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}"),
        "does not describe",
    ),
    "negative": (with_header(header(shape="(-1, 80)"), bytes(3200)), "no shape"),
    "true": (with_header(header(shape="(True, 80)"), bytes(320)), "no shape"),
    "fractions": (with_header(header(shape="(1.0, 80)"), bytes(320)), "no shape"),
    "huge": (with_header(header(shape=f"({10**30}, 80)")), "shape that no array has"),
    "huge and empty": (with_header(header(shape=f"(0, {10**30})")), "shape that no array has"),
    "terabytes": (with_header(header(shape=f"({10**11}, 80)")), "ends after 0 of"),
    "forty dimensions": (
        with_header(header(shape=f"({'1, ' * 40})"), bytes(4)),
        "shape that no array has",
    ),
    "no type": (with_header(header("'<f3'"), bytes(96)), "type <f3"),
    "type of types": (with_header(header("[('a', [('b', '<f4')])]"), bytes(96)), "records"),
    "cut short": (saved(FRAMES)[:-1], "ends after 95 of 96 bytes"),
    "going on": (saved(FRAMES) + b"x", "1 bytes more"),
    "no ascii": (with_header(header().encode() + b"\xff\xfe"), "not readable"),
    "NUL": (with_header(b"\0" * 100), "not readable"),
}


@pytest.mark.parametrize("mmap_mode", [None, "r"])
@pytest.mark.parametrize("name", HOSTILE)
def test_everything_else_is_one_line(tmp_path, name, mmap_mode):
    data, message = HOSTILE[name]
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        load_array(tmp_path / "a.npy", mmap_mode)
    assert str(error.value).startswith(f"{tmp_path / 'a.npy'}: not a whole .npy array (")


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_right_or_refused(tmp_path, seed):
    chance, refused = random.Random(seed), 0
    for _ in range(200):
        data = bytearray(saved(FRAMES))
        for _ in range(chance.choice([1, 1, 2, 8])):
            data[chance.randrange(len(data) if chance.random() < 0.1 else 128)] = chance.randrange(
                256
            )
        (tmp_path / "a.npy").write_bytes(data)
        try:
            read = load_array(tmp_path / "a.npy")
            assert read.nbytes == 96
        except InputError:
            refused += 1
    assert refused > 100


def test_a_file_larger_than_memory_is_refused(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        file.write(with_header(header("'|u1'", shape=f"({2**42},)")))
        file.truncate(file.tell() + 2**42)  # takes no room on the disk
    with pytest.raises(InputError, match="more than the memory of this machine"):
        load_array(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x.npy"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = "/dev/zero"
    else:
        path.symlink_to("/dev/random")
    began = time.monotonic()
    with pytest.raises(InputError, match="where a file is expected"):
        load_array(path)
    assert time.monotonic() - began < 1


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path, read_values = tmp_path / "a.npy", npy.read_values
    np.save(path, FRAMES)

    def changed_meanwhile(file, header):
        array = read_values(file, header)
        with open(path, "r+b") as other:
            other.seek(-1, os.SEEK_END)
            other.write(b"x")
        os.utime(path)
        return array

    monkeypatch.setattr(npy, "read_values", changed_meanwhile)
    with pytest.raises(InputError, match=r"a\.npy: was changed while it was read"):
        load_array(path)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        (3, float, "shape"),
        ((0, 3), float, "shape"),
        ((3, 0), float, "shape"),
        ((3, 3), int, "dtype"),
    ],
)
def test_frames_are_a_matrix_of_floating_point_numbers(tmp_path, shape, dtype, message):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype))
    with pytest.raises(InputError, match=message):
        load_frames(tmp_path / "a.npy")


def test_members_of_an_archive_are_read_alike():
    with zipfile.ZipFile(io.BytesIO(zipped())) as archive, archive.open("a.npy") as file:
        np.testing.assert_array_equal(npy.read_values(file, npy.read_header(file)), FRAMES)
