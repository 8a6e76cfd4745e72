"""What is shown at the terminal while work goes on: warnings, progress, and how far a script is.

Progress goes to stderr: a live bar on a terminal, a plain line every `PIPE_SECONDS` on
a pipe. A program that runs a script and wants to show how far it is gives it the
writing end of a pipe, whose number is in the environment variable `PROGRESS_FD`: there
comes a line of JSON, `{"what": ..., "done": ..., "total": ..., "note": ...}`, now and
then.
"""

import json
import os
import sys
import time

from tqdm import tqdm

PIPE_SECONDS = 5.0  # time between two progress lines when stderr is not a terminal
PROGRESS_FD = "SOUND_EVAL_PROGRESS_FD"
TELL_SECONDS = 0.2  # time between two lines on that pipe


def warn(message):
    """One line on stderr that begins with `warning:`."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def quiet_tensorflow():
    """Keep TensorFlow's start-up notes off the terminal;
    its warnings and errors still come. To be called before it is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # all that counts is compiled by XLA, and without it there is no note about it
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


class Listener:
    """The program that wants to know how far this one is, if there is one."""

    def __init__(self):
        self.pipe = int(os.environ.get(PROGRESS_FD, -1))
        self.last = ("", 0.0)

    def tell(self, what, done, total, note="", force=False):
        """`done` of `total` items of `what`; little is sent where much is told."""
        now = time.monotonic()
        name, last = self.last
        if self.pipe < 0 or (name == what and not force and now - last < TELL_SECONDS):
            return
        self.last = (what, now)
        line = json.dumps({"what": what, "done": done, "total": total, "note": note})
        os.write(self.pipe, line.encode() + b"\n")


class Progress:
    """A progress display over `total` items on stderr: a bar on a terminal, plain lines on a pipe.

    With a `delay` in seconds nothing is shown of what takes no longer, and the bar is
    gone at the end: for work in between other lines.

    >>> with Progress(total=3, unit="song", what="reading") as progress:
    ...     progress.update(1)
    """

    def __init__(self, total, unit, what, stream=None, delay=0):
        self.total, self.unit, self.what = total, unit, what
        self.stream = stream or sys.stderr
        self.done = 0
        self.start = self.last_line = time.monotonic()
        self.note = ""
        self.listener = Listener()
        self.listener.tell(what, 0, total)
        options = {"dynamic_ncols": True, "delay": delay, "leave": not delay}
        self.bar = (
            tqdm(total=total, unit=unit, desc=what, file=self.stream, **options)
            if self.stream.isatty()
            else None
        )

    def update(self, count, note=""):
        """`count` more items are done, perhaps none; `note` is shown behind the figures."""
        self.done += count
        self.note = note
        self.listener.tell(self.what, self.done, self.total, note)
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=not count)
            self.bar.update(count)
        elif time.monotonic() - self.last_line >= PIPE_SECONDS:
            self.print_line()

    def print_line(self):
        """One plain line: how far, how fast, what is left."""
        self.last_line = time.monotonic()
        rate = self.done / max(self.last_line - self.start, 1e-9)
        left = f", {(self.total - self.done) / rate:.0f} s left" if self.total and rate else ""
        note = f", {self.note}" if self.note else ""
        print(
            f"{self.what}: {self.done}/{self.total} {self.unit}, {rate:.1f}/s{left}{note}",
            file=self.stream,
            flush=True,
        )

    def write(self, line):
        """Print a line of its own without breaking the bar."""
        if self.bar is not None:
            self.bar.write(line, file=self.stream)
        else:
            print(line, file=self.stream, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.tell(self.what, self.done, self.total, self.note, force=True)
        if self.bar is not None:
            self.bar.close()
