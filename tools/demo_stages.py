"""The demo's stages, run as children: one bar over all, a line for each, the rest in a log.

Conventions
-----------
A stage weighs about as many seconds as it takes on the example music, and moves the bar
as far as its script says it is (`sound_eval.terminal.PROGRESS_FD`). A script shows
several progresses, its *parts*, in turn; each counts alike.
A child has a session of its own, so that Ctrl-C comes to it once, from here.
"""

import json
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from sound_eval.errors import InputError
from sound_eval.terminal import PROGRESS_FD

REPO = Path(__file__).resolve().parent.parent
PIPE_SECONDS = 10.0  # between two lines of progress where stderr is no terminal
WAIT_SECONDS = 1.0  # without a word from a script, until the clock moves on
LAST_LINES = 5  # of what a script printed, where it failed without an `error:` line
WARNING = re.compile(r"warning: ")  # lines of a script that are shown although all goes well
ERROR = re.compile(r"(\S+\.py: )?error: ")


@dataclass(frozen=True)
class Stage:
    """What a stage is called, the seconds that it weighs, and the names of its parts."""

    name: str
    seconds: float
    parts: tuple


class Display:
    """One bar over all stages on a terminal, plain lines on a pipe; a line each on stdout."""

    def __init__(self, stages, stream=None):
        self.stages = stages
        self.stream = stream or sys.stderr
        self.number = 0
        self.share = 0.0
        self.what = ""
        self.total = sum(stage.seconds for stage in stages)
        self.last_line = time.monotonic()
        self.stage_start = self.last_line
        form = "{percentage:3.0f}% |{bar:24}| {elapsed}  {desc}"
        options = {"total": self.total, "bar_format": form, "dynamic_ncols": True, "leave": False}
        self.bar = tqdm(file=self.stream, **options) if self.stream.isatty() else None

    @property
    def stage(self):
        """The stage that runs."""
        return self.stages[self.number - 1]

    def begin(self):
        """The next stage begins."""
        self.number += 1
        self.stage_start = time.monotonic()
        self.move(0, "starting")

    def move(self, share, what):
        """The stage is done by `share`, at `what`."""
        self.share = share
        self.what = what
        before = sum(stage.seconds for stage in self.stages[: self.number - 1])
        seconds = before + min(share, 1) * self.stage.seconds
        now = time.monotonic()
        if self.bar is not None:
            self.bar.set_description_str(f"{self.heading()}  {what}", refresh=False)
            self.bar.update(max(0, seconds - self.bar.n))  # only forward
            self.bar.refresh()
        elif now - self.last_line >= PIPE_SECONDS:
            self.last_line = now
            line = f"{100 * seconds / self.total:.0f} % of all, {self.heading()}: {what}"
            print(line.removesuffix(": "), file=self.stream, flush=True)

    def tick(self):
        """Time goes by."""
        self.move(self.share, self.what)

    def heading(self):
        """The number and name of the stage, such as `2/6 log-mel`."""
        return f"{self.number}/{len(self.stages)} {self.stage.name}"

    def end(self, result):
        """The stage is over with `result`, a few words."""
        seconds = time.monotonic() - self.stage_start
        width = 4 + max(len(stage.name) for stage in self.stages)
        self.write(f"{self.heading():{width}}   {result}, {seconds:.0f} s")

    def write(self, line, stream=None):
        """A line of its own, clear of the bar."""
        if self.bar is not None:
            self.bar.clear()
        print(line, file=stream or sys.stdout, flush=True)

    def close(self):
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()


class Runner:
    """Runs scripts for the stages of a Display; what they print goes to the file `log`."""

    def __init__(self, display, log):
        self.display = display
        self.path = Path(log)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.log = open(self.path, "ab")  # noqa: SIM115  open as long as the demo
        self.child = None
        self.signals = 0

    def run(self, script, *args, accepted=(0,)):
        """Run one script; returns what it printed on stdout.

        Raises InputError where it fails, its error lines being shown, and
        KeyboardInterrupt after Ctrl-C, when the script has ended.
        """
        command = [script, *map(str, args)]
        self.log.write(os.fsencode(f"\n$ python {shlex.join(command)}\n"))
        with self.handing_on_signals():
            output, messages = self.follow(command)
        if self.signals:
            raise KeyboardInterrupt
        if (status := self.child.returncode) not in accepted:
            self.show_error(messages)
            raise InputError(
                f"{script} stopped with exit status {status}; all that it printed is in {self.path}"
            )
        return output

    @contextmanager
    def handing_on_signals(self):
        """Ctrl-C is for the child, and so is SIGTERM, as Ctrl-C; the second ends it at once."""
        self.child = None
        before = {
            number: signal.signal(number, self.on_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_signal(self, _number, _frame):
        """Hand a signal on."""
        self.signals += 1
        if self.signals == 1:
            os.write(2, b"\nstopping; once more to stop at once\n")
        if self.child:
            self.child.send_signal(signal.SIGINT)

    def follow(self, command):
        """Run a child and take in what it says; returns its stdout and its lines of stderr."""
        progress, to_us = os.pipe()
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "bufsize": 0,
        }
        environment = os.environ | {PROGRESS_FD: str(to_us), "PYTHONUNBUFFERED": "1"}
        program = [sys.executable, str(REPO / command[0]), *command[1:]]
        self.child = subprocess.Popen(
            program, env=environment, pass_fds=[to_us], start_new_session=True, **options
        )
        if self.signals:
            self.child.send_signal(signal.SIGINT)  # it came before there was a child to hand it to
        os.close(to_us)
        output = []
        messages = []
        with open(progress, "rb", buffering=0) as told:
            printed = {self.child.stdout: output, self.child.stderr: messages}
            for stream, line in lines([*printed, told], printed, self.display.tick):
                if stream is told:
                    self.show_progress(**json.loads(line))
                else:
                    printed[stream].append(line)
                    self.note(line, is_message=stream is self.child.stderr)
        self.child.wait()
        return "\n".join(output), messages

    def note(self, line, is_message):
        """A line into the log, and on the terminal where it warns of something."""
        self.log.write(os.fsencode(line + "\n"))
        self.log.flush()
        if is_message and WARNING.match(line):
            self.display.write(line, sys.stderr)

    def show_progress(self, what, done, total, note):
        """A script is at `done` of `total` of its part `what`."""
        known = self.display.stage.parts
        if what in known:
            share = (known.index(what) + (done / total if total else 0)) / len(known)
            self.display.move(share, note or (f"{what}, {done} of {total}" if total else ""))

    def show_error(self, messages):
        """The error lines of a script, or where it has none the last that it said, on stderr."""
        errors = [line for line in messages if ERROR.match(line)]
        for line in errors or messages[-LAST_LINES:]:
            self.display.write(line, sys.stderr)


def lines(streams, until, on_wait):
    """Yield (stream, line) as they come, until all of `until` have ended.

    Calls `on_wait()` after every second in which nothing comes.
    """
    rest = dict.fromkeys(streams, b"")
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while any(stream in rest for stream in until):
            events = selector.select(WAIT_SECONDS)
            if not events:
                on_wait()
            for key, _ in events:
                stream = key.fileobj
                block = os.read(key.fd, 1 << 16)
                *whole, rest[stream] = (rest[stream] + block).split(b"\n")
                if not block:
                    selector.unregister(stream)
                    whole += [last] if (last := rest.pop(stream)) else []
                yield from ((stream, os.fsdecode(line)) for line in whole)
