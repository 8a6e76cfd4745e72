"""One audio file -> mono float32 (n_samples,) at a wanted sample rate, in blocks, in
constant memory.

Conventions
-----------
A *route* is a decoder (see `routes`): a generator function that yields
`(samplerate, mono)` pairs, mono float32 (n,) in [-1, 1] at the file's own sample rate,
and raises DecodeError with the decoder's own message. `soundfile` (libsndfile) works in
this process and is the fastest; `ffmpeg` and `sox` are subprocesses for what it cannot
read. `auto` tries them in this order. `mixing` makes channels one and soxr resamples,
whatever the route, so that routes differ in nothing else.

What comes of a file
--------------------
The rule: what is used is what a careful decoder gets to the end of. libsndfile is
believed as long as what it gives has the length that the file's own structure says
(`containers`); whatever does not add up is decoded by ffmpeg, and `verdict` holds what
that gives against the structure and against the packets in the file.

`Decoded`: it was used; `damage` is "" or says in words what was lost in its middle. The
array that is made of it is as good as it gets, and is not made again until the file
changes.
`DecodeError` and its subclasses, `BadSamplesError`: the content is at fault. Every
decoder that there is refused it, or it ends early, or too much of it is damaged, or it
is longer than LONGEST_SECONDS; `reason` says which in a few words. What an earlier file
of that name gave is out of date.
`UnreadableError`, `OSError`: nothing was learned of the content. It could not be opened
or read, it changed meanwhile, a program is missing, stood still or was killed. It may
be as good as ever, so nothing that was made of it is to be taken away.
"""

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import soxr

from sound_eval import programs
from sound_eval.audio.decoders import ROUTES, Source, UnreadableError
from sound_eval.audio.verdict import DecodeError, JudgedError
from sound_eval.errors import InputError
from sound_eval.structure.file import AudioFile

SAMPLERATES = (1000, 3_000_000)  # Hz; a header that says otherwise is broken
# What says nothing of the file.
MOMENTARY = (UnreadableError, programs.StalledError, programs.MissingProgramError)
LONGEST_SECONDS = 24 * 3600.0  # of a file; what is longer is a mistake or an attack


class TooLongError(InputError):
    """A file is longer than the limit under which longer files are to be left out."""


class OverlongError(JudgedError):
    """A file is longer than LONGEST_SECONDS."""

    reason = f"longer than {LONGEST_SECONDS / 3600:.0f} h"


class BadSamplesError(InputError):
    """A file holds samples that are not finite numbers; another decoder would only hide
    them.
    """

    reason = "cannot be decoded"


@dataclass(frozen=True)
class Decoded:
    """What came of decoding a file: the consumer's result, the seconds of sound that
    were used, and what was damaged in it.
    """

    result: object
    seconds: float
    damage: str = ""


class Signal:
    """The blocks of one route at a wanted sample rate: an iterable of float32 arrays;
    `seconds` counts what was given.

    `max_seconds` > 0 ends it there, or with `skip_long` raises TooLongError where there
    is more. OverlongError where there is more than LONGEST_SECONDS.
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
        for block in _resampled(self.blocks, self.samplerate):
            room = None if self.limit is None else self.limit - self.samples
            if room is not None and len(block) > room:
                if self.skip_long:
                    raise TooLongError(f"longer than {self.max_seconds:g} s")
                block = block[:room]
            self.samples += len(block)
            if self.seconds > LONGEST_SECONDS:
                raise OverlongError(f"goes on after {LONGEST_SECONDS / 3600:.0f} h")
            yield block
            if room is not None and len(block) == room and not self.skip_long:
                return


def _resampled(blocks, samplerate):
    """Mono blocks at `samplerate` of (samplerate, mono) pairs, whose rate may change;
    the result does not depend on where blocks end.
    """
    stream, current = None, None
    for rate, block in blocks:
        if rate != current:
            if not SAMPLERATES[0] <= rate <= SAMPLERATES[1]:
                raise DecodeError(f"its header gives a sample rate of {rate} Hz")
            yield from _rest_of(stream)
            stream, current = None, rate
            if rate != samplerate:
                stream = soxr.ResampleStream(rate, samplerate, 1, dtype="float32", quality="HQ")
        yield block if stream is None else stream.resample_chunk(block)
    yield from _rest_of(stream)


def _rest_of(stream):
    """What a resampler still holds back."""
    if stream is not None:
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def decode(path, consume, *, samplerate, decoder="auto", max_seconds=0.0, skip_long=False):
    """Decode a file by the first route that manages it and hand its blocks to
    `consume`.

    `consume(blocks)` gets an iterable of mono float32 arrays (n,) at `samplerate` Hz;
    where a route fails midway it is called again, from the start, with the next.
    Returns a Decoded. Raises DecodeError with the message of every route,
    UnreadableError or OSError where nothing was learned of the content, TooLongError
    for a file over `max_seconds` where `skip_long`, OverlongError for one over
    LONGEST_SECONDS.
    """
    with AudioFile(path) as file:
        if not file.size:
            raise DecodeError("the file is empty")
        source = Source(file)
        _check_longest(source.layout.seconds, max_seconds)
        failures = []
        for name in ROUTES if decoder == "auto" else [decoder]:
            try:
                with closing(ROUTES[name](source)) as blocks:
                    signal = Signal(blocks, samplerate, max_seconds, skip_long)
                    result = consume(signal)
                if signal.samples:
                    return Decoded(result, signal.seconds, source.damage)
                failures.append((name, DecodeError("no samples in it")))
            except (DecodeError, *MOMENTARY) as error:
                failures.append((name, error))
                if isinstance(error, JudgedError):
                    break
        refuse(failures, file)


def _check_longest(seconds, max_seconds):
    """Raise OverlongError for a file that says it lasts longer than LONGEST_SECONDS,
    and of which all is wanted.
    """
    if seconds > LONGEST_SECONDS and not 0 < max_seconds <= LONGEST_SECONDS:
        raise OverlongError(f"{seconds / 3600:.1f} h by its header")


def refuse(failures, file):
    """Raise the one error for the (route, error) pairs of a file that no route could
    decode: OSError where the disk does not give it, UnreadableError where that says
    nothing of its content, else DecodeError.
    """
    file.check_readable()
    text = "; ".join(f"{name}: {error}" for name, error in failures)
    if file.has_changed():
        raise UnreadableError(f"it changed while it was read; {text}")
    errors = [error for _, error in failures]
    if isinstance(errors[-1], JudgedError):
        raise type(errors[-1])(text)
    if all(isinstance(error, DecodeError) for error in errors):
        raise DecodeError(text)
    raise UnreadableError(text)


def decode_whole(path, *, samplerate, **options):
    """All samples of a file at once, float32 (n_samples,); options and errors as
    `decode`.
    """
    return decode(
        path,
        lambda blocks: np.concatenate([np.empty(0, np.float32), *blocks]),
        samplerate=samplerate,
        **options,
    ).result
