"""spectrify_all.py as a person runs it:
the tree, the second run, hostile folders, kills at any time.
"""

import csv
import fcntl
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from conftest import REPO, encode, planted_sound, run_script, script_module, write_tone

from sound_eval.audio.decode import decode_whole
from sound_eval.audio.folder import AudioFolder
from sound_eval.config import Config, read_config
from sound_eval.errors import InputError
from sound_eval.files.names import AUDIO_SUFFIXES
from sound_eval.log_mel import log_mel_file, processes
from sound_eval.log_mel.log_mel_file import log_mel_of_file
from sound_eval.log_mel.melspec import log_mel
from sound_eval.log_mel.spectrify import spectrify
from sound_eval.terminal import Progress

SCRIPT = "spectrify_all.py"
FORK = multiprocessing.get_context("fork")


def tree(path):
    """Every visible file below a folder: name -> bytes."""
    files = [file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def arrays(path):
    """The arrays of a tree: name -> bytes of the file."""
    return {name: data for name, data in tree(path).items() if name.endswith(".npy")}


def failures(path):
    """failures.csv: file -> (reason, message)."""
    with open(path / "failures.csv", encoding="utf-8", newline="") as file:
        return {row["file"]: (row["reason"], row["message"]) for row in csv.DictReader(file)}


def last_line(done):
    return done.stdout.splitlines()[-1]


@pytest.fixture
def music(tmp_path):
    """Six short wavs in two folders."""
    folder = tmp_path / "music"
    for number in range(6):
        encode(
            planted_sound(("pulse", "chord", "noise")[number % 3], number, 1.5),
            folder / f"disc {number % 2}" / f"{number}.wav",
        )
    return folder


@pytest.fixture(scope="module")
def spectrified(audio_folder, tmp_path_factory):
    """The tree of the fixture's 24 clips, made in one run."""
    out = tmp_path_factory.mktemp("spectrified") / "log mel ü"
    return out, run_script(SCRIPT, f"{audio_folder}/", f"{out}/")


# ---- the tree ----


def test_a_tree_of_log_mels(audio_folder, spectrified):
    out, done = spectrified
    assert last_line(done) == "done 24, skipped 0, failed 0"
    assert f"{REPO}/spectrogram_doc2vec.py" in done.stdout.split("next: ")[1]
    names = sorted(path.relative_to(audio_folder).as_posix() for path in audio_folder.rglob("*.*"))
    assert sorted(arrays(out)) == [name + ".npy" for name in names]
    assert failures(out) == {}
    config = read_config()
    for name in names[:4]:
        frames = np.load(out / f"{name}.npy", allow_pickle=False)
        samples = decode_whole(audio_folder / name, samplerate=config.SAMPLERATE)
        whole = log_mel(
            samples,
            samplerate=config.SAMPLERATE,
            hop=config.hop,
            fft_size=config.FFT_SIZE,
            n_mels=config.NUM_MEL_BINS,
        )
        assert frames.dtype == np.float32
        assert frames.shape == (
            1 + (len(samples) - config.FFT_SIZE) // config.hop,
            config.NUM_MEL_BINS,
        )
        assert np.array_equal(frames, whole)  # the stream on disk, the whole array, and ...
        # ... the function agree bit for bit
        assert np.array_equal(frames, log_mel_of_file(audio_folder / name, config))


def test_the_config_decides(music, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "TIME_SEGMENT_SIZE: 0.1\nFFT_SIZE: 2048\nNUM_MEL_BINS: 12\nAUDIO_SUFFIXES: [.WAV]\n"
    )
    encode(planted_sound("noise", 0, 1), music / "left out.flac")
    done = run_script(
        SCRIPT, music, tmp_path / "out", "--config", tmp_path / "c.yaml", "--processes", 1
    )
    assert last_line(done) == "done 6, skipped 0, failed 0"
    assert np.load(tmp_path / "out/disc 0/0.wav.npy").shape == (1 + (24000 - 2048) // 1600, 12)


def test_suffixes_in_any_case(tmp_path):
    encode(planted_sound("chord", 0, 1), tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "a.wav").rename(tmp_path / "in" / "A.WaV")
    run_script(SCRIPT, tmp_path / "in", tmp_path / "out")
    assert list(arrays(tmp_path / "out")) == ["A.WaV.npy"]


def test_exclude(music, tmp_path):
    done = run_script(SCRIPT, music, tmp_path / "out", "--exclude", "disc 1", "--exclude", "4.*")
    assert last_line(done) == "done 2, skipped 0, failed 0"
    assert sorted(arrays(tmp_path / "out")) == ["disc 0/0.wav.npy", "disc 0/2.wav.npy"]


def test_long_files_are_capped_or_left_out(music, tmp_path):
    encode(planted_sound("pulse", 9, 4), music / "long.wav")
    (tmp_path / "cap.yaml").write_text("FFT_SIZE: 2048\nMAX_SECONDS: 2\n")
    (tmp_path / "skip.yaml").write_text("MAX_SECONDS: 2\nLONG_FILES: skip\n")
    assert (
        last_line(run_script(SCRIPT, music, tmp_path / "cap", "--config", tmp_path / "cap.yaml"))
        == "done 7, skipped 0, failed 0"
    )
    assert len(np.load(tmp_path / "cap/long.wav.npy")) == 1 + (32000 - 2048) // 400
    for expected in (
        "done 6, skipped 1 (1 longer than MAX_SECONDS), failed 0",
        "done 0, skipped 7 (1 longer than MAX_SECONDS), failed 0",
    ):
        assert (
            last_line(
                run_script(SCRIPT, music, tmp_path / "skip", "--config", tmp_path / "skip.yaml")
            )
            == expected
        )
    assert "long.wav.npy" not in arrays(tmp_path / "skip")


def test_memory_does_not_grow_with_the_length(tmp_path):
    """One minute and twelve, from the file to its log-mel on disk, each in a process of
    its own: the samples of the eleven take 42 MB, their log-mel 8 MB.
    """
    code = """if True:
        import re, sys
        from pathlib import Path
        from sound_eval.config import Config
        from sound_eval.log_mel.log_mel_file import spectrify_file
        from sound_eval.log_mel.tree_plan import Job
        job = Job(None, Path(sys.argv[1]), Path(sys.argv[1] + ".npy"), Config())
        print(spectrify_file(job).seconds)
        print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])"""
    peaks = {}
    for minutes in (1, 12):
        path = tmp_path / f"{minutes}.wav"
        write_tone(path, minutes, 22050, "-c:a", "pcm_u8")
        run = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=REPO
        )
        seconds, peaks[minutes] = map(float, run.stdout.split())
        assert abs(seconds - minutes * 60) < 0.01
    assert peaks[12] < peaks[1] + 5_000  # kilobytes
    assert peaks[12] < 300_000


# ---- the second run ----


def test_the_display_moves_within_a_long_file(tmp_path, monkeypatch):
    notes, update = [], Progress.update

    def noted(self, count, note=""):
        notes.append((count, float(note.split()[0])))
        update(self, count, note)

    monkeypatch.setattr(Progress, "update", noted)
    monkeypatch.setattr(processes, "WAIT_SECONDS", 0.02)
    encode(np.tile(planted_sound("noise", 0, 60), 12), tmp_path / "music" / "long.wav")
    spectrify(tmp_path / "music", tmp_path / "out", read_config(), processes=1)
    hours = [hours for count, hours in notes if not count and hours]
    assert (
        len(set(hours)) > 3
        and hours == sorted(hours)
        and notes[-1] == (1, 0.2)
        and not any(log_mel_file.IN_HAND)
    )


def test_a_second_run_does_what_is_missing_or_changed(music, tmp_path):
    out = tmp_path / "out"
    run_script(SCRIPT, music, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    assert last_line(run_script(SCRIPT, music, out)) == "done 0, skipped 6, failed 0"
    encode(planted_sound("noise", 77, 2.5), music / "disc 0/0.wav")
    (out / "disc 1/1.wav.npy").unlink()
    encode(planted_sound("noise", 78, 1), music / "new.wav")
    assert last_line(run_script(SCRIPT, music, out)) == "done 3, skipped 4, failed 0"
    again = {
        path.relative_to(out).as_posix()
        for path in out.rglob("*.npy")
        if path.stat().st_mtime_ns != times.get(path)
    }
    assert again == {"disc 0/0.wav.npy", "disc 1/1.wav.npy", "new.wav.npy"}
    assert len(np.load(out / "disc 0/0.wav.npy")) == 1 + (40000 - 1024) // 400
    assert last_line(run_script(SCRIPT, music, out, "--overwrite")) == "done 7, skipped 0, failed 0"


def test_another_config_is_refused_by_its_keys(music, tmp_path):
    out = tmp_path / "out"
    run_script(SCRIPT, music, out)
    before = tree(out)
    (tmp_path / "c.yaml").write_text("TIME_SEGMENT_SIZE: 0.025\nFFT_SIZE: 2048\nNUM_MEL_BINS: 40\n")
    done = run_script(SCRIPT, music, out, "--config", tmp_path / "c.yaml", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert (
        "FFT_SIZE is 2048 here and 1024 there; NUM_MEL_BINS is 40 here and 80 there" in done.stderr
    )
    assert tree(out) == before
    run_script(SCRIPT, music, out, "--config", tmp_path / "c.yaml", "--overwrite")
    assert np.load(out / "disc 0/0.wav.npy").shape[1] == 40
    assert (
        last_line(run_script(SCRIPT, music, out, "--config", tmp_path / "c.yaml"))
        == "done 0, skipped 6, failed 0"
    )


def test_outputs_without_a_source_are_listed_and_pruned_on_request(music, tmp_path):
    out = tmp_path / "out"
    run_script(SCRIPT, music, out)
    (music / "disc 1/3.wav").unlink()
    done = run_script(SCRIPT, music, out, "--exclude", "disc 0")  # what is excluded is not gone
    assert (
        "1 log-mel files have no audio file any more (kept; --prune removes them): disc 1/3.wav.npy"
        in done.stderr
    )
    assert "disc 1/3.wav.npy" in arrays(out)
    run_script(SCRIPT, music, out, "--prune")
    assert len(arrays(out)) == 5
    assert "disc 1/3.wav.npy" not in arrays(out)


# ---- failures ----


def hostile_files(folder):
    """Put 30 things that cannot be used into `folder`; returns their names."""
    good = planted_sound("chord", 5, 2)
    encode(good, folder / "good.flac")
    flac = (folder / "good.flac").read_bytes()
    encode(good, folder / "good.mp3")
    mp3 = (folder / "good.mp3").read_bytes()
    encode(good, folder / "good.m4a")
    m4a = (folder / "good.m4a").read_bytes()
    noise = np.random.default_rng(0).bytes(30000)
    contents = {
        "empty.mp3": b"", "empty.wav": b"", "empty.flac": b"", "empty, with \"quotes\".ogg": b"",
        "one byte.mp3": b"\xff", "text.mp3": b"not music\n" * 500, "text.wav": b"not music\n" * 500,
        "page.ogg": b"<html>404</html>" * 50,
        "noise.m4a": noise, "noise.wma": noise, "noise.flac": noise, "noise.opus": noise,
        "zeros.mp3": bytes(20000), "zeros.wav": bytes(20000),
        "cut.flac": flac[: len(flac) // 2], "cut.mp3": mp3[: len(mp3) // 2],
        "cut.m4a": m4a[: len(m4a) // 2],
        "header only.wav": b"RIFF\x24\0\0\0WAVEfmt ", "header only.flac": flac[:100],
        "line\nbreak.mp3": mp3, "return\r.mp3": mp3,
    }  # fmt: skip
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    soundfile.write(folder / "not a number.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(folder / "no samples.wav", np.empty(0), 16000)
    undecodable = os.fsdecode(b"latin1 \xe9.mp3")
    (folder / undecodable).write_bytes(mp3)
    os.mkfifo(folder / "fifo.mp3")
    (folder / "folder.mp3").mkdir()
    (folder / "self.mp3").symlink_to("self.mp3")
    (folder / "nowhere.mp3").symlink_to("not/here.mp3")
    (folder / "up").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as server:
        cwd = os.getcwd()
        os.chdir(folder)  # the path of a socket has to be short
        server.bind("socket.mp3")
        os.chdir(cwd)
    extra = [
        "not a number.wav",
        "no samples.wav",
        undecodable,
        "fifo.mp3",
        "folder.mp3",
        "self.mp3",
        "nowhere.mp3",
        "up",
        "socket.mp3",
    ]
    return [*contents, *extra]


def test_thirty_hostile_files_among_good_ones(music, tmp_path):
    names = hostile_files(music / "disc 0")
    assert len(names) == 30
    out = tmp_path / "out"
    done = run_script(SCRIPT, music, out, check=False)
    assert done.returncode == 3
    assert last_line(done) == "done 9, skipped 0, failed 30"
    expected = {f"disc 0/{name}".encode("utf-8", "backslashreplace").decode() for name in names}
    assert set(failures(out)) == expected
    assert len(arrays(out)) == 9
    reasons = failures(out)
    assert reasons["disc 0/fifo.mp3"][0] == "a FIFO, not a file"
    assert reasons["disc 0/up"][0] == "link to a folder that is read already"
    assert (
        "loop" in reasons["disc 0/self.mp3"][1]
        or "levels of symbolic links" in reasons["disc 0/self.mp3"][1]
    )
    assert "of the 2.0 s that the file declares" in reasons["disc 0/cut.flac"][1]
    assert "ffmpeg: " in reasons["disc 0/noise.m4a"][1]
    assert all(reason for reason, _ in reasons.values())


def test_failures_are_emptied_of_what_succeeds_later(music, tmp_path):
    good = (music / "disc 0/0.wav").read_bytes()
    (music / "disc 0/0.wav").write_bytes(b"")
    (music / "disc 0/2.wav").write_bytes(b"broken" * 100)
    assert run_script(SCRIPT, music, tmp_path / "out", check=False).returncode == 3
    assert set(failures(tmp_path / "out")) == {"disc 0/0.wav", "disc 0/2.wav"}
    (music / "disc 0/0.wav").write_bytes(good)
    done = run_script(SCRIPT, music, tmp_path / "out", check=False)
    assert last_line(done) == "done 1, skipped 4, failed 1"
    assert set(failures(tmp_path / "out")) == {"disc 0/2.wav"}


def test_prune_does_not_empty_the_tree_of_another_folder(music, tmp_path):
    out = tmp_path / "out"
    run_script(SCRIPT, music, out)
    before = arrays(out)
    done = run_script(SCRIPT, music / "disc 1", out, "--prune", check=False)
    assert (
        done.returncode == 1
        and "has the audio of none of the 6 log-mel files" in done.stderr
        and done.stderr.count("\n") == 1
    )
    assert (
        arrays(out) == before
        and last_line(run_script(SCRIPT, music, out)) == "done 0, skipped 6, failed 0"
    )


def test_a_file_that_breaks_leaves_no_old_array(music, tmp_path):
    run_script(SCRIPT, music, tmp_path / "out")
    (music / "disc 0/0.wav").write_bytes(b"broken" * 100)
    run_script(SCRIPT, music, tmp_path / "out", check=False)
    assert "disc 0/0.wav.npy" not in arrays(tmp_path / "out")


def test_exit_status_and_errors(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.mp3").write_bytes(b"x" * 1000)
    assert run_script(SCRIPT, tmp_path / "bad", tmp_path / "out", check=False).returncode == 1
    (tmp_path / "none").mkdir()
    (tmp_path / "none/cover.jpg").write_bytes(b"x")
    for folder, words in (
        ("none", "no audio file"),
        ("missing", "no such folder"),
        ("bad/a.mp3", "not a folder"),
    ):
        done = run_script(SCRIPT, tmp_path / folder, tmp_path / "out2", check=False)
        assert done.returncode == 1
        assert (
            done.stderr.startswith("error: ")
            and words in done.stderr
            and done.stderr.count("\n") == 1
        )
    assert not (tmp_path / "out2").exists()


def test_a_folder_that_cannot_be_read_is_named(music, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("disc 1"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("sound_eval.audio.folder.os.scandir", refuse)
    folder = AudioFolder(music, AUDIO_SUFFIXES)
    assert [(failure.name, failure.reason) for failure in folder.failures] == [
        ("disc 1", "folder cannot be read")
    ]
    assert [source.name for source in folder.sources] == [
        "disc 0/0.wav",
        "disc 0/2.wav",
        "disc 0/4.wav",
    ]


def test_links_to_folders_are_followed_once(music, tmp_path):
    (tmp_path / "elsewhere/a").mkdir(parents=True)
    shutil.copy(music / "disc 0/0.wav", tmp_path / "elsewhere/a/x.wav")
    (tmp_path / "elsewhere/back").symlink_to(music)
    (music / "aa linked").symlink_to(tmp_path / "elsewhere")
    (music / "ab again").symlink_to(music / "disc 1")
    folder = AudioFolder(music, AUDIO_SUFFIXES)
    assert [source.name for source in folder.sources if "disc" not in source.name] == [
        "aa linked/a/x.wav"
    ]
    assert len(folder.sources) == 7
    assert [failure.name for failure in folder.failures] == ["aa linked/back", "ab again"]


def test_long_names_of_many_bytes(music, tmp_path):
    name = "音" * 82 + ".wav"  # 250 bytes, 254 with .npy
    (music / "disc 0/0.wav").rename(music / name)
    assert last_line(run_script(SCRIPT, music, tmp_path / "out")) == "done 6, skipped 0, failed 0"


def test_a_full_disk_ends_the_run(music, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_mel_file, "write_log_mel", full)
    with pytest.raises(OSError, match="No space left"):
        spectrify(music, tmp_path / "out", Config(), processes=1)


def die_or_double(task):
    if task == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * task


def test_a_process_that_dies_costs_only_its_file():
    results = dict(processes.run_local(die_or_double, range(20), 2, crashed="dead"))
    assert results == {task: "dead" if task == 7 else 2 * task for task in range(20)}


# ---- runs that are cut short, and runs at once ----


def test_two_runs_at_once_do_not_mix(music, tmp_path):
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out/.spectrify.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run_script(SCRIPT, music, tmp_path / "out", check=False)
    assert done.returncode == 1
    assert "another spectrify_all.py is writing to this folder" in done.stderr
    run_script(SCRIPT, music, tmp_path / "out")


def start(*args):
    """A run in a process group of its own."""
    command = [sys.executable, str(REPO / SCRIPT), *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def forked(*args):
    """A run in a process group of its own, without the time that a start of Python takes."""

    def run():
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        script_module(SCRIPT).main(list(map(str, args)))

    process = FORK.Process(target=run)
    process.start()
    return process


def test_killed_ten_times_at_random_the_tree_is_the_same(audio_folder, spectrified, tmp_path):
    whole = tree(spectrified[0])
    out = tmp_path / "out"
    dice = random.Random(0)
    killed = without_line = 0
    for attempt in range(10):
        process = forked(audio_folder, out, "--processes", 2)
        wanted = len(list(out.rglob("*.npy"))) + dice.randrange(3)
        # within the start, or while files are being written
        deadline = time.monotonic() + dice.uniform(0.0, 0.1)
        while process.is_alive() and (
            time.monotonic() < deadline or len(list(out.rglob("*.npy"))) < wanted
        ):
            time.sleep(0.001)
        killed += process.is_alive()
        if attempt % 2 and process.is_alive() and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # the parent alone: its processes have to notice
        process.join()
        found = arrays(out) if out.exists() else {}
        # nothing partial under a final name
        assert all(whole[name] == data for name, data in found.items())
        lines = (out / ".spectrify.jsonl").read_text().count('"name"') if found else 0
        without_line += len(found) > lines
    assert killed >= 5
    assert without_line  # arrays that no line vouches for, which are known to be ours all the same
    assert last_line(run_script(SCRIPT, audio_folder, out)).endswith(", failed 0")
    assert tree(out) == whole
    assert (out / ".spectrify.jsonl").read_bytes() == (
        spectrified[0] / ".spectrify.jsonl"
    ).read_bytes()
    assert not [
        path for path in out.rglob(".*") if path.name not in (".spectrify.jsonl", ".spectrify.lock")
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_done(audio_folder, tmp_path, number):
    out = tmp_path / "out"
    process = start(audio_folder, out, "--processes", 1)
    while len(list(out.rglob("*.npy"))) < 3:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    error = process.communicate(timeout=10)[1].decode()
    assert process.returncode == 130
    assert "Traceback" not in error
    assert not list(out.rglob(".writing-*"))
    done, skipped = (
        int(part.split()[1])
        for part in last_line(run_script(SCRIPT, audio_folder, out)).split(",")[:2]
    )
    assert skipped >= 2
    assert done + skipped == 24


# ---- more than one machine ----


def test_a_dask_worker_killed_in_the_middle_costs_nothing(audio_folder, spectrified, tmp_path):
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "out"
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers_before = client.run(os.getpid)
        assert len(set(workers_before.values())) == 2
        process = start(audio_folder, out, "--dask", cluster.scheduler_address)
        while len(list(out.rglob("*.npy"))) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        os.kill(next(iter(workers_before.values())), signal.SIGKILL)
        assert process.poll() is None
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 0, error
    assert tree(out) == tree(spectrified[0])
    assert last_line(run_script(SCRIPT, audio_folder, out)) == "done 0, skipped 24, failed 0"


def test_a_dask_cluster_on_this_machine(music, tmp_path):
    pytest.importorskip("distributed")
    assert (
        last_line(run_script(SCRIPT, music, tmp_path / "out", "--dask", "local", "--processes", 1))
        == "done 6, skipped 0, failed 0"
    )


def test_dask_errors_are_one_line(dask_cluster, monkeypatch):
    monkeypatch.setattr(processes, "CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler with workers answers there"):
        list(processes.run_dask(die_or_double, range(2), "tcp://127.0.0.1:1", 1, "dead", []))
    monkeypatch.undo()
    address = dask_cluster.scheduler_address
    with pytest.raises(InputError, match="does not see /not/here"):
        list(processes.run_dask(die_or_double, range(2), address, 1, "dead", ["/not/here"]))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="pip install distributed"):
        list(processes.run_dask(die_or_double, range(2), "local", 1, "dead", []))


def test_a_dask_task_that_kills_every_worker_is_the_failure():
    pytest.importorskip("distributed")
    results = dict(processes.run_dask(die_or_double, range(10), "local", 1, "dead", []))
    assert results == {task: "dead" if task == 7 else 2 * task for task in range(10)}
