"""What the structure of a file says of its length, held against files whose length is
known, and against bytes that mean harm.
"""

import random

import pytest
from broken_audio import KINDS, SECONDS, make

from sound_eval.structure import mpeg_audio, ogg
from sound_eval.structure.containers import read_layout
from sound_eval.structure.file import AudioFile, Bytes

EXACT = ["wav", "w64", "aiff", "aifc", "au", "caf", "rf64", "flac", "ogg", "opus", "oga", "mp3"]


@pytest.mark.parametrize("suffix", EXACT)
def test_lengths_are_those_of_the_sound(tmp_path, suffix):
    with AudioFile(make(tmp_path, suffix)) as file:
        layout = read_layout(file.bytes)
    assert layout.seconds == pytest.approx(SECONDS, abs=0.0001)
    assert (layout.cut, layout.damage, layout.parts) == ("", "", ())


@pytest.mark.parametrize("suffix", KINDS)
def test_no_header_however_broken_is_an_error(tmp_path, suffix):
    whole, dice = make(tmp_path, suffix, seconds=1).read_bytes()[:30_000], random.Random(suffix)
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 3, 20])):
            place = dice.randrange(min(len(data), dice.choice([40, 100, 300, len(data)])))
            data[place] = dice.choice([0, 255, dice.randrange(256)])
        data = bytes(data[: dice.choice([dice.randrange(1, 200), len(data)])])
        for options in ({}, {"mpeg": True, "careful": True}):
            layout = read_layout(data, **options)
            assert layout.seconds >= 0
            assert layout.end is None or layout.end >= 0


def test_the_checksum_of_ogg_bit_by_bit():
    data = random.Random(0).randbytes(1000)
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    assert ogg.checksum(data) == ogg.checksum(data[:26], data[26:]) == register


def test_all_frames_are_counted_once(tmp_path):
    data = make(tmp_path, "mp3").read_bytes()
    start = data.index(b"\xff\xfb")
    first = mpeg_audio.frame_of(data[start : start + 4])
    position, n_frames = start, 0
    while position < len(data):
        position += mpeg_audio.frame_of(data[position : position + 4]).size
        n_frames += 1
    found = mpeg_audio.count_frames(data, start, first)
    assert n_frames > 300
    assert found.seconds == pytest.approx((n_frames - 1) * 1152 / 44100)  # the first has no sound
    assert (found.audio_bytes, found.gaps) == (len(data) - start, 0)


def test_bytes_of_a_file_are_like_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("sound_eval.structure.file.WINDOW_BYTES", 64)
    data, dice = random.Random(1).randbytes(1000), random.Random(2)
    (tmp_path / "a").write_bytes(data)
    with AudioFile(tmp_path / "a") as file:
        found = Bytes(file.descriptor, file.size)
        for _ in range(2000):
            start, stop = dice.randrange(1100), dice.randrange(1100)
            assert found[start:stop] == data[start:stop]
            wanted = data[dice.randrange(999) :][: dice.randrange(1, 4)]
            assert found.find(wanted, start, stop) == data.find(wanted, start, stop)
        assert (found[999], len(found)) == (data[999], 1000)
