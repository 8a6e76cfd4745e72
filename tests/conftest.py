"""Fixtures shared by the tests: the scripts as subprocesses, and real encoded files made by ffmpeg and sox."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

REPO = Path(__file__).resolve().parent.parent
SAMPLERATE = 16000
pytest_plugins = ["map_browser"]  # fixtures of the map


def run_script(name, *args, cwd="/", check=True, timeout=600, **kwargs):
    """Run `python NAME ARGS` as a person does, from another working directory; returns the CompletedProcess (text)."""
    command = [sys.executable, str(REPO / name), *map(str, args)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, **kwargs)
    if check:
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(name="run_script", scope="session")
def run_script_fixture():
    return run_script


def planted_sound(style, seed, seconds):
    """A sound (n_samples,) of one of three planted styles: a low pulsed tone, a high chord, filtered noise."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLERATE)) / SAMPLERATE
    if style == "pulse":
        sound = np.sin(2 * np.pi * random.uniform(110, 160) * time) * (np.sin(2 * np.pi * random.uniform(3, 4) * time) > 0)
    elif style == "chord":
        root = random.uniform(500, 700)
        sound = sum(np.sin(2 * np.pi * root * ratio * time) for ratio in (1, 1.25, 1.5, 2)) / 4
    else:
        sound = np.convolve(random.standard_normal(len(time)), np.ones(random.integers(2, 5)) / 3, mode="same") / 3
    return 0.5 * sound + 0.001 * random.standard_normal(len(time))


def encode(samples, path, samplerate=SAMPLERATE):
    """Write samples as a real file: wav through libsndfile, anything else through ffmpeg."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    wav = path if path.suffix == ".wav" else path.with_name(path.name + ".source.wav")
    soundfile.write(wav, np.clip(samples, -1, 1), samplerate)
    if wav != path:
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(wav), str(path)], check=True)
        wav.unlink()


@pytest.fixture(scope="session")
def audio_folder(tmp_path_factory):
    """24 clips of 8 s in three styles, half mp3 and half wav, with spaces and non-ASCII in the path, and labels.csv beside."""
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
def labels_csv(audio_folder):
    return audio_folder.parent / "labels.csv"


def write_run_folder(path, vectors, names, config=None, epoch=1, weights=None):
    """A run folder with the given song vectors (n, dim) and music-list names, as a training would leave it."""
    from sound_eval.config import read_config
    from sound_eval.model.run_folder import RunFolder

    run = RunFolder(path)
    run.start(config or read_config(), names)
    run.save(epoch, np.asarray(vectors, np.float32), weights or {}, cost=0.5)
    return run


@pytest.fixture(scope="session", autouse=True)
def silence_tensorflow():
    from sound_eval.terminal import quiet_tensorflow

    quiet_tensorflow()
