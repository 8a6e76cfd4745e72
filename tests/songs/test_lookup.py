"""The song that a person means, by path, part or row."""

import pytest

from sound_eval.errors import InputError
from sound_eval.songs.lookup import find_song, nearest_names

NAMES = ["a/one.mp3", "a/one more.mp3", "b/Ünï two.wav", "b/000012.mp3", "-c/-dash.ogg"]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        *[
            ("a/one.mp3", 0),
            ("./a/one.mp3", 0),
            ("a/one.mp3.npy", 0),
            ("one", 0),
            ("one.mp3", 0),
            ("MORE", 1),
            ("ünï", 2),
        ],
        *[
            ("000012", 3),
            ("3", 3),
            ("0", 0),
            ("-dash", 4),
            ("-c/-dash.ogg", 4),
            ("./-c/-dash.ogg", 4),
        ],
    ],
)
def test_a_song_is_found_by_path_part_or_row(text, row):
    assert find_song(text, NAMES) == row


def test_an_ambiguous_part_lists_the_candidates_and_an_unknown_one_the_nearest_names():
    with pytest.raises(
        InputError, match=r"'b/' fits 2 songs: b/Ünï two.wav, b/000012.mp3; give more"
    ):
        find_song("b/", NAMES)
    with pytest.raises(InputError, match=r"the nearest names are a/one more\.mp3"):
        find_song("one mroe.mp3", NAMES)
    with pytest.raises(InputError, match="row 5: the 5 songs have the rows 0 to 4"):
        find_song("5", NAMES)


def test_nearest_names_survive_a_typo_among_many():
    names = [f"{number:03d}/{number:06d}.mp3" for number in range(2000)] + [
        "other/Moonlight Sonata.mp3"
    ]
    assert nearest_names("moonlihgt sonata", names)[0] == "other/Moonlight Sonata.mp3"


def test_a_name_that_looks_like_another_is_spelled_out():
    names = ["a/x y.mp3", "b/caf\u00e9.mp3", "b/cafe\u0301.mp3"]
    with pytest.raises(
        InputError, match=r"named 'a/x\\xa0y\.mp3'; the nearest names are 'a/x y\.mp3'"
    ):
        find_song("a/x\u00a0y.mp3", names)
    assert find_song("b/cafe\u0301.mp3", names) == 2 and find_song("b/café.mp3", names) == 1
    with pytest.raises(
        InputError,
        match=r"fits 2 songs: 'b/caf\\xe9\.mp3', 'b/cafe\\u0301\.mp3'; "
        r"give more of the path, or the row",
    ):
        find_song("./B\\CAFÉ.mp3", names)
