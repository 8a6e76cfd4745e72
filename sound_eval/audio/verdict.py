"""Is a file whole? What a program decoded of it, held against what its structure says
and what packets are in it.

Conventions
-----------
Lengths are in seconds. A file *ends early* where its last packet ends before its
length: something is missing, and nobody knows how good the rest is. It is *damaged*
where less was decoded than its packets hold, or a decoder complained of some: up to
DAMAGED_SHARE of the length that is a remark, beyond it a failure.
"""

import re

from sound_eval import programs
from sound_eval.errors import InputError
from sound_eval.structure.layout import MISSING_SECONDS

DAMAGED_SHARE = 0.2  # of its length may be damaged in a file that is used
DECLARED = "that the file declares"
DURATION = re.compile(r"  Duration: (\d+):(\d\d):(\d\d\.\d+),")
MP3_INPUT = re.compile(r"Input #0, mp3,")
ESTIMATED = "Estimating duration from bitrate"
# The file ends within its last packet; mpegts says so of any damage.
CUT_PACKET = re.compile(r"\[(?!mpegts)\S+ @ \w+\] Packet corrupt")
COMPLAINTS = re.compile(
    r"Error while decoding|Error submitting (a )?packet|Decoding error"
    r"|corrupt (input packet|decoded frame)|File ended prematurely"
)


class DecodeError(InputError):
    """A file cannot be decoded; the message holds what each decoder said, `reason` is
    for a list of failures.
    """

    reason = "cannot be decoded"


class JudgedError(DecodeError):
    """A file was decoded, and is not whole; another decoder would not change that."""


class EndsEarlyError(JudgedError):
    """A file has less sound than it says it has."""

    reason = "ends early"


class TooDamagedError(JudgedError):
    """More than DAMAGED_SHARE of a file is damaged."""

    reason = "damaged too much"


class Heard:
    """What ffmpeg said of a file: `seconds` that it declares, 0 where it does not;
    `is_mp3`; whether the last packet `is_cut`; how many `complaints` there were.
    """

    def __init__(self):
        self.seconds, self.estimated, self.complaints = 0.0, False, 0
        self.is_mp3 = self.is_cut = False

    def take(self, line):
        """Take in one line of its messages."""
        if ESTIMATED in line:
            self.estimated = True
        elif (found := DURATION.match(line)) and not self.estimated:
            hours, minutes, seconds = found.groups()
            self.seconds += int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        elif MP3_INPUT.match(line):
            self.is_mp3 = True
        elif CUT_PACKET.match(line):
            self.is_cut = True
        elif COMPLAINTS.search(line):
            self.complaints += 1


def judge(path, layout, used, heard, broke=""):
    """What is damaged in a file of which a program decoded `used` seconds, in words, ""
    for nothing.

    `broke` are the words with which libsndfile gave up midway. Raises EndsEarlyError or
    TooDamagedError.
    """
    if layout.cut:
        raise EndsEarlyError(f"gave {used:.1f} s; {layout.cut}")
    total = layout.seconds or (0.0 if layout.open_ended else heard.seconds)
    lost = total - used
    if lost > layout.tolerance:
        if heard.is_cut and not layout.complete and layout.end is None:
            raise EndsEarlyError(f"stops after {used:.1f} s of the {total:.1f} s {DECLARED}")
        lost = _whole_packets(path, layout, total) - used
    if lost > DAMAGED_SHARE * total:
        behind = f": {layout.damage}" if layout.damage else ""
        raise TooDamagedError(f"could decode {used:.1f} of {total:.1f} s{behind}")
    if lost > layout.tolerance or layout.damage:
        behind = f" ({layout.damage})" if layout.damage else ""
        return f"{max(lost, 0.0):.2f} of {total:.1f} s could not be decoded{behind}"
    if layout.end is not None:  # the structure knows better than a decoder that stumbles over a tag
        return ""
    return _complaint(used, heard, broke)


def _complaint(used, heard, broke):
    """What decoders said that cost no time that could be measured, "" for nothing."""
    if heard.complaints:
        places = f"{heard.complaints} places in it or at its end"
        return f"{used:.1f} s could be decoded, {places} could not"
    return f"libsndfile: {broke}" if broke else ""


def _whole_packets(path, layout, total):
    """The seconds of sound that a file has, whether or not it can be decoded.

    Raises EndsEarlyError where it does not reach the end at `total`. Sound that ends
    before the picture does is whole.
    """
    sound, end = (total, layout.end) if layout.end is not None else packet_lengths(path)
    if end >= total - max(layout.tolerance, MISSING_SECONDS):
        return min(total, sound)
    if layout.complete:  # all is there, and what is damaged keeps the rest from being found
        return total
    raise EndsEarlyError(f"stops after {end:.1f} s of the {total:.1f} s {DECLARED}")


def packet_lengths(path):
    """(sound, all): seconds from the first packet to the end of the last, of the first
    sound stream and of all streams together.

    All packets are read, none is decoded.
    """
    entries = [
        "-show_entries",
        "packet=codec_type,stream_index,pts_time,duration_time",
        "-of",
        "compact",
    ]
    starts, ends = {}, {}
    with programs.running(
        ["ffprobe", "-v", "error", *entries, *programs.input_of(path)]
    ) as program:
        for line in program.stdout:
            fields = dict(
                field.split("=", 1) for field in line.decode().strip().split("|") if "=" in field
            )
            start = number(fields.get("pts_time"))
            if start is not None:
                stream = fields["codec_type"] != "audio", int(fields["stream_index"])
                starts[stream] = min(start, starts.get(stream, start))
                ends[stream] = max(
                    start + (number(fields.get("duration_time")) or 0.0), ends.get(stream, 0.0)
                )
    sounds = sorted(stream for stream in ends if not stream[0])
    if not sounds:
        return 0.0, 0.0
    return ends[sounds[0]] - starts[sounds[0]], max(ends.values()) - min(starts.values())


def number(text):
    """A number as ffprobe writes it, None for N/A."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
