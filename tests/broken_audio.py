"""Audio files for the tests of decoding: whole ones of all kinds, and what becomes of
them on disks and on the way.
"""

import random
import struct
import subprocess
import tempfile
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100
SECONDS = 8.0
# suffix -> how ffmpeg makes it; each kind keeps its sound, and its length, in another way
KINDS = {
    "mp3": [], "ogg": ["-c:a", "libvorbis"], "opus": [], "oga": ["-c:a", "flac", "-f", "ogg"],
    "spx": ["-ar", "16000", "-ac", "1"],
    "flac": [], "wav": [], "w64": [], "aiff": [], "aifc": ["-f", "aiff", "-c:a", "pcm_s16le"],
    "au": [], "caf": [], "voc": [],
    "rf64": ["-rf64", "always", "-f", "wav"], "m4a": ["-movflags", "faststart"], "wma": [],
    "wv": [], "tta": [], "webm": [],
    "mka": ["-c:a", "libvorbis"], "mkv": ["-c:a", "flac"], "avi": [], "flv": ["-c:a", "libmp3lame"],
    "rm": ["-c:a", "ac3"],
}  # fmt: skip
# those that say nowhere how long they are
STREAMS = {"aac": [], "ac3": [], "mp2": [], "dts": ["-strict", "-2"], "ts": ["-f", "mpegts"]}
BARE_MP3 = ["-map_metadata", "-1", "-write_xing", "0", "-id3v2_version", "0"]


@lru_cache(maxsize=8)
def music(seconds=SECONDS, seed=0, rate=RATE):
    """Four plucked notes again and again in two different channels, (n_samples, 2)
    float32.
    """
    dice = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    notes = [(220, 2), (331, 3), (523, 1.5), (880, 4)]
    left = (
        sum(
            np.sin(2 * np.pi * hz * time + dice.uniform(0, 6)) * np.exp(-3 * (time * beat % 1))
            for hz, beat in notes
        )
        / 6
    )
    hiss = 0.02 * dice.standard_normal((len(time), 2))
    return (np.stack([left, 0.7 * np.roll(left, 200)], axis=1) + hiss).astype(np.float32)


def ffmpeg(source, target, *options):
    """Encode `source` as `target`; returns its path."""
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-i",
        f"file:{source}",
        *options,
        f"file:{target}",
    ]
    subprocess.run(command, check=True)
    return target


def piped(source, *options):
    """The bytes of `source` that ffmpeg, which cannot go back in a pipe, writes to one."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", source, *options, "pipe:1"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def make(folder, suffix, seconds=SECONDS, options=None, seed=0):
    """A whole file of one kind in `folder`; returns its path."""
    options = (KINDS | STREAMS)[suffix] if options is None else options
    path = folder / f"whole {seconds:g} {seed}.{suffix}"
    path.write_bytes(made(suffix, seconds, tuple(options), seed))
    return path


@cache
def made(suffix, seconds, options, seed):
    """The bytes of such a file, encoded once in a run of the tests."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source.wav")
        soundfile.write(source, music(seconds, seed), RATE, subtype="PCM_16")
        return ffmpeg(source, Path(folder, f"whole.{suffix}"), *options).read_bytes()


def seconds_by_ffmpeg(path):
    """How much of a file ffmpeg decodes, in seconds."""
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "quiet",
        "-i",
        f"file:{path}",
        "-map",
        "0:a:0",
        "-ar",
        "8000",
        "-ac",
        "1",
        "-f",
        "u8",
        "pipe:1",
    ]
    return len(subprocess.run(command, capture_output=True, check=False).stdout) / 8000


def damage(data, start, count, seed=0):
    """`data` with `count` bytes from `start` on replaced by noise."""
    return data[:start] + random.Random(seed).randbytes(count) + data[start + count :]


def id3(size, padding=0):
    """An ID3v2.3 tag with a picture of `size` bytes, and zeros behind it that it does
    not own.
    """
    frame = b"APIC" + struct.pack(">I", size) + bytes(2) + random.Random(size).randbytes(size)
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + length + frame + bytes(padding)


def ape_tag(size, header=True):
    """An APEv2 tag with an item of `size` bytes, with or without its header."""
    item = (
        struct.pack("<II", size, 0) + b"Cover Art (front)\0" + random.Random(size).randbytes(size)
    )

    def end(flags):
        return b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, flags) + bytes(8)

    return (end(0xA0000000) if header else b"") + item + end(0x80000000 if header else 0)


ID3V1 = b"TAG" + b"a" * 125
LYRICS = b"LYRICSBEGINLYR00005hello" + b"%06d" % 24 + b"LYRICS200"
