"""What a training shows while it runs: one live line on a terminal, plain lines on a pipe."""
import sys
import time

LINE_SECONDS = 0.2  # between two refreshes of the live line


class Monitor:
    """Shows epoch, cost, rows per second and the time to the next save. A row is one training pair.

    On a pipe a plain line comes every `rows_per_print` rows, on a terminal one line is kept up to date.
    """

    def __init__(self, rows_per_epoch, rows_per_print, stream=None):
        self.rows_per_epoch, self.rows_per_print = rows_per_epoch, rows_per_print
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
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

    def rate(self, now):
        """Rows per second since the epoch began."""
        return self.done / max(now - self.start, 1e-9)

    def line(self, cost, now):
        """The state of the training as one line."""
        rate = self.rate(now)
        left = max(self.rows_per_epoch - self.done, 0) / rate
        return f"epoch {self.epoch}: cost {cost:.4f}, {rate:,.0f} rows/s, save in {left:.0f} s"

    def say(self, text):
        """A line of its own on stdout, clear of the live line."""
        if self.live:
            self.stream.write("\r\033[K")
            self.stream.flush()
        print(text, flush=True)
