"""The run folder: what is written is read, a kill at any moment leaves the last
complete save, two writers are not let in.
"""

import copy
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from conftest import REPO
from planted import small_config

from sound_eval.config import save_config
from sound_eval.errors import InputError
from sound_eval.files.trees import music_list_text
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter

NAMES = ["a/ü 1.mp3", "b, c/2.wav"]


def new_run(path, names=NAMES):
    run = RunWriter(path)
    run.start(small_config(), names)
    return run


def test_what_is_written_is_read(tmp_path):
    run = new_run(tmp_path / "run")
    assert not run.exists()
    vectors = np.random.default_rng(0).random((2, 8)).astype(np.float32)
    run.save(1, vectors + 1, {"net_1/a": np.ones(3)}, 0.7)
    run.save(2, vectors, {"net_1/a": np.zeros(3)}, 0.6)
    read = RunFolder(tmp_path / "run")
    assert (read.exists(), read.epoch(), read.music_list(), read.config()) == (
        True,
        2,
        NAMES,
        small_config(),
    )
    np.testing.assert_array_equal(read.vectors(), vectors)
    np.testing.assert_array_equal(read.vectors(1), vectors + 1)
    np.testing.assert_array_equal(read.weights()["net_1/a"], np.zeros(3))
    assert read.costs() == [(1, 0.7), (2, 0.6)]
    assert (tmp_path / "run" / "cost_list.csv").read_text().splitlines() == [
        "epoc,cost",
        "1,0.700000",
        "2,0.600000",
    ]
    assert (tmp_path / "run" / "epoc_num.txt").read_text() == "2\n"
    assert [path.name for path in (tmp_path / "run" / "weights").glob("[!.]*")] == [
        "weights_at_2.npz"
    ]


def test_keep_last(tmp_path):
    run = new_run(tmp_path)
    for epoch in range(1, 12):
        run.save(epoch, np.zeros((2, 8)), {}, 0.5)
    run.keep_last(2)
    assert sorted(path.name for path in tmp_path.glob("vector_at_*")) == [
        "vector_at_10.npy",
        "vector_at_11.npy",
    ]


def test_new_songs_do_not_count_before_the_commit_mark(tmp_path):
    new_run(tmp_path).save(1, np.zeros((2, 8)), {}, 0.5)
    (tmp_path / "music_list.txt").write_text(
        music_list_text([*NAMES, "new.mp3"]), encoding="utf-8"
    )  # as a kill in a save leaves it
    # a list of another run, for all one can tell
    with pytest.raises(InputError, match="does not fit the 3 songs"):
        RunFolder(tmp_path).vectors()
    np.save(tmp_path / "vector_at_2.npy", np.zeros((3, 8)))  # written before the list
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
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter
with RunWriter(sys.argv[1]) as run:
    epoch = run.epoch() if run.exists() else 0
    run.start(small_config(), ["a.npy", "b.npy"])
    print("saving", flush=True)
    while True:
        epoch += 1
        run.save(epoch, np.full((2, 8), epoch), {"mark": np.full(50_000, epoch)}, epoch / 1000)
"""


def start_saver(path):
    saver = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(path), str(REPO), str(REPO / "tests")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert saver.stdout.readline() == "saving\n"
    return saver


def dying_save(path, epoch, n_calls):
    """A save in a process of its own that dies at the call number `n_calls` of those that
    change names or flush them; whether it got to its end.
    """
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    calls = itertools.count()

    def dying(function):
        def call(*args, **kwargs):
            if next(calls) == n_calls:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    try:
        with RunWriter(path) as run:
            run.start(small_config(), NAMES)
            for name in ("replace", "unlink", "fsync", "open"):
                setattr(os, name, dying(getattr(os, name)))
            run.save(epoch, np.full((2, 8), epoch), {"mark": np.full(5000, epoch)}, epoch / 1000)
            os._exit(0)
    finally:
        os._exit(1)


def test_a_kill_at_any_moment_leaves_a_complete_save(tmp_path):
    save(began(tmp_path), 1)
    epoch = 1
    for n_calls in itertools.count():
        is_through = dying_save(tmp_path, epoch + 1, n_calls)
        run = RunFolder(tmp_path)
        assert run.epoch() in (epoch, epoch + 1)
        has_saved = run.epoch() > epoch
        epoch = run.epoch()
        assert (run.vectors() == epoch).all()
        if epoch > 1:
            assert (run.weights()["mark"] == epoch).all()
        assert [row[0] for row in run.costs()] == list(range(1, epoch + 1))
        if is_through:
            break
    assert has_saved and n_calls > 12


def test_the_second_writer_is_not_let_in_and_a_crash_leaves_no_lock(tmp_path):
    saver = start_saver(tmp_path)
    with pytest.raises(InputError, match="another training is writing"):
        RunWriter(tmp_path).__enter__()
    os.kill(saver.pid, signal.SIGKILL)
    saver.wait()
    saver.stdout.close()
    for _ in range(2):  # nor does an end
        with RunWriter(tmp_path):
            pass


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("epoc_num.txt", b"\xff"),
        ("music_list.txt", b"a\xff.npy\n"),
        ("cost_list.csv", b"epoc,cost\n1,x\n"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, data):
    run = new_run(tmp_path)
    run.save(1, np.zeros((2, 8)), {}, 0.7)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        run.music_list(), run.costs()


# ---- a reader beside a writer ----


GROWING_SAVER = """
import itertools, sys
import numpy as np
sys.path[:0] = sys.argv[2:4]
from planted import small_config
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter
run = RunWriter(sys.argv[1])
for epoch in itertools.count(1):
    n_songs = 2 + epoch // 3  # every third save has a new song
    run.start(small_config(SONG_L2=epoch / 1000), [f"{row}.npy" for row in range(n_songs)])
    weights = {"mark": np.full(200_000, epoch), "rows": np.arange(n_songs)}
    run.save(epoch, np.full((n_songs, 8), epoch), weights, epoch / 1000)
    run.keep_last(2)
    if epoch == 1:
        print("saving", flush=True)
"""


def test_every_reader_gets_one_epoch_however_fast_saves_come(tmp_path):
    command = [sys.executable, "-c", GROWING_SAVER, str(tmp_path), str(REPO), str(REPO / "tests")]
    saver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    epochs, moved_on = set(), 0
    try:
        assert saver.stdout.readline() == "saving\n"
        end = time.monotonic() + 60
        while len(epochs) <= 20 or moved_on <= 5:
            assert time.monotonic() < end, "waited in vain"
            run = RunFolder(tmp_path).snapshot()
            epoch, n_songs = run.epoch, 2 + run.epoch // 3
            time.sleep(0.02)  # in which several saves may come
            assert (run.vectors == epoch).all() and run.vectors.shape == (n_songs, 8)
            assert (run.weights["mark"] == epoch).all() and set(run.weights) == {"mark", "rows"}
            assert run.names == [f"{row}.npy" for row in range(n_songs)]
            assert run.config == small_config(SONG_L2=epoch / 1000)
            epochs.add(epoch)
            moved_on += RunFolder(tmp_path).epoch() > epoch
    finally:
        saver.kill()
        saver.wait()
        saver.stdout.close()


# ---- what trainings wrote, and what they did not ----


def began(path, names=NAMES):
    """A run as a trainer begins it."""
    with RunWriter(path) as run:
        run.start(small_config(), names)
    return run


def save(run, epoch):
    run.save(epoch, np.full((2, 8), epoch), {"a": np.full(3, epoch)}, 0.5)


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "music_list.txt",
        "cost_list.csv",
        "vector_at_1.npy",
        "vector_at_7.npy",
        "weights/weights_at_1.npz",
    ],
)
@pytest.mark.parametrize("is_link", [False, True])
def test_a_first_start_replaces_nothing_of_the_users(tmp_path, name, is_link):
    mine, path = tmp_path / "mine", tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    mine.write_text("mine")
    path.symlink_to(mine) if is_link else path.write_text("mine")
    with pytest.raises(InputError, match=name):
        began(tmp_path / "run")
    assert path.read_text() == mine.read_text() == "mine"
    assert sorted(os.listdir(tmp_path / "run")) == [name.split("/")[0]]


def test_what_a_killed_first_start_or_first_save_left_is_taken_up(tmp_path, monkeypatch):
    run = began(tmp_path)
    assert began(tmp_path).path == run.path
    run = began(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(run, "save_music_list", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save(run, 1)
    assert (tmp_path / "vector_at_1.npy").is_file() and not run.exists()
    save(began(tmp_path), 1)
    assert (RunFolder(tmp_path).vectors() == 1).all()


def test_what_a_killed_later_save_left_is_taken_up(tmp_path, monkeypatch):
    run = began(tmp_path)
    save(run, 1)
    (tmp_path / ".sound-eval.jsonl").unlink()  # as a former version has none
    with monkeypatch.context() as patch:
        patch.setattr(run, "save_costs", lambda rows: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save(run, 2)
    (tmp_path / ".sound-eval.jsonl").unlink()
    save(began(tmp_path), 2)
    assert (RunFolder(tmp_path).vectors() == 2).all()


def test_vectors_of_a_later_epoch_that_nobody_saved_are_not_replaced(tmp_path):
    save(began(tmp_path), 1)
    np.save(tmp_path / "vector_at_3.npy", np.ones(3))
    before = (tmp_path / "vector_at_3.npy").read_bytes()
    with pytest.raises(InputError, match=r"vector_at_3\.npy: is there, and no training wrote it"):
        began(tmp_path)
    run = new_run(tmp_path)
    save(run, 2)
    with pytest.raises(InputError, match=r"vector_at_3\.npy"):  # it came after the start
        save(run, 3)
    assert (tmp_path / "vector_at_3.npy").read_bytes() == before and RunFolder(
        tmp_path
    ).epoch() == 2


@pytest.mark.parametrize("is_copy", [False, True])
def test_keep_last_leaves_what_no_training_wrote(tmp_path, is_copy):
    run = began(tmp_path / "run")
    for epoch in range(1, 7):
        save(run, epoch)
    if is_copy:
        # with new times
        shutil.copytree(tmp_path / "run", tmp_path / "copy", copy_function=shutil.copyfile)
        run = RunWriter(tmp_path / "copy")
    np.save(run.path / "vector_at_2.npy", np.ones(3))  # of mine, under a name that was used
    np.save(run.path / "vector_at_0.npy", np.ones(3))
    np.save(run.path / "vector_at_01.npy", np.ones(3))
    np.save(run.path / "vector_at_best.npy", np.ones(3))
    run.keep_last(2)
    kept = {
        "vector_at_0.npy",
        "vector_at_01.npy",
        "vector_at_2.npy",
        "vector_at_best.npy",
        "vector_at_5.npy",
        "vector_at_6.npy",
    }
    assert {path.name for path in run.path.glob("vector_at_*")} == kept


def test_only_the_weights_that_a_save_replaces_are_removed(tmp_path):
    run = began(tmp_path)
    save(run, 1)
    for name in ("weights_at_best.npz", "weights_at_99.npz"):
        (tmp_path / "weights" / name).write_text("mine")
    shutil.copy(tmp_path / "weights" / "weights_at_1.npz", tmp_path / "1.npz")
    save(run, 2)
    # as a kill before it was removed leaves it
    shutil.copy(tmp_path / "1.npz", tmp_path / "weights" / "weights_at_1.npz")
    began(tmp_path)
    assert {path.name for path in (tmp_path / "weights").glob("[!.]*")} == {
        "weights_at_2.npz",
        "weights_at_99.npz",
        "weights_at_best.npz",
    }


def test_an_edited_config_is_kept_where_another_would_replace_it(tmp_path):
    save(began(tmp_path), 1)
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text() + "# of mine\n")
    text = path.read_text()
    RunWriter(tmp_path).check_config(small_config())
    began(tmp_path)
    assert path.read_text() == text
    with pytest.raises(InputError, match=r"config\.yaml: was edited since"):
        RunWriter(tmp_path).check_config(small_config(SONG_L2=0.5))


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError, OSError])
def test_a_beginning_that_fails_takes_away_only_what_it_made(tmp_path, error):
    path = tmp_path / "new" / "er" / "run"

    def failing():
        raise error("now")

    with pytest.raises(error), RunWriter(path) as run:
        run.cache_path.mkdir()
        for name in ("inputs.npy", "inputs.json", ".writing-0123456789abcdef"):
            (run.cache_path / name).touch()
        write_text = run.write_text
        run.write_text = lambda name, text: write_text(name, text) or failing()
        run.start(small_config(), NAMES)
    assert os.listdir(tmp_path) == []
    with pytest.raises(error), RunWriter(path) as run:
        run.cache_path.mkdir()
        for name in (
            "labels.csv",
            "config.yaml",
            "cache/inputs.npy",
            "cache/notes.txt",
            "map/index.html",
        ):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text("mine")  # meanwhile, but the cache's own
        raise error("now")
    left = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    assert left == {"labels.csv", "config.yaml", "cache/notes.txt", "map/index.html"}


def test_what_killed_writers_left_is_removed_and_other_writers_are_left_alone(tmp_path):
    run = began(tmp_path)
    save(run, 1)
    (tmp_path / "cache").mkdir()
    for name in (
        ".writing-run-0123",
        "cache/.writing-0123",
        "weights/.writing-run-0123",
        "weights/.writing-0123",
    ):
        (tmp_path / name).write_text("half")
    (tmp_path / ".writing-0123").write_text("of a script that writes labels here")
    began(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*writing-*")}
    assert left == {".writing-0123"}


def test_a_save_flushes_folders_before_the_commit_mark_and_removes_old_weights_after_it(
    tmp_path, monkeypatch
):
    run, calls = began(tmp_path), []
    save(run, 1)
    replace, fsync, unlink = os.replace, os.fsync, os.unlink

    def noted_fsync(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(name):
            calls.append(f"flush {os.path.basename(name)}")
        fsync(descriptor)

    monkeypatch.setattr(
        os, "replace", lambda old, new: (calls.append(os.path.basename(new)), replace(old, new))
    )
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(
        os,
        "unlink",
        lambda path, **kwargs: (
            calls.append(f"remove {os.path.basename(path)}"),
            unlink(path, **kwargs),
        ),
    )
    save(run, 2)
    top = f"flush {tmp_path.name}"
    assert calls == [
        *("weights_at_2.npz", "vector_at_2.npy", "cost_list.csv", "flush weights", top),
        *("epoc_num.txt", top, "remove weights_at_1.npz"),
    ]


# ---- hostile files ----


def compressed(path, arrays):
    np.savez_compressed(path, **arrays)


def overlapping(path, arrays):
    """An archive whose two entries are the same bytes of the file."""
    np.savez(path, a=np.zeros(1000))
    with zipfile.ZipFile(path, "a") as archive:
        twin = copy.copy(archive.infolist()[0])
        twin.filename = twin.orig_filename = "b.npy"
        archive.filelist.append(twin)
        archive.NameToInfo["b.npy"] = twin
        archive._didModify = True


def bomb(path, arrays):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 23,)}
        )
        for _ in range(32):
            file.write(bytes(1 << 20))


def lying(path, arrays):
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.npy", "w") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
        )


def objects(path, arrays):
    np.savez(path, a=np.array([{}], dtype=object))


def flipped(path, arrays):
    np.savez(path, a=np.zeros(1000))
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (compressed, "compressed"),
        (bomb, "compressed"),
        (overlapping, "not readable"),
        (lying, "a.npy: it ends after 0 of"),
        (objects, "pickled objects"),
        (flipped, "CRC"),
        (lambda path, arrays: path.write_bytes(b"x" * 1000), "not a zip file"),
        (lambda path, arrays: os.mkfifo(path), "where a file is expected"),
        (lambda path, arrays: path.mkdir(), "where a file is expected"),
        (lambda path, arrays: path.symlink_to("/dev/zero"), "where a file is expected"),
    ],
)
def test_hostile_weights_are_one_line_at_once(tmp_path, spoil, message):
    save(began(tmp_path), 1)
    path = tmp_path / "weights" / "weights_at_1.npz"
    path.unlink()
    spoil(path, {"a": np.zeros(1 << 20)})
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"weights_at_1\.npz: .*{message}"):
        RunFolder(tmp_path).weights()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("epoc_num.txt", b"9" * 5000, "longer than"),
        ("epoc_num.txt", b"-1", "expected the number"),
        ("epoc_num.txt", "٣".encode(), "expected the number"),
        ("epoc_num.txt", b"", "expected the number"),
        ("music_list.txt", b"a\0.npy\nb.npy\n", "line 1 holds a NUL"),
        ("music_list.txt", b"a.npy\na.npy\n", "holds 'a' twice"),
        ("music_list.txt", b"", "holds no song"),
        ("cost_list.csv", b"epoc,cost\n1,\0\n", "not a list of costs"),
        ("cost_list.csv", b"epoc,cost\n" + b"9" * 5000 + b",1\n", "not a list of costs"),
        ("cost_list.csv", b"epoc,cost\n1,nan\n", "not finite"),
        ("cost_list.csv", b"epoc,cost\n1,1e999\n", "not finite"),
        ("cost_list.csv", b"epoc,cost\n1," + b"1" * 200_000 + b"\n", "not a list of costs"),
        ("cost_list.csv", b'epoc,cost\n1,"', "not a list of costs"),
        ("vector_at_1.npy", b"PK\3\4", "zip archive"),
    ],
)
def test_hostile_files_are_named(tmp_path, name, data, message):
    run = began(tmp_path)
    save(run, 1)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}: .*{message}"):
        run.vectors(), run.costs()


@pytest.mark.parametrize(
    "name", ["music_list.txt", "cost_list.csv", "vector_at_1.npy", "config.yaml"]
)
def test_pipes_in_a_run_folder_do_not_hang(tmp_path, name):
    run = began(tmp_path)
    save(run, 1)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: .*where a file is expected"):
        run.vectors(), run.costs(), run.config()


def test_a_run_of_a_former_version_is_read(tmp_path):
    config = small_config(SONG_L2=0.25)
    (tmp_path / "weights").mkdir()
    np.savez(tmp_path / "weights" / "weights_at_3.npz", a=np.ones(3))
    np.save(tmp_path / "vector_at_3.npy", np.ones((2, 8), np.float32))
    save_config(tmp_path / "config.yaml", config)
    for name, text in {
        "music_list.txt": music_list_text(NAMES),
        "cost_list.csv": "epoc,cost\n3,0.5\n",
        "epoc_num.txt": "3\n",
        ".lock": "",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = RunFolder(tmp_path).snapshot()
    assert (run.epoch, run.names, run.config, set(run.weights)) == (3, NAMES, config, {"a"})
    run = began(tmp_path)
    save(run, 4)
    run.keep_last(1)
    assert [path.name for path in tmp_path.glob("vector_at_*")] == ["vector_at_4.npy"]
    assert [path.name for path in (tmp_path / "weights").glob("[!.]*")] == ["weights_at_4.npz"]
    (tmp_path / "vector_at_4.npy").unlink()
    assert RunFolder(tmp_path).music_list() == NAMES  # a training goes on without the vectors


def test_a_full_disk_names_the_file_that_cannot_be_written(tmp_path):
    code = """
import resource, sys
import numpy as np
sys.path[:0] = sys.argv[2:4]
from planted import small_config
from sound_eval.cli import run_main
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter
def main():
    run = RunWriter(sys.argv[1])
    run.start(small_config(), ["a.npy", "b.npy"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    run.save(1, np.zeros((2, 8)), {"a": np.zeros(10_000)}, 0.5)
run_main(main)
"""
    command = [sys.executable, "-c", code, str(tmp_path), str(REPO), str(REPO / "tests")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'weights' / 'weights_at_1.npz'}: File too large\n"
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob(".writing-*"))
