"""The songs beside the map: linked or copied from the audio folder, or made into what a browser can play.

Conventions
-----------
A song `a/b.flac` lies at `audio/a/b.flac` in the map's folder; one that was encoded anew at `audio/a/b.wma.mp3`, a
preview at `audio/a/b.wma.30s.mp3`. Of each song the page is told how to find it: ABSENT, AS_NAMED or ENCODED. A file
outside the audio folder, by `..`, an absolute path or a link, is never touched. What was made of a file that has not
changed since is kept.
"""
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile

from sound_eval.cli import InputError, Progress, warn
from sound_eval.trees import TEMPORARY_PREFIX

ABSENT, AS_NAMED, ENCODED = 0, 1, 2
PLAYABLE = {".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".webm"}  # by the browsers of today
M4A = {".m4a", ".mp4"}  # containers that may hold ALAC, which most browsers refuse
PLAYABLE_WAV = {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"}  # as libsndfile names them; ADPCM and doubles are refused
LOCAL = ["-protocol_whitelist", "file"]  # keeps a playlist that poses as a song from opening an address
CLIP_BITRATE, FULL_BITRATE = "96k", "160k"


@dataclass(frozen=True)
class AudioPlan:
    """How the songs get beside the map: `mode` is copy, link or none; `clip_seconds` > 0 makes previews of that length."""

    mode: str
    clip_seconds: float = 0.0

    @property
    def suffix(self):
        """What is put behind the name of a song that is encoded anew."""
        return f".{self.clip_seconds:g}s.mp3" if self.clip_seconds else ".mp3"


def source_of(folder, name):
    """The path of a song's file inside `folder`; None where the file is missing or lies outside."""
    path = (Path(folder) / name).resolve()
    return path if lies_inside(folder, name) and path.is_file() else None


def lies_inside(folder, name):
    """Whether a name leads to a place inside `folder`, links followed."""
    root, parts = Path(folder).resolve(), PurePosixPath(name)
    return not parts.is_absolute() and ".." not in parts.parts and (root / parts).resolve().is_relative_to(root)


def place_audio(audio_dir, names, out_dir, plan):
    """Bring the songs beside the map. Returns how the page finds each, (n,) uint8, and prints one line per kind of trouble."""
    if plan.mode == "none":
        return np.zeros(len(names), np.uint8)
    with Progress(len(names), "song", "audio") as progress, ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = []
        for outcome in pool.map(lambda name: place_one(audio_dir, name, Path(out_dir) / "audio", plan), names):
            outcomes.append(outcome)
            progress.update(1)
    warn_of(outcomes, names, audio_dir)
    return np.array([outcome if isinstance(outcome, int) else ABSENT for outcome in outcomes], np.uint8)


def place_one(audio_dir, name, out_dir, plan):
    """Bring one song beside the map; returns AS_NAMED or ENCODED, or in words why it is not there."""
    source = source_of(audio_dir, name)
    if source is None:
        return "missing" if lies_inside(audio_dir, name) else "outside"
    if plan.clip_seconds or not plays_in_browsers(source):
        return encode(source, out_dir / f"{name}{plan.suffix}", plan.clip_seconds)
    target = out_dir / name
    if not is_fresh(target, source):
        link_or_copy(source, target, plan.mode)
    return AS_NAMED


def is_fresh(target, source):
    """Whether `target` was made of `source` as it now is."""
    return target.is_file() and (target.samefile(source) or same_stamp(target, source))


def same_stamp(target, source):
    """Whether a copy has the size and the time of its source."""
    ours, theirs = target.stat(), source.stat()
    return ours.st_size == theirs.st_size and ours.st_mtime_ns == theirs.st_mtime_ns


def link_or_copy(source, target, mode):
    """Link or copy one file under a temporary name, then rename it. A link falls back to a copy on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}"[:200])
    temporary.unlink(missing_ok=True)
    try:
        if mode != "link":
            raise OSError("a copy is wanted")
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    os.replace(temporary, target)


def plays_in_browsers(path):
    """Whether the browsers of today play the file, by its suffix and, for MPEG-4 and WAV, by its codec."""
    suffix = path.suffix.lower()
    if suffix == ".wav":
        return wav_subtype(path) in PLAYABLE_WAV
    return suffix in PLAYABLE and (suffix not in M4A or codec_of(path) in ("aac", "mp3"))


def wav_subtype(path):
    """The form of a WAV's samples as libsndfile names it, '' where it cannot read the file."""
    try:
        return soundfile.info(path).subtype
    except soundfile.LibsndfileError:
        return ""


def codec_of(path):
    """The codec of the first audio stream as ffprobe names it, '' for none."""
    return ffprobe(path, "-select_streams", "a:0", "-show_entries", "stream=codec_name")


def seconds_of(path):
    """The length of a file in seconds, 0 where ffprobe cannot tell."""
    text = ffprobe(path, "-show_entries", "format=duration")
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def ffprobe(path, *what):
    """The first value that ffprobe prints for the file, '' where it fails."""
    command = ["ffprobe", "-v", "error", *LOCAL, *what, "-of", "csv=p=0", f"file:{path}"]
    return run(command).stdout.strip().split("\n")[0]


def run(command):
    """A program's CompletedProcess; raises InputError where it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise InputError(f"{command[0]} is needed for songs that browsers do not play; install ffmpeg, or choose --audio none") from None


def encode(source, target, clip_seconds):
    """Encode a file as mp3, the middle `clip_seconds` of it if positive; returns ENCODED or in words why not."""
    if target.is_file() and target.stat().st_mtime_ns == source.stat().st_mtime_ns:
        return ENCODED
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}"[:200])
    clip = []
    if clip_seconds:
        clip = ["-ss", f"{max(0.0, (seconds_of(source) - clip_seconds) / 2):.3f}", "-t", f"{clip_seconds:g}"]
    bitrate = CLIP_BITRATE if clip_seconds else FULL_BITRATE
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1", *clip, *LOCAL, "-i", f"file:{source}"]
    command += ["-map", "0:a:0", "-map_metadata", "-1", "-b:a", bitrate, "-f", "mp3", f"file:{temporary}"]
    if run(command).returncode:
        temporary.unlink(missing_ok=True)
        return "undecodable"
    shutil.copystat(source, temporary)  # its time tells a later build whether the source has changed
    os.replace(temporary, target)
    return ENCODED


TROUBLE = {
    "missing": "songs have no file in {audio_dir}; they are on the map without sound",
    "outside": "songs lie outside {audio_dir}; they are on the map without sound",
    "undecodable": "songs could not be encoded by ffmpeg; they are on the map without sound",
}


def warn_of(outcomes, names, audio_dir):
    """One line for each kind of trouble, with the first song it befell."""
    for kind, message in TROUBLE.items():
        troubled = [name for name, outcome in zip(names, outcomes, strict=True) if outcome == kind]
        if troubled:
            warn(f"{len(troubled)} {message.format(audio_dir=audio_dir)} (the first is {troubled[0]})")
