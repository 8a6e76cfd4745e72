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
# trains as each line of arguments says, one after the other, and says after each the most
# memory that it has ever held, in kB; its children, which read the songs, are not counted.
# getrusage would count what the process that started it held.
PROBE = """import re, runpy, sys
main = runpy.run_path(sys.argv[1])["main"]
for line in sys.argv[2:]:
    main(line.split("\\n"))
    print("PEAK", re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])"""


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A tree of long songs and one of short ones."""
    root = tmp_path_factory.mktemp("trees")
    for name, n_frames in (("large", FRAMES), ("small", 200)):
        (root / name).mkdir()
        for i in range(N_SONGS):
            song = planted_song(i % 3, i, 500).astype(np.float16)
            np.save(root / name / f"{i}.wav.npy", np.resize(song, (n_frames, 12)))
    return root


def peaks_mb(trees, tmp_path, trainings):
    """Most memory in MB that a process has held after each of some trainings of one
    epoch, (name of a tree, FRAMES_ON_DEVICE_GB).
    """
    lines = []
    for name, limit_gb in trainings:
        config = write_config(tmp_path / f"{name} {limit_gb}.yaml", FRAMES_ON_DEVICE_GB=limit_gb)
        run = tmp_path / f"{name} {limit_gb}"
        lines.append(f"{trees / name}\n{run}\n--config={config}\n--epochs=1")
    command = [sys.executable, "-c", PROBE, str(REPO / "spectrogram_doc2vec.py"), *lines]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [int(peak) / 1000 for peak in re.findall(r"PEAK (\d+)", done.stdout)]


def test_memory_stays_where_inputs_are_streamed(trees, tmp_path):
    base, streamed, on_device = peaks_mb(
        trees, tmp_path, [("small", 0.02), ("large", 0.02), ("large", 4)]
    )
    assert streamed < base + 0.4 * INPUTS_MB
    assert on_device > base + 0.8 * INPUTS_MB  # what would have shown, had they been kept
    assert on_device < base + 1.5 * INPUTS_MB  # kept once, not once more by NumPy
