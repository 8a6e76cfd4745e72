"""Copies are made by ffmpeg, get vectors, and are counted."""

import numpy as np
import pytest
from conftest import run_script

SCRIPT = "benchmarks/copies.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Twelve seconds of each of six sounds, and a run that has its first vectors."""
    import soundfile

    root = tmp_path_factory.mktemp("copies")
    (root / "music").mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        time = np.arange(12 * 16000) / 16000
        beats = 1 + np.sin(2 * np.pi * (number + 1) * time)
        sound = 0.1 * beats * np.sin(2 * np.pi * 200 * 1.5**number * time)
        sound += 0.002 * random.standard_normal(len(time))
        soundfile.write(root / "music" / f"{number}.wav", sound, 16000)
    run_script("spectrify_all.py", root / "music", root / "log_mel")
    run_script("spectrogram_doc2vec.py", root / "log_mel", root / "run", "--max-minutes=0.001")
    return root


def test_a_copy_is_known_again(run):
    done = run_script(SCRIPT, run / "music", run / "run", "--songs=3")
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()[2:]]
    assert len(rows) == 10
    for kind, median, least, _ in rows:
        assert float(least) <= float(median) <= 1.001, kind
    by_kind = {row[0].strip(): row for row in rows}
    assert float(by_kind["-10 dB"][1]) > 0.99
    assert by_kind["mono"][3].strip() == "100 %"


def test_a_song_that_is_gone_is_one_line(run, tmp_path):
    done = run_script(SCRIPT, tmp_path, run / "run", "--songs=3", check=False)
    assert done.returncode == 1
    assert "0.wav: ffmpeg made no copy of it" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
