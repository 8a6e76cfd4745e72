"""What every script shares at the terminal: one-line errors, progress, and the closing report.

Conventions
-----------
What a user can cause raises `InputError` (or an `OSError` of the system's own); `run_main` prints it as one line
`error: ...` on stderr and exits 1. Everything else is a defect and keeps its traceback.
Progress goes to stderr: a live bar on a terminal, a plain line every `PIPE_SECONDS` on a pipe. Results go to stdout.
A program that runs a script and wants to show how far it is gives it the writing end of
a pipe, whose number is in the environment variable `PROGRESS_FD`: there comes a line of
JSON, `{"what": ..., "done": ..., "total": ..., "note": ...}`, now and then.
"""
import argparse
import json
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from tqdm import tqdm

from sound_eval import interrupts

PIPE_SECONDS = 5.0  # time between two progress lines when stderr is not a terminal
PROGRESS_FD = "SOUND_EVAL_PROGRESS_FD"
TELL_SECONDS = 0.2  # time between two lines on that pipe


class InputError(ValueError):
    """Something the user gave cannot be used; the message names it, its value and the likely mistake."""


def run_main(main):
    """Run `main()` as a script does: errors that a user can cause become one line on stderr and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a file name may hold what the terminal cannot show
    try:
        with interrupts.working():
            status = main()
            sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has seen enough
        sys.exit(1)
    except (InputError, OSError) as error:
        sys.exit(f"error: {one_line(error)}")
    except KeyboardInterrupt:
        interrupts.say_interrupted()
        sys.exit(interrupts.EXIT_INTERRUPTED)


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
    """Print the command to type next, quoted for the shell.

    `python` and the script behind it are named as they can be typed in the current folder.
    """
    program, *arguments = map(str, command)
    if program == "python":
        program, arguments = this_python(), [beside_this_script(arguments[0]), *arguments[1:]]
    print("next:", shlex.join([program, *arguments]), flush=True)


def this_python():
    """What to type for the Python that runs: `python` where that leads to it, else its path."""
    found = shutil.which("python")
    if found and os.path.abspath(found) == os.path.abspath(sys.executable):
        return "python"
    return shortest(sys.executable)


def beside_this_script(name):
    """A script of the checkout, `name` from its root, as it can be typed in the current folder."""
    return shortest(Path(__file__).resolve().parent.parent / name)


def shortest(path):
    """A path relative to the current folder where it lies in there, else absolute."""
    path, here = Path(os.path.abspath(path)), Path.cwd()
    # Everything lies in the root, and is found there from anywhere.
    is_inside = path.is_relative_to(here) and here != Path(here.anchor)
    return str(path.relative_to(here) if is_inside else path)


def seed_number(text):
    """The `type` of an option --seed: what all generators of random numbers take."""
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 32):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0 to {(1 << 32) - 1}")
    return int(text)


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
        self.listener = Listener()
        self.listener.tell(what, 0, total)
        options = {"dynamic_ncols": True, "delay": delay, "leave": not delay}
        self.bar = tqdm(total=total, unit=unit, desc=what, file=self.stream, **options) if self.stream.isatty() else None

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
        self.listener.tell(self.what, self.done, self.total, self.note, force=True)
        if self.bar is not None:
            self.bar.close()
