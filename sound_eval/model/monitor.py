"""What a training shows while it runs: one live line on a terminal, plain lines on a pipe."""

import sys
import time
from dataclasses import dataclass

from sound_eval.terminal import Listener

LINE_SECONDS = 0.2  # between two refreshes of the live line


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
        minutes = (
            (min((now - self.began) / 60, self.minutes), self.minutes) if self.minutes else None
        )
        return minutes, (epochs - self.first, self.epochs) if self.epochs else None

    def text(self, epochs, now):
        """How far it is in words, "" where nothing is asked."""
        minutes, epochs = self.done(epochs, now)
        parts = []
        if minutes:
            parts.append(f"{minutes[0]:.{1 if minutes[1] >= 1 else 2}f} of {minutes[1]:g} minutes")
        if epochs:
            parts.append(f"{int(epochs[0])} of {epochs[1]} epochs")
        return ", ".join(parts)

    def share(self, epochs, now):
        """How much of it is done, from 0 to 1; None where nothing is asked."""
        return max(
            (done / asked for done, asked in filter(None, self.done(epochs, now))), default=None
        )


class Monitor:
    """Shows epoch, cost, rows per second, and how much of what was asked for is done.

    A row is one training pair. On a pipe a plain line comes every `rows_per_print`
    rows, on a terminal one line is kept up to date.
    """

    def __init__(self, rows_per_epoch, rows_per_print, asked=None, stream=None):
        self.rows_per_epoch, self.rows_per_print = rows_per_epoch, rows_per_print
        self.asked = asked or Asked()
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.listener = Listener()
        self.epoch = self.done = self.printed = 0
        self.start = self.refreshed = time.monotonic()

    def start_epoch(self, epoch):
        """The next chunks belong to `epoch`."""
        self.epoch, self.done, self.printed, self.start = epoch, 0, 0, time.monotonic()

    def chunk(self, rows, cost):
        """`rows` more rows are trained, at the mean `cost`."""
        self.done += rows
        now = time.monotonic()
        if self.live and now - self.refreshed >= LINE_SECONDS:
            self.refreshed = now
            self.stream.write(f"\r\033[K{self.line(cost, now)}")
            self.stream.flush()
        elif not self.live and self.done - self.printed >= self.rows_per_print:
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
        if self.live:
            self.stream.write("\r\033[K")
            self.stream.flush()
        print(text, flush=True)
