"""A real headless Chromium for the tests of the map's page, and eyes on what the page asks for and complains of."""
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run", "--autoplay-policy=no-user-gesture-required"]
LOCAL = ("file:", "data:", "blob:")
DESKTOP = (1280, 800)


@dataclass
class Watched:
    """What a page did: addresses it asked for, errors it showed."""

    requests: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def follow(self, page):
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.failed(request))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # a song is left before it has loaded
            self.errors.append(f"{request.url}: {request.failure}")

    def remote(self):
        return [url for url in self.requests if not url.startswith(LOCAL)]


def chromium():
    """The browser on the PATH; None leaves the choice to Playwright."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser(profile):
    """A persistent context with a profile folder of its own."""
    with sync_playwright() as playwright:
        width, height = DESKTOP
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=chromium(), args=ARGUMENTS, viewport={"width": width, "height": height}, accept_downloads=True
        )
        yield context
        context.close()


@contextmanager
def opened(context, address, **media):
    """The map at `address`, drawn and ready; gives the page and what was watched."""
    page, watched = context.new_page(), Watched()
    page.set_default_timeout(10_000)
    watched.follow(page)
    page.emulate_media(color_scheme=media.get("scheme", "light"))
    width, height = media.get("size", DESKTOP)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    page.evaluate("soundEval.ready")
    yield page, watched
    page.close()


def click_song(page, row):
    """Click the pixel where a song lies, as a person does, and wait until the page has taken the click."""
    place = page.evaluate("row => soundEval.positionOf(row)", row)
    page.mouse.move(place["x"], place["y"])
    page.mouse.click(place["x"], place["y"])
    page.wait_for_function("row => soundEval.state.selected === row", arg=row, timeout=5000)


def colours(page, n_songs):
    """The colour of every song, 0xRRGGBBAA."""
    return page.evaluate("n => Array.from({length: n}, (_, row) => soundEval.colourOf(row))", n_songs)
