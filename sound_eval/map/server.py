"""A web server for one map on this machine alone: the files that the map placed, whole
or in part, to the map's own page alone.

What other programs on this machine may ask, web pages of other sites may not: a request
must name this machine (else a site's own name could lead here), and a browser that says
which page asks must name the map's own. Answers say so too, so that a browser does not
hand them to other pages.
"""

import errno
import os
import re
import stat
import sys
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import unquote

from sound_eval.errors import InputError
from sound_eval.map.folder.record import PAGE

HOST = "127.0.0.1"
USUAL_PORT = 8000
LAST_PORT = 65535
# any port: one may be led here from another machine
HOSTS = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.I)
CHUNK = 1 << 16  # bytes
IDLE_SECONDS = 30.0  # a connection that neither asks nor takes for so long is ended
MOST_CONNECTIONS = 64  # at once; a browser makes six
MOST_DIGITS = 18  # of a number of bytes
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".aac": "audio/aac",
    ".webm": "audio/webm",
}
HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-cache",  # a new map takes the place of the old at the same address
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _requested_range(header, size):
    """First and last byte of a `Range` header (RFC 9110, section 14.2);
    None where it asks for no range, () where for an impossible one.
    """
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", header.strip())
    if not match or match[0] == "bytes=-":
        return None
    first, last = map(_number, match.groups())
    if first is None:
        first = max(0, size - last)
        last = None
    last = size - 1 if last is None else min(last, size - 1)
    return (first, last) if first <= last else ()


def _number(digits):
    """Digits as a number, None for none;
    one of more digits than a file has bytes is merely large.
    """
    digits = digits.lstrip("0") or digits[:1]
    if not digits:
        return None
    return int(digits) if len(digits) <= MOST_DIGITS else 10**MOST_DIGITS


class MapHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "sound-eval"
    sys_version = ""
    timeout = IDLE_SECONDS

    def do_GET(self):
        """Answer with a file."""
        self.answer()

    def do_HEAD(self):
        """Answer with a file's header."""
        self.answer()

    def answer(self):
        """Answer a request, or refuse it."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            # what comes with it is not read, and is no further request
            self.close_connection = True
        if not self.is_for_us():
            return self.send_error(HTTPStatus.FORBIDDEN)
        name = unquote(re.split("[?#]", self.path, maxsplit=1)[0]).removeprefix("/") or PAGE
        if not self.is_from_us(name):
            return self.send_error(HTTPStatus.FORBIDDEN)
        file = self.server.open_placed(name)
        if file is None:
            return self.send_error(HTTPStatus.NOT_FOUND)
        with file:
            return self.send_file(
                file, TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")
            )

    def is_for_us(self):
        """Whether the request names this machine, as nothing does that another site's
        name has led here.
        """
        hosts = self.headers.get_all("Host", [])
        return len(hosts) == 1 and HOSTS.fullmatch(hosts[0].strip()) is not None

    def is_from_us(self, name):
        """Whether the map's page asks, or a person;
        another site's page may only lead a person to the map (Fetch Metadata, W3C).
        """
        if self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
            return True
        leads = self.headers.get("Sec-Fetch-Mode"), self.headers.get("Sec-Fetch-Dest")
        return name == PAGE and leads == ("navigate", "document")

    def send_file(self, file, content_type):
        """Answer with an open file, or the part of it that is asked for."""
        status = os.fstat(file.fileno())
        tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        about = {"ETag": tag, "Last-Modified": formatdate(status.st_mtime, usegmt=True)}
        known = self.headers.get("If-None-Match", "").split(",")
        if tag in [one.strip().removeprefix("W/") for one in known]:
            return self.send_head(HTTPStatus.NOT_MODIFIED, about)
        wanted = self.wanted_range(tag, status.st_size)
        if wanted == ():
            unsatisfied = {"Content-Range": f"bytes */{status.st_size}", "Content-Length": "0"}
            return self.send_head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, unsatisfied)
        first, last = wanted or (0, status.st_size - 1)
        about |= {"Content-Type": content_type, "Content-Length": str(last - first + 1)}
        if wanted:
            about["Content-Range"] = f"bytes {first}-{last}/{status.st_size}"
        self.send_head(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK, about)
        if self.command == "GET":
            self.send_bytes(file, first, last - first + 1)
        return None

    def wanted_range(self, tag, size):
        """As `_requested_range`; None too where the range is asked of a file that was
        there before this one.
        """
        if (
            self.command != "GET"
            or "Range" not in self.headers
            or self.headers.get("If-Range", tag) != tag
        ):
            return None
        return _requested_range(self.headers["Range"], size)

    def send_head(self, status, about):
        """Send the status and the header."""
        self.send_response(status)
        for name, value in about.items():
            self.send_header(name, value)
        self.end_headers()

    def end_headers(self):
        """Say with every answer, errors too, who may have it."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_bytes(self, file, first, left):
        """Send a part of a file; a browser that has heard enough hangs up, or takes no more."""
        file.seek(first)
        try:
            while left and (chunk := file.read(min(CHUNK, left))):
                self.wfile.write(chunk)
                left -= len(chunk)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        if left:
            self.close_connection = True  # less came than was said

    def log_message(self, format, *args):
        """Say nothing of single requests."""


class MapServer(ThreadingHTTPServer):
    """A server at a port of this machine, 0 for a free one, which is taken from the
    start. Raises InputError where it cannot be had.
    """

    request_queue_size = 32

    def __init__(self, port):
        self.folder = ""
        self.names = frozenset()
        self.free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((HOST, port), MapHandler)
        except OSError as error:
            reason = f"cannot be used ({error.strerror})"
            if error.errno == errno.EADDRINUSE:
                reason = "is taken by another program"
            another = port + 1 if port < LAST_PORT else USUAL_PORT
            raise InputError(f"port {port} {reason}; give another: --serve {another}") from error

    def open_placed(self, name):
        """A file that the map placed, open;
        None for every other name, for what is no longer a file, and where a
        link leads to it.
        """
        path = os.path.join(self.folder, name)
        if name not in self.names or os.path.realpath(path) != path:
            return None
        try:
            file = open(path, "rb", opener=_open_quietly)  # noqa: SIM115 - closed by who asked
        except OSError:
            return None
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
        return None

    def process_request(self, request, client_address):
        """Answer in a thread of its own, or not at all where there are too many."""
        if self.free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        """Answer; then another may come."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request, client_address):
        """A browser that hangs up is no error."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def serve(self, folder, names):
        """Serve the files `names` of a folder until Ctrl-C."""
        self.folder = os.path.realpath(folder)
        self.names = frozenset(names)
        with self:
            print(f"serving http://{HOST}:{self.server_port}/ until Ctrl-C", flush=True)
            try:
                self.serve_forever()
            except KeyboardInterrupt:
                print("stopped")


def _open_quietly(path, flags):
    """Open a file but no link, and no pipe to wait for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
