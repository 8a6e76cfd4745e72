"""Which column counts as the label, and rows that do not fit their header."""

import pandas as pd
import pytest

from sound_eval.errors import InputError
from sound_eval.songs.labels import choose_label_column, read_metadata


def table(**columns):
    return pd.DataFrame({"filename": ["a", "b", "c", "d"], **columns})


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"artist": list("wxyz"), "genre": list("rrjj")}, "genre"),
        ({"genre": ["", " ", "", ""], "album": list("rrjj")}, "album"),
        ({"genre": ["rock", "", "", ""], "folder": list("rrjj")}, "folder"),
        ({"genre": list("rrrr"), "folder": list("rrjj")}, "folder"),
        ({"genre": list("rrrr"), "mood": list("rrjj")}, "genre"),
        ({"title": list("wxyz"), "mood": list("rrjj"), "citation": list("wxyz")}, "mood"),
    ],
)
def test_the_label_is_the_first_usual_column_that_tells_songs_apart(columns, chosen):
    assert choose_label_column(table(**columns), "x.csv") == chosen


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"mood": list("rrjj"), "key": list("rrjj")}, "there are mood, key"), ({}, "there are none")],
)
def test_no_candidate_or_several_are_an_error(columns, message):
    with pytest.raises(InputError, match=message):
        choose_label_column(table(**columns), "x.csv")


@pytest.mark.parametrize(
    "rows", ["b.mp3,jazz\na, b.mp3,rock\nc.mp3,jazz\n", "b.mp3,jazz\na.mp3,rock,x\n"]
)
def test_rows_longer_than_the_header_are_an_error_and_shift_nothing(tmp_path, rows):
    (tmp_path / "labels.csv").write_text("filename,genre\n" + rows)
    with pytest.raises(
        InputError,
        match=r"labels\.csv: line 3 has 3 values and the header 2 names; "
        r"a value with ',' in it needs quotes",
    ):
        read_metadata(tmp_path / "labels.csv")
