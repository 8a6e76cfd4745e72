"""One rule for all formats: what is used is what a careful decoder gets to the end of,
and what is missing is said.
"""

import os
import random
import re
import struct
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from broken_audio import (
    BARE_MP3,
    ID3V1,
    KINDS,
    LYRICS,
    RATE,
    SECONDS,
    STREAMS,
    ape_tag,
    damage,
    ffmpeg,
    id3,
    make,
    music,
    piped,
    seconds_by_ffmpeg,
)

from sound_eval.audio import decode, verdict
from sound_eval.audio.decode import DecodeError, OverlongError, decode_whole
from sound_eval.audio.verdict import EndsEarlyError, TooDamagedError
from sound_eval.config import read_config
from sound_eval.log_mel.log_mel_file import spectrify_file


def decoded(path, **options):
    """(seconds used, damage) of a file."""
    found = decode.decode(path, lambda blocks: sum(map(len, blocks)), samplerate=16000, **options)
    assert found.result == round(found.seconds * 16000)
    return found.seconds, found.damage


def written(path, data):
    path.write_bytes(data)
    return path


# ---- whole files ----


@pytest.mark.parametrize("suffix", [*KINDS, *STREAMS])
def test_a_whole_file_is_whole(tmp_path, suffix):
    seconds, damaged = decoded(make(tmp_path, suffix))
    assert (damaged, seconds) == ("", pytest.approx(SECONDS, abs=0.05))


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize(
    "suffix", ["wma", "webm", "m4a", "mka", "mp3", "tta", "opus", "ogg", "wv", "flv", "avi"]
)
def test_short_files_of_any_rate_are_whole(tmp_path, suffix, rate):
    if (suffix, rate) in [("flv", 48000), ("flv", 8000), ("webm", 22050), ("opus", 22050)]:
        pytest.skip("the format has no such rate")
    options = [*KINDS[suffix], "-ar", str(rate), "-t", "0.77"]
    assert decoded(make(tmp_path, suffix, options=options))[1] == ""


@pytest.mark.parametrize(
    "codec", ["adpcm_ms", "adpcm_ima_wav", "libmp3lame", "pcm_f64le", "pcm_mulaw", "pcm_u8"]
)
def test_waves_that_are_packed_are_whole(tmp_path, codec):
    path = make(tmp_path, "wav", options=["-c:a", codec])
    assert decoded(path) == (pytest.approx(SECONDS, abs=0.06), "")
    data = path.read_bytes()
    with pytest.raises(EndsEarlyError):
        decoded(written(path, data[: len(data) * 2 // 3]))


@pytest.mark.parametrize("sound, picture", [(2, 4), (4, 2)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "ts"])
def test_a_film_whose_picture_lasts_otherwise_is_whole(tmp_path, suffix, sound, picture):
    soundfile.write(tmp_path / "a.wav", music(sound), RATE)
    path = tmp_path / f"film.{suffix}"
    pictures = ["-f", "lavfi", "-i", f"testsrc=s=64x64:r=10:d={picture}"]
    subprocess.run(
        [
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            *pictures,
            "-i",
            tmp_path / "a.wav",
            "-map",
            "0",
            "-map",
            "1",
            path,
        ],
        check=True,
    )
    assert decoded(path) == (pytest.approx(sound, abs=0.08), "")


# ---- MP3 files whose length libsndfile guesses ----


@pytest.fixture(scope="module")
def loud_then_soft(tmp_path_factory):
    """The bytes of MP3 frames of 8 s, the last three quarters at a tenth of the bit
    rate: libsndfile guesses 3.4 s.
    """
    folder = tmp_path_factory.mktemp("guess")
    sound = np.concatenate([music(2) * 1.5, music(6, 1) * 0.002])
    soundfile.write(folder / "a.wav", sound, RATE)
    frames = ffmpeg(
        folder / "a.wav", folder / "a.mp3", "-c:a", "libmp3lame", "-q:a", "4", *BARE_MP3
    ).read_bytes()
    assert soundfile.info(folder / "a.mp3").duration < 4
    return frames


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """The bytes of an MP3 of 8 s whose first frame says how long it is, without tags."""
    data = make(tmp_path_factory.mktemp("counted"), "mp3").read_bytes()
    start = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    assert b"Info" in data[start : start + 50]
    return data[start:]


WRAPPINGS = {
    "bare": (b"", b""),
    "two tags": (id3(500) + id3(900), b""),
    "a large cover": (id3(2 << 20), b""),
    "padding": (id3(10, padding=50000), b""),
    "APE in front": (ape_tag(5000), b""),
    "APE behind": (b"", ape_tag(300_000)),
    "APE behind, no header": (b"", ape_tag(30_000, header=False) + ID3V1),
    "lyrics": (b"", LYRICS + ID3V1),
    "ID3v1": (b"", ID3V1),
    "ID3v2 behind": (b"", id3(20_000)),
    "junk": (random.Random(1).randbytes(3000), b""),
    "a page of HTTP": (b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n", b""),
    "zeros behind": (b"", bytes(100_000)),
    "junk behind": (b"", random.Random(2).randbytes(5000)),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("header", [False, True])
def test_all_of_an_mp3_is_used_whatever_lies_around_it(
    tmp_path, loud_then_soft, counted, header, wrapping
):
    front, behind = WRAPPINGS[wrapping]
    path = written(tmp_path / "a.mp3", front + (counted if header else loud_then_soft) + behind)
    assert decoded(path) == (pytest.approx(SECONDS, abs=0.06), "")


def test_a_header_without_a_count_of_frames(tmp_path, counted):
    at = counted.index(b"Info") + 4
    flags = struct.unpack_from(">I", counted, at)[0]
    without = (
        counted[:at]
        + struct.pack(">I", flags & ~1)
        + counted[at + 8 : at + 150]
        + bytes(4)
        + counted[at + 150 :]
    )
    assert decoded(written(tmp_path / "a.mp3", without)) == (pytest.approx(SECONDS, abs=0.06), "")


def test_the_count_of_an_mp3_is_believed_to_the_sample(tmp_path, counted):
    assert decoded(written(tmp_path / "a.mp3", counted)) == (SECONDS, "")


# ---- files one behind the other ----


@pytest.mark.parametrize("suffix", ["ogg", "opus", "oga", "mp3", "flac"])
@pytest.mark.parametrize("options", [[], ["-ar", "48000", "-ac", "1"]])
def test_joined_files_are_used_to_the_end(tmp_path, suffix, options):
    first = make(tmp_path, suffix, seconds=3)
    second = ffmpeg(first, tmp_path / f"second.{suffix}", *(KINDS[suffix]), *options)
    path = written(tmp_path / f"both.{suffix}", first.read_bytes() + second.read_bytes())
    seconds, damaged = decoded(path)
    assert (damaged, seconds) == ("", pytest.approx(6, abs=0.08))
    samples = decode_whole(path, samplerate=16000)
    loud = np.sqrt(np.mean(samples.reshape(-1)[: 5 * 16000].reshape(5, -1) ** 2, axis=1))
    assert loud.min() > 0.5 * loud.max()  # there is sound in every second, at its level


def test_a_link_cut_in_the_second_file_of_a_chain(tmp_path):
    data = make(tmp_path, "ogg", seconds=3).read_bytes()
    with pytest.raises(EndsEarlyError):
        decoded(written(tmp_path / "a.ogg", data + data[: len(data) * 2 // 3]))


# ---- files that end early ----


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("share", [0.45, 0.93])
def test_a_file_cut_short_is_refused(tmp_path, suffix, share):
    data = make(tmp_path, suffix).read_bytes()
    with pytest.raises(DecodeError) as error:
        decoded(written(tmp_path / f"cut.{suffix}", data[: int(len(data) * share) + 1]))
    assert error.value.reason == "ends early"


@pytest.mark.parametrize("suffix", ["mp3", "wav", "ogg", "m4a"])
def test_a_cut_file_is_enough_where_the_limit_lies_before_the_cut(tmp_path, suffix):
    data = make(tmp_path, suffix).read_bytes()
    path = written(tmp_path / f"cut.{suffix}", data[: len(data) * 2 // 3])
    assert decoded(path, max_seconds=2.0) == (2.0, "")


def test_a_cut_mp3_behind_two_tags(tmp_path, counted):
    path = written(tmp_path / "a.mp3", id3(500) + id3(900) + counted[: len(counted) // 2])
    with pytest.raises(EndsEarlyError, match=r"stops after 4\.0 s of the 8\.0 s"):
        decoded(path)


@pytest.mark.parametrize("suffix", STREAMS)
def test_a_stream_that_does_not_say_its_length_is_used_as_far_as_it_goes(tmp_path, suffix):
    data = make(tmp_path, suffix).read_bytes()
    seconds, _ = decoded(written(tmp_path / f"cut.{suffix}", data[: len(data) // 2]))
    assert seconds == pytest.approx(SECONDS / 2, abs=0.1)


@pytest.mark.parametrize(
    "suffix",
    [
        "wav",
        "w64",
        "aiff",
        "au",
        "caf",
        "flac",
        "ogg",
        "mp3",
        "webm",
        "mka",
        "wma",
        "avi",
        "flv",
        "tta",
    ],
)
def test_what_a_program_wrote_to_a_pipe_is_whole(tmp_path, suffix):
    """Its header leaves the length open, or has a number that is none."""
    muxer = {"mka": "matroska", "wma": "asf"}.get(suffix, suffix)
    sound = piped(make(tmp_path, "wav"), *KINDS[suffix], "-f", muxer)
    path = written(tmp_path / f"pipe.{suffix}", sound)
    assert decoded(path) == (pytest.approx(SECONDS, abs=0.06), "")


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au"])
def test_what_sox_wrote_to_a_pipe_is_whole(tmp_path, suffix):
    command = ["sox", make(tmp_path, "wav"), "-t", suffix, "-"]
    path = written(
        tmp_path / f"pipe.{suffix}", subprocess.run(command, capture_output=True, check=True).stdout
    )
    assert decoded(path) == (SECONDS, "")


def test_a_recorded_ogg_stream_is_whole(tmp_path):
    """Without the mark of its end, as what a player recorded; cut within a page it is
    not.
    """
    data = make(
        tmp_path, "ogg", options=["-c:a", "libvorbis", "-page_duration", "200000"]
    ).read_bytes()
    last = data.rindex(b"OggS")
    seconds, damaged = decoded(written(tmp_path / "a.ogg", data[:last]))
    assert (damaged, seconds) == ("", pytest.approx(SECONDS - 0.2, abs=0.2))
    with pytest.raises(EndsEarlyError):
        decoded(written(tmp_path / "a.ogg", data[: last - 1]))


# ---- damage ----


@pytest.mark.parametrize(
    "suffix", ["mp3", "m4a", "flac", "wma", "opus", "ogg", "oga", "tta", "aac"]
)
def test_a_short_damage_is_used_and_named(tmp_path, suffix):
    data = make(tmp_path, suffix, seconds=16).read_bytes()
    path = written(tmp_path / f"a.{suffix}", damage(data, len(data) // 2, 400))
    seconds, damaged = decoded(path)
    assert damaged
    assert 13.5 < seconds <= 16.05
    assert seconds >= 0.98 * seconds_by_ffmpeg(path)


def test_one_byte_of_ogg(tmp_path):
    """A page with a wrong checksum is lost to every careful decoder; libsndfile fills
    its time with something.
    """
    data = make(tmp_path, "ogg", seconds=20).read_bytes()
    seconds, damaged = decoded(written(tmp_path / "a.ogg", damage(data, len(data) // 2, 1)))
    assert seconds == pytest.approx(19, abs=0.1)
    assert re.fullmatch(
        r"1\.0\d of 20\.0 s could not be decoded \(damaged pages: 1, with 1\.0\d s of sound\)",
        damaged,
    )


def test_bytes_lost_from_the_middle(tmp_path, counted):
    data = counted[: len(counted) // 2] + counted[len(counted) // 2 + 1000 :]
    seconds, damaged = decoded(written(tmp_path / "a.mp3", data))
    assert SECONDS - 0.3 < seconds < SECONDS
    assert "could not be decoded" in damaged


def test_more_than_a_fifth_damaged_is_a_failure(tmp_path):
    data = make(tmp_path, "mp3", seconds=20).read_bytes()
    start, count = len(data) // 3, len(data) // 4
    with pytest.raises(TooDamagedError, match=r"could decode 1[45]\.\d of 20\.0 s") as error:
        decoded(written(tmp_path / "a.mp3", damage(data, start, count)))
    assert error.value.reason == "damaged too much"


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "wav"])
def test_a_tag_behind_the_sound_is_no_damage(tmp_path, suffix):
    data = make(tmp_path, suffix).read_bytes()
    for tag in (ID3V1, ape_tag(40_000), LYRICS + ID3V1):
        assert decoded(written(tmp_path / f"a.{suffix}", data + tag)) == (
            pytest.approx(SECONDS, abs=0.03),
            "",
        )


BREAKS = {
    "cut": lambda data, dice: data[: dice.randrange(1, len(data))],
    "bit": lambda data, dice: damage(data, dice.randrange(len(data)), 1, dice.random()),
    "burst": lambda data, dice: damage(
        data, dice.randrange(len(data) - 3000), dice.choice([10, 400, 3000]), dice.random()
    ),
    "gap": lambda data, dice: (
        data[: (at := dice.randrange(len(data)))] + data[at + dice.choice([1, 100, 5000]) :]
    ),
    "junk behind": lambda data, dice: data + dice.randbytes(dice.choice([1, 128, 5000])),
}


@pytest.mark.parametrize("suffix", [*KINDS, *STREAMS])
def test_broken_at_random_nothing_is_silently_less(tmp_path, suffix):
    """Done, damaged or failed, with no less than what ffmpeg decodes; and what is
    called done is all there, or has no length.
    """
    data, dice = make(tmp_path, suffix, seconds=4).read_bytes(), random.Random(suffix)
    seen = set()
    for number, (way, broken) in enumerate(BREAKS.items()):
        path = written(tmp_path / f"{number} {way}.{suffix}", broken(data, dice))
        try:
            seconds, damaged = decoded(path)
        except DecodeError as error:
            seen.add(error.reason)
            continue
        seen.add(bool(damaged))
        assert seconds >= 0.98 * seconds_by_ffmpeg(path) - 0.05, path.name
        if not damaged and suffix not in STREAMS:
            assert seconds == pytest.approx(4, abs=0.12), path.name
    assert seen


# ---- what else may be in the place of a song ----


def test_longer_than_a_day_is_refused_by_its_header(tmp_path):
    header = bytearray(make(tmp_path, "flac", seconds=1).read_bytes())
    hundred_hours = 100 * 3600 * RATE
    bits = int.from_bytes(header[18:26], "big") >> 36 << 36 | hundred_hours
    header[18:26] = bits.to_bytes(8, "big")
    path = written(tmp_path / "a.flac", bytes(header))
    with pytest.raises(OverlongError, match=r"100\.0 h") as error:
        decoded(path)
    assert error.value.reason == "longer than 24 h"
    assert decoded(path, max_seconds=0.5) == (0.5, "")
    with pytest.raises(decode.TooLongError):
        decoded(path, max_seconds=0.5, skip_long=True)


def test_longer_than_a_day_is_refused_where_no_header_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "LONGEST_SECONDS", 2.0)
    path = written(tmp_path / "a.flac", piped(make(tmp_path, "wav"), "-f", "flac"))
    for options in ({}, {"max_seconds": 5.0}, {"max_seconds": 5.0, "skip_long": True}):
        with pytest.raises(OverlongError):
            decoded(path, **options)
    assert decoded(path, max_seconds=1.5) == (1.5, "")


def test_heard_reads_what_ffmpeg_says_whatever_the_tags_say(tmp_path):
    heard = verdict.Heard()
    for line in (
        "    title           : Duration: 09:00:00.00,",
        "  Duration: 00:01:02.50, start: 0.0",
        "Error while decoding stream #0:0",
    ):
        heard.take(line)
    assert (heard.seconds, heard.complaints) == (62.5, 1)


# ---- the same through the script's own function ----


def job(path, target):
    """What `spectrify_file` needs to know to make `target` of `path`."""
    return SimpleNamespace(audio_path=path, target=target, config=read_config(), replaces=False)


def test_what_spectrify_makes_of_it(tmp_path):
    whole = make(tmp_path, "mp3", seconds=20).read_bytes()
    files = {
        "whole.mp3": whole,
        "damaged.mp3": damage(whole, len(whole) // 2, 400),
        "cut.mp3": whole[: len(whole) // 2],
        "text.mp3": b"no music\n" * 500,
    }
    outcomes = {}
    for name, data in files.items():
        target = tmp_path / f"{name}.npy"
        path = written(tmp_path / name, data)
        outcomes[name] = spectrify_file(job(path, target))
        assert target.exists() == (not outcomes[name].failure)
    assert (outcomes["whole.mp3"].seconds, outcomes["whole.mp3"].damaged) == (20.0, "")
    assert outcomes["damaged.mp3"].seconds == pytest.approx(19.95, abs=0.04)
    assert "could not be decoded" in outcomes["damaged.mp3"].damaged
    assert [outcomes[name].failure for name in ("cut.mp3", "text.mp3")] == [
        "ends early",
        "cannot be decoded",
    ]
    assert not any(outcome.kept for outcome in outcomes.values())


def test_what_was_only_not_read_this_time_is_kept(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.mp3")  # it took the file's place after the folder was read
    m4a = make(tmp_path, "m4a")
    monkeypatch.setenv("PATH", "/nowhere")
    for path, failure in (
        (tmp_path / "pipe.mp3", "cannot be read or written"),
        (tmp_path / "gone.mp3", "cannot be read or written"),
        (m4a, "cannot be read now"),
    ):
        outcome = spectrify_file(job(path, tmp_path / "a.npy"))
        assert (outcome.failure, outcome.kept) == (failure, True)
        assert not (tmp_path / "a.npy").exists()
