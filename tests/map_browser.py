"""For the tests of the map: a map of planted songs, a real headless Chromium, and eyes
on what the page asks for and complains of.
"""

import csv
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from conftest import run_script, write_run_folder

SCRIPT = "static_web_viewer/display_vector_data.py"
STYLES = ("pulse", "chord", "noise")
SCRIPT_TITLE = "</script><img src=x onerror='window.hacked=1'>\"&amp;"
FORMULA_TITLE = "=cmd|' /C calc'!A0"
RTL_TITLE = "مرحبا 🎵 שלום"
LONG_TITLE = "long " * 2000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
LOCAL = ("file:", "data:", "blob:")
DESKTOP = (1280, 800)
FREE_TABS = {}  # of each context


def data_of(map_dir):
    """The folder of the data that a map shows."""
    page = (map_dir / "index.html").read_text(encoding="utf-8")
    return map_dir / re.search(r'<script src="(data(/\w+)?)/songs\.js">', page)[1]


@dataclass
class Watched:
    """What a page did: addresses it asked for, errors it showed."""

    requests: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def handlers(self):
        """What is called for which event of a page."""
        return {
            "request": self.asked,
            "requestfailed": self.failed,
            "console": self.said,
            "pageerror": self.broke,
        }

    def follow(self, page):
        for event, handler in self.handlers().items():
            page.on(event, handler)

    def leave(self, page):
        for event, handler in self.handlers().items():
            page.remove_listener(event, handler)

    def asked(self, request):
        self.requests.append(request.url)

    def said(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def broke(self, error):
        self.errors.append(str(error))

    def failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # a song is left before it has loaded
            self.errors.append(f"{request.url}: {request.failure}")

    def remote(self):
        return [url for url in self.requests if not url.startswith(LOCAL)]


def chromium():
    """The browser on the PATH.

    Without one the test is skipped, or fails where CI is set and a skip would hide it.
    """
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None and not os.environ.get("CI"):
        pytest.skip("no chromium on the PATH; install it to test the map's page")
    assert found, "no chromium on the PATH"
    return found


@contextmanager
def browser(profile):
    """A persistent context with a profile folder of its own."""
    from playwright.sync_api import sync_playwright

    executable = chromium()
    with sync_playwright() as playwright:
        width, height = DESKTOP
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=executable,
            args=ARGUMENTS,
            viewport={"width": width, "height": height},
            accept_downloads=True,
        )
        yield context
        context.close()


@contextmanager
def opened(context, address, **media):
    """The map at `address`, drawn and ready; gives the page and what was watched.

    A tab that was used before is taken where one is free: it has compiled the scripts,
    and opens the map in half of the time.
    """
    free = FREE_TABS.setdefault(context, [])
    page = free.pop() if free else context.new_page()
    watched = Watched()
    page.set_default_timeout(10_000)
    page.bring_to_front()  # tabs behind another draw seldom
    watched.follow(page)
    page.emulate_media(color_scheme=media.get("scheme", "light"))
    width, height = media.get("size", DESKTOP)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    page.evaluate("soundEval.ready")
    yield page, watched
    watched.leave(page)
    if free:
        page.close()
        return
    page.goto("about:blank")
    page.mouse.move(0, 0)
    free.append(page)


def click_song(page, row):
    """Click the pixel where a song lies, as a person does, and wait until the page has
    taken the click.
    """
    place = page.evaluate("row => soundEval.positionOf(row)", row)
    page.mouse.move(place["x"], place["y"])
    page.mouse.click(place["x"], place["y"])
    page.wait_for_function("row => soundEval.state.selected === row", arg=row, timeout=5000)


def colours(page, n_songs):
    """The colour of every song, 0xRRGGBBAA."""
    return page.evaluate(
        "n => Array.from({length: n}, (_, row) => soundEval.colourOf(row))", n_songs
    )


def style_of(name):
    """The planted style of a song of the tests' audio folder."""
    return name.rsplit(" ", 1)[1].split(".")[0]


def planted_vectors(names):
    """Vectors (n, 16) in which songs of one style lie together."""
    random = np.random.default_rng(0)
    centres = {style: random.standard_normal(16) for style in STYLES}
    return np.stack([centres[style_of(name)] + 0.35 * random.standard_normal(16) for name in names])


def true_distances(vectors, row):
    """Cosine distances (n,) from one row to all."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return 1 - unit @ unit[row]


@pytest.fixture(scope="session")
def map_songs(audio_folder):
    """Names of the songs, in the order of the vectors' rows."""
    return sorted(
        path.relative_to(audio_folder).as_posix()
        for path in audio_folder.rglob("*")
        if path.is_file()
    )


@pytest.fixture(scope="session")
def map_vectors(map_songs):
    return planted_vectors(map_songs)


@pytest.fixture(scope="session")
def map_labels(tmp_path_factory, map_songs):
    """Rows of a metadata CSV and its path;
    some titles are what a page and a spreadsheet must survive.
    """
    titles = {1: SCRIPT_TITLE, 2: FORMULA_TITLE, 5: RTL_TITLE, 6: LONG_TITLE}
    rows = [
        {
            "filename": name,
            "genre": style_of(name),
            "title": titles.get(row, f"Piece {row}"),
            "bpm": str(60 + 2.5 * row) if row != 3 else "",
            "citation": f"Composed for the tests, number {row}",
        }
        for row, name in enumerate(map_songs)
    ]
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows, path


@pytest.fixture(scope="session")
def map_run(tmp_path_factory, map_songs, map_vectors):
    return write_run_folder(
        tmp_path_factory.mktemp("run") / "my run",
        map_vectors,
        [f"{name}.npy" for name in map_songs],
    ).path


@pytest.fixture(scope="session")
def map_dir(tmp_path_factory, map_run, audio_folder, map_labels):
    """The map as its script makes it, in a folder with a space and accents, from paths
    with trailing slashes.
    """
    out_dir = tmp_path_factory.mktemp("map") / "carte à écouter"
    done = run_script(
        SCRIPT, f"{map_run}/", f"{audio_folder}/", map_labels[1], f"{out_dir}/", "--centers", "3"
    )
    assert (
        f"wrote {out_dir / 'index.html'}: 24 songs, 24 to be heard" in done.stdout
        and "next:" in done.stdout
    )
    assert "3 clusters of 8 to 8 songs" in done.stdout
    return out_dir


@pytest.fixture(scope="session")
def map_context(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def page(map_context, map_dir):
    """The map open in the browser; at the end, nothing remote was asked for and
    nothing went wrong.
    """
    with opened(map_context, (map_dir / "index.html").as_uri()) as (page, watched):
        yield page
        assert watched.errors == []
        assert watched.remote() == []
        # the page and two data files at least, so that the lines above say something
        assert len(watched.requests) >= 3
