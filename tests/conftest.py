"""Fixtures shared by the tests: the scripts as subprocesses, and real encoded files
made by ffmpeg and sox.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

# Two workers of pytest-xdist share the cores, and so do the processes that they start. Read
# when NumPy and TensorFlow are imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1")

import numpy as np
import pytest
import soundfile

from sound_eval.cli import run_main

REPO = Path(__file__).resolve().parent.parent
SAMPLERATE = 16000
# the files that take longest, so that none of them is begun last when two workers share them
FIRST = ("test_examples.py", "test_demo.py", "test_trainer_script.py")
pytest_plugins = ["map_browser"]  # fixtures of the map


def pytest_collection_modifyitems(items):
    """The longest files first, all else in the order in which it was found."""
    last = len(FIRST)
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else last)


def run_process(name, *args, cwd="/", check=True, timeout=600, **kwargs):
    """Run `python NAME ARGS` as a person does, in a process of its own and from another
    working directory; returns the CompletedProcess (text).
    """
    command = [sys.executable, str(REPO / name), *map(str, args)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout, **kwargs
    )
    if check:
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def run_script(name, *args, cwd="/", check=True, env=None):
    """Run `main([ARGS])` of a script in this process, from another working directory,
    as `run_main` runs it; returns a CompletedProcess (text), as if it had been one.

    What needs a process of its own, to be killed, to fork or to be alone with
    TensorFlow, is run by `run_process`.
    """
    argv = list(map(str, args))
    with ExitStack() as stack:
        stack.enter_context(put_back(name))
        os.chdir(cwd)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        streams = [
            stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(2)
        ]
        with written_to(streams):
            status = status_of(script_module(name).main, argv)
        texts = [read_again(stream) for stream in streams]
    done = subprocess.CompletedProcess([name, *argv], status, *texts)
    if check:
        assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done


def status_of(main, argv):
    """The exit status of a script, whose last words are printed as Python prints them."""
    try:
        run_main(partial(main, argv))
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Exception:  # a defect, shown as a process would show it
        traceback.print_exc()
        return 1


def script_module(name):
    """A script of the checkout as a module, each loaded once."""
    path = REPO / name
    known = "script_" + re.sub(r"\W", "_", name)
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.parent))
        sys.modules[known] = module
    return sys.modules[known]


@contextmanager
def put_back(name):
    """While a script runs in this process `sys.argv` is its own;
    afterwards all that it may change is as before.
    """
    argv, environment, folder = sys.argv, dict(os.environ), os.getcwd()
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    }
    sys.argv = [str(REPO / name)]
    try:
        yield
    finally:
        sys.argv = argv
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def written_to(streams):
    """What this process and those that it starts write to stdout and stderr goes to two files."""
    before = [os.dup(number) for number in (1, 2)]
    try:
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            for number, stream in enumerate(streams, 1):
                os.dup2(stream.fileno(), number)
            yield
    finally:
        for number, stream in enumerate(before, 1):
            os.dup2(stream, number)
            os.close(stream)


def read_again(stream):
    """All that was written to a stream."""
    stream.flush()
    stream.seek(0)
    return stream.read()


@pytest.fixture(name="run_script", scope="session")
def run_script_fixture():
    return run_script


@pytest.fixture(name="run_process", scope="session")
def run_process_fixture():
    return run_process


def planted_sound(style, seed, seconds):
    """A sound (n_samples,) of one of three planted styles:
    a low pulsed tone, a high chord, filtered noise.
    """
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLERATE)) / SAMPLERATE
    if style == "pulse":
        sound = np.sin(2 * np.pi * random.uniform(110, 160) * time) * (
            np.sin(2 * np.pi * random.uniform(3, 4) * time) > 0
        )
    elif style == "chord":
        root = random.uniform(500, 700)
        sound = sum(np.sin(2 * np.pi * root * ratio * time) for ratio in (1, 1.25, 1.5, 2)) / 4
    else:
        sound = (
            np.convolve(
                random.standard_normal(len(time)), np.ones(random.integers(2, 5)) / 3, mode="same"
            )
            / 3
        )
    return 0.5 * sound + 0.001 * random.standard_normal(len(time))


def write_tone(path, minutes, samplerate, *options):
    """A stereo tone of `minutes`, made and encoded by ffmpeg, however long it is."""
    source = f"sine=frequency=300:sample_rate={samplerate}:duration={minutes * 60}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2"]
    subprocess.run([*command, *options, str(path)], check=True)


def encode(samples, path, samplerate=SAMPLERATE):
    """Write samples as a real file: wav through libsndfile, anything else through ffmpeg."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    wav = path if path.suffix == ".wav" else path.with_name(path.name + ".source.wav")
    soundfile.write(wav, np.clip(samples, -1, 1), samplerate)
    if wav != path:
        subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(wav), str(path)], check=True
        )
        wav.unlink()


@pytest.fixture(scope="session")
def audio_folder(tmp_path_factory):
    """24 clips of 8 s in three styles, half mp3 and half wav, with spaces and non-ASCII
    in the path, and labels.csv beside.
    """
    root = tmp_path_factory.mktemp("música ü") / "my audio"
    rows = ["filename,genre,title,citation"]
    for number in range(24):
        style = ("pulse", "chord", "noise")[number % 3]
        name = f"disc {number % 2}/{number:02d} {style}{'.mp3' if number % 4 < 2 else '.wav'}"
        encode(planted_sound(style, number, 8), root / name)
        rows.append(f'{name},{style},"Piece {number}, {style}",Composed for the tests no. {number}')
    (root.parent / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def dask_cluster():
    """A Dask cluster of one process, for tests that leave it alive; they are left out
    where Dask is not installed.
    """
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def labels_csv(audio_folder):
    return audio_folder.parent / "labels.csv"


def write_run_folder(path, vectors, names, config=None, epoch=1, weights=None):
    """A run folder with the given song vectors (n, dim) and `names`, lines of its music
    list (with or without `.npy`), as a training would leave it.
    """
    from sound_eval.config import read_config
    from sound_eval.files.trees import audio_name
    from sound_eval.model.run_writer import RunWriter

    run = RunWriter(path)
    run.start(config or read_config(), [audio_name(name) for name in names])
    run.save(epoch, np.asarray(vectors, np.float32), weights or {}, cost=0.5)
    return run


@pytest.fixture(scope="session", autouse=True)
def silence_tensorflow():
    from sound_eval.terminal import quiet_tensorflow

    quiet_tensorflow()
