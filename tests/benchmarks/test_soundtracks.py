"""The corpus of soundtracks from packages that lie there unpacked: clips, labels, what is
left out, what a second run does; and packages that are fetched, or are not to be had.
"""

import csv
import itertools
import os
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
import soundfile
from conftest import encode, script_module

SCRIPT = "benchmarks/soundtracks.py"
RATE = 8000
soundtracks = script_module(SCRIPT)
CLIP_SECONDS = soundtracks.CLIP_SECONDS


def song(seconds, seed=0):
    """A tone that grows steadily louder, so that a clip tells where it is from."""
    time = np.arange(seconds * RATE) / RATE
    return 0.5 * np.sin(2 * np.pi * (300 + 50 * seed) * time) * time / seconds


def make_package(root, name):
    """The unpacked package `name`: songs of 130, 100 and 50 s, one of them with the name of
    another, and what is no song of its own.
    """
    music = root / name / "usr/share/game/my music"
    encode(song(130), music / "one/lång theme.ogg", RATE)
    encode(song(100, seed=1), music / "two/same, name.mp3", RATE)
    encode(song(50, seed=2), music / "one/same, name.flac", RATE)
    encode(song(40, seed=3), music / "one/jingle.ogg", RATE)
    shutil.copy(music / "one/lång theme.ogg", music / "two/again.ogg")
    (music / "two/link.ogg").symlink_to("../one/lång theme.ogg")
    (music / "two/broken.ogg").write_bytes(b"OggS no sound")
    (music / "two/notes.txt").write_text("not music")
    encode(song(60, seed=4), root / name / "usr/share/game/sounds/rain.ogg", RATE)


@pytest.fixture(scope="module", autouse=True)
def two_soundtracks():
    """Two small soundtracks in place of the real ones."""
    patch = pytest.MonkeyPatch()
    pattern = "game/my music/**/*"
    patch.setattr(soundtracks, "SOUNDTRACKS", {"a-music": pattern, "b-data": pattern})
    yield
    patch.undo()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with the two packages, as a first run would leave it; to be copied."""
    root = tmp_path_factory.mktemp("soundtracks") / "corpus ü"
    make_package(root / "packages", "a-music")
    music = root / "packages/b-data/usr/share/game/my music"
    encode(song(60, seed=5), music / "other.opus", RATE)
    shutil.copy(root / "packages/a-music/usr/share/game/my music/two/same, name.mp3", music)
    return root


@pytest.fixture(scope="module")
def made(unpacked, run_script):
    """(the folder with the corpus, what the script printed)."""
    return unpacked, run_script(SCRIPT, unpacked)


def add_program(folder, name, script):
    """Make a shell script the program `name` in a folder; returns a PATH that finds it first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def rows_of(root):
    with open(root / "metadata.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files_of(root):
    """Path -> (content, time) of all files outside the packages."""
    paths = [path for path in root.rglob("*") if path.is_file() and "packages" not in path.parts]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_each_song_is_labelled_and_cut_once(made):
    rows = rows_of(made[0])
    assert list(rows[0]) == ["filename", "album", "song", "title", "citation"]
    assert Counter(row["song"] for row in rows) == {
        "a-music/lång theme": 4,
        "a-music/two/same, name": 3,
        "a-music/one/same, name": 1,
        "b-data/other": 2,
    }
    for row in rows:
        assert row["song"] == f"{row['album']}/{row['title']}"
        assert f"from Debian package {row['album']}, from " in row["citation"]


def test_every_row_is_a_clip_of_thirty_seconds(made):
    root, _ = made
    names = sorted(row["filename"] for row in rows_of(root))
    assert names == [f"000/{number:06d}.mp3" for number in range(1, 11)]
    assert sorted(path.name for path in (root / "audio").rglob("*.mp3")) == [
        name.removeprefix("000/") for name in names
    ]
    for name in names:
        info = soundfile.info(root / "audio" / name)
        assert info.format == "MP3" and info.channels == 2
        assert info.duration == pytest.approx(30, abs=0.15)


def test_the_clips_are_in_shuffled_order(made):
    songs = [row["song"] for row in rows_of(made[0])]
    assert sum(one == other for one, other in itertools.pairwise(songs)) < 6


def test_clips_are_spread_over_their_song(made):
    root, _ = made
    rows = [row for row in rows_of(root) if row["title"] == "lång theme"]
    starts = sorted(float(row["citation"].split()[-3]) for row in rows)
    assert starts == pytest.approx([1.2, 33.8, 66.2, 98.8], abs=0.06)
    loudness = []
    for row in rows:
        start = float(row["citation"].split()[-3])
        sound = soundfile.read(root / "audio" / row["filename"])[0]
        middle = sound[len(sound) // 2 - RATE : len(sound) // 2 + RATE]
        loudness.append(np.sqrt(np.mean(middle**2)) / (start + CLIP_SECONDS / 2))
    # the songs grow steadily louder, so each clip is from where its row says
    assert loudness == pytest.approx([np.mean(loudness)] * 4, rel=0.02)


def test_what_cannot_be_read_is_named(made):
    lines = made[1].stderr.splitlines()
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == 1 and "broken.ogg" in warnings[0] and "left out" in warnings[0]
    assert "10 clips of 4 songs, 0 were there" in made[1].stdout


def test_what_only_ffmpeg_cannot_read_is_named_too(unpacked, monkeypatch, tmp_path, capsys):
    path = unpacked / "packages/a-music/usr/share/game/my music/one/lång theme.ogg"
    assert soundtracks.song_in("a-music", path).seconds == pytest.approx(130, abs=0.1)
    monkeypatch.setenv("PATH", add_program(tmp_path / "bin", "ffprobe", "exit 1"))
    assert soundtracks.song_in("a-music", path) is None
    assert capsys.readouterr().err == f"warning: {path}: ffmpeg cannot read it; it is left out\n"


def test_a_second_run_makes_only_what_is_missing(made, run_script):
    root, _ = made
    before = files_of(root)
    assert "0 clips of 4 songs, 10 were there" in run_script(SCRIPT, root).stdout
    assert files_of(root) == before
    lost = root / "audio/000/000003.mp3"
    lost.unlink()
    assert "1 clips of 4 songs, 9 were there" in run_script(SCRIPT, f"{root}/").stdout
    after = files_of(root)
    assert after.pop(lost)[0] == before.pop(lost)[0]
    assert after == before


@pytest.mark.parametrize("theirs", ["metadata.csv", "audio/000/000002.mp3"])
def test_nothing_of_somebody_elses_is_replaced(theirs, unpacked, run_script, tmp_path):
    (tmp_path / "packages").symlink_to(unpacked / "packages")
    own = tmp_path / theirs
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("mine")
    done = run_script(SCRIPT, tmp_path, check=False)
    assert done.returncode == 1 and f"error: {own}: " in done.stderr.splitlines()[-1]
    assert list(files_of(tmp_path)) == [own] and own.read_text() == "mine"


def test_a_package_without_music_is_named(run_script, tmp_path):
    for name in ("a-music", "b-data"):
        (tmp_path / "packages" / name).mkdir(parents=True)
    done = run_script(SCRIPT, tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/packages/a-music: no music as usr/share/game")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("most", [4, 3, 2, 1])
def test_no_album_is_larger_than_the_others(most):
    n_songs = soundtracks.CLIPS_OF_ALBUM // most
    songs = [soundtracks.Song("a-music", number, 400.0) for number in range(n_songs)]
    assert len(soundtracks.pieces_of(songs)) == n_songs * most
    more = [*songs, soundtracks.Song("a-music", n_songs, 400.0)]
    pieces = soundtracks.pieces_of(more)
    assert {song for song, _ in pieces} == set(more)
    assert len(pieces) == len(more) * max(most - 1, 1)


@pytest.mark.parametrize("seconds", [45.0, 59.9, 60.0, 75.0, 119.0, 120.0, 700.0])
def test_clips_lie_in_their_song_and_do_not_overlap(seconds):
    starts = soundtracks.starts_in(soundtracks.Song("a-music", None, seconds), 4)
    assert len(starts) == min(4, int(seconds / 30))
    assert starts[0] >= 0 and starts[-1] + 30 <= seconds
    assert all(np.diff(starts) >= 30)


# ---- packages ----


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no Debian")
def test_a_package_that_is_missing_is_fetched_and_unpacked(run_script, tmp_path):
    for name in ("a-music", "b-data"):
        source = tmp_path / name
        seed = len(name)
        encode(song(46, seed=seed), source / "usr/share/game/my music/theme.ogg", RATE)
        (source / "DEBIAN").mkdir()
        about = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: me\nDescription: x\n"
        (source / "DEBIAN/control").write_text(about)
        command = ["dpkg-deb", "--build", source, tmp_path / f"{name}_1_all.deb"]
        subprocess.run(command, check=True, capture_output=True)
    script = (
        f'[ "$1" = download ] && echo "$2" >> "{tmp_path}/asked" && cp "{tmp_path}/$2"_1_all.deb .'
    )
    environment = os.environ | {"PATH": add_program(tmp_path / "bin", "apt-get", script)}
    out = tmp_path / "my corpus"
    shutil.copytree(tmp_path / "b-data", out / "packages/b-data")
    assert "2 clips of 2 songs" in run_script(SCRIPT, out, env=environment).stdout
    assert (tmp_path / "asked").read_text() == "a-music\n"
    assert sorted(path.name for path in (out / "packages").iterdir()) == ["a-music", "b-data"]


def test_a_package_that_is_not_to_be_had_is_one_line(run_script, tmp_path):
    script = '[ $2 = a-music ] && touch x.deb && exit\necho "E: Unable to locate it" >&2; exit 100'
    add_program(tmp_path / "bin", "dpkg", 'mkdir "$3"')
    environment = os.environ | {"PATH": add_program(tmp_path / "bin", "apt-get", script)}
    done = run_script(SCRIPT, tmp_path / "out", check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("error: b-data: ") and done.stderr.count("\n") == 1
    assert "(E: Unable to locate it)" in done.stderr
    assert [path.name for path in (tmp_path / "out/packages").iterdir()] == ["a-music"]


@pytest.mark.parametrize("lacking", ["ffmpeg", "apt-get", "dpkg"])
def test_a_program_that_is_not_installed_is_named(lacking, run_script, tmp_path):
    (tmp_path / "bin").mkdir()
    for name in {"ffmpeg", "ffprobe", "apt-get", "dpkg"} - {lacking}:
        (tmp_path / "bin" / name).symlink_to("/bin/true")
    environment = os.environ | {"PATH": str(tmp_path / "bin")}
    done = run_script(SCRIPT, tmp_path / "out", check=False, env=environment)
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert done.stderr.startswith(f"error: {lacking} is not installed")
    assert done.stderr.count("\n") == 1
