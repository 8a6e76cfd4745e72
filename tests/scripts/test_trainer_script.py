"""spectrogram_doc2vec.py as a person runs it:
stop, resume, kill, add songs, and everything that can be wrong with the input.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import REPO, run_process, run_script
from planted import planted_song, small_config, write_config, write_tree

from sound_eval.files.trees import read_music_list
from sound_eval.inputs.network_inputs import read_inputs
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter

SCRIPT = "spectrogram_doc2vec.py"
SEARCH = "process_results/similar_songs.py"


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "log mels ü")
    return tmp_path / "log mels ü"


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path / "small.yaml")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """The run folder of one epoch on such a tree."""
    root = tmp_path_factory.mktemp("trained")
    write_tree(root / "tree")
    config = write_config(root / "small.yaml")
    run_script(SCRIPT, root / "tree", root / "run", f"--config={config}", "--epochs=1")
    return root / "run"


@pytest.fixture
def trained(trained_once, tmp_path):
    """A copy of it."""
    return shutil.copytree(trained_once, tmp_path / "run")


def start(tree, run, config, *args):
    """The script in the background, with its output to a file beside the run folder."""
    log = open(run.with_suffix(".log"), "w")  # noqa: SIM115 - closed with the process
    command = [sys.executable, str(REPO / SCRIPT), str(tree), str(run), f"--config={config}", *args]
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def wait_for(condition, seconds=180):
    """Wait until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_for_epoch(run, epoch):
    wait_for(lambda: RunFolder(run).exists() and RunFolder(run).epoch() >= epoch)


def assert_complete(path, n_songs=12):
    """The folder holds weights and vectors of one epoch, with a row per song."""
    run = RunFolder(path)
    vectors = run.vectors()
    assert (
        vectors.shape == (n_songs, 8) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
    )
    assert len(run.weights()["songs/vector"]) == n_songs
    assert [epoch for epoch, _ in run.costs()] == list(range(1, run.epoch() + 1))
    return run


def test_epochs_then_the_same_command_resumes_exactly(tree, config, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    done = run_script(SCRIPT, f"{tree}/", whole, f"--config={config}", "--epochs=4")
    assert (
        "vector_at_4.npy" in done.stdout
        and f"{REPO}/static_web_viewer/display_vector_data.py" in done.stdout.split("next: ")[1]
    )
    for _ in range(2):
        run_script(SCRIPT, tree, f"{part}/", f"--config={config}", "--epochs", "2")
    assert_complete(whole)
    assert assert_complete(part).epoch() == 4
    np.testing.assert_array_equal(RunFolder(part).vectors(), RunFolder(whole).vectors())
    for name, array in RunFolder(whole).weights().items():
        np.testing.assert_array_equal(RunFolder(part).weights()[name], array, err_msg=name)
    assert RunFolder(part).costs() == RunFolder(whole).costs()
    assert RunFolder(whole).costs()[-1][1] < 0.69  # below the cost of knowing nothing, ln 2


# ---- epoch 0 ----


@pytest.fixture
def untrained(tree, config, tmp_path):
    """The run folder of a training that found no TensorFlow, and the environment of such."""
    package = tmp_path / "none" / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('TensorFlow was asked for')")
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    run = tmp_path / "run"
    done = run_process(SCRIPT, tree, run, f"--config={config}", check=False, env=environment)
    assert done.returncode == 1 and "TensorFlow was asked for" in done.stderr
    assert f"epoch 0: the closed form, wrote {run / 'vector_at_0.npy'}" in done.stdout
    assert assert_complete(run).epoch() == 0
    return run, environment


def test_the_closed_form_is_there_and_of_use_without_tensorflow(tree, untrained, tmp_path):
    run, environment = untrained
    names, vectors = RunFolder(run).music_list(), RunFolder(run).vectors()
    assert len(np.unique(vectors, axis=0)) == 12
    np.save(tree / "new.wav.npy", planted_song(1, 77))
    songs = tmp_path / "songs.npy"
    args = (tree, run, tmp_path / "words", "--song-vectors", songs)
    run_process("calc_all_vecs.py", *args, env=environment)
    found = dict(zip(read_music_list(tmp_path / "music_list.txt"), np.load(songs), strict=True))
    assert sorted(found) == sorted([*names, "new.wav"])
    np.testing.assert_allclose([found[name] for name in names], vectors, atol=1e-5)
    weights = RunFolder(run).weights()
    inputs = read_inputs(tree, "new.wav", small_config()).astype(np.float64)
    words = (inputs - weights["mean"]) / weights["deviation"] @ weights["basis"]
    np.testing.assert_allclose(found["new.wav"], words.mean(axis=0), atol=1e-5)
    args = ("near", run, names[0], "--top=3", "--json")
    (answer,) = json.loads(run_process(SEARCH, *args, env=environment).stdout)
    assert {style_of(song["filename"]) for song in answer["songs"]} == {style_of(names[0])}


def style_of(name):
    """The style that a song of `write_tree` was planted in."""
    return int(name.split(" ")[-1][:3]) % 3


def test_a_training_that_goes_on_from_epoch_0_is_the_one_never_stopped(
    tree, config, untrained, tmp_path
):
    run, _ = untrained
    whole = tmp_path / "whole"
    run_script(SCRIPT, tree, run, f"--config={config}", "--epochs=2")
    run_script(SCRIPT, tree, whole, f"--config={config}", "--epochs=2")
    assert assert_complete(run).epoch() == 2
    for epoch in range(3):
        one, other = (RunFolder(folder).vectors(epoch) for folder in (run, whole))
        np.testing.assert_array_equal(one, other)
    expected = RunFolder(whole).weights()
    assert RunFolder(run).weights().keys() == expected.keys()
    for name, array in RunFolder(run).weights().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert RunFolder(run).costs() == RunFolder(whole).costs()


def test_songs_that_came_after_epoch_0_are_taken_in(tree, config, untrained):
    run, _ = untrained
    names = RunFolder(run).music_list()
    np.save(tree / "aaa first.wav.npy", planted_song(1, 77))
    done = run_script(SCRIPT, tree, run, f"--config={config}", "--epochs=1")
    assert "1 new songs" in done.stdout
    assert assert_complete(run, 13).music_list() == [*names, "aaa first.wav"]
    assert RunFolder(run).weights()["songs/step"][-1] > 0


def test_a_kill_in_the_first_save_is_taken_up(tree, config, tmp_path):
    run = tmp_path / "run"
    for name in ("weights_at_0.npz", "vector_at_0.npy", "epoc_num.txt"):
        die(name, 0, tree, run, config)
        assert not RunFolder(run).exists()
    die("weights_at_0.npz", 1, tree, run, config)  # which the save of epoch 1 removes
    assert assert_complete(run).epoch() == 1
    run_script(SCRIPT, tree, run, f"--config={config}", "--epochs=1")
    assert [path.name for path in (run / "weights").glob("*.npz")] == ["weights_at_2.npz"]
    run_script(SCRIPT, tree, tmp_path / "whole", f"--config={config}", "--epochs=2")
    np.testing.assert_array_equal(
        assert_complete(run).vectors(), RunFolder(tmp_path / "whole").vectors()
    )


# ---- stops ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_well(tree, config, tmp_path, number):
    run = tmp_path / "run"
    process = start(
        tree,
        run,
        write_config(
            tmp_path / "long.yaml", TRAIN_STEPS_PER_SAVE=10**9, TRAIN_STEPS_PER_PRINT=6400
        ),
    )
    wait_for(lambda: "rows/s" in run.with_suffix(".log").read_text())
    process.send_signal(number)
    assert process.wait(60) == 0, run.with_suffix(".log").read_text()
    assert "stopping after this step" in run.with_suffix(".log").read_text()
    assert assert_complete(run).epoch() == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_leaves_the_closed_form(tree, config, tmp_path, number):
    run = tmp_path / "run"
    process = start(tree, run, config)
    wait_for(lambda: "epoch 0: the closed form" in run.with_suffix(".log").read_text())
    process.send_signal(number)
    assert process.wait(60) == 0, run.with_suffix(".log").read_text()
    log = run.with_suffix(".log").read_text()
    assert "stopping after this step" in log and "after epoch 0 in vector_at_0.npy" in log
    assert assert_complete(run).epoch() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_songs_are_read_ends_at_once(tree, tmp_path, number):
    process, run = start_reading(tree, tmp_path)
    process.send_signal(number)
    try:
        assert process.wait(20) == 130
    finally:
        process.kill()
    assert run.with_suffix(".log").read_text().endswith("interrupted\n") and not run.exists()


def start_reading(tree, tmp_path):
    """The script while it reads songs, for a minute or so, and its run folder."""
    frames, run = planted_song(0, 0, 1_000_000), tmp_path / "run"
    np.save(tree / "long 0.npy", frames)
    for number in (1, 2, 3):
        os.link(tree / "long 0.npy", tree / f"long {number}.npy")
    process = start(
        tree,
        run,
        write_config(tmp_path / "textures.yaml", TEXTURE_SECONDS=2, TEXTURE_STEP_SECONDS=1),
    )
    wait_for(lambda: (run / "cache" / "inputs.npy").is_file())
    time.sleep(0.5)
    return process, run


def test_ctrl_c_in_a_first_start_takes_away_only_what_it_made(tree, tmp_path):
    process, run = start_reading(tree, tmp_path)
    for name in ("labels.csv", "map/index.html", "config.yaml", "cache/notes.txt"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("mine")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    left = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert left == {"labels.csv", "map/index.html", "config.yaml", "cache/notes.txt"}


def test_a_killed_first_start_is_taken_up(tree, config, tmp_path):
    process, run = start_reading(tree, tmp_path)
    process.kill()
    process.wait()
    for path in tree.glob("long*.npy"):
        path.unlink()
    run_script(SCRIPT, tree, run, f"--config={config}", "--epochs=1")
    assert_complete(run)


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "vector_at_0.npy",
        "vector_at_1.npy",
        "cache/inputs.npy",
        "weights/weights_at_1.npz",
        "tensorboard/vectors.tsv",
    ],
)
def test_files_of_the_users_in_a_new_run_folder_are_refused(tree, config, tmp_path, name):
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True)
    shutil.copy(config, run / name)
    used = run / name if name == "config.yaml" else config
    done = run_script(SCRIPT, tree, run, f"--config={used}", "--tensorboard", check=False)
    assert (
        done.returncode == 1
        and done.stderr.startswith(f"error: {run / name}: is there, and no training")
        and done.stderr.count("\n") == 1
    )
    assert (run / name).read_bytes() == config.read_bytes()
    assert [path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()] == [name]


def test_trees_and_run_folders_do_not_lie_in_each_other(tree, config, tmp_path):
    (tmp_path / "other" / "below").mkdir(parents=True)
    (tmp_path / "other" / ".spectrify.jsonl").touch()
    shutil.copytree(tree, tmp_path / "run" / "cache" / "tree")
    for vectors, run, message in (
        (tree, tmp_path / "other" / "below", "lies in the log-mel tree"),
        (
            tmp_path / "run" / "cache" / "tree",
            tmp_path / "run",
            "which the run folder keeps for itself",
        ),
    ):
        done = run_script(SCRIPT, vectors, run, f"--config={config}", check=False)
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    assert os.listdir(tmp_path / "other" / "below") == [] and os.listdir(tmp_path / "run") == [
        "cache"
    ]


def a_pipe(tree):
    os.mkfifo(tree / "pipe.npy")


def a_device(tree):
    (tree / "endless.npy").symlink_to("/dev/zero")


def a_shape_that_is_none(tree):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 12), }\n"
    (tree / "less.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(480)
    )


def test_max_minutes_and_keep_and_seed(tree, config, tmp_path):
    began = time.monotonic()
    run_script(
        SCRIPT, tree, tmp_path / "run", f"--config={config}", "--max-minutes=0.15", "--keep=2"
    )
    assert time.monotonic() - began < 40
    run = assert_complete(tmp_path / "run")
    assert run.epoch() > 2
    assert len(list((tmp_path / "run").glob("vector_at_*.npy"))) == 2


def test_patience(tree, tmp_path):
    config = write_config(tmp_path / "still.yaml", ADAM_learning_rate=0.0, SONG_learning_rate=0.0)
    done = run_script(
        SCRIPT, tree, tmp_path / "run", f"--config={config}", "--patience=3", "--epochs=200"
    )
    assert "has not fallen for 3 epochs" in done.stdout
    assert_complete(tmp_path / "run")


# The script that dies in the save of an epoch, just before it does something with a file.
DYING = """import os, pathlib, runpy, signal, sys
name, epoch, *sys.argv = sys.argv[1:]
weights = pathlib.Path(sys.argv[2], "weights", f"weights_at_{epoch}.npz")
def dying(function):
    def call(*paths, **kwargs):
        path = pathlib.Path(paths[-1])
        if path.name == name and (path == weights or weights.exists()):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*paths, **kwargs)
    return call
os.replace, os.unlink = dying(os.replace), dying(os.unlink)
runpy.run_path(sys.argv[0], run_name="__main__")"""


def die(name, epoch, tree, run, config):
    """Train until the file `name` is dealt with in the save of `epoch`, and be killed there."""
    command = [sys.executable, "-c", DYING, name, str(epoch), str(REPO / SCRIPT)]
    command += [str(tree), str(run), f"--config={config}", "--epochs=9"]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_kill_in_any_phase_of_a_save_loses_no_complete_one(tree, config, tmp_path):
    run = tmp_path / "run"
    phases = [
        # what it dies at, in the save of which epoch, and the last whole one then
        ("weights_at_2.npz", 2, 1),
        ("vector_at_3.npy", 3, 2),
        ("epoc_num.txt", 4, 3),
        ("weights_at_4.npz", 5, 5),  # which the fifth save removes
    ]
    for name, dies_in, whole in phases:
        die(name, dies_in, tree, run, config)
        assert assert_complete(run).epoch() == whole
    run_script(SCRIPT, tree, tmp_path / "whole", f"--config={config}", "--epochs=5")
    # the kills left no trace
    vectors = RunFolder(tmp_path / "whole").vectors()
    np.testing.assert_array_equal(RunFolder(run).vectors(), vectors)


def test_second_trainer_on_one_folder_stops(tree, config, tmp_path):
    first = start(tree, tmp_path / "run", config)
    try:
        wait_for_epoch(tmp_path / "run", 1)
        second = run_script(SCRIPT, tree, tmp_path / "run", f"--config={config}", check=False)
        assert second.returncode == 1
        assert second.stderr.startswith("error: ") and "another training" in second.stderr
    finally:
        first.kill()
        first.wait()
    run_script(SCRIPT, tree, tmp_path / "run", f"--config={config}", "--epochs=1")


def test_what_the_folder_holds_is_read_under_its_lock(tree, trained):
    next(tree.rglob("*.npy")).unlink()
    with RunWriter(trained):
        done = run_script(SCRIPT, tree, trained, check=False)
    # the list of songs may be about to change
    assert "another training" in done.stderr and "are gone" not in done.stderr
    done = run_script(SCRIPT, tree, trained, check=False)
    assert "another training" not in done.stderr and "are gone" in done.stderr


def test_new_songs_are_added_and_old_rows_stay(tree, config, tmp_path):
    run = tmp_path / "run"
    run_script(SCRIPT, tree, run, f"--config={config}", "--epochs=3")
    before = RunFolder(run)
    names, vectors = before.music_list(), before.vectors()
    np.save(tree / "aaa first.wav.npy", planted_song(1, 77))
    still = write_config(tmp_path / "still.yaml", ADAM_learning_rate=0.0, SONG_learning_rate=0.0)
    done = run_script(SCRIPT, tree, run, f"--config={still}", "--epochs=1")
    assert "1 new songs" in done.stdout
    after = assert_complete(run, 13)
    assert after.music_list() == [*names, "aaa first.wav"]
    np.testing.assert_allclose(after.vectors()[:12], vectors, atol=0.2 * np.abs(vectors).max())
    similar = np.corrcoef(after.vectors())[12, :12]
    style = [int(name.split(" ")[-1][:3]) % 3 for name in names]
    assert style[similar.argmax()] == 1  # the new song begins among its kin


def test_songs_that_have_gone_are_an_error_with_a_way_out(tree, config, trained):
    gone = next(tree.rglob("*.npy"))
    gone.unlink()
    done = run_script(SCRIPT, tree, trained, f"--config={config}", "--epochs=1", check=False)
    assert done.returncode == 1 and "new run folder" in done.stderr
    assert f" gone: {gone.relative_to(tree).with_suffix('')}; " in done.stderr
    assert_complete(trained)


def test_another_architecture_is_an_error_that_says_what_differs(tree, trained, tmp_path):
    other = write_config(tmp_path / "other.yaml", HIDDEN_SIZE=32, TIME_SEGMENT_SIZE=0.2)
    done = run_script(SCRIPT, tree, trained, f"--config={other}", check=False)
    assert done.returncode == 1
    assert (
        "HIDDEN_SIZE is 32 here and 16 there" in done.stderr and "TIME_SEGMENT_SIZE" in done.stderr
    )


def test_use_gpu_without_one_is_a_warning(tree, tmp_path):
    config = write_config(tmp_path / "gpu.yaml", USE_GPU=True)
    done = run_script(
        SCRIPT,
        tree,
        tmp_path / "run",
        f"--config={config}",
        "--epochs=1",
        env={"CUDA_VISIBLE_DEVICES": "-1", "PATH": "/usr/bin:/bin"},
    )
    assert done.stderr.count("warning: ") == 1 and "no GPU" in done.stderr


def one_song(tree):
    for path in sorted(tree.rglob("*.npy"))[1:]:
        path.unlink()


def nan_inside(tree):
    np.save(next(tree.rglob("*.npy")), np.full((50, 12), np.nan, np.float32))


def wrong_width(tree):
    np.save(tree / "narrow.npy", np.zeros((50, 11), np.float32))


def pickled(tree):
    np.save(tree / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tree: shutil.rmtree(tree), "no such folder"),
        (lambda tree: [path.unlink() for path in tree.rglob("*.npy")], "holds no .npy file"),
        (one_song, "one song only"),
        (nan_inside, "NaN"),
        (wrong_width, "narrow.npy: shape (50, 11)"),
        (pickled, "pickled.npy: not a whole .npy array"),
        (a_pipe, "pipe.npy: a pipe, a device or a socket"),
        (a_device, "endless.npy: a pipe, a device or a socket"),
        (a_shape_that_is_none, "less.npy: not a whole .npy array"),
    ],
)
def test_bad_trees_are_one_clear_line(tree, config, tmp_path, spoil, message):
    spoil(tree)
    done = run_script(SCRIPT, tree, tmp_path / "run", f"--config={config}", check=False)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0] and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_refused_tree_leaves_folders_as_they_were(tree, config, tmp_path):
    nan_inside(tree)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("of my own")
    for run in (tmp_path / "new" / "er" / "run", tmp_path / "mine"):
        assert run_script(SCRIPT, tree, run, f"--config={config}", check=False).returncode == 1
    assert not (tmp_path / "new").exists() and os.listdir(tmp_path / "mine") == ["notes.txt"]


def test_a_run_folder_among_the_songs_is_refused(tree, config):
    for run in (tree, tree / "run"):
        done = run_script(SCRIPT, tree, run, f"--config={config}", check=False)
        assert (
            done.returncode == 1
            and "lies in the log-mel tree" in done.stderr
            and done.stderr.count("\n") == 1
        )
    assert not (tree / "run").exists() and not (tree / "cache").exists()


def test_songs_shorter_than_the_window_train(tmp_path, config):
    tree = tmp_path / "short"
    for i, n_frames in enumerate([1, 2, 3, 5, 1, 9]):
        (tree / "x").mkdir(parents=True, exist_ok=True)
        np.save(tree / "x" / f"{i}.wav.npy", planted_song(i, i, n_frames))
    run_script(SCRIPT, tree, tmp_path / "run", f"--config={config}", "--epochs=2")
    assert_complete(tmp_path / "run", 6)


def test_bad_arguments(tree, config, tmp_path):
    for option, value in (
        *(("--epochs", "0"), ("--patience", "-1"), ("--keep", "0"), ("--keep", "2.5")),
        *(("--max-minutes", "0"), ("--max-minutes", "nan"), ("--max-minutes", "x")),
    ):
        run = tmp_path / "run"
        done = run_script(SCRIPT, tree, run, f"--config={config}", f"{option}={value}", check=False)
        assert done.returncode == 2 and f"argument {option}: '{value}': expected" in done.stderr
    done = run_script(SCRIPT, tree, tmp_path / "run", "--config=/nowhere.yaml", check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: /nowhere.yaml")
