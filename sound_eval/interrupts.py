"""Ctrl-C at any moment ends a script with one line. Scripts import this before all else.

While modules load, Python's KeyboardInterrupt comes out of the middle of somebody's
import, as a traceback or as whatever error a C extension makes of it. So on import this
module takes SIGINT over, if the program is a script of this checkout: a library that is
imported elsewhere leaves signals alone, and so do processes that a script starts.

- Before `working()` and after it there is nothing to clean up: the line `interrupted`,
  and the process is gone.
- Inside it comes the KeyboardInterrupt, for what has to be put away; where an import is
  under way, as soon as that is over. A second signal does not wait for it.

It imports nothing that takes time, as until then Ctrl-C is still Python's.
"""

# What the module `signal` wraps in enums, whose loading takes half of a Python's start.
import _signal as signal
import atexit
import os
import sys

EXIT_INTERRUPTED = 130  # the shell's convention for Ctrl-C: 128 + SIGINT
AGAIN_SECONDS = 0.05  # until the next look whether an import is over
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"  # the file of its frames


class State:
    """What a signal needs to know.

    Whether `working()`, which signal waits for the end of an import, whether the line
    is written, and whose process this is.
    """

    working = False
    waiting = None
    said = False
    process = os.getpid()


def is_script():
    """Whether the program is a script of this checkout, in its root or in a folder of it."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = getattr(sys.modules["__main__"], "__file__", None)
    folder = os.path.dirname(os.path.realpath(program)) if program else ""
    return os.path.realpath(root) in (folder, os.path.dirname(folder))


def on_signal(number, frame):
    """A handler: end at once, raise KeyboardInterrupt, or wait for the end of an import."""
    if os.getpid() != State.process:
        # a fork that has not come to what it shall do; its parent says the line
        os._exit(EXIT_INTERRUPTED)
    if not State.working or State.waiting is not None:
        say_interrupted()
        os._exit(EXIT_INTERRUPTED)
    if _is_importing(frame):
        State.waiting = number
        signal.signal(signal.SIGALRM, _look_again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        raise KeyboardInterrupt


def _look_again(_number, frame):
    """Send the signal that waits once more if the import is over."""
    if _is_importing(frame):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        number, State.waiting = State.waiting, None
        signal.raise_signal(number)


def _is_importing(frame):
    """Whether a frame, or one that it was called from, is in the middle of an import."""
    while frame is not None and frame.f_code.co_filename != IMPORT_SYSTEM:
        frame = frame.f_back
    return frame is not None


class working:  # noqa: N801  read as a word: with working():
    """While it lasts, Ctrl-C raises KeyboardInterrupt in what the caller does."""

    def __enter__(self):
        State.working = True

    def __exit__(self, *exc):
        State.working = False


def say_interrupted():
    """The one line, once."""
    if not State.said:
        State.said = True
        os.write(2, b"interrupted\n")


def at_the_end():
    """Let no signal count any more: the last of Python's end cannot run a handler, and
    all is written then.

    A timer may still be running for a signal that came in an import
    just before the end.
    """
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if is_script() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, on_signal)
    atexit.register(at_the_end)
