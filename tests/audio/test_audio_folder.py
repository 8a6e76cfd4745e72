"""What is taken for audio in a folder of music, what is left out with a word, and
what is a failure.
"""

import os
import shutil
import struct
import subprocess

import numpy as np
import pytest
from conftest import encode, planted_sound

from sound_eval.audio import folder as module
from sound_eval.audio.folder import AudioFolder, check_holds_audio, others_text
from sound_eval.config import Config
from sound_eval.errors import InputError
from sound_eval.files.names import AUDIO_SUFFIXES
from sound_eval.log_mel.spectrify import spectrify

# How ffmpeg makes a file of each kind, where its suffix alone does not tell it.
KINDS = {
    "tta": "", "w64": "", "spx": "-ar 16000", "mka": "", "mkv": "", "mov": "", "avi": "",
    "wmv": "-c:a wmav2", "flv": "-ar 44100",
    "ogx": "-f ogg -c:a libvorbis", "ogv": "-f ogg -c:a libvorbis", "dts": "-c:a dca -strict -2",
    "m4r": "-f ipod", "mpga": "-f mp3",
    "mpa": "-f mp2", "bwf": "-f wav -write_bext 1", "rf64": "-f wav -rf64 always", "wave": "-f wav",
    "g722": "-ar 16000 -ac 1",
    "m4v": "-f mp4", "3gp": "-c:a aac", "mpg": "-c:a mp2", "vob": "-c:a ac3", "m2ts": "",
    "ra": "-f rm", "eac3": "", "mlp": "-c:a mlp -strict -2",
    "adts": "-f adts", "snd": "-f au", "voc": "", "caf": "", "weba": "-f webm", "ircam": "-f ircam",
    "thd": "-f truehd -c:a truehd -strict -2",
}  # fmt: skip


def tracker_module():
    """A ProTracker module of one pattern that plays one note."""
    wave = (100 * np.sin(2 * np.pi * np.arange(64) / 64)).astype(np.int8).tobytes()
    tone = b"tone".ljust(22, b"\0") + struct.pack(">HBBHH", 32, 0, 64, 0, 32)
    silence = b"\0" * 22 + struct.pack(">HBBHH", 0, 0, 0, 0, 1)
    pattern = struct.pack(">BBBB", 0x01, 0xAC, 0x10, 0).ljust(64 * 4 * 4, b"\0")
    return (
        b"test".ljust(20, b"\0")
        + tone
        + 30 * silence
        + bytes([1, 127])
        + bytes(128)
        + b"M.K."
        + pattern
        + wave
    )


def dsd_stream(n_blocks=20, rate=2822400):
    """A mono DSF file: the bits 0 and 1 in turn, which is silence."""
    data = b"\xaa" * 4096 * n_blocks
    form = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 1, 1, rate, 1, 8 * len(data), 4096, 0)
    body = b"data" + struct.pack("<Q", 12 + len(data)) + data
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(form) + len(body), 0) + form + body


def test_every_kind_of_sound_that_the_decoders_know(tmp_path):
    encode(planted_sound("chord", 0, 2), tmp_path / "source.wav", 48000)
    music = tmp_path / "music"
    music.mkdir()
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", tmp_path / "source.wav"]
    for kind, options in KINDS.items():
        command += [*options.split(), music / f"x.{kind}"]
    subprocess.run(command, check=True)
    (music / "x.mod").write_bytes(tracker_module())
    (music / "x.dsf").write_bytes(dsd_stream())
    report = spectrify(music, tmp_path / "out", Config(), processes=2)
    assert report.failures == []
    assert (report.done, dict(report.others)) == (len(KINDS) + 2, {})


def test_the_suffixes_that_a_config_names_are_its_own(tmp_path):
    for name in ("a.mkv", "b.xyz"):
        (tmp_path / name).write_bytes(b"x")
    folder = AudioFolder(tmp_path, Config(AUDIO_SUFFIXES=(".XYZ",)).AUDIO_SUFFIXES)
    assert [source.name for source in folder.sources] == ["b.xyz"]
    assert dict(folder.others) == {".mkv": 1}


def test_what_else_is_there_is_counted_by_kind(tmp_path):
    names = [
        *(f"{n}.pdf" for n in range(9)),
        *(f"{n}.cue" for n in range(5)),
        "a.TXT",
        "b.jpg",
        "c.log",
        "d.nfo",
        "README",
        "e. x y",
    ]
    for name in [*names, ".hidden.pdf", "song.mp3"]:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "nowhere").symlink_to("disk that is away")
    folder = AudioFolder(tmp_path, AUDIO_SUFFIXES)
    shown = ".pdf 9, .cue 5, without suffix 2, .jpg 1, .log 1, others 3"
    assert others_text(folder.others) == f"21 other files left out ({shown})"
    assert (len(folder.sources), folder.failures) == (1, [])


def test_folders_that_a_nas_or_a_system_keeps_are_left_out_with_a_word(tmp_path):
    for folder in (
        "@eaDir/a.mp3",
        "disc/@eaDir/b.mp3",
        "#recycle",
        "lost+found",
        "__MACOSX",
        "$RECYCLE.BIN",
        ".AppleDouble",
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "old.mp3").write_bytes(b"x")
    (tmp_path / "disc/b.mp3").write_bytes(b"x")
    folder = AudioFolder(tmp_path, AUDIO_SUFFIXES)
    assert [source.name for source in folder.sources] == ["disc/b.mp3"]
    assert folder.failures == []
    assert others_text(folder.others).startswith(
        "6 other files and folders left out (@eaDir 2, #recycle 1"
    )


def test_a_folder_named_as_a_song_is_a_failure_where_it_holds_none(tmp_path):
    for name in ("Album.flac/1.mp3", "Album.flac2/1.mp3", "b.mp3/cover.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    folder = AudioFolder(tmp_path, AUDIO_SUFFIXES)
    assert [source.name for source in folder.sources] == ["Album.flac/1.mp3", "Album.flac2/1.mp3"]
    assert [(failure.name, failure.reason) for failure in folder.failures] == [
        ("b.mp3", "a folder with the name of an audio file")
    ]


def test_pipes_and_devices_are_failures_by_any_way_and_links_to_files_are_songs(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "to pipe.mp3").symlink_to("pipe.mp3")
    (tmp_path / "zero.mp3").symlink_to("/dev/zero")
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "linked.mp3").symlink_to("elsewhere")
    folder = AudioFolder(tmp_path, AUDIO_SUFFIXES)
    assert [source.name for source in folder.sources] == ["linked.mp3"]
    assert {failure.name: failure.reason for failure in folder.failures} == {
        "pipe.mp3": "a FIFO, not a file", "to pipe.mp3": "a FIFO, not a file",
        "zero.mp3": "a device or socket, not a file",
    }  # fmt: skip


def test_each_way_to_hold_no_audio_has_its_own_words(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/a.pdf").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.mp3").write_bytes(b"x")
    for name, exclude, words in (
        ("empty", (), "holds no file; is it the right folder, and is its disk mounted?"),
        ("papers", (), r"holds no audio file \(1 other file left out \(.pdf 1\)\); AUDIO_SUFFIXES"),
        ("out", ("*.mp3",), "holds no audio file but what --exclude leaves out"),
        ("missing", (), "no such folder"),
        ("papers/a.pdf", (), "not a folder"),
    ):
        with pytest.raises(InputError, match=f"{name}: {words}"):
            check_holds_audio(AudioFolder(tmp_path / name, AUDIO_SUFFIXES, exclude))
    monkeypatch.setattr(module.os, "scandir", refuse)
    with pytest.raises(
        InputError, match=r"out: cannot be read \(Transport endpoint is not connected\)"
    ):
        AudioFolder(tmp_path / "out", AUDIO_SUFFIXES)


def refuse(path):
    raise OSError(107, "Transport endpoint is not connected", str(path))


def test_a_tree_inside_the_music_is_none_of_it(tmp_path):
    music = tmp_path / "music"
    encode(planted_sound("chord", 0, 1), music / "a.wav")
    for done in (1, 0):
        report = spectrify(music, music / "vectors", Config(), processes=1)
        assert (report.done, dict(report.others), report.failures) == (done, {}, [])
    shutil.rmtree(music / "vectors")
    assert sorted(os.listdir(music)) == ["a.wav"]
