"""What every script shares: errors as one line, the commands to type next, types of options.

What a user can cause raises `InputError` (or an `OSError` of the system's own);
`run_main` prints it as one line `error: ...` on stderr and exits 1. Everything else is
a defect and keeps its traceback. Results go to stdout.
"""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from sound_eval import interrupts
from sound_eval.errors import InputError, one_line


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
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a whole number from 0 to {(1 << 32) - 1}"
        )
    return int(text)
