"""What every script shares at the terminal: one-line errors, progress, and the closing report.

Conventions
-----------
What a user can cause raises `InputError` (or an `OSError` of the system's own); `run_main` prints it as one line
`error: ...` on stderr and exits 1. Everything else is a defect and keeps its traceback.
Progress goes to stderr: a live bar on a terminal, a plain line every `PIPE_SECONDS` on a pipe. Results go to stdout.
"""
import argparse
import os
import shlex
import sys
import time

from tqdm import tqdm

PIPE_SECONDS = 5.0  # time between two progress lines when stderr is not a terminal
EXIT_INTERRUPTED = 130  # the shell's convention for Ctrl-C: 128 + SIGINT


class InputError(ValueError):
    """Something the user gave cannot be used; the message names it, its value and the likely mistake."""


def run_main(main):
    """Run `main()` as a script does: errors that a user can cause become one line on stderr and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a file name may hold what the terminal cannot show
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has seen enough
        sys.exit(1)
    except (InputError, OSError) as error:
        sys.exit(f"error: {one_line(error)}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def one_line(error):
    """The message of an exception as one line, with the file first where the system names one."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}".replace("\n", "\\n")
    return " ".join(str(error).split()) or type(error).__name__


def quiet_tensorflow():
    """Keep TensorFlow's start-up notes off the terminal; its warnings and errors still come. To be called before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # all that counts is compiled by XLA, and without it there is no note about it


def warn(message):
    """One line on stderr that begins with `warning:`."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def print_next(*command):
    """Print the command to type next, quoted for the shell."""
    print("next:", shlex.join(str(part) for part in command), flush=True)


def seed_number(text):
    """The `type` of an option --seed: what all generators of random numbers take."""
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 32):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0 to {(1 << 32) - 1}")
    return int(text)


class Progress:
    """A progress display over `total` items on stderr: a bar on a terminal, plain lines on a pipe.

    With a `delay` in seconds nothing is shown of what takes no longer, and the bar is gone at the end: for work in between other lines.

    >>> with Progress(total=3, unit="song", what="reading") as progress:
    ...     progress.update(1)
    """

    def __init__(self, total, unit, what, stream=None, delay=0):
        self.total, self.unit, self.what = total, unit, what
        self.stream = stream or sys.stderr
        self.done = 0
        self.start = self.last_line = time.monotonic()
        self.note = ""
        options = {"dynamic_ncols": True, "delay": delay, "leave": not delay}
        self.bar = tqdm(total=total, unit=unit, desc=what, file=self.stream, **options) if self.stream.isatty() else None

    def update(self, count, note=""):
        """`count` more items are done, perhaps none; `note` is shown behind the figures."""
        self.done += count
        self.note = note
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
        print(f"{self.what}: {self.done}/{self.total} {self.unit}, {rate:.1f}/s{left}{note}", file=self.stream, flush=True)

    def write(self, line):
        """Print a line of its own without breaking the bar."""
        if self.bar is not None:
            self.bar.write(line, file=self.stream)
        else:
            print(line, file=self.stream, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.bar is not None:
            self.bar.close()
