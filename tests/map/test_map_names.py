"""Songs whose files are links, whose names are alike or too long, and files that only
pose as songs: each has its own sound, or none.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import REPO, SAMPLERATE, encode, planted_sound, run_script, write_run_folder
from map_browser import SCRIPT, opened

FAST = ("--projection", "pca")
# 251 bytes, with its suffix as many as a name may have; such a song has no log-mel
LONG = "ü" * 121 + "n" * 9
LESS = "ü" * 121 + "n" * 5  # it has one, but no room for a longer suffix


def seconds(row):
    """Each song has a length of its own, by which it is known."""
    return 2 + 0.3 * row


# name: options of ffmpeg; the file is made elsewhere, under a name without suffix,
# where the name ends in a *
SONGS = {
    "x.m4a": ["-c:a", "alac", "-f", "ipod"],
    "x.m4a.mp3": ["-c:a", "libmp3lame", "-f", "mp3"],
    "x.wma": ["-c:a", "wmav2", "-f", "asf"],
    "X.wma": ["-c:a", "wmav2", "-f", "asf"],
    "x.wma.mp3/inside.wma": ["-c:a", "wmav2", "-f", "asf"],
    "Case.wav": ["-f", "wav"],
    "case.WAV": ["-f", "wav"],
    "caf\u00e9.wav": ["-f", "wav"],
    "cafe\u0301.wav": ["-f", "wav"],
    f"{LONG}.mp3": ["-c:a", "libmp3lame", "-f", "mp3"],
    f"{LONG}.wma": ["-c:a", "wmav2", "-f", "asf"],
    f"{LESS}.wma": ["-c:a", "wmav2", "-f", "asf"],
    "link.wav*": ["-f", "wav"],
    "link.wma*": ["-c:a", "wmav2", "-f", "asf"],
    "linked/folder.wav*": ["-f", "wav"],
}
NAMES = [name.rstrip("*") for name in SONGS]


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """The folder of songs; those that are links have their files beside it."""
    root = tmp_path_factory.mktemp("names")
    (root / "store").mkdir()
    for row, (marked, options) in enumerate(SONGS.items()):
        name = marked.rstrip("*")
        soundfile.write(root / "source.wav", planted_sound("chord", row, seconds(row)), SAMPLERATE)
        path = root / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if marked == "linked/folder.wav*":
            path.parent.rmdir()
            path.parent.symlink_to(root / "store")
        elif marked != name:
            path.symlink_to(root / "store" / f"blob{row}")
        command = [
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-i",
            root / "source.wav",
            *options,
            f"file:{path}",
        ]
        subprocess.run(list(map(str, command)), check=True)
    return root


@pytest.fixture(scope="module")
def run(music):
    vectors = np.random.default_rng(0).standard_normal((len(NAMES), 8))
    for name in NAMES:
        path = music / "vectors" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        if len(os.fsencode(path.name)) <= 255:
            np.save(path, np.random.default_rng(0).standard_normal((50, 80)).astype(np.float32))
    return write_run_folder(music / "run", vectors, [f"{name}.npy" for name in NAMES]).path


@pytest.mark.browser
@pytest.mark.parametrize("clip", [False, True])
def test_every_song_has_its_own_sound(music, run, map_context, clip):
    out = music / ("clips" if clip else "map")
    options = ("--clip", "60") if clip else ()
    done = run_script(
        SCRIPT, run, music / "music", "-", out, *FAST, *options, "--log-mel-dir", music / "vectors"
    )
    assert f"{len(NAMES)} songs, {len(NAMES)} to be heard" in done.stdout, done.stderr
    with opened(map_context, (out / "index.html").as_uri()) as (page, watched):
        for row, name in enumerate(NAMES):
            page.evaluate("row => soundEval.select(row)", row)
            page.wait_for_function("document.getElementById('player').currentTime > 0")
            assert page.evaluate("document.getElementById('player').duration") == pytest.approx(
                seconds(row), abs=0.12
            ), name
            if LONG not in name:
                page.wait_for_function("document.getElementById('spectrogram').naturalWidth > 0")
        places = page.evaluate(
            "soundEval.songs.names.map((_, row) => [soundEval.songs.file(row), "
            "soundEval.songs.thumbnail(row)])"
        )
        assert watched.errors == []
    for kind, n_missing in zip(zip(*places, strict=True), (0, 2), strict=True):
        # on a disk that knows no case, too
        assert len({place.casefold() for place in kind if place}) == len(NAMES) - n_missing
    sound, picture = places[NAMES.index(f"{LESS}.wma")]
    assert (sound.split("/")[0], picture.split("/")[0]) == (
        ("renamed", "renamed") if clip else ("encoded", "thumbnails")
    )


def test_a_list_of_songs_cannot_lead_out_of_the_folder(tmp_path):
    encode(planted_sound("chord", 0, 1), tmp_path / "secret.wav")
    encode(planted_sound("chord", 0, 1), tmp_path / "music" / "a.wav")
    names = ["a.wav", "../secret.wav", "x/../../secret.wav", str(tmp_path / "secret.wav")]
    run = write_run_folder(
        tmp_path / "run",
        np.random.default_rng(0).standard_normal((4, 8)),
        [f"{name}.npy" for name in names],
    ).path
    done = run_script(SCRIPT, run, tmp_path / "music", "-", tmp_path / "map", *FAST)
    assert "3 songs lie outside" in done.stderr
    assert [path.name for path in (tmp_path / "map").rglob("*.wav")] == ["a.wav"]


def test_what_poses_as_a_song_is_neither_waited_for_nor_published(tmp_path):
    secret = tmp_path / "secret.wav"
    music = tmp_path / "music"
    encode(planted_sound("chord", 0, 2), secret)
    encode(planted_sound("chord", 0, 1), music / "a.wav")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(music / "fifo.mp3")
    (music / "zero.mp3").symlink_to("/dev/zero")
    (music / "to a pipe.wav").symlink_to(tmp_path / "pipe")
    (music / "folder.mp3").mkdir()
    (music / "empty.mp3").touch()
    (music / "hls.wma").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n")
    (music / "hls.mp3").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n")
    (music / "concat.mp3").write_text(f"ffconcat version 1.0\nfile {tmp_path}/pipe\n")
    (music / "concat.wma").write_text("ffconcat version 1.0\nfile ../secret.wav\n")
    names = sorted(path.name for path in music.iterdir())
    run = write_run_folder(
        tmp_path / "run",
        np.random.default_rng(0).standard_normal((len(names), 8)),
        [f"{name}.npy" for name in names],
    ).path
    start = time.monotonic()
    done = run_script(SCRIPT, run, music, "-", tmp_path / "map", *FAST)
    assert time.monotonic() - start < 60
    assert f"{len(names)} songs, 1 to be heard" in done.stdout
    assert "4 songs have no file" in done.stderr and "5 songs could not be encoded" in done.stderr
    trees = ("audio", "encoded", "renamed")
    sounds = [
        path
        for path in (tmp_path / "map").rglob("*")
        if path.is_file() and path.relative_to(tmp_path / "map").parts[0] in trees
    ]
    assert [path.name for path in sounds] == ["a.wav"]


def test_a_damaged_log_mel_is_one_line(tmp_path):
    names = [f"{row}.wav" for row in range(5)]
    (tmp_path / "vectors").mkdir()
    (tmp_path / "music").mkdir()
    np.save(
        tmp_path / "vectors" / "0.wav.npy",
        np.random.default_rng(0).standard_normal((50, 80)).astype(np.float32),
    )
    np.save(tmp_path / "vectors" / "1.wav.npy", np.zeros(5, np.float32))
    np.save(tmp_path / "vectors" / "2.wav.npy", np.zeros((0, 80), np.float32))
    (tmp_path / "vectors" / "3.wav.npy").write_bytes(b"\x93NUMPY\x01\x00")
    os.mkfifo(tmp_path / "vectors" / "4.wav.npy")
    run = write_run_folder(
        tmp_path / "run",
        np.random.default_rng(0).standard_normal((5, 8)),
        [f"{name}.npy" for name in names],
    ).path
    done = run_script(
        SCRIPT,
        run,
        tmp_path / "music",
        "-",
        tmp_path / "map",
        *FAST,
        "--audio",
        "none",
        "--vectors-dir",  # the former name of --log-mel-dir
        tmp_path / "vectors",
    )
    assert "1 of 5 songs have no log-mel" in done.stderr
    assert (
        "the log-mels of 3 songs cannot be shown; they are without a "
        "spectrogram (the first is 1.wav)"
    ) in done.stderr
    assert [path.name for path in (tmp_path / "map" / "thumbnails").iterdir()] == ["0.wav.png"]


def ffmpegs_of(folder):
    """Process ids of the ffmpegs that work on files of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if words[0] == b"ffmpeg" and any(os.fsencode(folder) in word for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def long_song(tmp_path_factory):
    """A song that ffmpeg works on for long, quickly made."""
    path = tmp_path_factory.mktemp("long") / "long.wv"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi"]
    command += ["-i", "anoisesrc=duration=3000:sample_rate=8000", path]
    subprocess.run(list(map(str, command)), check=True)
    return path


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_ffmpeg_outlives_the_map(tmp_path, long_song, how):
    (tmp_path / "music").mkdir()
    os.link(long_song, tmp_path / "music" / "long.wv")
    run = write_run_folder(
        tmp_path / "run",
        np.random.default_rng(0).standard_normal((3, 8)),
        ["long.wv.npy", "b.npy", "c.npy"],
    ).path
    command = [sys.executable, REPO / SCRIPT, run, tmp_path / "music", "-", tmp_path / "map", *FAST]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not ffmpegs_of(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ffmpegs_of(tmp_path)
        process.send_signal(how)
        assert process.wait(20) != 0
    deadline = time.monotonic() + 5
    while ffmpegs_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ffmpegs_of(tmp_path) == []


def test_a_preview_of_a_song_whose_length_is_a_lie_is_from_its_beginning(tmp_path, monkeypatch):
    from sound_eval.map.folder import encoding

    encode(planted_sound("chord", 0, 4), tmp_path / "a.wav")
    monkeypatch.setattr(encoding, "seconds_of", lambda path: 1e9)
    assert encoding.encode(tmp_path / "a.wav", tmp_path / "a.mp3", tmp_path / "a.mp3", 2)
    assert soundfile.info(tmp_path / "a.mp3").duration == pytest.approx(2, abs=0.2)
