"""Lists as programs read them, whatever the names."""

import os

import pytest

from sound_eval.errors import InputError
from sound_eval.songs.list_formats import Entry, as_csv, save_m3u8


def test_csv_of_lists_without_labels_of_outside_songs():
    lines = as_csv(
        [("x", [Entry(None, "/a, b.mp3", None, {}), Entry(3, "c.mp3", 0.5, {"genre": "rock"})])]
    ).splitlines()
    assert lines == [
        "query,rank,row,filename,similarity,genre",
        'x,1,,"/a, b.mp3",,',
        "x,2,3,c.mp3,0.5,rock",
    ]


def test_lines_of_a_playlist_are_paths_whatever_the_name(tmp_path):
    names = ["#1.mp3", " lead.mp3", "live: one/a.mp3", os.fsdecode(b"\xff\xfe.mp3"), "c\t'\".mp3"]
    save_m3u8(tmp_path / "l.m3u8", [(tmp_path / name, "t", None) for name in names])
    lines = (tmp_path / "l.m3u8").read_bytes().split(b"\n")[2::2]
    assert lines == [
        b"./#1.mp3",
        b"./ lead.mp3",
        b"./live: one/a.mp3",
        b"\xff\xfe.mp3",
        b"c\t'\".mp3",
    ]
    with pytest.raises(InputError, match="cannot hold a path with a line break"):
        save_m3u8(tmp_path / "l.m3u8", [(tmp_path / "a\nb.mp3", "t", None)])
