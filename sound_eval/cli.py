"""What every script shares: errors as one line, the commands to type next, types of options.

What a user can cause raises `InputError` (or an `OSError` of the system's own);
`run_main` prints it as one line `error: ...` on stderr and exits 1. Everything else is
a defect and keeps its traceback. Results go to stdout.
"""

import argparse
import math
import os
import shlex
import shutil
import sys
from pathlib import Path

from sound_eval import interrupts
from sound_eval.errors import InputError, one_line

NO_TENSORFLOW = (
    "TensorFlow is not installed; in the checkout: pip install -e '.[cpu]', "
    "or '.[gpu]' for an NVIDIA GPU"
)


def script_parser(description, examples):
    """The parser of a script: its docstring above the options, its examples, as they are, below."""
    layout = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=description, epilog=examples, formatter_class=layout)


def run_main(main):
    """Run `main()` as a script does:
    errors that a user can cause become one line on stderr and exit status 1.
    """
    for stream in (sys.stdout, sys.stderr):
        # a file name may hold what the terminal cannot show
        stream.reconfigure(errors="backslashreplace")
    try:
        with interrupts.working():
            status = main()
            sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:
        # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError) as error:
        sys.exit(f"error: {one_line(error)}")
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        sys.exit(f"error: {NO_TENSORFLOW}")
    except KeyboardInterrupt:
        interrupts.say_interrupted()
        sys.exit(interrupts.EXIT_INTERRUPTED)


def print_next(*command):
    """Print the command to type next, quoted for the shell.

    `python` and the script behind it are named as they can be typed in
    the current folder.
    """
    program, *arguments = map(str, command)
    if program == "python":
        program = _this_python()
        arguments[0] = _beside_this_script(arguments[0])
    print("next:", shlex.join([program, *arguments]), flush=True)


def _this_python():
    """What to type for the Python that runs: `python` where that leads to it, else its path."""
    found = shutil.which("python")
    if found and os.path.abspath(found) == os.path.abspath(sys.executable):
        return "python"
    return _shortest(sys.executable)


def _beside_this_script(name):
    """A script of the checkout, `name` from its root, as it can be typed in the current folder."""
    return _shortest(Path(__file__).resolve().parent.parent / name)


def _shortest(path):
    """A path relative to the current folder where it lies in there, else absolute."""
    path = Path(os.path.abspath(path))
    here = Path.cwd()
    # Everything lies in the root, and is found there from anywhere.
    is_inside = path.is_relative_to(here) and here != Path(here.anchor)
    return str(path.relative_to(here) if is_inside else path)


def whole_number(least, most=None):
    """The `type` of an option that takes a whole number, `least` and `most` among them."""
    expected = f"from {least} to {most}" if most is not None else f"of at least {least}"

    def number_in(text):
        if text.isascii() and text.removeprefix("-").isdecimal():
            number = int(text)
            if number >= least and (most is None or number <= most):
                return number
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number {expected}")

    return number_in


positive_int = whole_number(1)
# what all generators of random numbers take
seed_number = whole_number(0, (1 << 32) - 1)


def positive_number(text):
    """The `type` of an option that takes a finite number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return number
