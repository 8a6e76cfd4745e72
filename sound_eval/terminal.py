"""What is shown at the terminal while work goes on: warnings, and how far a script is.

Progress goes to stderr: a live bar on a terminal, a plain line every `PIPE_SECONDS` on
a pipe.

A program that runs a script and wants to show how far it is gives it the writing end of
a pipe, and its number in the environment variable `PROGRESS_FD`. There comes now and
then a line of JSON: `{"what": ..., "done": ..., "total": ..., "note": ...}`.
"""

import json
import os
import sys
import time
from dataclasses import dataclass

from tqdm import tqdm

PIPE_SECONDS = 5.0  # time between two progress lines when stderr is not a terminal
PROGRESS_FD = "SOUND_EVAL_PROGRESS_FD"
LINE_SECONDS = 0.2  # between two refreshes of the line of a training
TELL_SECONDS = 0.2  # time between two lines on that pipe


def warn(message):
    """One line on stderr that begins with `warning:`."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def quiet_tensorflow():
    """Keep TensorFlow's notes of its start off the terminal; warnings and errors still come.

    To be called before it is imported.
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
    """How far work on `total` items is, on stderr: a bar on a terminal, lines on a pipe.

    With a `delay` in seconds nothing is shown of what takes no longer, and the bar is
    gone at the end: for work in between other lines.

    >>> with Progress(total=3, unit="song", what="reading") as progress:
    ...     progress.update(1)
    """

    def __init__(self, total, unit, what, stream=None, delay=0):
        self.total = total
        self.unit = unit
        self.what = what
        self.stream = stream or sys.stderr
        self.done = 0
        self.note = ""
        self.start = time.monotonic()
        self.last_line = self.start
        self.listener = Listener()
        self.listener.tell(what, 0, total)
        self.bar = None
        if self.stream.isatty():
            shown = {"total": total, "unit": unit, "desc": what, "file": self.stream}
            self.bar = tqdm(**shown, dynamic_ncols=True, delay=delay, leave=not delay)

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
        line = f"{self.what}: {self.done}/{self.total} {self.unit}, {rate:.1f}/s"
        if self.total and rate:
            line += f", {(self.total - self.done) / rate:.0f} s left"
        if self.note:
            line += f", {self.note}"
        print(line, file=self.stream, flush=True)

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


@dataclass(frozen=True)
class Asked:
    """What the training shall do: so many minutes from `began` on, and epochs after `first`.

    None where it does not matter.
    """

    minutes: float | None = None
    epochs: int | None = None
    began: float = 0.0  # as time.monotonic() gives it
    first: int = 0

    def done(self, epochs, now):
        """Pairs (done, asked) in minutes and in epochs, after `epochs` at the time `now`."""
        in_minutes = None
        in_epochs = None
        if self.minutes:
            in_minutes = (min((now - self.began) / 60, self.minutes), self.minutes)
        if self.epochs:
            in_epochs = (epochs - self.first, self.epochs)
        return in_minutes, in_epochs

    def text(self, epochs, now):
        """How far it is in words, "" where nothing is asked."""
        minutes, epochs = self.done(epochs, now)
        parts = []
        if minutes:
            digits = 1 if minutes[1] >= 1 else 2
            parts.append(f"{minutes[0]:.{digits}f} of {minutes[1]:g} minutes")
        if epochs:
            parts.append(f"{int(epochs[0])} of {epochs[1]} epochs")
        return ", ".join(parts)

    def share(self, epochs, now):
        """How much of it is done, from 0 to 1; None where nothing is asked."""
        asked = filter(None, self.done(epochs, now))
        return max((done / wanted for done, wanted in asked), default=None)


class Monitor:
    """Shows epoch, cost, rows per second, and how much of what was asked for is done.

    A row is one training pair. On a pipe a plain line comes every `rows_per_print`
    rows, on a terminal one line is kept up to date.
    """

    def __init__(self, rows_per_epoch, rows_per_print, asked=None, stream=None):
        self.rows_per_epoch = rows_per_epoch
        self.rows_per_print = rows_per_print
        self.asked = asked or Asked()
        self.stream = stream or sys.stderr
        self.listener = Listener()
        self.bar = None
        if self.stream.isatty():
            # the words alone: a training until it is stopped has no end to show a bar of
            options = {"bar_format": "{desc}", "dynamic_ncols": True, "leave": False}
            self.bar = tqdm(file=self.stream, mininterval=LINE_SECONDS, miniters=1, **options)
        self.start_epoch(0)

    def start_epoch(self, epoch):
        """The next chunks belong to `epoch`."""
        self.epoch = epoch
        # rows of it
        self.done = 0
        self.printed = 0
        self.start = time.monotonic()

    def chunk(self, rows, cost):
        """`rows` more rows are trained, at the mean `cost`."""
        self.done += rows
        now = time.monotonic()
        if self.bar is not None:
            self.bar.set_description_str(self.line(cost, now), refresh=False)
            self.bar.update(rows)
        elif self.done - self.printed >= self.rows_per_print:
            self.printed = self.done
            print(self.line(cost, now), file=self.stream, flush=True)
        self.tell(now)

    def rate(self, now):
        """Rows per second since the epoch began."""
        return self.done / max(now - self.start, 1e-9)

    def epochs(self):
        """Epochs trained, those before this training and the part of the present one included."""
        return self.epoch - 1 + min(self.done / self.rows_per_epoch, 1)

    def line(self, cost, now):
        """The state of the training as one line."""
        rate = self.rate(now)
        left = max(self.rows_per_epoch - self.done, 0) / rate
        line = f"epoch {self.epoch}: cost {cost:.4f}, {rate:,.0f} rows/s, save in {left:.0f} s"
        return self.with_asked(line, now)

    def with_asked(self, line, now):
        """A line with what is done of what was asked for behind it."""
        return "; ".join(filter(None, [line, self.asked.text(self.epochs(), now)]))

    def tell(self, now):
        """Tell the program that runs this one, if any, how far the training is."""
        if (share := self.asked.share(self.epochs(), now)) is not None:
            note = f"epoch {self.epoch}, {self.asked.text(self.epochs(), now)}"
            self.listener.tell("training", round(share, 4), 1, note)

    def saved(self, cost, path):
        """An epoch is over and saved to `path`."""
        line = f"epoch {self.epoch}: cost {cost:.4f}, wrote {path}"
        self.say(self.with_asked(line, time.monotonic()))

    def say(self, text):
        """A line of its own on stdout, clear of the live line."""
        if self.bar is not None:
            self.bar.clear()
        print(text, flush=True)
