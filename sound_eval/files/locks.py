"""A lock: one process at a time writes to a folder of ours.

The lock is the operating system's, on an open file, and shared with the processes that
are forked from the one that has it. So it goes when the last of these ends, however
that happens, and a file that a killed process has left locks nothing. (The package
`filelock` lets go in a forked process, so that the folder would be free while workers
of a killed parent still write to it.)
"""

import fcntl
import os
import time
from pathlib import Path

from sound_eval.errors import InputError

AGAIN_SECONDS = 0.1  # between two tries


class Lock:
    """A lock on the file at `path`, held from `take` to `release`, or inside `with`.

    `taken` is the message for who finds it taken, after up to `wait_seconds`: a process
    that was killed takes a moment to end.
    """

    def __init__(self, path, taken, wait_seconds=0.0):
        self.path = Path(path)
        self.taken = taken
        self.wait_seconds = wait_seconds
        self.descriptor = None

    def take(self):
        """Take it; the file and its folders are made where they are missing.

        Raises InputError where another has it, OSError where the file cannot be opened,
        or is a link.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            self._wait_for(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self.descriptor = descriptor

    def _wait_for(self, descriptor):
        """Lock an open file."""
        deadline = time.monotonic() + self.wait_seconds
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise InputError(self.taken) from None
            except OSError as error:  # some network disks have no locks
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            time.sleep(AGAIN_SECONDS)

    def release(self):
        """Give it free; nothing where this process has not taken it."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def __enter__(self):
        self.take()
        return self

    def __exit__(self, *exc):
        self.release()
