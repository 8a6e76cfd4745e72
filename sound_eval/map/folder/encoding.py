"""A song, or a preview from its middle, made into an mp3 by ffmpeg."""

import errno
import os
import re
import signal

from sound_eval import programs
from sound_eval.audio.durations import UnknownLengthError, seconds_of_file
from sound_eval.errors import InputError
from sound_eval.files.writing import NO_ROOM

CLIP_BITRATE = "96k"
FULL_BITRATE = "160k"


def encode(source, temporary, target, clip_seconds):
    """Write an mp3 to `temporary`, the middle `clip_seconds` of the song if positive;
    returns whether ffmpeg could. `target` is named in errors.

    Raises OSError where there is no room, InputError without ffmpeg.
    """
    if not clip_seconds:
        return _run_ffmpeg(source, temporary, target, [], FULL_BITRATE)
    length = ["-t", f"{clip_seconds:g}"]
    start = max(0.0, (seconds_of(source) - clip_seconds) / 2)
    if start:
        middle = ["-ss", f"{start:.3f}", *length]
        if _run_ffmpeg(source, temporary, target, middle, CLIP_BITRATE):
            return True
    # The length may have been a guess, or a lie.
    return _run_ffmpeg(source, temporary, target, length, CLIP_BITRATE)


def seconds_of(path):
    """The length of a file in seconds, 0 where nothing tells."""
    try:
        return seconds_of_file(path)
    except UnknownLengthError:
        return 0.0


def _run_ffmpeg(source, temporary, target, part, bitrate):
    """Encode a part of a song; returns whether there is sound in the file.

    Raises as `encode`.
    """
    quiet = ["-nostdin", "-v", "error", "-y", "-threads", "1", "-abort_on", "empty_output"]
    sound_alone = ["-map", "0:a:0", "-map_metadata", "-1"]
    as_mp3 = ["-b:a", bitrate, "-f", "mp3", f"file:{temporary}"]
    command = ["ffmpeg", *quiet, *part, *programs.input_of(source), *sound_alone, *as_mp3]
    try:
        status, _, messages = programs.run(command, watch=temporary)
    except programs.StalledError:
        return False
    except programs.MissingProgramError as error:
        raise InputError(
            f"{error}; songs that browsers do not play need it: install ffmpeg, "
            "or choose --audio none"
        ) from error
    _raise_for_no_room(status, messages, target)
    return not status


def _raise_for_no_room(status, messages, target):
    """Raise the OSError, of `target`, that ffmpeg met if there was no room."""
    if status == -signal.SIGXFSZ:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(target))
    for number in NO_ROOM:
        if re.search(rf": {os.strerror(number)}\s*$", messages, re.M):
            raise OSError(number, os.strerror(number), str(target))
