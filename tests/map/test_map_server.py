"""The map's server: it answers the map's own page and nobody else's, and nothing that
is sent to it is a traceback.
"""

import http.client
import os
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import run_script
from map_browser import SCRIPT

BYTES = bytes(range(256)) * 40
SONGS_JS = b"window.stolen = (window.stolen ?? 0) + 1;"


@pytest.fixture(scope="module")
def server_class():
    from sound_eval.map import server

    return server


@pytest.fixture
def served(tmp_path, server_class):
    """The port of a server of a folder with files that the map placed, files of
    somebody else, and links that lead out.
    """
    root = tmp_path / "map"
    (root / "audio").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>the map</title>")
    (root / "songs.js").write_bytes(SONGS_JS)
    (root / "audio" / "a b.mp3").write_bytes(BYTES)
    (root / "audio" / "empty.mp3").write_bytes(b"")
    (root / "mine.txt").write_text("secret")
    (tmp_path / "secret.mp3").write_text("secret")
    (root / "audio" / "link.mp3").symlink_to(tmp_path / "secret.mp3")
    (root / "linked").symlink_to(tmp_path)
    os.mkfifo(root / "audio" / "pipe.mp3")
    songs = {f"audio/{name}.mp3" for name in ("a b", "empty", "link", "pipe")}
    placed = {"index.html", "songs.js", "linked/secret.mp3", "audio", "gone.mp3", *songs}
    server = server_class.MapServer(0)
    thread = threading.Thread(target=server.serve, args=(root, placed), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()


def ask(port, path="/", method="GET", **headers):
    """Status, headers and body of one request; names of headers are written with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


SONG = "/audio/a%20b.mp3"


def test_only_what_the_map_placed_is_served(served):
    assert ask(served)[2].startswith(b"<!doctype")
    assert ask(served, SONG)[0::2] == (200, BYTES)
    assert ask(served, "/audio/empty.mp3")[0::2] == (200, b"")
    for path in (
        "/mine.txt",
        "/audio/link.mp3",
        "/linked/secret.mp3",
        "/audio/pipe.mp3",
        "/audio",
        "/audio/",
        "/gone.mp3",
        "/../secret.mp3",
    ):
        assert ask(served, path)[0] == 404, path
    for path in (
        "/%00",
        "/audio/a%20b.mp3%00",
        "/%2e%2e/secret.mp3",
        "/audio/%2e%2e/mine.txt",
        "/%ff%fe",
        "//etc/passwd",
        "/" + "a" * 5000,
    ):
        assert ask(served, path)[0] == 404, path


def test_ranges(served):
    n = len(BYTES)
    for header, part in (
        ("bytes=10-19", BYTES[10:20]),
        ("bytes=100-", BYTES[100:]),
        ("bytes=-7", BYTES[-7:]),
        ("bytes=5-99999999", BYTES[5:]),
    ):
        status, headers, body = ask(served, SONG, Range=header)
        assert (status, body) == (206, part) and headers["Content-Range"].endswith(f"/{n}")
    assert ask(served, SONG, Range=f"bytes=0-{'9' * 5000}")[0::2] == (206, BYTES)
    assert ask(served, SONG, Range=f"bytes=-{'9' * 5000}")[0::2] == (206, BYTES)
    assert ask(served, SONG, Range=f"bytes={'0' * 5000}3-4")[0::2] == (206, BYTES[3:5])
    for header in (f"bytes={'9' * 5000}-", f"bytes={n}-", "bytes=5-4", "bytes=-0"):
        status, headers, body = ask(served, SONG, Range=header)
        assert (status, headers["Content-Range"], body) == (416, f"bytes */{n}", b"")
    for header in (
        "lines=1-2",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,4-5",
        "bytes=²-3".encode("latin-1"),
        "",
        "bytes=--5",
    ):
        assert ask(served, SONG, Range=header)[0::2] == (200, BYTES), header
    assert ask(served, "/audio/empty.mp3", Range="bytes=0-")[0] == 416


def test_a_file_that_has_not_changed_is_not_sent_again(served):
    tag = ask(served, SONG)[1]["ETag"]
    assert ask(served, SONG, If_None_Match=tag)[0::2] == (304, b"")
    assert ask(served, SONG, If_None_Match='"other"')[0] == 200
    assert ask(served, SONG, If_Range=tag, Range="bytes=0-4")[0] == 206
    assert ask(served, SONG, If_Range='"other"', Range="bytes=0-4")[0::2] == (200, BYTES)


def test_head_gives_no_body_and_other_methods_are_refused(served):
    status, headers, body = ask(served, SONG, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(BYTES)), b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X" * 200):
        assert ask(served, SONG, method)[0] == 501


def test_requests_that_do_not_name_this_machine_are_refused(served):
    for host in (
        f"127.0.0.1:{served}",
        f"localhost:{served}",
        f"LOCALHOST:{served}",
        "localhost",
        f"[::1]:{served}",
        "[::1]",
    ):
        assert ask(served, Host=host)[0] == 200, host
    others = (
        "evil.example",
        f"evil.example:{served}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
    )
    for host in (*others, "127.0.0.1:1:2", "127.0.0.1@evil.example", ""):
        assert ask(served, Host=host)[0] == 403, host


def test_other_pages_may_lead_to_the_map_and_no_more(served):
    page = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    for site, path, more, status in (
        ("same-origin", "/songs.js", {}, 200),
        ("none", "/", page, 200),
        ("cross-site", "/songs.js", {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"}, 403),
        ("same-site", "/songs.js", {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"}, 403),
        ("cross-site", SONG, {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "audio"}, 403),
        ("cross-site", "/", page, 200),
        ("cross-site", "/index.html", page, 200),
        ("cross-site", "/songs.js", page, 403),
        ("cross-site", "/", page | {"Sec_Fetch_Dest": "iframe"}, 403),
    ):
        assert ask(served, path, Sec_Fetch_Site=site, **more)[0] == status, (site, path, more)
    for path in ("/", "/songs.js", "/gone.mp3"):
        headers = ask(served, path)[1]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert ask(served, "/songs.js")[1]["Content-Type"].startswith("text/javascript")


class Evil(BaseHTTPRequestHandler):
    """A page of another site that reads the map as a script."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(
            "<script "
            f'src="http://127.0.0.1:{self.server.victim}/songs.js"></script><p>done'.encode()
        )

    def log_message(self, format, *args):
        pass


@pytest.mark.browser
def test_the_page_of_another_site_cannot_read_the_map(served, map_context):
    # In threads: a browser also opens connections by which it asks for nothing.
    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as evil:
        evil.daemon_threads = True
        evil.block_on_close = False
        evil.victim = served
        threading.Thread(target=evil.serve_forever, daemon=True).start()
        page = map_context.new_page()
        page.goto(f"http://127.0.0.1:{served}/")
        page.add_script_tag(url="/songs.js")
        assert page.evaluate("window.stolen") == 1  # the map's own page can
        for host in ("127.0.0.1", "localhost"):
            page.goto(f"http://{host}:{evil.server_port}/")
            assert page.inner_text("p") == "done" and page.evaluate("window.stolen") is None
        page.close()
        evil.shutdown()


def send(port, data, wait=2.0):
    """Raw bytes to the server; what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(65536):
                answer += block
        except OSError:
            pass  # it has refused before it had read all of it
    return answer


def test_nothing_that_is_sent_is_a_traceback(served, capfd):
    host = b"Host: 127.0.0.1\r\n\r\n"
    for data, status in (
        (b"GET / HTTP/1.1\r\n" + host, b"200"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + host, b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n" + host, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + host, b"431"),
        (b"GET / HTTP/1." + b"1" * 5000 + b"\r\n" + host, b"400"),
        (b"GET / HTTP/9.9\r\n" + host, b"505"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + host, b"403"),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\n" + host, b"404"),
        (b"GET * HTTP/1.1\r\n" + host, b"404"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ):
        assert status in send(served, data).split(b"\r\n")[0], data[:60]
    chance = random.Random(0)
    pieces = [
        b"GET ",
        b"/",
        b"%00",
        b"%",
        b"..",
        b"\\",
        b"\x00",
        b"\xff",
        b" HTTP/1.1",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
    ]
    pieces += [b"Host: 127.0.0.1", b"Range: bytes=", b"-", b",", b"9" * 5000, b"a", b": "]
    for _ in range(150):
        send(
            served,
            b"GET /" + b"".join(chance.choices(pieces, k=chance.randint(1, 30))) + b"\r\n\r\n",
        )
    body = (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 40\r\n\r\nGET /songs.js HTTP/1.1\r\n"
        + host
    )
    assert send(served, body).count(b"HTTP/1.1 200") == 1  # a body is no second request
    assert ask(served)[0] == 200
    assert capfd.readouterr().err == ""


def test_idle_connections_are_ended_and_there_are_not_too_many(
    served, server_class, monkeypatch, capfd
):
    monkeypatch.setattr(server_class.MapHandler, "timeout", 0.5)
    idle = [
        socket.create_connection(("127.0.0.1", served), timeout=10)
        for _ in range(server_class.MOST_CONNECTIONS + 6)
    ]
    half = socket.create_connection(("127.0.0.1", served), timeout=10)
    half.sendall(b"GET / HTTP/1.1\r\nHost: ")
    start = time.monotonic()
    assert [one.recv(10) for one in idle] == [b""] * len(idle)
    assert time.monotonic() - start < 8
    for one in [*idle, half]:
        one.close()
    time.sleep(0.7)
    assert threading.active_count() < server_class.MOST_CONNECTIONS
    assert ask(served)[0] == 200
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_named_before_the_map_is_made(tmp_path, map_run, audio_folder, map_labels):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_script(
            SCRIPT,
            map_run,
            audio_folder,
            map_labels[1],
            tmp_path / "map",
            "--serve",
            port,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: port {port} is taken by another program; give another: --serve "
    )
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "map").exists()
    done = run_script(
        SCRIPT,
        map_run,
        audio_folder,
        map_labels[1],
        tmp_path / "map",
        "--serve",
        "70000",
        check=False,
    )
    assert (
        done.returncode == 2 and "'70000': expected a whole number from 0 to 65535" in done.stderr
    )
