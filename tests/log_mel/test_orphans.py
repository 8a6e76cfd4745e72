"""Log-mel files whose audio is gone: what --prune removes, and what it leaves to be asked for."""

import csv
import os
import shutil

import numpy as np
import pytest
from conftest import encode, planted_sound, run_script

from sound_eval.config import read_config
from sound_eval.errors import InputError
from sound_eval.files.trees import walk
from sound_eval.log_mel.spectrify import spectrify

SCRIPT = "spectrify_all.py"
NAMES = ["a/1.wav", "a/sub/2.wav", "b/3.wav", "b/4.wav", "5.wav"]


@pytest.fixture(name="tree")
def tree_fixture(tmp_path):
    """(music, its tree): five songs in three folders."""
    for number, name in enumerate(NAMES):
        encode(planted_sound("chord", number, 0.5), tmp_path / "music" / name)
    spectrify(tmp_path / "music", tmp_path / "out", read_config(), processes=1)
    return tmp_path / "music", tmp_path / "out"


def prune(tree, *folders):
    """Run it; returns the Orphans and the names of the arrays that are left."""
    report = spectrify(*tree, read_config(), processes=1, prune=folders)
    return report.orphans, walk(tree[1], [".npy"])


def without(*names):
    return sorted(f"{name}.npy" for name in NAMES if name not in names)


def test_only_what_the_tree_made_is_pruned(tree):
    music, out = tree
    (out / "mine").mkdir()
    for name in ("mine/vector_at_3.npy", "a/9.wav.npy"):
        np.save(out / name, np.ones((3, 80), np.float32))
    (music / "b/3.wav").unlink()
    orphans, left = prune(tree, "")
    assert (orphans.removed, orphans.kept, orphans.held) == (["b/3.wav"], [], {})
    assert left == sorted([*without("b/3.wav"), "mine/vector_at_3.npy", "a/9.wav.npy"])
    done = run_script(SCRIPT, "--prune", *tree)
    assert (
        "warning: 2 .npy files in " in done.stderr
        and "a/9.wav.npy, mine/vector_at_3.npy" in done.stderr
    )


@pytest.mark.parametrize("way", ["removed", "empty", "hidden", "link"])
def test_a_top_folder_gone_whole_has_to_be_asked_for(tree, way):
    music, out = tree
    shutil.rmtree(music / "b")
    if way == "link":
        (music / "b").symlink_to("/mnt/away")
    elif way != "removed":
        (music / "b").mkdir()
    if way == "hidden":
        (music / "b/.directory").write_bytes(b"x")
    (music / "5.wav").unlink()
    done = run_script(SCRIPT, "--prune", *tree)  # it takes nothing from behind it for a folder
    assert (
        "warning: 1 log-mel files have no audio file any more (removed): 5.wav.npy" in done.stderr
    )
    assert (
        "warning: 2 log-mel files are kept, though all audio below b/ is gone: "
        "is its disk mounted? --prune=b removes them"
    ) in done.stderr
    assert walk(out, [".npy"]) == without("5.wav")
    done = run_script(SCRIPT, *tree, "--prune=b/")
    assert "(removed): b/3.wav.npy, b/4.wav.npy" in done.stderr
    assert walk(out, [".npy"]) == without("5.wav", "b/3.wav", "b/4.wav")


def test_a_disk_further_down_may_be_away_too(tree):
    music, _ = tree
    (music / "a/sub/2.wav").unlink()
    orphans, left = prune(tree, "")
    assert (orphans.held, left) == ({"a/sub": ["a/sub/2.wav"]}, without())
    (music / "a/sub").rmdir()  # its owner took it away
    orphans, left = prune(tree, "")
    assert (orphans.removed, left) == (["a/sub/2.wav"], without("a/sub/2.wav"))


def test_a_top_folder_with_other_songs_in_it_is_there(tree):
    music, _ = tree
    for name in ("3.wav", "4.wav"):
        (music / "b" / name).rename(music / "b" / f"new {name}")
    orphans, left = prune(tree, "")
    assert orphans.removed == ["b/3.wav", "b/4.wav"]
    assert left == sorted([*without("b/3.wav", "b/4.wav"), "b/new 3.wav.npy", "b/new 4.wav.npy"])


def test_a_folder_asked_for_by_its_path_and_no_other(tree):
    music, _ = tree
    (music / "5.wav").unlink()
    shutil.rmtree(music / "b")
    orphans, left = prune(tree, str(music / "b"))
    assert (orphans.removed, orphans.kept) == (["b/3.wav", "b/4.wav"], ["5.wav"])
    assert left == without("b/3.wav", "b/4.wav")
    with pytest.raises(InputError, match="--prune=c: no log-mel file of this tree"):
        prune(tree, "c")


def test_what_cannot_be_looked_at_is_not_gone(tree, monkeypatch):
    music, _ = tree
    shutil.rmtree(music / "b")
    lstat = os.lstat

    def refuse(path, *args, **kwargs):
        if str(path).startswith(f"{music}/b/"):
            raise PermissionError(13, "Permission denied", str(path))
        return lstat(path, *args, **kwargs)

    monkeypatch.setattr("sound_eval.log_mel.tree_files.os.lstat", refuse)
    orphans, left = prune(tree, "")
    assert (orphans.removed, orphans.kept, orphans.held, left) == ([], [], {}, without())


def test_a_refused_prune_changes_nothing(tree, tmp_path):
    music, out = tree
    (music / "bad.mp3").write_bytes(b"x" * 500)
    spectrify(*tree, read_config(), processes=1)
    state = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    encode(planted_sound("pulse", 0, 0.5), tmp_path / "other" / "z.wav")
    with pytest.raises(InputError, match="has the audio of none of the 5 log-mel files"):
        spectrify(tmp_path / "other", out, read_config(), processes=1, prune=[""])
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == state
    with open(out / "failures.csv", encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["bad.mp3"]
    assert walk(out, [".npy"]) == without()


def test_all_of_it_goes_where_its_folders_are_asked_for(tree):
    music, _ = tree
    for name in os.listdir(music):
        shutil.rmtree(music / name, ignore_errors=True)
    (music / "5.wav").unlink()
    encode(planted_sound("pulse", 0, 0.5), music / "new" / "z.wav")
    with pytest.raises(InputError, match="none of the 5"):
        prune(tree, "")
    orphans, left = prune(tree, ".")
    assert (len(orphans.removed), left) == (5, ["new/z.wav.npy"])
