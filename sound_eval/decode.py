"""One audio file -> mono float32 (n_samples,) at a wanted sample rate, in blocks, in constant memory.

Conventions
-----------
A *route* is a decoder: a generator function that yields `(samplerate, mono)` pairs, mono float32 (n,) in [-1, 1] at the
file's own sample rate, and raises DecodeError with the decoder's own message. `soundfile` (libsndfile) works in this
process and is the fastest; `ffmpeg` and `sox` are subprocesses for what it cannot read. `auto` tries them in this order.
Channels are averaged with equal weights and soxr resamples, whatever the route, so that routes differ in nothing else.
"""
import os
import struct
import subprocess
import tempfile
from contextlib import closing

import numpy as np
import soundfile
import soxr

from sound_eval.cli import InputError, one_line

BLOCK_VALUES = 1 << 17  # values (samples x channels) decoded at once
MISSING_SECONDS = 0.1  # a file may end this much before the length in its header: codec delay, a last partial frame
UNKNOWN_FRAMES = 1 << 62  # at least this many: libsndfile's way to say that it does not know
SAMPLERATES = (1000, 3_000_000)  # Hz; a header that says otherwise is broken
AU_HEADER = struct.Struct(">4s5I")  # magic, offset of the samples, their size, encoding, sample rate, channels


class DecodeError(InputError):
    """A file cannot be decoded, or not to its end; the message holds what each decoder said.

    `declared` is the length in seconds that the file's header gives, 0 where it is not known.
    """

    def __init__(self, message, declared=0.0):
        super().__init__(message)
        self.declared = declared


class TooLongError(InputError):
    """A file is longer than the limit under which longer files are to be left out."""


class BadSamplesError(InputError):
    """A file holds samples that are not finite numbers; another decoder would only hide them."""


def decode_soundfile(path):
    """Route through libsndfile: wav, flac, ogg, opus, mp3, aiff, au, caf and more."""
    done, declared = 0, 0.0
    try:
        with soundfile.SoundFile(path) as file:
            declared = declared_seconds(path, file)
            buffer = block_buffer(file.channels)
            while count := file.buffer_read_into(buffer, dtype="float32"):
                done += count / file.samplerate
                yield file.samplerate, mean_of_channels(buffer[:count])
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a suffix that soundfile takes for headerless samples
        raise DecodeError(one_line(error), declared) from error
    check_length(done, declared)


def block_buffer(channels):
    """An array (n, channels) for one block; n depends on the file alone, so that a file always comes in the same blocks."""
    return np.empty((max(1, BLOCK_VALUES // channels), channels), np.float32)


def mean_of_channels(samples):
    """The mean of the channels (n, channels) -> a new array (n,)."""
    mono = samples[:, 0].copy()
    for channel in range(1, samples.shape[1]):
        mono += samples[:, channel]
    mono *= np.float32(1 / samples.shape[1])
    return mono


def declared_seconds(path, file):
    """The length that stands in the header of an open SoundFile, 0 where none does.

    For an MP3 without a Xing or VBRI header libsndfile only guesses it, from the first bit rate.
    """
    if file.frames >= UNKNOWN_FRAMES or (file.format == "MP3" and not has_length_header(path)):
        return 0.0
    return file.frames / file.samplerate


def has_length_header(path):
    """Whether an MP3 file says how many frames it has."""
    with open(path, "rb") as file:
        start = file.read(10)
        if start[:3] == b"ID3":  # skip the tag; its size is in four bytes of seven bits
            file.seek(10 + sum(byte << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True)))
        else:
            file.seek(0)
        first_frame = file.read(4096)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))


def check_length(seconds, declared):
    """Raise DecodeError where a decoder gave less than the file's header declares."""
    if seconds < declared - MISSING_SECONDS:
        raise DecodeError(f"stops after {seconds:.1f} s of the {declared:.1f} s that the file declares", declared)


def decode_ffmpeg(path):
    """Route through the ffmpeg program: m4a, aac, wma, alac, ape, webm, the sound of video files."""
    # `file:` keeps a name from being read as an address or an option; the white list keeps a playlist from opening one.
    source = ["-protocol_whitelist", "file,pipe", "-i", f"file:{os.path.abspath(path)}"]
    return decode_program(["ffmpeg", "-nostdin", "-v", "error", *source, "-map", "0:a:0", "-f", "au", "-c:a", "pcm_f32be", "pipe:1"])


def decode_sox(path):
    """Route through the sox program: old telephone and voice codecs."""
    return decode_program(["sox", os.path.abspath(path), "-t", "au", "-e", "floating-point", "-b", "32", "-"])


def decode_program(command):
    """Samples that a program writes to its stdout as a Sun audio (AU) stream of 32-bit floats."""
    with tempfile.TemporaryFile() as messages:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages)
        except FileNotFoundError:
            raise DecodeError("not installed") from None
        try:
            yield from read_au(process.stdout)
            status = process.wait()
        finally:
            process.kill()  # nothing where it has ended; otherwise the reader has had enough
            process.wait()
            process.stdout.close()
        if status:
            messages.seek(0)
            text = messages.read(100_000).decode(errors="replace")
            raise DecodeError(last_lines(text) or f"ended with status {status}")


def last_lines(text):
    """The end of a program's messages as one line: the last three lines, where the reason stands."""
    return "; ".join(line.strip() for line in text.strip().splitlines()[-3:])[-500:]


def read_au(stream):
    """Yield (samplerate, mono) of an AU stream; nothing where the stream is empty. A last partial sample is dropped."""
    header = stream.read(AU_HEADER.size)
    if len(header) < AU_HEADER.size:
        return
    _, offset, _, _, samplerate, channels = AU_HEADER.unpack(header)
    stream.read(offset - AU_HEADER.size)
    buffer = block_buffer(channels).astype(">f4")
    while count := stream.readinto(buffer) // buffer[0].nbytes:
        yield samplerate, mean_of_channels(buffer[:count].astype(np.float32))


ROUTES = {"soundfile": decode_soundfile, "ffmpeg": decode_ffmpeg, "sox": decode_sox}


class Signal:
    """The blocks of one route at a wanted sample rate: an iterable of float32 arrays; `seconds` counts what was given.

    `max_seconds` > 0 ends it there, or with `skip_long` raises TooLongError where there is more.
    """

    def __init__(self, blocks, samplerate, max_seconds=0.0, skip_long=False):
        self.blocks, self.samplerate, self.skip_long = blocks, samplerate, skip_long
        self.limit = round(max_seconds * samplerate) or None  # samples
        self.max_seconds = max_seconds
        self.samples = 0

    @property
    def seconds(self):
        """Length of what was given so far."""
        return self.samples / self.samplerate

    def __iter__(self):
        for block in resampled(self.blocks, self.samplerate):
            room = None if self.limit is None else self.limit - self.samples
            if room is not None and len(block) > room:
                if self.skip_long:
                    raise TooLongError(f"longer than {self.max_seconds:g} s")
                block = block[:room]
            self.samples += len(block)
            yield block
            if room is not None and len(block) == room and not self.skip_long:
                return


def resampled(blocks, samplerate):
    """Mono blocks at `samplerate` of (samplerate, mono) pairs; the result does not depend on where blocks end."""
    stream = None
    for rate, block in blocks:
        if not SAMPLERATES[0] <= rate <= SAMPLERATES[1]:
            raise DecodeError(f"its header gives a sample rate of {rate} Hz")
        if rate == samplerate:
            yield block
            continue
        if stream is None:
            stream = soxr.ResampleStream(rate, samplerate, 1, dtype="float32", quality="HQ")
        yield stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def decode(path, consume, *, samplerate, decoder="auto", max_seconds=0.0, skip_long=False):
    """Decode a file by the first route that manages it and hand its blocks to `consume`.

    `consume(blocks)` gets an iterable of mono float32 arrays (n,) at `samplerate` Hz; where a route fails midway it is
    called again, from the start, with the next. Returns (its result, seconds of audio). Raises DecodeError with the message
    of every route, TooLongError for a file over `max_seconds` where `skip_long`, OSError where the file cannot be opened.
    """
    with open(path, "rb") as file:  # the system's own words where it is missing or not ours to read
        if not file.read(1):
            raise DecodeError("the file is empty")
    failures, declared = [], 0.0
    for name in ROUTES if decoder == "auto" else [decoder]:
        try:
            with closing(ROUTES[name](path)) as blocks:
                signal = Signal(blocks, samplerate, max_seconds, skip_long)
                result = consume(signal)
            check_whole(signal, declared, max_seconds)
            return result, signal.seconds
        except DecodeError as error:
            declared = max(declared, error.declared)
            failures.append(f"{name}: {error}")
    raise DecodeError("; ".join(failures))


def check_whole(signal, declared, max_seconds):
    """Raise DecodeError where a route gave nothing, or less than an earlier route read in the header."""
    if not signal.samples:
        raise DecodeError("no samples in it")
    check_length(signal.seconds, min(declared, max_seconds or declared))


def decode_whole(path, *, samplerate, **options):
    """All samples of a file at once, float32 (n_samples,); options and errors as `decode`."""
    samples, _ = decode(path, lambda blocks: np.concatenate([np.empty(0, np.float32), *blocks]), samplerate=samplerate, **options)
    return samples
