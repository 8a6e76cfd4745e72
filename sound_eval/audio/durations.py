"""How long songs last, in seconds: by what was decoded of them where that is known,
else by the structure of their files.

Nothing is guessed from a bit rate: where a file does not say how long it is, its frames
or packets are counted.
"""

import json
from functools import cached_property
from pathlib import Path

import soundfile

from sound_eval import programs
from sound_eval.audio import verdict
from sound_eval.audio.decoders import UNKNOWN_FRAMES
from sound_eval.errors import InputError
from sound_eval.files.marks import TREE_MARK
from sound_eval.files.names import on_disk
from sound_eval.files.reading import load_frames
from sound_eval.files.trees import log_mel_name
from sound_eval.structure.containers import read_layout
from sound_eval.structure.file import AudioFile


class UnknownLengthError(InputError):
    """Neither the structure of a file nor a program tells how long it is."""


class Durations:
    """How long the songs of a run last: by the log-mel tree (with the `config` that
    made it), else by the audio files.
    """

    def __init__(self, config, vectors_dir=None, audio_dir=None):
        self.config, self.vectors_dir, self.audio_dir = config, vectors_dir, audio_dir

    def seconds(self, row, name):
        """Seconds of a song of the run, or of the audio file `name` where `row` is
        None; None where neither folder was given.

        Raises InputError or OSError where the song's file cannot be read.
        """
        if row is None:
            return _audio_seconds(Path(name))
        if self.vectors_dir and not (self.audio_dir and self.is_capped(name)):
            return self.decoded.get(name) or self.seconds_of_frames(name)
        return _audio_seconds(on_disk(self.audio_dir, name)) if self.audio_dir else None

    @cached_property
    def decoded(self):
        """Name -> the seconds that were decoded of the song, for those that the tree's
        state knows.
        """
        try:
            state = Path(self.vectors_dir) / TREE_MARK
            lines = state.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:  # a tree that another program made
            return {}
        return dict(filter(None, map(_seconds_of_line, lines)))

    def is_capped(self, name):
        """Whether the song may be longer than what was decoded of it."""
        return (
            0
            < self.config.MAX_SECONDS
            <= self.decoded.get(name, 0.0) + self.config.seconds_per_frame
        )

    def seconds_of_frames(self, name):
        """Seconds of a song by the frames of its log-mel, to within one frame."""
        path = Path(self.vectors_dir) / log_mel_name(name)
        n_frames = len(load_frames(path, mmap_mode="r"))
        n_samples = max(n_frames - 1, 0) * self.config.hop + self.config.FFT_SIZE
        return n_samples / self.config.SAMPLERATE


def _seconds_of_line(line):
    """(name, seconds) of a line of a tree's state; None where it is of something else,
    or was cut short by a kill.
    """
    try:
        entry = json.loads(line)
        return None if entry.get("skipped") else (entry["name"], float(entry["seconds"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _audio_seconds(path):
    """Seconds of a song's audio file. Raises InputError where it is missing,
    UnknownLengthError where nothing tells.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; is this the audio folder that the vectors were made of?"
        )
    return seconds_of_file(path)


def seconds_of_file(path):
    """Seconds of sound in an audio file: of one that ends early, of what there is.
    Decodes nothing.

    Raises UnknownLengthError where nothing tells, OSError where the file cannot be
    read.
    """
    with AudioFile(path) as file:
        layout = read_layout(file.bytes)
        seconds = _seconds_by_structure(file, layout) or _seconds_by_ffprobe(path, layout)
    if not seconds:
        raise UnknownLengthError(f"{path}: its duration is not readable; is it audio?")
    return seconds


def _seconds_by_structure(file, layout):
    """Seconds of an AudioFile by its structure, or by libsndfile where that knows; 0
    where neither does.
    """
    if layout.end or layout.seconds:
        return layout.end or layout.seconds
    try:
        with soundfile.SoundFile(file.descriptor, closefd=False) as sound:
            if sound.format != "MP3":
                return sound.frames / sound.samplerate if sound.frames < UNKNOWN_FRAMES else 0.0
    except soundfile.SoundFileError:
        return 0.0
    layout = read_layout(file.bytes, mpeg=True)
    return layout.end or layout.seconds


def _seconds_by_ffprobe(path, layout):
    """Seconds of a file as ffprobe reads them in its header, or else by its packets; 0
    where it is no sound.
    """
    status, _, messages = programs.run(
        ["ffprobe", "-hide_banner", "-v", "info", *programs.input_of(path)]
    )
    heard = verdict.Heard()
    for line in messages.splitlines():
        heard.take(line)
    if status:
        return 0.0
    return (not layout.open_ended and heard.seconds) or verdict.packet_lengths(path)[0]
