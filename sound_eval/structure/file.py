"""One opened audio file: a plain file and nothing else, its bytes by position, and
whether it is still what it was.

Conventions
-----------
Whatever has the name of a song may be a pipe or a device by now, which would never open
or never end. So the file is opened without waiting, looked at, and read through its
descriptor alone. Bytes are read by position into a window of WINDOW_BYTES, not mapped
into memory: a file that shrinks under a map ends the process.
"""

import io
import os
import stat

WINDOW_BYTES = 1 << 18
READ_BYTES = 1 << 20  # at once, where all is read


class NotAFileError(OSError):
    """There is a pipe, a device, a socket or a folder in the place of a file."""


class AudioFile:
    """The file at `path`, open for reading; a context manager. Raises OSError, and of
    it NotAFileError.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.status = os.fstat(self.descriptor)
        if not stat.S_ISREG(self.status.st_mode):
            os.close(self.descriptor)
            raise NotAFileError(
                f"{self.path}: not a file any more, but a pipe, a device or a folder"
            )
        self.bytes = Bytes(self.descriptor, self.status.st_size)

    @property
    def size(self):
        """Bytes in it when it was opened."""
        return self.status.st_size

    def check_readable(self):
        """Read all of it. Raises OSError where the disk does not give it."""
        position = 0
        while block := os.pread(self.descriptor, READ_BYTES, position):
            position += len(block)

    def has_changed(self):
        """Whether somebody has written to it since it was opened."""
        now = os.fstat(self.descriptor)
        return (now.st_size, now.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns)

    def close(self):
        """Close the descriptor."""
        os.close(self.descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Bytes:
    """The bytes of an open file like a `bytes` object: `len`, slices without a step,
    one byte, `find`.
    """

    def __init__(self, descriptor, size):
        self.descriptor, self.size = descriptor, size
        self.start, self.window = 0, b""

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self[index : index + 1][0]
        start = index.start or 0
        stop = self.size if index.stop is None else min(index.stop, self.size)
        if stop <= start:
            return b""
        at = start - self.start
        if at < 0 or stop - self.start > len(self.window):
            self.start, at = start, 0
            self.window = self.read(start, max(WINDOW_BYTES, stop - start))
        return self.window[at : stop - self.start]

    def read(self, start, count):
        """Up to `count` bytes from `start` on, less only at the end."""
        count = max(0, min(count, self.size - start))
        return os.pread(self.descriptor, count, start)

    def find(self, wanted, start=0, end=None):
        """The first position of `wanted` in [start, end), or -1."""
        end = self.size if end is None else min(end, self.size)
        while start + len(wanted) <= end:
            stop = min(end, start + WINDOW_BYTES // 2)
            found = self[start:stop].find(wanted)
            if found >= 0:
                return start + found
            start = stop - len(wanted) + 1 if stop < end else end
        return -1


class Part(io.RawIOBase):
    """A stretch [start, end) of an open file as a file of its own, which libsndfile
    reads.
    """

    def __init__(self, descriptor, start, end):
        self.descriptor, self.start, self.end = descriptor, start, end
        self.position = 0

    def readable(self):
        """For whoever asks."""
        return True

    def seekable(self):
        """For whoever asks."""
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        """As a file does."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.end - self.start}[
            whence
        ]
        self.position = origin + offset
        return self.position

    def tell(self):
        """As a file does."""
        return self.position

    def readinto(self, buffer):
        """Fill as much of `buffer` as there is."""
        count = max(0, min(len(buffer), self.end - self.start - self.position))
        count = os.preadv(self.descriptor, [memoryview(buffer)[:count]], self.start + self.position)
        self.position += count
        return count
