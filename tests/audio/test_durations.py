"""How long songs last: right for every file whose header lies, guesses or says nothing,
without decoding it.
"""

import json

import numpy as np
import pytest
from broken_audio import BARE_MP3, ID3V1, KINDS, SECONDS, STREAMS, ape_tag, id3, make, piped

from sound_eval.audio.durations import Durations, UnknownLengthError, seconds_of_file
from sound_eval.config import Config
from sound_eval.errors import InputError
from sound_eval.files.writing import save_array
from sound_eval.log_mel.spectrify import spectrify


@pytest.mark.parametrize("suffix", [*KINDS, *STREAMS])
def test_of_every_kind(tmp_path, suffix):
    assert seconds_of_file(make(tmp_path, suffix)) == pytest.approx(SECONDS, abs=0.06)


def test_of_flac_of_unknown_length(tmp_path):
    (tmp_path / "a.flac").write_bytes(piped(make(tmp_path, "wav"), "-f", "flac"))
    assert seconds_of_file(tmp_path / "a.flac") == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("suffix", ["ogg", "opus", "mp3"])
def test_of_files_one_behind_the_other(tmp_path, suffix):
    data = [make(tmp_path, suffix, seconds=3, seed=seed).read_bytes() for seed in (0, 1)]
    (tmp_path / f"a.{suffix}").write_bytes(b"".join(data))
    assert seconds_of_file(tmp_path / f"a.{suffix}") == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize(
    "front, behind", [(b"", b""), (id3(9) + id3(1 << 20), b""), (b"", ape_tag(200_000) + ID3V1)]
)
def test_of_mp3_without_a_header(tmp_path, front, behind):
    data = make(tmp_path, "mp3", options=["-q:a", "4", *BARE_MP3]).read_bytes()
    (tmp_path / "a.mp3").write_bytes(front + data + behind)
    assert seconds_of_file(tmp_path / "a.mp3") == pytest.approx(SECONDS, abs=0.06)


def test_of_what_ends_early_it_is_what_there_is(tmp_path):
    for suffix in ("wav", "mp3"):
        data = make(tmp_path, suffix).read_bytes()
        (tmp_path / f"a.{suffix}").write_bytes(data[: len(data) // 2])
        assert seconds_of_file(tmp_path / f"a.{suffix}") == pytest.approx(SECONDS / 2, abs=0.1)


def test_of_what_is_no_sound(tmp_path):
    for name, text in (
        ("a.mp3", "not audio"),
        ("b.wma", "#EXTM3U\n#EXTINF:9,\n/etc/passwd\n"),
        ("c.mp3", "ffconcat version 1.0\nfile x.wav\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UnknownLengthError, match="its duration is not readable"):
            seconds_of_file(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        Durations(None).seconds(None, tmp_path / "gone.mp3")


def test_the_seconds_decoded_stand_in_the_tree(tmp_path):
    (tmp_path / "music").mkdir()
    make(tmp_path, "wav", seconds=3).rename(tmp_path / "music/a.wav")
    config = Config()
    spectrify(tmp_path / "music", tmp_path / "out", config, processes=1)
    assert Durations(config, tmp_path / "out").seconds(0, "a.wav") == 3.0
    # of another program: by its frames
    save_array(tmp_path / "out/b.wav.npy", np.zeros((11, 80), np.float32))
    expected = (10 * config.hop + config.FFT_SIZE) / config.SAMPLERATE
    assert Durations(config, tmp_path / "out").seconds(1, "b.wav") == pytest.approx(expected)
    with open(tmp_path / "out/.spectrify.jsonl", "a") as file:
        file.write(
            json.dumps({"name": "a.wav", "size": 1, "mtime_ns": 1, "seconds": 4.5})
            + '\n{"name": "a.w'
        )
    # a later line replaces an earlier one
    assert Durations(config, tmp_path / "out").seconds(0, "a.wav") == 4.5


def test_a_capped_song_lasts_as_long_as_its_file(tmp_path):
    (tmp_path / "music").mkdir()
    make(tmp_path, "wav", seconds=3).rename(tmp_path / "music/a.wav")
    config = Config(MAX_SECONDS=1.0)
    spectrify(tmp_path / "music", tmp_path / "out", config, processes=1)
    assert Durations(config, tmp_path / "out").seconds(0, "a.wav") == 1.0
    assert Durations(config, tmp_path / "out", tmp_path / "music").seconds(0, "a.wav") == 3.0
