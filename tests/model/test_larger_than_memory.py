"""Inputs above FRAMES_ON_DEVICE_GB are streamed: memory does not grow with the corpus.

Others are held once.
"""

import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPO
from planted import planted_song, write_config

N_SONGS = 40
FRAMES = 200_000  # a song: as float16 inputs of 12 values 4.8 MB, in all 192 MB
INPUTS_MB = N_SONGS * FRAMES * 12 * 2 / 1e6
PROBE = """import resource, runpy, sys
sys.argv = sys.argv[1:]
try: runpy.run_path(sys.argv[0], run_name="__main__")
finally: print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"""


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A tree of long songs and one of short ones."""
    root = tmp_path_factory.mktemp("trees")
    for name, n_frames in (("large", FRAMES), ("small", 200)):
        (root / name).mkdir()
        for i in range(N_SONGS):
            np.save(
                root / name / f"{i}.wav.npy", np.resize(planted_song(i % 3, i, 500), (n_frames, 12))
            )
    return root


def peak_mb(trees, name, tmp_path, limit_gb):
    """Most memory that a training of one epoch held, in MB;
    its children, which read the songs, are not counted.
    """
    config = write_config(tmp_path / f"{name} {limit_gb}.yaml", FRAMES_ON_DEVICE_GB=limit_gb)
    command = [
        sys.executable,
        "-c",
        PROBE,
        str(REPO / "spectrogram_doc2vec.py"),
        str(trees / name),
        str(tmp_path / f"{name} {limit_gb}"),
    ]
    done = subprocess.run(
        [*command, f"--config={config}", "--epochs=1"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return int(re.search(r"PEAK (\d+)", done.stdout)[1]) / 1000


def test_memory_stays_where_inputs_are_streamed(trees, tmp_path):
    base = peak_mb(trees, "small", tmp_path, 0.02)
    streamed = peak_mb(trees, "large", tmp_path, 0.02)
    on_device = peak_mb(trees, "large", tmp_path, 4)
    assert streamed < base + 0.4 * INPUTS_MB
    assert on_device > base + 0.8 * INPUTS_MB  # what would have shown, had they been kept
    assert on_device < base + 1.5 * INPUTS_MB  # kept once, not once more by NumPy
