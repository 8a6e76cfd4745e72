import json
import os
import shutil

import pytest

from sound_eval.cli import InputError
from sound_eval.outputs import RECORD_NAME, check_output, write_output


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
