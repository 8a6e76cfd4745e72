"""--tensorboard: TensorFlow reads back what the script wrote, and the projector's
files fit each other.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPO, run_script
from planted import write_config, write_tree

from sound_eval.errors import InputError
from sound_eval.model.run_folder import RunFolder

tf = pytest.importorskip("tensorflow")
from sound_eval.model.board import Board  # noqa: E402 - it needs TensorFlow


def scalars_of(folder):
    """(tag, step, value) of every point in the event files of a folder."""
    points = []
    for record in tf.data.TFRecordDataset(sorted(map(str, folder.glob("events.out.tfevents.*")))):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            points.append((value.tag, event.step, float(tf.make_ndarray(value.tensor))))
    return points


def test_scalars_and_projector(tmp_path):
    write_tree(tmp_path / "tree")
    config = write_config(tmp_path / "small.yaml")
    for _ in range(2):
        run_script(
            "spectrogram_doc2vec.py",
            tmp_path / "tree",
            tmp_path / "run",
            f"--config={config}",
            "--epochs=1",
            "--tensorboard",
        )
    run, folder = RunFolder(tmp_path / "run"), tmp_path / "run" / "tensorboard"
    points = scalars_of(folder)
    costs = {step: value for tag, step, value in points if tag == "cost"}
    rates = [value for tag, _, value in points if tag == "rows per second"]
    last = int(run.weights()["step"])
    assert max(costs) == last and len(costs) == len(rates) >= 4 and min(rates) > 0
    of_second_epoch = [cost for step, cost in costs.items() if step > last // 2]
    assert min(of_second_epoch) <= run.costs()[-1][1] + 1e-6 <= max(of_second_epoch) + 2e-6
    np.testing.assert_allclose(
        np.loadtxt(folder / "vectors.tsv", delimiter="\t"), run.vectors(), rtol=1e-5, atol=1e-6
    )
    assert (folder / "songs.tsv").read_text(encoding="utf-8").splitlines() == run.music_list()
    configuration = (folder / "projector_config.pbtxt").read_text()
    assert all(f'"{path.name}"' in configuration for path in folder.glob("*.tsv"))


def test_no_board_without_the_option(tmp_path):
    write_tree(tmp_path / "tree")
    run_script(
        "spectrogram_doc2vec.py",
        tmp_path / "tree",
        tmp_path / "run",
        f"--config={write_config(tmp_path / 'c.yaml')}",
        "--epochs=1",
    )
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_files_of_somebody_elses_are_not_replaced(tmp_path):
    for name in ("vectors.tsv", "songs.tsv", "projector_config.pbtxt"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("mine")
        with pytest.raises(InputError, match=f"{name}: is there, and no training made it"):
            Board(tmp_path / name)
        assert (
            os.listdir(tmp_path / name) == [name] and (tmp_path / name / name).read_text() == "mine"
        )
    for _ in range(2):
        Board(tmp_path / "own").vectors(np.eye(2), ["a", "b"])
    assert (tmp_path / "own" / "songs.tsv").read_text() == "a\nb\n"


def test_a_full_disk_is_one_line(tmp_path):
    code = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from sound_eval.cli import run_main
from sound_eval.terminal import quiet_tensorflow
quiet_tensorflow()
from sound_eval.model.board import Board
def main():
    board = Board(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    for step in range(500):
        board.scalars(step, {"cost": 0.5})
run_main(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, REPO], capture_output=True, text=True
    )
    assert (
        done.returncode == 1
        and done.stderr.splitlines()[-1] == f"error: {tmp_path}: cannot be written (File too large)"
    )
    assert "Traceback" not in done.stderr
