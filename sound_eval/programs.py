"""The one way to call ffmpeg, ffprobe and sox: what they may open, how long they may
stand still, and that they end with us.

A file that somebody calls a song may be anything: a playlist of addresses, a list of
other files, a pipe without an end.
So ffmpeg and ffprobe get two white lists: of protocols, `file` alone, and of formats,
those that keep their sound in the file itself. A program that gives nothing for
IDLE_SECONDS is ended, and so is every program when this process is, however that
happens.
"""

import ctypes
import io
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

from sound_eval.errors import InputError

IDLE_SECONDS = 60.0  # a program that gives nothing for so long has got stuck
WATCH_SECONDS = 0.5  # between two looks at a file that grows
MOST_MESSAGES = 100_000  # bytes of a program's messages that are read
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PROTOCOLS = "file"

# ffmpeg's demuxers of sound and film that read nothing but the file they are given. Not
# among them are those that open what a file names (hls, dash, concat, sdp, imf,
# webm_dash_manifest, ...), devices, and raw samples.
# fmt: off
FORMATS = (
    "aac", "aax", "ac3", "aea", "aiff", "amr", "amrnb", "amrwb", "apc", "ape", "asf", "asf_o",
    "ast", "au", "avi",
    "bfstm", "brstm", "caf", "dff", "dsf", "dts", "dtshd", "dv", "eac3", "flac", "flv", "g722",
    "g726", "g726le", "g729",
    "gsm", "gxf", "hca", "iff", "ircam", "ilbc", "ivf", "kux", "libgme", "libmodplug", "libopenmpt",
    "loas", "lvf",
    "matroska", "mlp", "mmf", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "msf", "mtaf", "mxf",
    "nistsphere",
    "nsv", "nut", "nuv", "ogg", "oma", "osq", "paf", "pvf", "qcp", "rl2", "rm", "rso", "sbc", "sds",
    "shn", "sln", "sol",
    "sox", "svs", "swf", "tak", "truehd", "tta", "vag", "voc", "vqf", "w64", "wav", "wsd", "wtv",
    "wv", "xa", "xwma",
)
# fmt: on
# Suffixes that sox reads as recordings; those it does not know itself it tells by their content.
# fmt: off
SOX_SUFFIXES = (
    "8svx", "aac", "ac3", "aif", "aifc", "aiff", "aiffc", "al", "alac", "amb", "amr", "amr-nb",
    "amr-wb", "anb", "ape", "au", "avr", "awb",
    "bwf", "caf", "cdda", "cdr", "cvs", "cvsd", "cvu", "dvms", "fap", "flac", "fssd", "gsm", "gsrt",
    "hcom", "htk", "iff", "ima", "ircam",
    "la", "lpc", "lpc10", "lu", "m4a", "m4b", "m4r", "mat", "mat4", "mat5", "maud", "mp1", "mp2",
    "mp3", "mp4", "mpga", "nist", "oga", "ogg", "ogx",
    "opus", "paf", "prc", "pvf", "raw", "rf64", "sd2", "sds", "sf", "sln", "smp", "snd", "sndr",
    "sndt", "sou", "sox", "sph", "spx", "sw",
    "txw", "ub", "ul", "uw", "vms", "voc", "vorbis", "vox", "w64", "wav", "wave", "wavpcm", "webm",
    "wma", "wv", "wve", "xa", "xi",
)
# fmt: on
# ffmpeg's words, with the whole list
REFUSED = re.compile(r"\[(\S+) @ \w+\] Format not on whitelist '[^']*'")


class StalledError(InputError):
    """A program gave nothing for IDLE_SECONDS and was ended."""


class RefusedError(InputError):
    """A program is not given this file."""


class MissingProgramError(InputError):
    """A program is not installed; what it would have made says nothing of the file."""


def input_of(path, part=None):
    """The arguments by which ffmpeg or ffprobe opens the file `path` (any name, no
    address, no option), or of it the bytes `part`, (start, end).
    """
    name, protocols = f"file:{os.path.abspath(path)}", PROTOCOLS
    if part:
        name, protocols = f"subfile,,start,{part[0]},end,{part[1]},,:{name}", f"{PROTOCOLS},subfile"
    return ["-protocol_whitelist", protocols, "-format_whitelist", ",".join(FORMATS), "-i", name]


def sox_input_of(path):
    """The argument by which sox opens the file `path`. Raises RefusedError where its
    name has no suffix of a recording.

    By the suffix sox takes a file for a playlist, whose entries may be addresses and
    commands, or for a device.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix.lstrip(".") not in SOX_SUFFIXES:
        raise RefusedError(
            f"not asked: {suffix or 'no suffix'} is none of the recordings that it reads"
        )
    return os.path.abspath(path)


class Output(io.RawIOBase):
    """What a program writes to its stdout, as a raw stream that raises StalledError
    where nothing comes for `idle_seconds`.
    """

    def __init__(self, process, idle_seconds):
        self.process, self.idle_seconds = process, idle_seconds
        self.poll = select.poll()
        self.poll.register(process.stdout, select.POLLIN)

    def readable(self):
        """For BufferedReader."""
        return True

    def readinto(self, buffer):
        """Fill part of `buffer`; 0 at the end."""
        if not self.poll.poll(self.idle_seconds * 1000):
            raise StalledError(
                f"{self.process.args[0]} gave nothing for {self.idle_seconds:g} s and was ended"
            )
        return os.readv(self.process.stdout.fileno(), [buffer])


class Running:
    """A program at work: `stdout`, a buffered stream of bytes, and when it has ended
    `status` and `messages`.
    """

    def __init__(self, process, stderr, idle_seconds):
        self.process, self.stderr = process, stderr
        self.stdout = io.BufferedReader(Output(process, idle_seconds), 1 << 16)

    def wait(self):
        """The exit status, once it has written all."""
        return self.process.wait()

    def lines(self):
        """What it has written to stderr, line by line, however much that is."""
        self.stderr.seek(0)
        for line in self.stderr:
            yield line[:MOST_MESSAGES].decode(errors="replace").rstrip("\r\n")

    def messages(self):
        """What it has written to stderr, the last MOST_MESSAGES bytes of it."""
        size = self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(0, size - MOST_MESSAGES))
        return REFUSED.sub(
            r"a file of the kind \1, which is no recording",
            self.stderr.read().decode(errors="replace"),
        )


@contextmanager
def running(command, idle_seconds=IDLE_SECONDS):
    """Start a program; inside, a Running; after, it is no more.

    Raises MissingProgramError where it is not installed.
    """
    with tempfile.TemporaryFile() as stderr:
        process = start(command, stderr)
        try:
            yield Running(process, stderr, idle_seconds)
        finally:
            process.kill()  # nothing where it has ended; otherwise the reader has had enough
            process.wait()
            process.stdout.close()


def start(command, stderr):
    """The Popen of a program that ends with this process."""
    options = {"preexec_fn": _end_with_parent(os.getpid())} if sys.platform == "linux" else {}
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, **options
        )
    except FileNotFoundError:
        raise MissingProgramError(f"{command[0]} is not installed") from None


# looked up here: a child after a fork should not
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent(parent):
    """What a child does before it becomes the program:
    ask Linux to kill it with its parent, which may be gone already.
    """

    def ask():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def run(command, idle_seconds=IDLE_SECONDS, watch=None):
    """Run a program to its end. Returns (status, what it wrote to stdout as text, its messages).

    It may be silent as long as the file `watch` grows. Raises StalledError where
    neither moves, MissingProgramError where it is not installed.
    """
    with running(command, WATCH_SECONDS if watch else idle_seconds) as program:
        output, moved, size = bytearray(), time.monotonic(), -1
        while True:
            try:
                block = program.stdout.read1(1 << 16)
            except StalledError:
                size, before = _size_of(watch), size
                if size != before:
                    moved = time.monotonic()
                if watch is None or time.monotonic() - moved > idle_seconds:
                    raise StalledError(
                        f"{command[0]} did nothing for {idle_seconds:g} s and was ended"
                    ) from None
                continue
            if not block:
                return program.wait(), output.decode(errors="replace"), program.messages()
            output += block
            moved = time.monotonic()


def _size_of(path):
    """The size of a file in bytes, -1 where there is none yet."""
    try:
        return os.stat(path).st_size if path else -1
    except FileNotFoundError:
        return -1
