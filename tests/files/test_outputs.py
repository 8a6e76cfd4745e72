import json
import os
import re
import shutil

import pytest

from sound_eval.errors import InputError
from sound_eval.files import outputs
from sound_eval.files.outputs import (
    RECORD_NAME,
    check_output,
    check_outputs,
    digest,
    set_aside,
    write_output,
    write_outputs,
)


def write(path, text, kind="labels"):
    with write_output(path, kind, "w") as file:
        file.write(text)


def test_what_was_made_may_be_made_again(tmp_path):
    for text in ("one", "two", "three"):
        write(tmp_path / "a.csv", text)
    assert (tmp_path / "a.csv").read_text() == "three"
    assert sorted(os.listdir(tmp_path)) == [RECORD_NAME, "a.csv"]


def test_a_file_of_the_users_is_refused_and_stays(tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(InputError, match=r"a\.csv: is there, and this script did not make it"):
        write(tmp_path / "a.csv", "yours")
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_an_output_of_another_kind_is_refused(tmp_path):
    write(tmp_path / "a.csv", "labels")
    with pytest.raises(InputError, match=r"a\.csv"):
        write(tmp_path / "a.csv", "a playlist", kind="playlist")
    assert (tmp_path / "a.csv").read_text() == "labels"


@pytest.mark.parametrize("edited", ["longer than before", "12345"])
def test_an_output_that_was_edited_since_is_refused(tmp_path, edited):
    write(tmp_path / "a.csv", "first")
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    (tmp_path / "a.csv").write_text(edited)
    with pytest.raises(InputError, match="changed since"):
        write(tmp_path / "a.csv", "second")
    assert (tmp_path / "a.csv").read_text() == edited


def test_a_copied_folder_is_still_ours(tmp_path):
    write(tmp_path / "here" / "a.csv", "first")
    shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)
    os.utime(tmp_path / "there" / "a.csv", ns=(1, 1))
    write(tmp_path / "there" / "a.csv", "second")
    assert (tmp_path / "there" / "a.csv").read_text() == "second"


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "pipe", "device"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path, target = tmp_path / "out", tmp_path / "target"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.symlink_to(target)
        if kind == "link":
            target.write_text("mine")
    with pytest.raises(InputError, match=r"out: a (folder|link)"):
        write(path, "yours")
    assert kind != "link" or target.read_text() == "mine"
    assert os.path.lexists(path)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    write(tmp_path / "a.csv", "first")
    with pytest.raises(RuntimeError), write_output(tmp_path / "a.csv", "labels", "w") as file:
        file.write("half")
        raise RuntimeError
    assert (tmp_path / "a.csv").read_text() == "first"
    write(tmp_path / "a.csv", "second")


def test_a_file_that_comes_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(InputError), write_output(tmp_path / "a.csv", "labels", "w") as file:
        file.write("ours")
        (tmp_path / "a.csv").write_text("mine")
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_a_record_cut_short_costs_only_its_last_line(tmp_path):
    write(tmp_path / "a.csv", "first")
    record = tmp_path / RECORD_NAME
    whole = record.read_text()
    record.write_text(whole + '\n{"name": "b.c')
    write(tmp_path / "b.csv", "other")
    check_output(tmp_path / "a.csv", "labels")
    check_output(tmp_path / "b.csv", "labels")


def test_a_kill_between_the_line_and_the_name_leaves_the_old_output_ours(tmp_path):
    write(tmp_path / "a.csv", "first")
    record = tmp_path / RECORD_NAME
    line = json.loads(record.read_text().strip()) | {"size": 6, "mtime_ns": 1, "sha256": "0" * 64}
    record.write_text(record.read_text() + json.dumps(line) + "\n")
    write(tmp_path / "a.csv", "second")
    assert (tmp_path / "a.csv").read_text() == "second"


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_record_that_is_no_file_is_not_written_through(tmp_path, kind):
    if kind == "link":
        (tmp_path / "mine").write_text("mine")
        (tmp_path / RECORD_NAME).symlink_to(tmp_path / "mine")
    else:
        os.mkfifo(tmp_path / RECORD_NAME)
    with pytest.raises((OSError, InputError)):
        write(tmp_path / "a.csv", "text")
    assert not (tmp_path / "a.csv").exists() and (
        kind == "pipe" or (tmp_path / "mine").read_text() == "mine"
    )


def test_several_outputs_are_written_together_or_not_at_all(tmp_path):
    paths = {tmp_path / name: name.encode() for name in ("a", "b", "c")}
    write_outputs(paths, "report")
    (tmp_path / "b").write_text("mine")
    with pytest.raises(InputError, match=r"b: is there"):
        write_outputs({path: b"new" for path in paths}, "report")
    assert [(tmp_path / name).read_text() for name in ("a", "b", "c")] == ["a", "mine", "c"]
    assert sorted(os.listdir(tmp_path)) == [RECORD_NAME, "a", "b", "c"]


def test_what_is_read_is_not_replaced_even_where_it_was_made_by_us(tmp_path):
    write(tmp_path / "a.csv", "ours")
    check_outputs({tmp_path / "a.csv": "labels"}, [None, tmp_path / "b.csv"])
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="is read here"):
        check_outputs({tmp_path / "link" / "a.csv": "labels"}, [tmp_path / "a.csv"])


def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: not a folder, so a\.csv cannot be written there"):
        check_outputs({tmp_path / "file" / "a.csv": "labels"})
    with pytest.raises(InputError, match="a name of 256 bytes; 255 is the most"):
        check_outputs({tmp_path / ("ü" * 126 + ".csv"): "labels"})
    check_outputs(
        {tmp_path / ("ü" * 125 + ".csv"): "labels", tmp_path / "new" / "folder" / "a.csv": "labels"}
    )
    # root, who runs the tests perhaps, may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(
        InputError, match=rf"{re.escape(str(tmp_path))}: no permission to write a\.csv there"
    ):
        check_outputs({tmp_path / "new" / "a.csv": "labels"})


def test_the_parts_of_a_run_and_a_log_mel_tree_are_no_outputs(tmp_path):
    (tmp_path / "epoc_num.txt").write_text("1")
    for name in (
        "vector_at_3.npy",
        "music_list.txt",
        "config.yaml",
        "weights/x.csv",
        "cache/x",
        "tensorboard/vectors.tsv",
    ):
        with pytest.raises(InputError, match="a part of the run folder"):
            check_outputs({tmp_path / name: "labels"})
    check_outputs(
        {tmp_path / "walk.m3u8": "playlist", tmp_path / "report" / "music_list.txt": "report"}
    )
    (tmp_path / ".spectrify.jsonl").write_text("{}")
    for name in ("x.npy", "a/b/x.NPY", "failures.csv"):
        with pytest.raises(InputError, match="a part of the log-mel tree"):
            check_outputs({tmp_path / name: "report"})
    check_outputs({tmp_path / "a" / "x.csv": "report"})


def test_what_a_person_changed_is_set_aside_in_a_folder_of_ours(tmp_path):
    path = tmp_path / "a.csv"
    assert set_aside(path, "labels") is None
    write(path, "ours")
    assert set_aside(path, "labels") is None and path.read_text() == "ours"
    for text, name in (("mine", "a.kept.csv"), ("mine too", "a.kept2.csv")):
        path.write_text(text)
        assert (
            set_aside(path, "labels") == tmp_path / name
            and (tmp_path / name).read_text() == text
            and not path.exists()
        )
    path.mkdir()
    with pytest.raises(InputError, match="a folder"):
        set_aside(path, "labels")


def test_an_output_of_another_hour_is_read_once_however_often_it_was_made(tmp_path, monkeypatch):
    for number in range(5):
        write(tmp_path / "a.csv", str(number))
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    read = []
    monkeypatch.setattr(outputs, "digest", lambda path: read.append(path) or digest(path))
    check_output(tmp_path / "a.csv", "labels")
    assert len(read) == 1
