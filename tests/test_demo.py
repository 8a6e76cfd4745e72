"""The walk through the README on a few synthesized pieces, one song followed through
every file; then the demo and its set-up.
"""

import csv
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import script_module
from map_browser import data_of

from sound_eval.config import read_config
from sound_eval.model.run_writer import RunWriter

REPO = Path(__file__).resolve().parent.parent
ROW = 7  # the song that is followed: line and row, counted from 0
ONE_EPOCH = "TRAIN_STEPS_PER_SAVE: 48000\n"  # in place of the preset's half a million pairs


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_tiny_config(path):
    """The preset of the walk with shorter epochs, as the file `path`; returns it."""
    preset = (REPO / "configs" / "small_train.yaml").read_text(encoding="utf-8")
    path.write_text(re.sub(r"TRAIN_STEPS_PER_SAVE.*\n", ONE_EPOCH, preset))
    return path


@pytest.fixture(scope="module")
def walk(tmp_path_factory, run_script):
    """Every stage once; gives the folder it happened in and what the stages printed, by script."""
    here = tmp_path_factory.mktemp("wälk") / "my walk"
    here.mkdir()
    music, vectors, outs = here / "music", here / "vectors", here / "outs"
    config = here / "tiny.yaml"
    write_tiny_config(config)
    printed = {}

    def stage(script, *args):
        printed[script] = run_script(script, *args).stdout

    stage("make_example_music.py", music, "--styles", 3, "--pieces", 5, "--seconds", 8)
    stage("spectrify_all.py", f"{music}/", f"{vectors}/", f"--config={config}")
    stage("spectrogram_doc2vec.py", vectors, outs, f"--config={config}", "--epochs", 1)
    stage(
        "calc_all_vecs.py",
        vectors,
        outs,
        here / "words",
        "--song-vectors",
        here / "words" / "songs.npy",
        "--song-only",
    )
    inputs = (music / "labels.csv", outs / "music_list.txt", outs / "vector_at_1.npy")
    stage(
        "process_results/logistic_regress.py",
        *inputs,
        "--label",
        "genre",
        "--report",
        here / "report",
    )
    stage(
        "process_results/sphere_kmeans.py",
        *inputs,
        "--centers",
        3,
        "--csv-column",
        "genre",
        "--output",
        here / "sphere_kmeans.png",
    )
    stage(
        "static_web_viewer/display_vector_data.py", outs, music, music / "labels.csv", here / "map"
    )
    return here, printed


@pytest.fixture(scope="module")
def song(walk):
    """The followed song: its row of labels, found by its line in the music list."""
    here, _ = walk
    name = (
        (here / "outs" / "music_list.txt")
        .read_text(encoding="utf-8")
        .splitlines()[ROW]
        .removesuffix(".npy")
    )
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
    loud = np.interp(
        np.linspace(0, 1, len(log_mel)),
        np.linspace(0, 1, len(sound)),
        np.convolve(np.abs(sound).mean(1), np.ones(800), "same"),
    )
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
    predictions = {
        row["filename"].removesuffix(".npy"): row
        for row in rows_of(here / "report" / "predictions.csv")
    }
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
    text = (data_of(here / "map") / "songs.js").read_text(encoding="ascii")
    songs = json.loads(text.split(", ", 1)[1].rsplit(");", 1)[0])
    assert songs["names"][ROW] == song["filename"]
    assert len(np.load(data_of(here / "map") / "positions.npy", allow_pickle=False)) == 15
    copies = [
        path
        for path in (here / "map" / "audio").rglob("*")
        if path.name == Path(song["filename"]).name
    ]
    assert (here / "music" / song["filename"]).read_bytes() in [
        path.read_bytes() for path in copies
    ]


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
        # quoted: the folder has a space in its name
        assert str(here).replace(" ", "' '") in line or f"'{here}" in line


# ---- the demo ----


@pytest.fixture(scope="module")
def demo(audio_folder, labels_csv, tmp_path_factory, run_script):
    """The demo on a person's own folder, first without and then with labels: both
    CompletedProcess, and where it wrote.

    The first shows every progress, not only now and then. Both train for one short epoch.
    """
    out = tmp_path_factory.mktemp("demos")
    config = write_tiny_config(tmp_path_factory.mktemp("config") / "tiny.yaml")
    script_module("tools/demo.py")
    import demo_stages
    import demo_work

    arguments = (f"{audio_folder}/", "--out", out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_work, "CONFIG", config)
        patch.setattr(demo_work, "until", lambda minutes: ("--epochs", 1))
        with patch.context() as every_line:
            every_line.setattr(demo_stages, "PIPE_SECONDS", 0)
            first = run_script("tools/demo.py", *arguments)
        # a former version wrote none
        (folder_of_demo(out) / ".sound-eval.jsonl").unlink()
        second = run_script("tools/demo.py", *arguments, "--labels", labels_csv)
    return first, second, out


def folder_of_demo(out):
    (folder,) = out.iterdir()
    return folder


def test_the_demo_shows_a_line_for_each_stage_and_no_more(demo):
    first, second, _ = demo
    stages = (
        ("labels", "log-mel", "training", "classifier", "clusters", "map"),
        ("log-mel", "training", "classifier", "clusters", "map"),
    )
    for done, names in zip((first, second), stages, strict=True):
        lines = done.stdout.split("\n\n")[0].splitlines()
        assert [line.split()[:2] for line in lines] == [
            [f"{i}/{len(names)}", name] for i, name in enumerate(names, 1)
        ]
        assert all(re.search(r", \d+ s$", line) for line in lines)
        assert "next:" not in done.stdout + done.stderr
    assert (
        "log-mel      24 songs, 0.05 h of audio" in first.stdout
        and "log-mel      24 songs, nothing new" in second.stdout
    )
    assert (
        "labels       24 files, 2 values of 'folder'" in first.stdout
        and "3 values of 'genre'" in second.stdout
    )


def test_the_demo_ends_with_the_results_and_the_map(demo):
    for done in demo[:2]:
        *_, results, last = done.stdout.split("\n\n")
        assert [line.split("   ")[0] for line in results.splitlines()] == [
            "accuracy on held-out songs", "clusters agree with labels", "songs to be heard",
            "trust of the map",
        ]  # fmt: skip
        page = Path(last.splitlines()[-1])
        assert page.name == "index.html" and page.is_file()


def test_the_results_are_those_of_the_scripts(demo):
    _, second, out = demo
    folder = folder_of_demo(out)
    scores = {
        result["name"]: result["scores"]
        for result in json.loads((folder / "report" / "report.json").read_text())["results"]
    }
    shown = re.search(
        r"held-out songs +(\S+) by genre; chance (\S+), log-mel mean \+ deviation (\S+)\n",
        second.stdout,
    ).groups()
    names = ("song vectors", "chance", "log-mel mean + deviation")
    assert shown == tuple(f"{scores[name]['accuracy']:.3f}" for name in names)
    ours, random = re.search(r"NMI (\S+); (\S+) at random", second.stdout).groups()
    log = (folder / "log.txt").read_text(encoding="utf-8")
    assert re.findall(r"^NMI +(\S+) +(\S+)$", log, re.M)[-1] == (ours, random)
    assert "songs to be heard            24 of 24\n" in second.stdout
    assert 0 < float(re.search(r"trust of the map +(\S+) ", second.stdout)[1]) <= 1


def test_the_log_has_what_the_scripts_printed_and_is_named(demo):
    _, second, out = demo
    path = folder_of_demo(out) / "log.txt"
    assert f"what they printed is in {path}\n" in second.stdout
    log = path.read_text(encoding="utf-8")
    scripts = re.findall(r"^\$ python (\S+)", log, re.M)
    assert scripts[0] == "process_results/labels_from_tags.py" and len(scripts) == 11
    assert (
        "label 'folder': 2 values, 24 songs" in log and "label 'genre': 3 values, 24 songs" in log
    )
    assert "skipped 0" in log and "done 0, skipped 24" in log and "next: " in log


def test_the_bar_of_the_demo_moves_within_every_stage(demo):
    first, _, _ = demo
    lines = re.findall(r"^(\d+) % of all, (\d)/6 (\S+?)(?:: (.*))?$", first.stderr, re.M)
    shares = [int(share) for share, *_ in lines]
    assert shares[0] == 0 and shares[-1] == 100 and shares == sorted(shares)
    stages = {
        name: {what.split(",")[0] for _, _, stage, what in lines if stage == name}
        for name in ("labels", "log-mel", "classifier", "map")
    }
    assert stages["labels"] >= {"reading tags"}
    assert any("h of audio" in what for what in stages["log-mel"])
    assert stages["classifier"] >= {"reading log-mel", "vectors before training", "classifying"}
    assert stages["map"] >= {"t-SNE", "audio", "spectrograms", "true neighbours"}
    assert any("of 1 epochs" in what for _, _, stage, what in lines if stage == "training")


def test_the_demo_says_what_training_came_to(tmp_path):
    script_module("tools/demo.py")
    from demo_work import trained

    run = RunWriter(tmp_path / "run")
    run.start(read_config(), ["a.mp3", "b.mp3"])
    said = []
    for epoch, cost in enumerate((None, 0.6, 0.5)):
        run.save(epoch, np.eye(2), {}, cost)
        said.append(trained(run, before=0))
    assert said == [
        "no time for an epoch, the closed form alone",
        "1 epoch, cost 0.600",
        "2 epochs, cost 0.500",
    ]
    assert trained(run, before=1) == "1 epoch more, cost 0.500"


def test_the_demo_goes_on_in_a_folder_of_a_former_version_and_keeps_what_it_does_not_know(demo):
    (folder,) = demo[2].iterdir()
    for name in ("sphere_kmeans.png", "sphere_kmeans.csv"):
        kept = folder / name.replace(".", ".kept.")
        assert (folder / name).is_file() and kept.is_file()
        assert f"{name}: is not as this version made it; kept as {kept.name}" in demo[1].stderr
    assert (
        "genre" not in rows_of(folder / "sphere_kmeans.kept.csv")[0]
        or rows_of(folder / "sphere_kmeans.kept.csv")[0]["genre"] == ""
    )


def test_the_demo_goes_on_where_it_stopped(demo):
    _, second, out = demo
    outs = folder_of_demo(out) / "outs"
    epochs = sorted(
        int(path.stem.removeprefix("vector_at_")) for path in outs.glob("vector_at_*.npy")
    )
    assert len(epochs) >= 2 and epochs[-1] == int((outs / "epoc_num.txt").read_text())
    assert re.search(r"training +\d+ epochs? more, cost", second.stdout)


def test_files_that_failed_and_errors_are_shown(audio_folder, tmp_path, run_script):
    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(sorted(audio_folder.rglob("*.wav"))[0], music / "one.wav")
    (music / "broken.mp3").write_bytes(b"no sound " * 100)
    (tmp_path / "labels.csv").write_text("filename,genre\none.wav,folk\n")
    done = run_script(
        "tools/demo.py",
        music,
        "--labels",
        tmp_path / "labels.csv",
        "--out",
        tmp_path / "demo",
        check=False,
    )
    log = folder_of_demo(tmp_path / "demo") / "log.txt"
    assert done.returncode == 1
    assert re.search(r"^1/5 log-mel +1 songs, .*, 1 FAILED, ", done.stdout)
    assert (
        "\nwarning: 1 files failed; " in f"\n{done.stderr}"
        and "failures.csv says why" in done.stderr
    )
    assert "holds one song only" in done.stderr  # the trainer's own error line
    assert done.stderr.endswith(
        "error: spectrogram_doc2vec.py stopped with exit status 1; "
        f"all that it printed is in {log}\n"
    )
    assert "holds one song only" in log.read_text()


@pytest.fixture(scope="module")
def six_songs(audio_folder, tmp_path_factory):
    """A folder of six clips in three styles."""
    folder = tmp_path_factory.mktemp("six") / "my six"
    folder.mkdir()
    for path in sorted(audio_folder.rglob("*.wav"))[:6]:
        shutil.copy(path, folder)
    return folder


def wait_for(pattern, folder, process):
    """Wait until the log of the only demo in a folder has a pattern."""
    logs = list(folder.glob("*/log.txt"))
    while not logs or not re.search(pattern, logs[0].read_text(encoding="utf-8")):
        assert process.poll() is None
        time.sleep(0.1)
        logs = list(folder.glob("*/log.txt"))


@pytest.mark.parametrize(
    ("number", "to_all"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)]
)
def test_an_interrupted_demo_keeps_what_is_done(six_songs, labels_csv, tmp_path, number, to_all):
    script = REPO / "tools" / "demo.py"
    options = ("--labels", labels_csv, "--max-minutes", 5, "--out", tmp_path)
    command = [sys.executable, script, six_songs, *options]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        list(map(str, command)), stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    wait_for("(?s)6 songs, .*rows/s", tmp_path, process)
    (os.killpg if to_all else os.kill)(process.pid, number)
    messages = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    (log,) = tmp_path.glob("*/log.txt")
    assert "of 5 minutes" in log.read_text(encoding="utf-8")
    assert "stopping; once more to stop at once\n" in messages
    assert messages.endswith(
        "stopped at 2/5 training; what is done is kept, and the same command goes on from there\n"
        "interrupted\n"
    )
    outs = folder_of_demo(tmp_path) / "outs"
    epoch = (outs / "epoc_num.txt").read_text().strip()
    vectors = np.load(outs / f"vector_at_{epoch}.npy", allow_pickle=False)
    assert vectors.shape == (6, 80)


def test_demos_of_folders_with_one_name_do_not_meet(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(REPO / "tools")
    folder_of = runpy.run_path(str(REPO / "tools" / "demo_work.py"))["folder_of"]
    one, other = (folder_of(tmp_path / disc / "Music", tmp_path / "demo") for disc in ("a", "b"))
    assert one != other and one.name.startswith("Music-") and other.name.startswith("Music-")


@pytest.mark.parametrize(
    "arguments",
    [
        ("no such folder",),
        (".", "--labels", "no such.csv"),
        (".", "--labels", "labels.csv", "--label", "mood"),
    ],
)
def test_the_demo_refuses_before_it_begins(arguments, tmp_path, run_script):
    (tmp_path / "labels.csv").write_text("filename,genre\na.wav,folk\n")
    done = run_script(
        "tools/demo.py", *arguments, "--out", tmp_path / "demo", cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr)
    assert not (tmp_path / "demo").exists()


# ---- set-up ----


def write_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path):
    """A PATH with nothing but `sh`, `env` and what a test puts there, and a way to run
    the installer on it.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env", "cat", "chmod", "mktemp", "rm"):
        (folder / name).symlink_to(shutil.which(name))

    def install(*names):
        command = ["/bin/sh", str(REPO / "tools" / "install_programs.sh"), *names]
        return subprocess.run(
            command, env={"PATH": str(folder)}, capture_output=True, text=True, timeout=30
        )

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
    called = folder / "called"
    making = f'if [ "$1" = install ]; then cat /dev/null > {folder}/sox; chmod 755 {folder}/sox; fi'
    write_program(
        folder / "apt-get", f'echo "apt-get $*" >> {called}; echo "Get:1 http://long"; {making}'
    )
    done = install("sox")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "missing: sox\n"  # not what apt-get says
    assert re.findall(r"^apt-get (update|install).*$", called.read_text(), re.M) == [
        "update",
        "install",
    ]


def test_what_apt_get_says_of_an_error_is_shown(programs):
    folder, install = programs
    write_program(folder / "id", "echo 0")
    write_program(folder / "apt-get", 'echo "E: Unable to locate package sox"; exit 100')
    done = install("sox")
    assert done.returncode == 1
    assert done.stderr.startswith("E: Unable to locate package sox\nerror: exit status 100 of: ")


def test_an_installation_that_brings_nothing_is_an_error(programs):
    folder, install = programs
    write_program(folder / "brew", 'echo "brew $*"')
    done = install("sox")
    assert "brew install sox" in done.stderr
    assert done.returncode == 1 and "still missing" in done.stderr


PIP_PRINTS = """\
Obtaining file:///music/sound-eval
  Installing build dependencies: started
Collecting numpy>=1.26 (from sound-eval==0.1.0->-r requirements.txt (line 1))
  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (16.9 MB)
Processing /wheels/tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl (from sound-eval==0.1.0)
Building wheels for collected packages: sound-eval
"""  # noqa: E501


def test_the_installation_says_what_pip_has_done():
    state = script_module("tools/install_packages.py").Installation()
    for line in PIP_PRINTS.splitlines():
        state.take(line)
    assert state.text() == "packages: 2 found; numpy (16.9 MB)"
    state.take("Installing collected packages: numpy, tensorflow-cpu, sound-eval")
    assert state.text() == "packages: 0 of 2 installed; now numpy"


def test_a_second_installation_of_the_same_list_is_no_news():
    installer = script_module("tools/install_packages.py")
    state = installer.Installation()
    state.take("Installing collected packages: sound-eval")
    assert installer.result(len(state.names), seconds=9) == "all packages are there"


def test_make_hands_paths_to_the_demo_as_they_are(tmp_path):
    lists = ("requirements.txt", "pyproject.toml")
    for name in ("Makefile", *lists):
        shutil.copy(REPO / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    write_program(
        tmp_path / ".venv" / "bin" / "python", 'for argument in "$@"; do echo "<$argument>"; done'
    )
    (tmp_path / ".venv" / "installed").touch()
    later = max((tmp_path / name).stat().st_mtime for name in lists) + 10
    os.utime(tmp_path / ".venv" / "installed", (later, later))
    command = ["make", "demo", "MUSIC=/my music/it's ü", "LABELS=a b.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    arguments = re.findall(r"^<(.*)>$", done.stdout, re.M)
    assert arguments == [
        "tools/demo.py",
        "--max-minutes",
        "1",
        "--labels",
        "a b.csv",
        "--label",
        "",
        "--",
        "/my music/it's ü",
    ]


def test_ci_runs_the_tests():
    text = (REPO / ".ci" / "run").read_text()
    assert (
        os.access(REPO / ".ci" / "run", os.X_OK)
        and "make test" in text
        and "set -euo pipefail" in text
    )
    assert sys.version_info >= (3, 10)
