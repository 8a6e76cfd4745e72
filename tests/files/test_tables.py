"""CSV written and read in one way, and what is wrong with other people's;
names that meet whatever their spelling.
"""

import csv
import io
import unicodedata

import pandas as pd
import pytest

from sound_eval.errors import InputError
from sound_eval.files.names import on_disk
from sound_eval.files.tables import (
    csv_lines,
    csv_text,
    frame_text,
    guarded,
    markdown_table,
    read_csv,
    unguarded,
)
from sound_eval.songs.labels import join_labels, read_metadata

NASTY = [
    *[
        "=cmd|' /C calc'!A0",
        "+1+2",
        "-x.mp3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        "'=x",
        "''=x",
        "'",
        "'tis",
        "''",
        "-",
        "+",
        "'-3.5",
    ],
    *[
        "-3.5",
        "+3",
        "1e5",
        "-1e-5",
        "0123",
        "a,b",
        'say "hi"',
        '"',
        "a;b",
        "a\tb",
        " lead",
        "trail ",
        "two\nlines",
        "cr\rlf\r\n",
        "ü é",
        "x" * 255,
    ],
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_text_comes_back_as_it_was(tmp_path, separator):
    rows = [[name, value] for name, value in zip(NASTY, reversed(NASTY), strict=True)]
    text = "".join(csv_lines(["filename", "=label"], rows, separator))
    (tmp_path / "t.csv").write_bytes(text.encode())
    assert read_csv(tmp_path / "t.csv") == {"filename": NASTY, "=label": NASTY[::-1]}
    assert read_metadata(tmp_path / "t.csv").filename.tolist() == NASTY


def test_no_cell_is_a_formula_and_numbers_stay_numbers():
    rows = list(csv.reader(io.StringIO(csv_text(["=a"], [[text] for text in NASTY]), newline="")))
    assert len(rows) == len(NASTY) + 1
    for (cell,) in rows:
        assert cell[0] not in "=@\t\r\n\uff1d" and (cell[0] not in "+-" or float(cell) is not None)
    table = pd.DataFrame({"a": [-0.25, 3.0], "b": [-1, 2], "c": ["-0.5", "-0.5+1"]})
    assert frame_text(table) == "a,b,c\n-0.25,-1,-0.5\n3,2,'-0.5+1\n"


def test_a_table_in_markdown():
    assert markdown_table(["", "score"], [["a|b", 0.5]]) == (
        "|  | score |\n| --- | --- |\n| a\\|b | 0.5 |\n"
    )


@pytest.mark.parametrize("text", ["=", "'=", "''=", "'''@x", "a", "'a", ""])
def test_the_guard_is_taken_off_once(text):
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "content",
    [
        b" filename , genre \na.mp3 , Rock\n",
        b"\xef\xbb\xbfFilename,genre\r\na.mp3,Rock\r\n",
        b'"FILENAME";"genre";""\n"a.mp3";"Rock";\n\n;;\n',
        b"genre\tfilename\tsize, in, bytes\nRock\ta.mp3\t1,2,3\n",
        b'"filename","genre; of; it; all",genre\na.mp3,x,Rock\n',
        b",filename,genre,,\n0,a.mp3,Rock,,\n",
        b"filename,genre,mood\na.mp3,Rock\n",
        b"filename,genre\ra.mp3,Rock\r",
        b"filename,genre\n.\\a.mp3,Rock\n",
    ],
)
def test_headers_as_people_and_spreadsheets_write_them(tmp_path, content):
    (tmp_path / "l.csv").write_bytes(content)
    table, report = join_labels(["a.mp3"], read_metadata(tmp_path / "l.csv"))
    assert table.filename.tolist() == ["a.mp3"] and table.genre.str.strip().tolist() == ["Rock"]
    assert (report.without_row, report.without_song, report.duplicates) == (
        0,
        0,
        0,
    ) and "" not in table.columns


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"name,genre\na.mp3,x\n", "no column `filename`; found name, genre"),
        (b"Filename,FILENAME\na,b\n", r"which column is `filename`\? There are Filename, FILENAME"),
        (b"filename,genre, genre\na,b,c\n", "two columns are named 'genre'"),
        ("filename,genre\nä,x\n".encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        ("filename,genre\na,x\nä,x\n".encode("latin-1"), "line 3 is not UTF-8"),
        (b"filename,genre\na\0,x\n", "line 2 holds a NUL"),
        (b"PK\x03\x04 and so on", "a spreadsheet"),
        (b'filename,genre\n"a,x\nb,y\n', "line 2 is not readable as CSV .* quotes match"),
        (b"filename,genre\n\na,x\nb, c,x\n", "line 4 has 3 values and the header 2 names"),
    ],
)
def test_what_is_wrong_with_a_csv_is_one_line_that_names_it(tmp_path, content, message):
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_metadata(tmp_path / "l.csv")
    assert str(error.value).startswith(f"{tmp_path / 'l.csv'}: ") and "\n" not in str(error.value)


def labels(*names):
    return pd.DataFrame(
        {"filename": list(names), "label": [str(number) for number in range(len(names))]}
    )


NFC, NFD = (unicodedata.normalize(form, "é/ü.mp3") for form in ("NFC", "NFD"))


def test_rows_meet_songs_in_any_spelling_and_the_exact_one_wins():
    for row in (NFC, NFD, f"./{NFC}", f"./{NFD}".replace("/", "\\"), f" {NFC} "):
        table, report = join_labels([NFD], labels(row))
        assert (
            table.filename.tolist() == [NFD]
            and table.label.tolist() == ["0"]
            and report.duplicates == 0
        )
    assert join_labels([NFD, NFC], labels(NFC, NFD))[0].label.tolist() == ["1", "0"]
    table, report = join_labels([NFC], labels(NFD, "x.mp3", NFC, f"./{NFC}"))
    assert table.label.tolist() == ["2"] and (report.duplicates, report.without_song) == (2, 1)
    table, report = join_labels([NFC, NFD], labels(NFC))
    assert table.label.tolist() == ["0", ""], (
        "a row that is exactly one song's is not another's too"
    )
    assert join_labels(["a/b.mp3", "a\\b.mp3"], labels("a\\b.mp3"))[0].label.tolist() == ["", "0"]


def test_a_row_that_means_two_songs_is_reported(capsys):
    table, report = join_labels([NFC, NFD, "x.mp3"], labels(f" {NFC}", "x.mp3"))
    assert (
        table.label.tolist() == ["", "", "1"]
        and sorted(report.ambiguous) == sorted([NFC, NFD])
        and report.duplicates == 0
    )
    report.print_warnings("l.csv")
    assert ascii(NFC) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("song", "row", "message"),
    [
        ("a/B.mp3", "A/b.mp3", "differ in upper and lower case alone"),
        (
            "a b.mp3",
            "a\u00a0b.mp3",
            r"'a b\.mp3' and 'a\\xa0b\.mp3' look alike, but are other letters",
        ),
        ("ab.mp3", "a\u200bb.mp3", r"'a\\u200bb\.mp3' look alike"),
        ("a/b.mp3", "a/b.flac", "differ in the suffix alone"),
        ("disc/b.mp3", "b.mp3", "differ in their folders"),
        ("a.mp3", "b.mp3", "songs are named like 'a.mp3', rows like 'b.mp3'$"),
    ],
)
def test_a_csv_that_names_no_song_says_what_differs(song, row, message):
    with pytest.raises(InputError, match=message):
        join_labels([song], labels(row))


def test_the_case_of_some_names_is_a_hint_in_the_warning(capsys):
    _, report = join_labels(["a.mp3", "b.mp3"], labels("a.mp3", "B.mp3"))
    report.print_warnings("l.csv")
    assert (
        "1 of 2 songs have no row; they are without labels; "
        "'b.mp3' and 'B.mp3' differ in upper and lower case alone"
    ) in capsys.readouterr().err


def test_one_label_in_two_forms_is_one_label(tmp_path):
    (tmp_path / "l.csv").write_text(f"filename,artist\n{NFD},{NFD}\nx,{NFC}\n", encoding="utf-8")
    table = read_metadata(tmp_path / "l.csv")
    assert set(table.artist) == {NFC} and table.filename[0] == NFD, "names stay as they are"


def test_files_are_found_on_the_disk_in_the_form_they_have_there(tmp_path):
    (tmp_path / "é").mkdir()
    (tmp_path / NFC).touch()
    assert on_disk(tmp_path, NFD) == tmp_path / NFC and on_disk(tmp_path, NFC) == tmp_path / NFC
    assert on_disk(tmp_path, "é/x.mp3") == tmp_path / "é" / "x.mp3", (
        "what is not there keeps its name"
    )
    (tmp_path / "é" / "ü.mp3 ").touch()
    (tmp_path / NFC).rename(tmp_path / "é" / " ü.mp3")
    assert on_disk(tmp_path, NFD) == tmp_path / NFD, "of two that fit none is taken"
