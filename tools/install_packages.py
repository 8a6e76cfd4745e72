"""Install what a list of packages names, by pip, with one moving line.

It needs nothing but Python, as nothing else is there yet. What pip prints goes to a log
in the folder of the environment; where pip fails, its errors are shown.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import re
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from sound_eval import interrupts
from sound_eval.cli import script_parser

EXAMPLE = """example, as `make setup` calls it:
  .venv/bin/python tools/install_packages.py requirements.txt"""
PIPE_SECONDS = 10.0  # between two lines where stdout is no terminal
LOOK_SECONDS = 0.5  # between two looks at what pip has done
WIDTH = 78  # columns of the moving line
LAST_LINES = 10  # of pip's, where it failed without an error line
PIP = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
FOUND = re.compile(r"(?:Collecting|Processing) (?:\S*/)?([\w.]+(?:-[A-Za-z][\w.]*)*)")
FETCHED = re.compile(r" +(?:Downloading|Using cached) (?:\S*/)?([^-\s/]+)-\S* (\(.*\))")
INSTALLING = "Installing collected packages: "
PROJECT = "sound-eval"  # always linked anew, and no package that is fetched
ERROR = "ERROR: "


class Line:
    """What is going on: one moving line on a terminal, lines now and then on a pipe."""

    def __init__(self, stream):
        self.stream = stream
        self.live = stream.isatty()
        self.start = time.monotonic()
        self.last = self.start

    def show(self, text):
        """Show `text` and the seconds so far in place of what stood there."""
        now = time.monotonic()
        text = f"{text}, {now - self.start:.0f} s"
        if self.live:
            self.stream.write(f"\r\033[K{text[:WIDTH]}")
            self.stream.flush()
        elif now - self.last >= PIPE_SECONDS:
            self.last = now
            print(text, file=self.stream, flush=True)

    def end(self, text=""):
        """The moving line makes place for `text`."""
        if self.live:
            self.stream.write("\r\033[K")
        print(text, end="\n" if text else "", file=self.stream, flush=True)


class Installation:
    """What pip has done so far, from what it prints and from what lies on the disk."""

    def __init__(self):
        self.lines = []
        self.found = set()
        self.fetched = ""
        self.names = []
        self.before = installed()

    def take(self, line):
        """A line that pip printed."""
        self.lines.append(line)
        if match := FOUND.match(line):
            self.found.add(match[1])
        elif match := FETCHED.match(line):
            self.fetched = f"; {match[1]} {match[2]}"
        elif line.startswith(INSTALLING):
            names = line.removeprefix(INSTALLING).split(", ")
            self.names = [name for name in names if name != PROJECT]

    def text(self):
        """The state in words."""
        if self.names:
            done = min(len(installed() - self.before), len(self.names))
            now = f"; now {self.names[done]}" if done < len(self.names) else ""
            return f"packages: {done} of {len(self.names)} installed{now}"
        return f"packages: {len(self.found)} found{self.fetched}"


def installed():
    """The packages that are there, by what pip writes last of each."""
    return {
        path.parent.name
        for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info/INSTALLER")
    }


def install(list_of_packages, log, line):
    """Run pip, showing how far it is; returns its exit status and the Installation."""
    state = Installation()
    with open(log, "w+", encoding="utf-8", errors="replace") as told:
        command = [sys.executable, *PIP, "-r", list_of_packages]
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=told.fileno(), stderr=subprocess.STDOUT
        )
        with open(log, encoding="utf-8", errors="replace") as printed:
            try:
                follow(pip, printed, state, line)
            finally:
                pip.wait()  # it has Ctrl-C too, from the terminal
    return pip.returncode, state


def follow(pip, printed, state, line):
    """Read what pip prints until it has ended."""
    rest = ""
    while True:
        ended = pip.poll() is not None
        *whole, rest = (rest + printed.read()).split("\n")
        for text in whole:
            state.take(text)
        if ended:
            return
        line.show(state.text())
        time.sleep(LOOK_SECONDS)


def main(argv=None):
    """Install, show, report; returns pip's exit status."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("list", metavar="REQUIREMENTS.txt", help="the list of packages")
    args = parser.parse_args(argv)
    if not Path(args.list).is_file():
        print(f"error: {args.list}: no such file", file=sys.stderr)
        return 1
    log = Path(sys.prefix) / f"install_{Path(args.list).stem}.log"
    line = Line(sys.stdout)
    status, state = install(args.list, log, line)
    if status:
        line.end()
        print("\n".join(errors(state.lines)), file=sys.stderr)
        told = f"pip stopped with exit status {status}; all that it printed is in {log}"
        print(f"error: {args.list}: {told}", file=sys.stderr)
        return 1
    line.end(result(len(state.names), time.monotonic() - line.start))
    return 0


def errors(lines):
    """The error lines of pip, or where it has none the last that it printed."""
    told = [line for line in lines if line.startswith(ERROR)]
    return told or lines[-LAST_LINES:]


def result(n_packages, seconds):
    """What has been done, in words."""
    if not n_packages:
        return "all packages are there"
    return f"{n_packages} packages installed in {seconds:.0f} s"


if __name__ == "__main__":
    with interrupts.working():
        try:
            status = main()
        except KeyboardInterrupt:
            interrupts.say_interrupted()
            status = interrupts.EXIT_INTERRUPTED
    sys.exit(status)
