"""A web server for one map on this machine alone, with ranges, so that a browser can jump inside a song."""
import re
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"
CHUNK = 1 << 16  # bytes


def requested_range(header, size):
    """First and last byte of a `Range` header (RFC 9110, section 14.2); None where it asks for no range, () where for an impossible one."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        first, last = max(0, size - int(last)), size - 1
    first, last = int(first), min(int(last) if last else size - 1, size - 1)
    return (first, last) if first <= last else ()


class MapHandler(SimpleHTTPRequestHandler):
    """Files of one folder, whole or in part; only for requests that name this machine."""

    protocol_version = "HTTP/1.1"

    def send_head(self):
        """Answer with the header and return the open file at the first byte wanted; None after an error."""
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in (HOST, "localhost"):  # another site's name for this machine
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        path = Path(self.translate_path(self.path))
        wanted = requested_range(self.headers["Range"], path.stat().st_size) if "Range" in self.headers and path.is_file() else None
        self.left = None
        return super().send_head() if wanted is None else self.send_part(path, wanted)

    def send_part(self, path, wanted):
        """Answer a request for a range of bytes."""
        size = path.stat().st_size
        self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        self.send_header("Content-Range", f"bytes {wanted[0]}-{wanted[1]}/{size}" if wanted else f"bytes */{size}")
        self.left = wanted[1] - wanted[0] + 1 if wanted else 0
        self.send_header("Content-Length", str(self.left))
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.end_headers()
        if not wanted:
            return None
        file = open(path, "rb")  # noqa: SIM115 - closed by do_GET
        file.seek(wanted[0])
        return file

    def end_headers(self):
        """Say of every file that parts of it can be had."""
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def copyfile(self, source, outputfile):
        """Send the file, or as much of it as was asked for; a browser that has heard enough hangs up."""
        left = float("inf") if self.left is None else self.left
        try:
            while left and (chunk := source.read(min(CHUNK, left) if self.left is not None else CHUNK)):
                outputfile.write(chunk)
                left -= len(chunk)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format, *args):
        """Say nothing of single requests."""


def serve(folder, port):
    """Serve a folder on this machine until Ctrl-C; port 0 takes a free one."""
    with ThreadingHTTPServer((HOST, port), partial(MapHandler, directory=str(folder))) as server:
        print(f"serving http://{HOST}:{server.server_port}/ until Ctrl-C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
