"""The decoders: libsndfile in this process, and the programs ffmpeg and sox.

Conventions
-----------
A *route* is a generator function of a Source that yields `(samplerate, mono)` pairs,
mono float32 (n,) in [-1, 1] at the file's own sample rate, and raises DecodeError with
the decoder's own message, UnreadableError where that says nothing of the file.
"""

import os
import struct

import numpy as np
import soundfile

from sound_eval import programs
from sound_eval.audio import verdict
from sound_eval.audio.mixing import Mixer
from sound_eval.audio.verdict import DecodeError
from sound_eval.config import DECODERS
from sound_eval.errors import InputError, one_line
from sound_eval.structure.containers import read_layout
from sound_eval.structure.file import Part

BLOCK_VALUES = 1 << 17  # values (samples x channels) decoded at once
UNKNOWN_FRAMES = 1 << 40  # at least this many: libsndfile's ways to say that it does not know
AHEAD_BYTES = 1 << 17  # how far libsndfile may have read ahead
# magic, offset of the samples, their size, encoding, sample rate, channels
AU_HEADER = struct.Struct(">4s5I")
FFMPEG = ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "info"]
# Sun audio of 32-bit floats, by either program
FFMPEG_OUTPUT = ["-map", "0:a:0", "-f", "au", "-c:a", "pcm_f32be", "pipe:1"]
SOX_OUTPUT = ["-t", "au", "-e", "floating-point", "-b", "32", "-"]


class UnreadableError(InputError):
    """A file could not be read this time, for reasons that say nothing of its content;
    nor does OSError.
    """


class Source:
    """What the routes know of one file: the opened `file`, its `layout`, and what they
    have found out.

    `broke`: where libsndfile gave up midway, its words; `damage`: of a route that came
    to the end, what was lost.
    """

    def __init__(self, file):
        self.file = file
        self.layout = read_layout(file.bytes)
        self.broke = ""
        self.damage = ""

    def look_closer(self):
        """Go through all frames of an MP3, whose header alone does not settle it."""
        if self.layout.kind == "mpeg" and self.layout.end is None:
            self.layout = read_layout(self.file.bytes, mpeg=True, careful=True)

    @property
    def unknown_flac(self):
        """In words, that this is FLAC of unknown length, whose end libsndfile takes for
        an error; "" where it is not.
        """
        is_unknown = self.layout.kind == "flac" and not self.layout.seconds
        return "its length is unknown" if is_unknown else ""

    @property
    def parts(self):
        """The stretches of bytes that are files by themselves; None is the whole file."""
        return self.layout.parts or (None,)


# ---- libsndfile ----


def _decode_soundfile(source):
    """Route through libsndfile: wav, flac, ogg, opus, mp3, aiff, au, caf and more."""
    if problem := source.layout.cut or source.layout.damage or source.unknown_flac:
        raise DecodeError(f"not asked: {problem}")
    done = 0.0
    declared = 0.0
    for part in source.parts:
        try:
            with _open_sound(source, part) as sound:
                declared += _declared_seconds(source, sound)
                for block in _mono_blocks(sound, _frames_wanted(source, sound)):
                    done += len(block) / sound.samplerate
                    yield sound.samplerate, block
        except soundfile.SoundFileError as error:
            # without the number of the descriptor, which stands in front
            words = getattr(error, "error_string", "") or one_line(error)
            source.broke = words if done else ""
            raise DecodeError(words) from error
    _check_length(source, done, declared)


def _open_sound(source, part):
    """The SoundFile of a file or of a part of it, by its descriptor: a pipe may have
    taken the file's place.
    """
    if part:
        return soundfile.SoundFile(Part(source.file.descriptor, *part))
    os.lseek(source.file.descriptor, 0, os.SEEK_SET)
    return soundfile.SoundFile(source.file.descriptor, closefd=False)


def _frames_wanted(source, sound):
    """How many samples of each channel there are: behind them libsndfile takes a tag
    for a broken frame.
    """
    layout = source.layout
    if layout.kind == "mpeg" and layout.end is not None:
        return min(sound.frames, round(layout.seconds * sound.samplerate))
    return sound.frames


def _mono_blocks(sound, left):
    """The blocks of an open SoundFile, mixed, until `left` samples have come."""
    mixer = Mixer(sound.channels)
    buffer = _block_buffer(sound.channels)
    while left and (count := sound.buffer_read_into(buffer[:left], dtype="float32")):
        left -= count
        yield mixer.mix(buffer[:count])


def _declared_seconds(source, sound):
    """The seconds that an open SoundFile declares, 0 where it does not know;
    DecodeError where it is going to give too few.

    Of an MP3 without a count of its frames it guesses them, from the first bit rate.
    """
    if sound.format == "MP3" and source.layout.kind != "mpeg":
        source.layout = read_layout(source.file.bytes, mpeg=True)
    if sound.frames >= UNKNOWN_FRAMES:
        return 0.0
    declared = sound.frames / sound.samplerate
    whole = source.layout.seconds
    if not source.layout.parts and declared < whole - source.layout.tolerance:
        raise DecodeError(f"would give {declared:.1f} of {whole:.1f} s")
    return declared


def _check_length(source, done, declared):
    """Raise DecodeError where libsndfile gave less than the file says, or left another
    FLAC file behind the first unread.
    """
    declared = source.layout.seconds or declared
    if done < declared - source.layout.tolerance:
        raise DecodeError(f"gave {done:.2f} of {declared:.2f} s")
    if source.layout.kind == "flac" and not source.layout.parts:
        position = os.lseek(source.file.descriptor, 0, os.SEEK_CUR)
        if source.file.bytes.find(b"fLaC", max(4, position - AHEAD_BYTES)) > 0:
            source.layout = read_layout(source.file.bytes, careful=True)
            raise DecodeError(f"gave {done:.2f} s, and there is more behind them")


def _block_buffer(channels):
    """An array (n, channels) for one block; n depends on the file alone, so that a file
    always comes in the same blocks.
    """
    return np.empty((max(1, BLOCK_VALUES // channels), channels), np.float32)


# ---- programs ----


def _decode_ffmpeg(source):
    """Route through the ffmpeg program: m4a, aac, wma, alac, ape, webm, the sound of
    video files, and all that does not add up.
    """
    source.look_closer()
    heard = verdict.Heard()
    done = 0.0
    for part in source.parts:
        command = [*FFMPEG, *programs.input_of(source.file.path, part), *FFMPEG_OUTPUT]
        for rate, mono in _decode_program(command, heard):
            done += len(mono) / rate
            yield rate, mono
    if heard.is_mp3 and not source.layout.kind:
        source.layout = read_layout(source.file.bytes, mpeg=True, careful=True)
    source.damage = verdict.judge(source.file.path, source.layout, done, heard, source.broke)


def _decode_sox(source):
    """Route through the sox program: old telephone and voice codecs."""
    source.look_closer()
    heard = verdict.Heard()
    done = 0.0
    try:
        command = ["sox", programs.sox_input_of(source.file.path), *SOX_OUTPUT]
    except programs.RefusedError as error:
        raise DecodeError(str(error)) from error
    for rate, mono in _decode_program(command, heard):
        done += len(mono) / rate
        yield rate, mono
    source.damage = verdict.judge(source.file.path, source.layout, done, heard)


def _decode_program(command, heard):
    """Samples that a program writes to its stdout as a Sun audio (AU) stream of 32-bit
    floats; `heard` takes in its messages.
    """
    with programs.running(command) as program:
        yield from _read_au(program.stdout)
        status = program.wait()
        if status < 0:
            raise UnreadableError(f"{command[0]} was killed by signal {-status}")
        for line in program.lines():
            heard.take(line)
        if status:
            raise DecodeError(_last_lines(program.messages()) or f"ended with status {status}")


def _last_lines(text):
    """The end of a program's messages as one line: the last three lines, where the
    reason stands.
    """
    return "; ".join(line.strip() for line in text.strip().splitlines()[-3:])[-500:]


def _read_au(stream):
    """Yield (samplerate, mono) of an AU stream; nothing where the stream is empty. A
    last partial sample is dropped.
    """
    header = stream.read(AU_HEADER.size)
    if len(header) < AU_HEADER.size:
        return
    _, offset, _, _, samplerate, channels = AU_HEADER.unpack(header)
    stream.read(offset - AU_HEADER.size)
    mixer = Mixer(channels)
    buffer = _block_buffer(channels).astype(">f4")
    while count := stream.readinto(buffer) // buffer[0].nbytes:
        yield samplerate, mixer.mix(buffer[:count].astype(np.float32))


ROUTES = dict(zip(DECODERS, (_decode_soundfile, _decode_ffmpeg, _decode_sox), strict=True))
