"""Decoding: the routes against each other, what each alone can read, and files that lie."""

import os
import struct
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import soundfile
from conftest import REPO, planted_sound, write_tone

from sound_eval.audio import decode, decoders
from sound_eval.audio.decode import DecodeError, TooLongError, UnreadableError, decode_whole
from sound_eval.log_mel.melspec import log_mel

SETTINGS = {"samplerate": 16000, "hop": 400, "fft_size": 1024, "n_mels": 80}
SECONDS = 5.0


def stereo(seconds=SECONDS, samplerate=44100):
    """Two different channels (n_samples, 2): planted music with quiet noise."""
    left = np.interp(
        np.arange(int(seconds * samplerate)) / samplerate,
        np.arange(int(seconds * 16000)) / 16000,
        planted_sound("chord", 1, seconds),
    )
    return np.stack([left, 0.6 * np.roll(left, 300)], axis=1).astype(np.float32)


def ffmpeg(source, target, *options):
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source), *options, str(target)],
        check=True,
    )
    return target


def sox_reads(suffix):
    """Whether sox was built with a format: Debian keeps MP3 in a package of its own."""
    formats = subprocess.run(["sox", "--help"], capture_output=True, text=True, check=True).stdout
    return suffix[1:] in formats.split("AUDIO FILE FORMATS:")[1].splitlines()[0].split()


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("decode") / "source.wav"
    soundfile.write(path, stereo(), 44100, subtype="PCM_16")
    return path


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".ogg", ".aiff"])
def test_the_routes_agree(wav, suffix):
    path = wav if suffix == ".wav" else ffmpeg(wav, wav.with_name("agree" + suffix))
    names = [name for name in decode.ROUTES if name != "sox" or sox_reads(suffix)]
    routes = {
        name: log_mel(decode_whole(path, samplerate=16000, decoder=name), **SETTINGS)
        for name in names
    }
    first = routes["soundfile"]
    for name, frames in routes.items():
        n = min(len(frames), len(first))
        # sox leaves the delay of an MP3 encoder in
        shift = 2 if (name, suffix) == ("sox", ".mp3") else 0
        assert abs(len(frames) - len(first)) <= 1 + shift, name
        if not shift:
            audible = first[:n] > np.log(1e-2)
            assert audible.any()
            assert np.median(np.abs(frames[:n] - first[:n])[audible]) < 0.01, name


@pytest.mark.parametrize(
    "suffix",
    [
        ".m4a",
        ".aac",
        ".wma",
        ".webm",
        ".mka",
        ".mp4",
        ".wv",
        ".ac3",
        ".opus",
        ".oga",
        ".mp2",
        ".au",
        ".caf",
        ".aifc",
    ],
)
def test_what_one_decoder_cannot_read_another_does(wav, suffix):
    path = ffmpeg(
        wav, wav.with_name("other" + suffix), *(["-f", "ogg"] if suffix == ".oga" else [])
    )
    samples = decode_whole(path, samplerate=16000)
    assert abs(len(samples) / 16000 - SECONDS) < 0.1
    expected, found = (
        log_mel(x, **SETTINGS).mean(axis=0) for x in (decode_whole(wav, samplerate=16000), samples)
    )
    # a codec drops what it holds to be inaudible, and may shift the rest in time
    audible = expected > expected.max() - 3
    assert audible.sum() > 5
    assert np.median(np.abs(found - expected)[audible]) < 0.1


def test_a_voice_codec_of_old_goes_through_sox(wav):
    path = wav.with_name("old.vox")
    subprocess.run(["sox", str(wav), "-r", "8000", "-c", "1", str(path)], check=True)
    assert abs(len(decode_whole(path, samplerate=16000, decoder="sox")) / 16000 - SECONDS) < 0.1


def test_channels_are_averaged_and_a_tone_keeps_its_level(tmp_path):
    time = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 1000 * time)
    soundfile.write(
        tmp_path / "t.wav",
        np.stack([tone, 0.5 * tone, np.zeros_like(tone)], axis=1),
        48000,
        subtype="FLOAT",
    )
    samples = decode_whole(tmp_path / "t.wav", samplerate=16000)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert samples.dtype == np.float32
    assert len(samples) == 16000
    assert np.abs(samples - expected)[500:-500].max() < 1e-4


def test_what_lies_above_half_the_new_rate_does_not_fold_back(tmp_path):
    tone = np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100)
    soundfile.write(tmp_path / "t.wav", tone, 44100, subtype="FLOAT")
    assert np.abs(decode_whole(tmp_path / "t.wav", samplerate=16000))[500:-500].max() < 1e-4


def test_blocks_do_not_change_the_result(wav, monkeypatch):
    whole = decode_whole(wav, samplerate=16000)
    monkeypatch.setattr(decoders, "BLOCK_VALUES", 1234)
    assert np.array_equal(decode_whole(wav, samplerate=16000), whole)


@pytest.mark.parametrize(
    "name",
    [
        "-n.wav",
        "http:x.wav",
        "|touch hacked.wav",
        "a b 'c' \"d\".wav",
        "žluťoučký 音.wav",
        "%03d.wav",
        "[a]*.wav",
    ],
)
@pytest.mark.parametrize("decoder", list(decode.ROUTES))
def test_names_are_data(wav, tmp_path, monkeypatch, name, decoder):
    (tmp_path / name).write_bytes(wav.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(decode_whole(name, samplerate=16000, decoder=decoder)) == SECONDS * 16000
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_decoder_that_fails_midway_leaves_nothing_behind(wav, monkeypatch):
    def half(source):
        yield 16000, np.ones(1000, np.float32)
        raise DecodeError("broke")

    monkeypatch.setitem(decode.ROUTES, "soundfile", half)
    seen = []
    samples = decode.decode(
        wav, lambda blocks: seen.append(list(blocks)) or np.concatenate(seen[-1]), samplerate=16000
    ).result
    assert np.array_equal(samples, decode_whole(wav, samplerate=16000, decoder="ffmpeg"))


@pytest.mark.parametrize("decoder", list(decode.ROUTES))
def test_the_longest_that_is_read(wav, decoder):
    whole = decode_whole(wav, samplerate=16000, decoder=decoder)
    capped = decode_whole(wav, samplerate=16000, decoder=decoder, max_seconds=2.0)
    assert np.array_equal(capped, whole[:32000])
    assert np.array_equal(
        decode_whole(wav, samplerate=16000, decoder=decoder, max_seconds=SECONDS, skip_long=True),
        whole,
    )
    with pytest.raises(TooLongError, match="longer than 2 s"):
        decode_whole(wav, samplerate=16000, decoder=decoder, max_seconds=2.0, skip_long=True)


def test_files_that_lie(tmp_path):
    broken = {
        "text.mp3": b"hello, this is no music\n" * 400,
        "header.wav": b"RIFF\x24\0\0\0WAVEfmt ",
        "one.mp3": b"\xff",
        "empty.mp3": b"",
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DecodeError):
            decode_whole(tmp_path / name, samplerate=16000)
    wav = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 436, b"WAVE", b"fmt ", 16, 1, 1, 3, 6, 2, 16, b"data", 400
    ) + bytes(400)
    (tmp_path / "rate.wav").write_bytes(wav)
    with pytest.raises(DecodeError, match="sample rate of 3 Hz"):
        decode_whole(tmp_path / "rate.wav", samplerate=16000)
    with pytest.raises(FileNotFoundError):
        decode_whole(tmp_path / "missing.mp3", samplerate=16000)


# ---- what may have the name of a song ----


@pytest.mark.parametrize("name", ["list.mp3", "list.wma", "list.m3u", "list.m4a"])
@pytest.mark.parametrize("kind", ["hls", "endless", "concat", "m3u", "pls", "sdp"])
def test_a_playlist_in_disguise_reaches_nothing(wav, tmp_path, kind, name):
    """No address, no pipe, no file outside:
    with ffmpeg's own defaults these are read, or never end.
    """
    os.mkfifo(tmp_path / "pipe.wav")
    text = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{wav}\n#EXT-X-ENDLIST\n",
        "endless": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        "concat": f"ffconcat version 1.0\nfile {tmp_path}/pipe.wav\nfile {wav}\n",
        "m3u": f"{wav}\n",
        "pls": f"[playlist]\nFile1={wav}\nNumberOfEntries=1\n",
        "sdp": (
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
            "m=audio 5004 RTP/AVP 0\n"
        ),
    }[kind]
    (tmp_path / name).write_text(text)
    start = time.monotonic()
    with pytest.raises(DecodeError, match=r"ffmpeg: .*; sox: "):
        decode_whole(tmp_path / name, samplerate=16000)
    assert time.monotonic() - start < 20


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "link.mp3").symlink_to("/dev/zero")
    (tmp_path / "folder.mp3").mkdir()
    for name in ("pipe.mp3", "link.mp3", "folder.mp3"):
        with pytest.raises(OSError, match="not a file any more"):
            decode_whole(tmp_path / name, samplerate=16000)


# ---- what says nothing of the file ----


def test_a_missing_program_is_named(wav, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnreadableError, match="ffmpeg: ffmpeg is not installed"):
        decode_whole(wav, samplerate=16000, decoder="ffmpeg")
    m4a = wav.with_name("no program.m4a")
    m4a.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    with pytest.raises(
        UnreadableError,
        match=r"soundfile: .*; ffmpeg: ffmpeg is not installed; sox: sox is not installed",
    ):
        decode_whole(m4a, samplerate=16000)


@pytest.mark.parametrize(
    "script, words",
    [("kill -9 $$", "killed by signal 9"), ("exec sleep 600", r"gave nothing for 0\.5 s")],
)
def test_a_program_that_is_killed_or_stands_still_says_nothing_of_the_file(
    wav, tmp_path, monkeypatch, script, words
):
    (tmp_path / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(
        decode.programs, "running", partial(decode.programs.running, idle_seconds=0.5)
    )
    with pytest.raises(UnreadableError, match=words):
        decode_whole(wav, samplerate=16000, decoder="ffmpeg")


def test_a_file_that_is_being_written_says_nothing(wav):
    path = ffmpeg(wav, wav.with_name("growing.flac"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    def consume(blocks):
        for _ in blocks:
            with open(path, "ab") as file:
                file.write(b"x")

    with pytest.raises(UnreadableError, match="it changed while it was read"):
        decode.decode(path, consume, samplerate=16000, decoder="soundfile")


def test_a_disk_that_fails_says_nothing(wav, monkeypatch):
    path = wav.with_name("disk.mp3")
    path.write_bytes(b"nothing that a decoder knows" * 100)

    def fail(self):
        raise OSError(5, "Input/output error", self.path)

    monkeypatch.setattr(decode.AudioFile, "check_readable", fail)
    with pytest.raises(OSError, match="Input/output error"):
        decode_whole(path, samplerate=16000)


def test_memory_does_not_grow_with_the_length(tmp_path):
    """One minute and six at 48 kHz take the same memory, in a process of their own: the
    samples of the five between them, at 16 kHz, would take 19 MB.
    """
    code = """if True:
        import re, sys
        from sound_eval.audio.decode import decode
        path, decoder = sys.argv[1:]
        count = lambda blocks: sum(map(len, blocks))
        print(decode(path, count, samplerate=16000, decoder=decoder).result)
        print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])"""
    peaks = {}
    for minutes in (1, 6):
        path = tmp_path / f"{minutes}.flac"
        write_tone(path, minutes, 48000)
        for decoder in ("soundfile", "ffmpeg"):
            command = [sys.executable, "-c", code, str(path), decoder]
            run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPO)
            samples, peaks[minutes, decoder] = map(int, run.stdout.split())
            assert samples == minutes * 60 * 16000
    for decoder in ("soundfile", "ffmpeg"):
        assert peaks[6, decoder] < peaks[1, decoder] + 5_000  # kilobytes
        assert peaks[6, decoder] < 300_000
