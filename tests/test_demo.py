"""The walk through the README on a few synthesized pieces, one song followed through every file; then the demo and its set-up."""
import csv
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sound_eval.config import read_config

REPO = Path(__file__).resolve().parent.parent
ROW = 7  # the song that is followed: line and row, counted from 0
ONE_EPOCH = "TRAIN_STEPS_PER_SAVE: 48000\n"  # in place of the preset's half a million pairs


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def walk(tmp_path_factory, run_script):
    """Every stage once; gives the folder it happened in and what the stages printed, by script."""
    here = tmp_path_factory.mktemp("wälk") / "my walk"
    here.mkdir()
    music, vectors, outs = here / "music", here / "vectors", here / "outs"
    config = here / "tiny.yaml"
    config.write_text(re.sub(r"TRAIN_STEPS_PER_SAVE.*\n", ONE_EPOCH, (REPO / "configs" / "small_train.yaml").read_text(encoding="utf-8")))
    printed = {}

    def stage(script, *args):
        printed[script] = run_script(script, *args).stdout

    stage("make_example_music.py", music, "--styles", 3, "--pieces", 5, "--seconds", 8)
    stage("spectrify_all.py", f"{music}/", f"{vectors}/", f"--config={config}")
    stage("spectrogram_doc2vec.py", vectors, outs, f"--config={config}", "--epochs", 1)
    stage("calc_all_vecs.py", vectors, outs, here / "words", "--song-vectors", here / "words" / "songs.npy", "--song-only")
    inputs = (music / "labels.csv", outs / "music_list.txt", outs / "vector_at_1.npy")
    stage("process_results/logistic_regress.py", *inputs, "--label", "genre", "--report", here / "report")
    stage("process_results/sphere_kmeans.py", *inputs, "--centers", 3, "--csv-column", "genre", "--output", here / "sphere_kmeans.png")
    stage("static_web_viewer/display_vector_data.py", outs, music, music / "labels.csv", here / "map")
    return here, printed


@pytest.fixture(scope="module")
def song(walk):
    """The followed song: its row of labels, found by its line in the music list."""
    here, _ = walk
    name = (here / "outs" / "music_list.txt").read_text(encoding="utf-8").splitlines()[ROW].removesuffix(".npy")
    (row,) = [row for row in rows_of(here / "music" / "labels.csv") if row["filename"] == name]
    return row


def test_its_log_mel_is_as_long_as_its_sound(walk, song):
    here, _ = walk
    config = read_config(here / "tiny.yaml")
    log_mel = np.load(here / "vectors" / f"{song['filename']}.npy", allow_pickle=False)
    sound, rate = soundfile.read(here / "music" / song["filename"])
    n_samples = len(sound) * config.SAMPLERATE / rate
    assert log_mel.dtype == np.float32 and log_mel.shape[1] == config.NUM_MEL_BINS
    assert abs(len(log_mel) - ((n_samples - config.FFT_SIZE) // config.hop + 1)) <= 1
    loud = np.interp(np.linspace(0, 1, len(log_mel)), np.linspace(0, 1, len(sound)), np.convolve(np.abs(sound).mean(1), np.ones(800), "same"))
    assert np.corrcoef(loud, np.exp(log_mel).sum(1))[0, 1] > 0.5  # of this sound, not of another


def test_its_vector_is_its_song_vector_and_the_mean_of_its_word_vectors(walk, song):
    here, _ = walk
    vectors = np.load(here / "outs" / "vector_at_1.npy", allow_pickle=False)
    assert vectors.shape == (15, 80) and vectors.dtype == np.float32
    words = np.load(here / "words" / f"{song['filename']}.npy", allow_pickle=False)
    songs = np.load(here / "words" / "songs.npy", allow_pickle=False)
    listed = (here / "words" / "music_list.txt").read_text(encoding="utf-8").splitlines()
    mine = [line.removesuffix(".npy") for line in listed].index(song["filename"])
    np.testing.assert_allclose(songs[mine] + words.mean(0), vectors[ROW], atol=1e-4)
    others = np.delete(vectors, ROW, axis=0)
    assert np.abs(others - vectors[ROW]).max(1).min() > 0.01  # no other row would have done


def test_its_label_is_the_one_that_is_predicted_against(walk, song):
    here, _ = walk
    predictions = {row["filename"].removesuffix(".npy"): row for row in rows_of(here / "report" / "predictions.csv")}
    assert len(predictions) == 15
    assert song["genre"] in predictions[song["filename"]].values()


def test_its_cluster_stands_beside_its_labels(walk, song):
    here, _ = walk
    row = rows_of(here / "sphere_kmeans.csv")[ROW]
    assert {name: row[name] for name in song} == song
    assert row["cluster"] in {"0", "1", "2"}
    assert (here / "sphere_kmeans.png").read_bytes().startswith(b"\x89PNG")


def test_the_map_holds_it_in_its_row_with_its_sound(walk, song):
    here, _ = walk
    text = (here / "map" / "data" / "songs.js").read_text(encoding="ascii")
    songs = json.loads(text.split(", ", 1)[1].rsplit(");", 1)[0])
    assert songs["names"][ROW] == song["filename"]
    assert len(np.load(here / "map" / "data" / "positions.npy", allow_pickle=False)) == 15
    copies = [path for path in (here / "map" / "audio").rglob("*") if path.name == Path(song["filename"]).name]
    assert (here / "music" / song["filename"]).read_bytes() in [path.read_bytes() for path in copies]


def test_each_stage_says_what_comes_next(walk):
    here, printed = walk
    following = {
        "make_example_music.py": "spectrify_all.py",
        "spectrify_all.py": "spectrogram_doc2vec.py",
        "spectrogram_doc2vec.py": ".py",
        "process_results/logistic_regress.py": "process_results/sphere_kmeans.py",
        "process_results/sphere_kmeans.py": "static_web_viewer/display_vector_data.py",
        "static_web_viewer/display_vector_data.py": "index.html",
    }
    for script, next_one in following.items():
        (line,) = re.findall(r"^next: (.*)$", printed[script], re.M)
        assert next_one in line
        assert str(here).replace(" ", "' '") in line or f"'{here}" in line  # quoted: the folder has a space in its name


# ---- the demo ----


@pytest.fixture(scope="module")
def demo(audio_folder, labels_csv, tmp_path_factory, run_script):
    """The demo on a person's own folder, first without and then with labels; what it printed, and where it wrote."""
    out = tmp_path_factory.mktemp("demos")
    arguments = (f"{audio_folder}/", "--max-minutes", 0.4, "--out", out)
    first = run_script("tools/demo.py", *arguments).stdout
    second = run_script("tools/demo.py", *arguments, "--labels", labels_csv).stdout
    return first, second, out


def test_the_demo_scores_beside_chance_and_ends_with_the_map(demo):
    for printed in demo[:2]:
        assert "chance" in printed and "song vectors" in printed and "NMI" in printed
        page = Path(printed.splitlines()[-1])
        assert page.name == "index.html" and page.is_file()


def test_the_demo_takes_folders_as_labels_unless_given_better(demo):
    assert "label 'folder': 2 values, 24 songs" in demo[0]
    assert "label 'genre': 3 values, 24 songs" in demo[1]


def test_the_demo_goes_on_where_it_stopped(demo):
    first, second, out = demo
    (folder,) = out.iterdir()
    assert "skipped 0" in first and re.search(r"done 0, skipped 24", second)
    epochs = sorted(int(path.stem.removeprefix("vector_at_")) for path in (folder / "outs").glob("vector_at_*.npy"))
    assert len(epochs) >= 2 and epochs[-1] == int((folder / "outs" / "epoc_num.txt").read_text())


def test_demos_of_folders_with_one_name_do_not_meet(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(REPO / "tools")
    folder_of = runpy.run_path(str(REPO / "tools" / "demo.py"))["folder_of"]
    one, other = (folder_of(tmp_path / disc / "Music", tmp_path / "demo") for disc in ("a", "b"))
    assert one != other and one.name.startswith("Music-") and other.name.startswith("Music-")


@pytest.mark.parametrize("arguments", [("no such folder",), (".", "--labels", "no such.csv"), (".", "--labels", "labels.csv", "--label", "mood")])
def test_the_demo_refuses_before_it_begins(arguments, tmp_path, run_script):
    (tmp_path / "labels.csv").write_text("filename,genre\na.wav,folk\n")
    done = run_script("tools/demo.py", *arguments, "--out", tmp_path / "demo", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr)
    assert not (tmp_path / "demo").exists()


# ---- set-up ----


def write_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path):
    """A PATH with nothing but `sh`, `env` and what a test puts there, and a way to run the installer on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env", "cat", "chmod"):
        (folder / name).symlink_to(shutil.which(name))

    def install(*names):
        command = ["/bin/sh", str(REPO / "tools" / "install_programs.sh"), *names]
        return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, timeout=30)

    return folder, install


def test_present_programs_are_left_alone(programs):
    folder, install = programs
    write_program(folder / "ffmpeg", "")
    done = install("ffmpeg")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_rights_the_command_to_type_is_printed(programs):
    folder, install = programs
    write_program(folder / "apt-get", "echo called")
    write_program(folder / "id", "echo 1000")
    done = install("ffmpeg", "sox")
    assert done.returncode == 1 and "called" not in done.stdout
    assert "sudo apt-get install ffmpeg sox" in done.stderr


def test_root_installs_through_apt_get(programs):
    folder, install = programs
    write_program(folder / "id", "echo 0")
    write_program(folder / "apt-get", f'echo "apt-get $*"; if [ "$1" = install ]; then cat /dev/null > {folder}/sox; chmod 755 {folder}/sox; fi')
    done = install("sox")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^apt-get (update|install).*$", done.stdout, re.M) == ["update", "install"]


def test_an_installation_that_brings_nothing_is_an_error(programs):
    folder, install = programs
    write_program(folder / "brew", 'echo "brew $*"')
    done = install("sox")
    assert "brew install sox" in done.stdout
    assert done.returncode == 1 and "still missing" in done.stderr


def test_make_hands_paths_to_the_demo_as_they_are(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(REPO / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    write_program(tmp_path / ".venv" / "bin" / "python", 'for argument in "$@"; do echo "<$argument>"; done')
    (tmp_path / ".venv" / "installed").touch()
    later = (tmp_path / "requirements.txt").stat().st_mtime + 10
    os.utime(tmp_path / ".venv" / "installed", (later, later))
    command = ["make", "demo", "MUSIC=/my music/it's ü", "LABELS=a b.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    arguments = re.findall(r"^<(.*)>$", done.stdout, re.M)
    assert arguments == ["tools/demo.py", "--max-minutes", "1", "--labels", "a b.csv", "--label", "", "--", "/my music/it's ü"]


def test_ci_runs_the_tests():
    text = (REPO / ".ci" / "run").read_text()
    assert os.access(REPO / ".ci" / "run", os.X_OK) and "make test" in text and "set -euo pipefail" in text
    assert sys.version_info >= (3, 10)
