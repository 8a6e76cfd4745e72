"""Two workers on this machine, and two devices of one worker:
they reach what one reaches; a killed worker ends the job clearly.
"""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import REPO, run_script
from planted import small_config, write_config, write_tree

from sound_eval.errors import InputError
from sound_eval.model import devices
from sound_eval.model.run_folder import RunFolder

SCRIPT = "spectrogram_doc2vec.py"
# The script on two devices, once for each list of arguments: the CPU, divided in two as
# TensorFlow can before it starts, in place of two GPUs.
TWO_DEVICES = """import json, runpy, sys
import tensorflow as tf
from sound_eval.model import devices
(cpu,) = tf.config.list_physical_devices("CPU")
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, halves)
devices.choose_devices = lambda use_gpu: (["/CPU:0", "/CPU:1"], None)
script, *runs = sys.argv[1:]
main = runpy.run_path(script)["main"]
for run in runs:
    main(json.loads(run))"""

# The script where the second worker has its CPU divided in two, of which the second
# passes for a GPU.
UNEQUAL_DEVICES = """import json, os, runpy, sys
sys.argv = sys.argv[1:]
from sound_eval.model import devices
import tensorflow as tf
check = devices.check_equal_gpus
def as_gpu(device):
    return tf.config.LogicalDevice(device.name, "GPU") if device.name.endswith("CPU:1") else device
devices.check_equal_gpus = lambda devices, rank: check(map(as_gpu, devices), rank)
if json.loads(os.environ["TF_CONFIG"])["task"]["index"]:
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
runpy.run_path(sys.argv[0], run_name="__main__")"""


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "log mels ü", 24)
    return tmp_path / "log mels ü"


def free_ports(count):
    """Ports that nothing listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_workers(folder, trees, *args, program=(sys.executable,)):
    """The script as workers on this machine, one for each tree, each with its output in
    a log file of its own.
    """
    hosts = [f"127.0.0.1:{port}" for port in free_ports(len(trees))]
    workers = []
    for rank, tree in enumerate(trees):
        tf_config = json.dumps(
            {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": rank}}
        )
        log = open(folder / f"worker {rank}.log", "w")  # noqa: SIM115 - closed with the process
        command = [*program, str(REPO / SCRIPT), str(tree), *map(str, args)]
        environment = os.environ | {"TF_CONFIG": tf_config, "PYTHONPATH": str(REPO)}
        workers.append(
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        )
    return workers


def ends(workers, folder, seconds=120):
    """Exit statuses of all workers, and their logs."""
    try:
        statuses = [worker.wait(seconds) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return statuses, [(folder / f"worker {rank}.log").read_text() for rank in range(len(workers))]


def margin_of_styles(run):
    """By how much songs of one planted style are more alike than others."""
    vectors = run.vectors() - run.vectors().mean(0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    style = np.array([int(name.split(" ")[-1][:3]) % 3 for name in run.music_list()])
    same, similarity = style[:, None] == style[None, :], unit @ unit.T
    return similarity[same & ~np.eye(len(style), dtype=bool)].mean() - similarity[~same].mean()


def test_two_workers_reach_what_one_reaches_and_one_resumes_what_two_began(tree, tmp_path):
    config = write_config(tmp_path / "small.yaml")
    run_script(SCRIPT, tree, tmp_path / "one", f"--config={config}", "--epochs=6")
    statuses, logs = ends(
        start_workers(tmp_path, [tree, tree], tmp_path / "two", f"--config={config}", "--epochs=6"),
        tmp_path,
    )
    assert statuses == [0, 0], logs
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    assert two.epoch() == 6 and two.vectors().shape == (24, 8)
    state = two.weights()
    assert (state["songs/step"] > 0).all()  # the chief has the rows of both workers
    assert "wrote" in logs[0] and "wrote" not in logs[1]
    assert two.costs()[-1][1] < one.costs()[-1][1] + 0.05
    assert margin_of_styles(one) > 0.5 and margin_of_styles(two) > 0.8 * margin_of_styles(one)
    run_script(SCRIPT, tree, tmp_path / "two", "--epochs=1")
    assert two.epoch() == 7 and two.costs()[-1][1] < one.costs()[-1][1] + 0.05


def run_on_two_devices(*runs):
    """The script in one process with two devices, once for each of the lists of arguments."""
    command = [sys.executable, "-c", TWO_DEVICES, str(REPO / SCRIPT)]
    command += [json.dumps(list(map(str, run))) for run in runs]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_two_devices_of_one_process_reach_what_one_reaches_and_resume_exactly(tree, tmp_path):
    runs = []
    for on_device_gb in (4, 0):
        config = write_config(
            tmp_path / f"{on_device_gb}.yaml",
            FRAMES_ON_DEVICE_GB=on_device_gb,
            TRAIN_STEPS_PER_SAVE=64 * 80,
        )  # a chunk and a part of one
        runs += [
            (tree, tmp_path / f"{part} {on_device_gb}", f"--config={config}", f"--epochs={epochs}")
            for part, epochs in (("two", 6), ("parts", 3), ("parts", 3))
        ]
    run_script(SCRIPT, tree, tmp_path / "one", f"--config={config}", "--epochs=6")
    run_on_two_devices(*runs)
    one = RunFolder(tmp_path / "one")
    assert margin_of_styles(one) > 0.5
    for on_device_gb in (4, 0):
        two = RunFolder(tmp_path / f"two {on_device_gb}")
        assert_as_good(two, one)
        parts = RunFolder(tmp_path / f"parts {on_device_gb}").weights()
        for name, array in two.weights().items():
            np.testing.assert_array_equal(parts[name], array, err_msg=name)


def assert_as_good(two, one):
    """The run of two devices reached what that of one did, in as many pairs an epoch."""
    assert two.costs()[-1][1] < one.costs()[-1][1] + 0.05
    assert margin_of_styles(two) > 0.8 * margin_of_styles(one)
    steps = [run.weights()["songs/step"] for run in (one, two)]
    assert (steps[1] > 0).all() and steps[1].sum() == pytest.approx(steps[0].sum(), rel=0.1)
    # half of them on each device
    assert two.weights()["step"] == pytest.approx(one.weights()["step"] / 2, rel=0.05)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_job_and_leaves_a_folder_to_resume(tree, tmp_path, victim):
    run, config = RunFolder(tmp_path / "run"), write_config(tmp_path / "small.yaml")
    workers = start_workers(tmp_path, [tree, tree], run.path, f"--config={config}")
    try:
        end = time.monotonic() + 90
        while not (run.exists() and run.epoch() >= 2):
            assert time.monotonic() < end and not any(worker.poll() for worker in workers), (
                tmp_path / "worker 0.log"
            ).read_text()
            time.sleep(0.05)
        workers[victim].kill()
        killed = time.monotonic()
        assert workers[1 - victim].wait(60) != 0
        assert time.monotonic() - killed < 60
    finally:
        logs = ends(workers, tmp_path)[1]
    assert f"error: worker {1 - victim}: another worker is gone" in logs[1 - victim]
    assert "Traceback" not in logs[1 - victim]
    epoch = run.epoch()
    run_script(SCRIPT, tree, run.path, "--epochs=1")
    assert run.epoch() == epoch + 1 and np.isfinite(run.vectors()).all()


def test_workers_that_see_different_songs_are_told(tree, tmp_path):
    write_tree(tmp_path / "other", 23)
    config = write_config(tmp_path / "small.yaml")
    statuses, logs = ends(
        start_workers(tmp_path, [tree, tmp_path / "other"], tmp_path / "run", f"--config={config}"),
        tmp_path,
    )
    assert 0 not in statuses
    assert all(
        "is not the same for all workers" in log or "another worker is gone" in log for log in logs
    ), logs
    assert any("song list" in log for log in logs) and not RunFolder(tmp_path / "run").exists()


def test_more_devices_than_songs_leave_no_run_folder(tmp_path):
    write_tree(tmp_path / "tree", 3)
    config = write_config(tmp_path / "small.yaml")
    statuses, logs = ends(
        start_workers(tmp_path, [tmp_path / "tree"] * 2, tmp_path / "run", f"--config={config}"),
        tmp_path,
    )
    assert statuses == [1, 1] and "error: 3 songs for 2 devices" in logs[0]
    assert not (tmp_path / "run").exists()


def test_workers_with_unequal_gpus_are_told():
    import tensorflow as tf

    def machines(*counts):
        kinds = [
            (task, kind, number)
            for task, count in enumerate(counts)
            for kind, number in [("CPU", 0), *(("GPU", n) for n in range(count))]
        ]
        return [
            tf.config.LogicalDevice(
                f"/job:worker/replica:0/task:{task}/device:{kind}:{number}", kind
            )
            for task, kind, number in kinds
        ]

    for counts in ((2, 2, 2), (0, 0), (1,)):
        devices.check_equal_gpus(machines(*counts), 0)
    with pytest.raises(InputError, match="worker 1: the workers have 2, 1, 0 GPUs"):
        devices.check_equal_gpus(machines(2, 1, 0), 1)


def test_each_worker_sees_that_another_has_more_devices(tree, tmp_path):
    config = write_config(tmp_path / "small.yaml")
    workers = start_workers(
        tmp_path,
        [tree, tree],
        tmp_path / "run",
        f"--config={config}",
        program=[sys.executable, "-c", UNEQUAL_DEVICES],
    )
    statuses, logs = ends(workers, tmp_path)
    assert statuses == [1, 1] and not (tmp_path / "run").exists()
    for rank, log in enumerate(logs):
        assert f"error: worker {rank}: the workers have 0, 1 GPUs" in log and "Traceback" not in log


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"cluster": {"worker": ["a:1"]}, "task": {"index": 3}}',
        '{"cluster": {"ps": []}, "task": {"index": 0}}',
    ],
)
def test_an_unusable_tf_config_is_an_error_that_shows_it(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG is"):
        devices.join(False)


def test_one_worker_is_alone(monkeypatch):
    monkeypatch.setenv(
        "TF_CONFIG",
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 0}}',
    )
    alone = devices.join(False)
    assert alone.open(small_config(), 12) is None
    assert (
        alone.n_workers == alone.n_replicas == 1
        and alone.chief
        and alone.own(3, 0).tolist() == [0, 1, 2]
    )
    assert alone.any(True) and not alone.any(False)
    assert alone.replicate(lambda x, y: {"sum": x + y})([(np.float32(1), np.ones(2, np.float32))])[
        0
    ]["sum"].tolist() == [2, 2]


def test_every_row_comes_from_the_worker_that_trains_it():
    """`gather` of two workers with two devices each, whose sums are taken here."""
    n_songs, tables = 11, []
    for rank in (0, 1):
        worker = devices.Alone()
        worker.rank, worker.n_workers = rank, 2
        worker.use(["a", "b"], None)
        table = np.full((n_songs, 3), 99, np.float32)
        for replica in worker.replicas:
            table[worker.own(n_songs, replica)] = replica
        worker.gather(table)  # alone it sums nothing up: what is left is its own
        tables.append(table)
    np.testing.assert_array_equal(sum(tables)[:, 0], np.arange(n_songs) % 4)


def test_no_more_devices_than_songs_for_a_step(monkeypatch):
    monkeypatch.setattr(
        devices, "choose_devices", lambda use_gpu: (["/CPU:0", "/CPU:1", "/CPU:2"], "a warning")
    )
    alone = devices.Alone()
    assert alone.open(small_config(SONGS_PER_BATCH=4), 7) == "a warning"
    assert alone.devices == ["/CPU:0"] and alone.strategy is None
