"""Which column counts as the label, and vectors held against their music list."""
import pandas as pd
import pytest

from sound_eval.cli import InputError
from sound_eval.labelled import choose_label_column


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


@pytest.mark.parametrize(("columns", "message"), [({"mood": list("rrjj"), "key": list("rrjj")}, "there are mood, key"), ({}, "there are none")])
def test_no_candidate_or_several_are_an_error(columns, message):
    with pytest.raises(InputError, match=message):
        choose_label_column(table(**columns), "x.csv")
