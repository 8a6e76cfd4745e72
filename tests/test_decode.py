"""Decoding: the routes against each other, what each alone can read, and files that lie."""
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import planted_sound

from sound_eval import decode
from sound_eval.decode import DecodeError, TooLongError, decode_whole
from sound_eval.melspec import log_mel

SETTINGS = {"samplerate": 16000, "hop": 400, "fft_size": 1024, "n_mels": 80}
SECONDS = 5.0


def stereo(seconds=SECONDS, samplerate=44100):
    """Two different channels (n_samples, 2): planted music with quiet noise."""
    left = np.interp(np.arange(int(seconds * samplerate)) / samplerate, np.arange(int(seconds * 16000)) / 16000, planted_sound("chord", 1, seconds))
    return np.stack([left, 0.6 * np.roll(left, 300)], axis=1).astype(np.float32)


def ffmpeg(source, target, *options):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source), *options, str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("decode") / "source.wav"
    soundfile.write(path, stereo(), 44100, subtype="PCM_16")
    return path


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".ogg", ".aiff"])
def test_the_routes_agree(wav, suffix):
    path = wav if suffix == ".wav" else ffmpeg(wav, wav.with_name("agree" + suffix))
    routes = {name: log_mel(decode_whole(path, samplerate=16000, decoder=name), **SETTINGS) for name in decode.ROUTES}
    first = routes["soundfile"]
    for name, frames in routes.items():
        n = min(len(frames), len(first))
        shift = 2 if (name, suffix) == ("sox", ".mp3") else 0  # sox leaves the delay of an MP3 encoder in
        assert abs(len(frames) - len(first)) <= 1 + shift, name
        if not shift:
            audible = first[:n] > np.log(1e-2)
            assert audible.any()
            assert np.median(np.abs(frames[:n] - first[:n])[audible]) < 0.01, name


@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".wma", ".webm", ".mka", ".mp4", ".wv", ".ac3", ".opus", ".oga", ".mp2", ".au", ".caf", ".aifc"])
def test_what_one_decoder_cannot_read_another_does(wav, suffix):
    path = ffmpeg(wav, wav.with_name("other" + suffix), *(["-f", "ogg"] if suffix == ".oga" else []))
    samples = decode_whole(path, samplerate=16000)
    assert abs(len(samples) / 16000 - SECONDS) < 0.1
    expected, found = (log_mel(x, **SETTINGS).mean(axis=0) for x in (decode_whole(wav, samplerate=16000), samples))
    audible = expected > expected.max() - 3  # a codec drops what it holds to be inaudible, and may shift the rest in time
    assert audible.sum() > 5
    assert np.median(np.abs(found - expected)[audible]) < 0.1


def test_a_voice_codec_of_old_goes_through_sox(wav):
    path = wav.with_name("old.vox")
    subprocess.run(["sox", str(wav), "-r", "8000", "-c", "1", str(path)], check=True)
    assert abs(len(decode_whole(path, samplerate=16000, decoder="sox")) / 16000 - SECONDS) < 0.1


def test_channels_are_averaged_and_a_tone_keeps_its_level(tmp_path):
    time = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 1000 * time)
    soundfile.write(tmp_path / "t.wav", np.stack([tone, 0.5 * tone, np.zeros_like(tone)], axis=1), 48000, subtype="FLOAT")
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
    monkeypatch.setattr(decode, "BLOCK_VALUES", 1234)
    assert np.array_equal(decode_whole(wav, samplerate=16000), whole)


@pytest.mark.parametrize("name", ["-n.wav", "http:x.wav", "|touch hacked.wav", "a b 'c' \"d\".wav", "žluťoučký 音.wav", "%03d.wav", "[a]*.wav"])
@pytest.mark.parametrize("decoder", list(decode.ROUTES))
def test_names_are_data(wav, tmp_path, monkeypatch, name, decoder):
    (tmp_path / name).write_bytes(wav.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(decode_whole(name, samplerate=16000, decoder=decoder)) == SECONDS * 16000
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", [".mp3", ".flac"])
def test_a_file_cut_short_is_refused_with_what_each_decoder_gave(wav, suffix):
    whole = ffmpeg(wav, wav.with_name("whole" + suffix)).read_bytes()
    path = wav.with_name("cut" + suffix)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DecodeError, match=r"soundfile: .*; ffmpeg: stops after 3\.\d s of the 5\.0 s .*; sox: "):
        decode_whole(path, samplerate=16000)


def test_an_mp3_that_does_not_say_its_length_is_taken_as_it_is(tmp_path):
    quiet_then_loud = np.concatenate([np.zeros(44100 * 3), np.random.default_rng(0).uniform(-0.3, 0.3, 44100 * 3)])
    soundfile.write(tmp_path / "a.wav", quiet_then_loud, 44100)
    path = ffmpeg(tmp_path / "a.wav", tmp_path / "a.mp3", "-q:a", "2", "-write_xing", "0")
    assert soundfile.info(path).duration > 7  # guessed from the bit rate of the silence
    assert abs(len(decode_whole(path, samplerate=16000, decoder="soundfile")) / 16000 - 6) < 0.1


def test_a_decoder_that_fails_midway_leaves_nothing_behind(wav, monkeypatch):
    def half(path):
        yield 16000, np.ones(1000, np.float32)
        raise DecodeError("broke")

    monkeypatch.setitem(decode.ROUTES, "soundfile", half)
    seen = []
    samples, _ = decode.decode(wav, lambda blocks: seen.append(list(blocks)) or np.concatenate(seen[-1]), samplerate=16000)
    assert np.array_equal(samples, decode_whole(wav, samplerate=16000, decoder="ffmpeg"))


@pytest.mark.parametrize("decoder", list(decode.ROUTES))
def test_the_longest_that_is_read(wav, decoder):
    whole = decode_whole(wav, samplerate=16000, decoder=decoder)
    capped = decode_whole(wav, samplerate=16000, decoder=decoder, max_seconds=2.0)
    assert np.array_equal(capped, whole[:32000])
    assert np.array_equal(decode_whole(wav, samplerate=16000, decoder=decoder, max_seconds=SECONDS, skip_long=True), whole)
    with pytest.raises(TooLongError, match="longer than 2 s"):
        decode_whole(wav, samplerate=16000, decoder=decoder, max_seconds=2.0, skip_long=True)


def test_a_cut_file_is_enough_where_the_limit_lies_before_the_cut(wav):
    whole = ffmpeg(wav, wav.with_name("limit.flac")).read_bytes()
    path = wav.with_name("limit cut.flac")
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert len(decode_whole(path, samplerate=16000, max_seconds=1.0)) == 16000


def test_files_that_lie(tmp_path):
    broken = {"text.mp3": b"hello, this is no music\n" * 400, "header.wav": b"RIFF\x24\0\0\0WAVEfmt ", "one.mp3": b"\xff", "empty.mp3": b""}
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DecodeError):
            decode_whole(tmp_path / name, samplerate=16000)
    wav = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 436, b"WAVE", b"fmt ", 16, 1, 1, 3, 6, 2, 16, b"data", 400) + bytes(400)
    (tmp_path / "rate.wav").write_bytes(wav)
    with pytest.raises(DecodeError, match="sample rate of 3 Hz"):
        decode_whole(tmp_path / "rate.wav", samplerate=16000)
    with pytest.raises(FileNotFoundError):
        decode_whole(tmp_path / "missing.mp3", samplerate=16000)


def test_a_playlist_in_disguise_does_not_reach_the_network(tmp_path):
    (tmp_path / "list.mp3").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(DecodeError, match="ffmpeg"):
        decode_whole(tmp_path / "list.mp3", samplerate=16000)


def test_a_missing_program_is_named(wav, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DecodeError, match="ffmpeg: not installed"):
        decode_whole(wav, samplerate=16000, decoder="ffmpeg")


def test_memory_does_not_grow_with_the_length(tmp_path):
    """Five minutes and thirty at 48 kHz take the same memory, in a process of their own."""
    code = """if True:
        import re, sys
        from sound_eval.decode import decode
        print(decode(sys.argv[1], lambda blocks: sum(len(block) for block in blocks), samplerate=16000, decoder=sys.argv[2])[0])
        print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])"""
    peaks = {}
    for minutes in (5, 30):
        path = tmp_path / f"{minutes}.flac"
        source = f"sine=frequency=300:sample_rate=48000:duration={minutes * 60}"
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2", str(path)], check=True)
        for decoder in ("soundfile", "ffmpeg"):
            command = [sys.executable, "-c", code, str(path), decoder]
            run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=decode.__file__.rsplit("/", 2)[0])
            samples, peaks[minutes, decoder] = map(int, run.stdout.split())
            assert samples == minutes * 60 * 16000
    for decoder in ("soundfile", "ffmpeg"):
        assert peaks[30, decoder] < peaks[5, decoder] + 5_000  # kilobytes
        assert peaks[30, decoder] < 300_000
