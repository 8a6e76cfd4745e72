"""The run folder: what is written is read, a kill at any moment leaves the last complete save, two writers are not let in."""
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import REPO
from planted import small_config

from sound_eval.cli import InputError
from sound_eval.run_folder import RunFolder

NAMES = ["a/ü 1.mp3.npy", "b, c/2.wav.npy"]


def new_run(path, names=NAMES):
    run = RunFolder(path)
    run.start(small_config(), names)
    return run


def test_what_is_written_is_read(tmp_path):
    run = new_run(tmp_path / "run")
    assert not run.exists()
    vectors = np.random.default_rng(0).random((2, 8)).astype(np.float32)
    run.save(1, vectors + 1, {"net_1/a": np.ones(3)}, 0.7)
    run.save(2, vectors, {"net_1/a": np.zeros(3)}, 0.6)
    read = RunFolder(tmp_path / "run")
    assert (read.exists(), read.epoch(), read.music_list(), read.config()) == (True, 2, NAMES, small_config())
    np.testing.assert_array_equal(read.vectors(), vectors)
    np.testing.assert_array_equal(read.vectors(1), vectors + 1)
    np.testing.assert_array_equal(read.weights()["net_1/a"], np.zeros(3))
    assert read.costs() == [(1, 0.7), (2, 0.6)]
    assert (tmp_path / "run" / "cost_list.csv").read_text().splitlines() == ["epoc,cost", "1,0.700000", "2,0.600000"]
    assert (tmp_path / "run" / "epoc_num.txt").read_text() == "2\n"
    assert [path.name for path in (tmp_path / "run" / "weights").iterdir()] == ["weights_at_2.npz"]


def test_keep_last(tmp_path):
    run = new_run(tmp_path)
    for epoch in range(1, 12):
        run.save(epoch, np.zeros((2, 8)), {}, 0.5)
    run.keep_last(2)
    assert sorted(path.name for path in tmp_path.glob("vector_at_*")) == ["vector_at_10.npy", "vector_at_11.npy"]


def test_new_songs_do_not_count_before_the_commit_mark(tmp_path):
    new_run(tmp_path).save(1, np.zeros((2, 8)), {}, 0.5)
    (tmp_path / "music_list.txt").write_text("\n".join([*NAMES, "new.mp3.npy"]) + "\n", encoding="utf-8")  # as a kill in a save leaves it
    with pytest.raises(InputError, match="does not fit the 3 songs"):  # a list of another run, for all one can tell
        RunFolder(tmp_path).vectors()
    np.save(tmp_path / "vector_at_2.npy", np.zeros((3, 8)))
    assert RunFolder(tmp_path).music_list() == NAMES
    assert len(RunFolder(tmp_path).vectors()) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "epoc_num.txt").unlink(), "no epoc_num.txt"),
        (lambda p: (p / "epoc_num.txt").write_text("many"), "holds 'many'"),
        (lambda p: (p / "music_list.txt").write_text("a.npy\n"), "does not fit the 1 songs"),
        (lambda p: np.save(p / "vector_at_1.npy", np.zeros(4)), "does not fit"),
        (lambda p: (p / "vector_at_1.npy").write_bytes(b"\x93NUMPY"), "not a whole .npy"),
    ],
)
def test_spoiled_folders_are_errors(tmp_path, spoil, message):
    new_run(tmp_path).save(1, np.zeros((2, 8)), {}, 0.5)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        RunFolder(tmp_path).vectors()


def test_missing_or_broken_weights_are_errors(tmp_path):
    run = new_run(tmp_path)
    run.save(1, np.zeros((2, 8)), {"a": np.ones(1000)}, 0.5)
    path = tmp_path / "weights" / "weights_at_1.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="not readable"):
        run.weights()
    path.unlink()
    with pytest.raises(InputError, match="without its weights"):
        run.weights()


SAVER = """
import sys
import numpy as np
sys.path[:0] = sys.argv[2:4]
from planted import small_config
from sound_eval.run_folder import RunFolder
run = RunFolder(sys.argv[1])
epoch = run.epoch() if run.exists() else 0
run.start(small_config(), ["a.npy", "b.npy"])
run.lock()
print("saving", flush=True)
while True:
    epoch += 1
    run.save(epoch, np.full((2, 8), epoch), {"mark": np.full(50_000, epoch)}, epoch / 1000)
"""


def start_saver(path):
    saver = subprocess.Popen([sys.executable, "-c", SAVER, str(path), str(REPO), str(REPO / "tests")], stdout=subprocess.PIPE, text=True)
    assert saver.stdout.readline() == "saving\n"
    return saver


def test_a_kill_at_any_moment_leaves_a_complete_save(tmp_path):
    chance = random.Random(0)
    epoch = 0
    for _ in range(25):
        saver = start_saver(tmp_path)
        time.sleep(chance.uniform(0.01, 0.15))
        saver.kill()
        saver.wait()
        saver.stdout.close()
        run = RunFolder(tmp_path)
        if run.exists():
            assert run.epoch() >= epoch
            epoch = run.epoch()
            assert (run.vectors() == epoch).all()
            assert (run.weights()["mark"] == epoch).all()
            assert [row[0] for row in run.costs()] == list(range(1, epoch + 1))
    assert epoch > 25


def test_the_second_writer_is_not_let_in_and_a_crash_leaves_no_lock(tmp_path):
    saver = start_saver(tmp_path)
    with pytest.raises(InputError, match="another training is writing"):
        RunFolder(tmp_path).lock()
    os.kill(saver.pid, signal.SIGKILL)
    saver.wait()
    saver.stdout.close()
    RunFolder(tmp_path).lock()


@pytest.mark.parametrize(("name", "data"), [("epoc_num.txt", b"\xff"), ("music_list.txt", b"a\xff.npy\n"), ("cost_list.csv", b"epoc,cost\n1,x\n")])
def test_damaged_files_are_named(tmp_path, name, data):
    run = new_run(tmp_path)
    run.save(1, np.zeros((2, 8)), {}, 0.7)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        run.music_list(), run.costs()
