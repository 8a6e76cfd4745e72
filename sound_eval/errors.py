"""What the user gave and cannot be used: errors that end as one line, without a traceback."""

import os


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message names it, its value and the likely mistake.
    """


def one_line(error):
    """The message of an exception as one line, with the file first where the system names one."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}".replace("\n", "\\n")
    return " ".join(str(error).split()) or type(error).__name__
