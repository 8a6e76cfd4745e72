"""A log-mel tree and what is not its own:
nothing of somebody else's is replaced, and no good array is lost.
"""

import csv
import errno
import json
import os
import signal
import subprocess

import numpy as np
import pytest
from conftest import encode, planted_sound, run_script

from sound_eval.audio import decode
from sound_eval.config import read_config
from sound_eval.errors import InputError
from sound_eval.files.trees import walk
from sound_eval.log_mel import log_mel_file, state_file, tree_files, tree_state
from sound_eval.log_mel.log_mel_file import spectrify_file
from sound_eval.log_mel.spectrify import spectrify
from sound_eval.log_mel.tree_plan import Job

SCRIPT = "spectrify_all.py"
LONG = "x" * 248 + ".wav"  # 252 bytes, 256 with .npy


@pytest.fixture(name="music")
def music_fixture(tmp_path):
    return make_music(tmp_path / "music", ["a/1.wav", "a/2.wav", "3.wav"])


def make_music(folder, names):
    for number, name in enumerate(names):
        encode(planted_sound("chord", number, 0.5), folder / name)
    return folder


def run(music, out, **options):
    return spectrify(music, out, read_config(), processes=1, **options)


def failures(report):
    return {failure.name: failure.reason for failure in report.failures}


def rows(out):
    with open(out / "failures.csv", encoding="utf-8", newline="") as file:
        return {row["file"]: (row["reason"], row["message"]) for row in csv.DictReader(file)}


def everything(folder):
    """Every file and folder below one, hidden ones too, with what it holds."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else None for name, path in found.items()}


def lines_of(out):
    return [json.loads(line) for line in (out / ".spectrify.jsonl").read_text().splitlines()]


# ---- somebody else's files ----


def test_what_stands_where_an_array_is_to_go_stays(music, tmp_path):
    out = tmp_path / "out"
    run(music, out)
    new = ["user.wav", "folder.wav", "link.wav", "pipe.wav"]
    make_music(music, new)
    np.save(out / "user.wav.npy", np.ones((5, 80), np.float32))  # in the very form of ours
    (out / "folder.wav.npy").mkdir()
    (out / "link.wav.npy").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"mine")
    os.mkfifo(out / "pipe.wav.npy")
    for options, done in (
        ((), "done 0, skipped 3, failed 4"),
        (("--overwrite",), "done 3, skipped 0, failed 4"),
    ):
        printed = run_script(SCRIPT, music, out, *options, check=False)
        assert (printed.returncode, printed.stdout.splitlines()[-1]) == (3, done)
        assert {name: reason for name, (reason, _) in rows(out).items()} == dict.fromkeys(
            new, "its place is taken"
        )
        assert (
            "user.wav.npy: is there, and spectrify_all.py did not make it"
            in rows(out)["user.wav"][1]
        )
        assert np.array_equal(np.load(out / "user.wav.npy"), np.ones((5, 80)))
        assert (out / "link.wav.npy").is_symlink() and (
            tmp_path / "elsewhere"
        ).read_bytes() == b"mine"
    (out / "user.wav.npy").rename(out / "mine.npy")
    assert run(music, out).done == 1
    assert len(np.load(out / "user.wav.npy")) > 5


def test_a_dask_cluster_leaves_them_too(music, tmp_path, dask_cluster):
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a/1.wav.npy").write_bytes(b"mine")
    make_music(music, [LONG])
    done = run_script(SCRIPT, music, out, "--dask", dask_cluster.scheduler_address, check=False)
    assert done.stdout.splitlines()[-1] == "done 2, skipped 0, failed 2"
    assert {name: reason for name, (reason, _) in rows(out).items()} == {
        "a/1.wav": "its place is taken",
        LONG: "its name is too long for NAME.npy by 1 bytes; rename it",
    }  # fmt: skip
    assert (out / "a/1.wav.npy").read_bytes() == b"mine"


def test_what_comes_to_stand_there_meanwhile_stays_too(music, tmp_path, monkeypatch):
    out, write = tmp_path / "out", log_mel_file.write_log_mel

    def write_and_meet_another(file, blocks, n_mels):
        write(file, blocks, n_mels)
        np.save(out / "3.wav.npy", np.ones((5, 80), np.float32))

    monkeypatch.setattr(log_mel_file, "write_log_mel", write_and_meet_another)
    report = run(music, out)
    assert failures(report) == {"3.wav": "its place is taken"}
    monkeypatch.undo()
    # it was never known as ours
    assert failures(run(music, out)) == {"3.wav": "its place is taken"}
    assert np.array_equal(np.load(out / "3.wav.npy"), np.ones((5, 80)))


def test_a_job_done_twice_meets_its_own_array(music, tmp_path):
    """As when a process dies between writing its array and saying so."""
    job = Job(None, music / "3.wav", tmp_path / "3.wav.npy", read_config())
    assert [spectrify_file(job).failure, spectrify_file(job).failure] == ["", ""]
    assert os.listdir(tmp_path / "music") and (tmp_path / "3.wav.npy").is_file()


@pytest.mark.parametrize("begun", [False, True])
def test_a_failures_csv_of_somebody_elses_stays(music, tmp_path, begun):
    out = tmp_path / "out"
    if begun:
        run(music, out)
        (out / "failures.csv").unlink()
    out.mkdir(exist_ok=True)
    (out / "failures.csv").write_text("student,mark\nme,1\n")
    before = everything(out)
    with pytest.raises(
        InputError, match=r"failures.csv: is there, and spectrify_all.py did not make it"
    ):
        run(music, out)
    assert everything(out).items() - {(".spectrify.lock", b"")} == before.items() - {
        (".spectrify.lock", b"")
    }


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        ("epoc_num.txt", "is or holds a run folder"),
        ("run/epoc_num.txt", "is or holds a run folder"),
        ("vectors/music_list.txt", "is or holds a run folder, or vectors"),
        ("map/index.html", "is or holds a map"),
        ("album/song.MP3", "holds audio"),
    ],
)
def test_a_folder_that_is_something_else_is_refused(music, tmp_path, sign, words):
    out = tmp_path / "out"
    (out / sign).parent.mkdir(parents=True)
    (out / sign).write_bytes(b"x")
    np.save(out / "vector_at_1.npy", np.ones((2, 80), np.float32))
    before = everything(out)
    for options in ({}, {"overwrite": True}, {"prune": [""]}):
        with pytest.raises(InputError, match=words):
            run(music, out, **options)
    assert everything(out) == before


def test_a_tree_among_the_songs_is_refused_and_an_old_one_goes_on(music, tmp_path):
    before = everything(tmp_path)
    for out, words in (
        (music, "is the folder of music itself"),
        (tmp_path, "holds the folder of music"),
        (music / "a", "holds audio"),
    ):
        with pytest.raises(InputError, match=words):
            run(music, out)
    assert everything(tmp_path) == before
    tree = run(music, tmp_path / "out") and tmp_path / "out"
    for name in os.listdir(tree):
        os.rename(tree / name, music / name) if name != "a" else [
            path.rename(music / "a" / path.name) for path in (tree / "a").iterdir()
        ]
    report = run(music, music, prune=[""])
    assert (report.done, report.skipped, report.failures) == (0, 3, [])


def test_a_tree_of_before_there_were_claims_goes_on(music, tmp_path):
    out = tmp_path / "out"
    run(music, out)
    first, *entries = lines_of(out)
    assert first.pop("claims") is True
    # killed before it could write the line
    kept = [entry for entry in entries if entry["name"] != "3.wav"]
    (out / ".spectrify.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [first, *kept])
    )
    (out / "mine.wav.npy").write_bytes(b"not in the form of ours")
    make_music(music, ["mine.wav"])
    report = run(music, out)
    assert (report.done, report.skipped, failures(report)) == (
        1,
        2,
        {"mine.wav": "its place is taken"},
    )
    assert lines_of(out) == [
        first | {"claims": True},
        *sorted(entries, key=lambda entry: entry["name"]),
    ]


@pytest.mark.parametrize("kind", ["text", "link", "pipe", "binary"])
def test_a_state_that_is_none_is_an_error(music, tmp_path, kind):
    out = tmp_path / "out"
    out.mkdir()
    state = out / ".spectrify.jsonl"
    {
        "text": lambda: state.write_text("[" * 5000),
        "link": lambda: state.symlink_to("elsewhere"),
        "pipe": lambda: os.mkfifo(state),
        "binary": lambda: state.write_bytes(b"\xff\xfe\x00"),
    }[kind]()
    with pytest.raises(InputError, match=r"\.spectrify\.jsonl: (not a state file|a link, a pipe)"):
        run(music, out)


def test_half_written_files_go_and_what_is_named_alike_stays(music, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    run(music, out)
    elsewhere.mkdir()
    (out / "linked").symlink_to(elsewhere)
    (out / ".writing-00000000000000ff").mkdir()
    (out / ".writing-00000000000000aa").symlink_to(elsewhere)
    stays = [
        out / ".writing-letters.txt",
        out / "a/.writing-0123456789ABCDEF",
        out / ".writing-0123",
        elsewhere / ".writing-0123456789abcdef",
    ]
    goes = [out / ".writing-0123456789abcdef", out / "a/.writing-fedcba9876543210"]
    for path in stays + goes:
        path.write_bytes(b"x")
    run(music, out)
    assert [path for path in stays if not path.exists()] == []
    assert [path for path in goes if path.exists()] == []
    assert (out / ".writing-00000000000000ff").is_dir() and (
        out / ".writing-00000000000000aa"
    ).is_symlink()


# ---- names ----


def test_names_that_are_too_long_are_failures_and_the_others_go_on(music, tmp_path):
    longest = "y" * 247 + ".wav"  # 251 bytes, 255 with .npy
    make_music(music, [LONG, longest])
    done = run_script(SCRIPT, music, tmp_path / "out", check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (3, "done 4, skipped 0, failed 1")
    assert rows(tmp_path / "out") == {
        LONG: ("its name is too long for NAME.npy by 1 bytes; rename it", "")
    }
    assert (tmp_path / "out" / f"{longest}.npy").is_file()


def test_paths_that_are_too_long_are_failures_and_the_others_go_on(music, tmp_path):
    out = tmp_path.joinpath("o" * 200, "p" * 200)
    deep = "/".join("d" * 250 for _ in range((4095 - len(str(music)) - 8) // 251))
    os.makedirs(music / deep)
    name = f"{deep}/s.wav"
    (music / name).write_bytes((music / "3.wav").read_bytes())
    report = run(music, out)
    assert failures(report) == {
        name: "its path is too long; give a VECTORS_DIR with a shorter one, or rename folders"
    }
    assert report.done == 3


def test_names_that_the_disk_takes_for_one_do_not_share_an_array(music, tmp_path, monkeypatch):
    names = ["S.wav", "s.wav", "caf\u00e9.wav", "cafe\u0301.wav"]
    make_music(music, names)
    assert run(music, tmp_path / "apart").done == 7  # this disk tells them apart
    monkeypatch.setattr(tree_files, "finds", lambda folder, letter, other: True)
    report = run(music, tmp_path / "out")
    assert failures(report) == {
        "s.wav": "its place is taken",
        "caf\u00e9.wav": "its place is taken",
    }
    assert (
        "S.wav: one and the same name on the disk of the tree; rename one"
        in rows(tmp_path / "out")["s.wav"][1]
    )
    assert (report.done, run(music, tmp_path / "out").skipped) == (5, 5)


def test_a_song_renamed_in_case_alone_keeps_its_array_on_a_disk_that_takes_both_for_one(
    music, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    make_music(music, ["d/x.wav"])
    run(music, out)
    (music / "d/x.wav").rename(music / "d/X.wav")
    os.link(out / "d/x.wav.npy", out / "d/X.wav.npy")  # the one file answers to both names there
    monkeypatch.setattr(tree_files, "finds", lambda folder, letter, other: True)
    report = run(music, out, prune=[""])
    assert (report.done, report.skipped, report.failures, report.orphans.removed) == (0, 4, [], [])
    assert {line.get("name") for line in lines_of(out)} == {
        None,
        "3.wav",
        "a/1.wav",
        "a/2.wav",
        "d/X.wav",
    }


# ---- trouble that passes ----


def test_without_ffmpeg_for_once_its_arrays_stay(music, tmp_path):
    out = tmp_path / "out"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", music / "3.wav", music / "4.m4a"], check=True
    )
    run(music, out)
    state, array = lines_of(out), (out / "4.m4a.npy").read_bytes()
    os.utime(music / "4.m4a", (1, 1))
    nowhere = {**os.environ, "PATH": "/nowhere"}
    for dask in ((), ("--dask", "local", "--processes", 1)):
        done = run_script(SCRIPT, music, out, *dask, check=False, env=nowhere)
        assert done.stdout.splitlines()[-1] == "done 0, skipped 3, failed 1"
        assert "ffmpeg is not installed" in rows(out)["4.m4a"][1]
        assert (lines_of(out), (out / "4.m4a.npy").read_bytes()) == (state, array)
    assert (run(music, out).done, rows(out)) == (1, {})


def meet_error(*args, **kwargs):
    raise OSError(errno.EIO, "Input/output error")


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def go_wrong(*args, **kwargs):
    raise MemoryError


@pytest.mark.parametrize("trouble", [meet_error, die, go_wrong])
def test_only_what_the_decoders_refuse_loses_its_array(music, tmp_path, monkeypatch, trouble):
    out = tmp_path / "out"
    run(music, out)
    state, array = lines_of(out), (out / "3.wav.npy").read_bytes()
    encode(planted_sound("noise", 7, 1), music / "3.wav")
    monkeypatch.setattr(log_mel_file, "each_log_mel_block", trouble)
    for options in ({}, {"overwrite": True}):
        report = run(music, out, **options)
        assert "3.wav" in failures(report)
        assert (out / "3.wav.npy").read_bytes() == array
        assert (
            next(entry for entry in lines_of(out) if entry.get("name") == "3.wav").items()
            >= state[1].items()
        )
    monkeypatch.undo()
    assert (run(music, out).done, (out / "3.wav.npy").read_bytes() != array) == (3, True)
    (music / "3.wav").write_bytes(b"broken" * 100)
    assert failures(run(music, out)) == {"3.wav": "cannot be decoded"}
    assert not (out / "3.wav.npy").exists()


def test_an_array_that_cannot_be_removed_is_said_and_the_others_go_on(music, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run(music, out)
    for name in ("3.wav", "a/1.wav"):
        (music / name).write_bytes(b"broken" * 100)
    monkeypatch.setattr(tree_state.Path, "unlink", refuse_to_unlink)
    run(music, out)
    assert "what was made of it before stays: " in rows(out)["3.wav"][1]
    assert set(rows(out)) == {"3.wav", "a/1.wav"}


def refuse_to_unlink(path, missing_ok=False):
    if path.suffix == ".npy":
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    os.unlink(path)


def test_arrays_of_another_config_do_not_stay_among_the_new(music, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run(music, out)
    other = read_config().replace(NUM_MEL_BINS=40)
    (music / "3.wav").rename(tmp_path / "3.wav")
    before = everything(out)
    with pytest.raises(
        InputError, match=r"1 log-mel files of another config would stay in it.*3\.wav"
    ):
        spectrify(music, out, other, processes=1, overwrite=True)
    assert everything(out) == before
    (tmp_path / "3.wav").rename(music / "3.wav")
    with monkeypatch.context() as patch:
        patch.setattr(log_mel_file, "each_log_mel_block", meet_error)
        assert len(spectrify(music, out, other, processes=1, overwrite=True).failures) == 3
    assert walk(out, [".npy"]) == []
    assert spectrify(music, out, other, processes=1).done == 3


def test_damaged_songs_are_done_and_named_in_every_run(music, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", log_mel_file.each_log_mel_block

    def with_damage(path, config, consume):
        decoded = whole(path, config, consume)
        return decode.Decoded(
            decoded.result, decoded.seconds, "0.1 s at 0:03" if path.name == "3.wav" else ""
        )

    monkeypatch.setattr(log_mel_file, "each_log_mel_block", with_damage)
    report = run(music, out)
    assert (report.done, report.failures, report.exit_status) == (3, [], 0)
    for _ in range(2):
        assert rows(out) == {"3.wav": ("damaged", "0.1 s at 0:03")}
        done = run_script(SCRIPT, music, out)
        assert done.stdout.splitlines()[-1] == "done 0, 1 damaged, skipped 3, failed 0"


# ---- kills and power cuts ----


def test_a_line_comes_after_the_claim_and_the_flushed_folder(music, tmp_path, monkeypatch):
    """What is on the disk when: a claim before its array, the folder with the array
    before its line.
    """
    events, out = [], tmp_path / "out"
    flush, add, sync = tree_state.flush_folder, state_file.StateFile.add, os.fsync
    monkeypatch.setattr(
        tree_state,
        "flush_folder",
        lambda path: (flush(path), events.append(("flush", path, os.listdir(path)))),
    )
    monkeypatch.setattr(
        state_file.StateFile,
        "add",
        lambda self, text: (add(self, text), events.append(("lines", text))),
    )
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (sync(descriptor), events.append(("sync", os.listdir(out))))
    )
    run(music, out)
    claims = next(
        n
        for n, event in enumerate(events)
        if event[0] == "lines" and '"claim": "3.wav"' in event[1]
    )
    assert events[claims + 1][0] == "sync" and "3.wav.npy" not in events[claims + 1][1]
    line = next(
        n
        for n, event in enumerate(events)
        if event[0] == "lines" and '"name": "a/1.wav"' in event[1]
    )
    flushed = [
        event[2] for event in events[:line] if event[0] == "flush" and event[1] == f"{out}/a"
    ]
    assert any("1.wav.npy" in names for names in flushed)


def test_a_folder_of_a_disk_that_cannot_flush_is_no_error(music, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(tree_state.os, "fsync", refuse)
    tree_state.flush_folder(tmp_path / "folder")


# ---- disks that cannot be written to ----


def test_errors_of_the_disk_name_what_is_written(music, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(
        InputError, match="file: a file, where the folder of the log-mel tree is to be"
    ):
        run(music, tmp_path / "file")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tree_state.os, "write", full)
    with pytest.raises(OSError) as error:
        run(music, tmp_path / "out")
    assert error.value.filename == str(tmp_path / "out" / ".spectrify.jsonl")
    real_open = os.open

    def refuse_the_lock(path, *args, **kwargs):
        if str(path).endswith(tree_state.LOCK_NAME):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(tree_state.os, "open", refuse_the_lock)
    with pytest.raises(InputError, match=r"out: cannot be written to \(Permission denied\)"):
        run(music, tmp_path / "out")
