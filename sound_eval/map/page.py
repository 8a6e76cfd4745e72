"""The page of the map: the template filled with BokehJS, our scripts and our style, and
a policy that allows nothing remote.

The scripts in the page are named by their SHA-256 in its Content-Security-Policy; the
data files beside it are allowed as the page's own; everything else is refused by the
browser, a script in a song's title too.
"""

import base64
import hashlib
import re
from pathlib import Path

from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGE = Path(__file__).resolve().parents[2] / "static_web_viewer" / "page"
# In the order in which they use each other: none uses one that comes later.
SCRIPTS = (
    *("core", "text", "ramp", "shapes", "songs", "words", "filters", "distance", "colours"),
    *("plot", "player", "card", "room", "names", "search", "panel", "files", "walk", "link"),
    "main",
)

POLICY = (
    "default-src 'none'",
    # WebGL needs 'unsafe-eval': regl, the library that BokehJS draws with, compiles
    # its draw commands.
    "script-src 'self' file: 'unsafe-eval' {hashes}",
    "style-src 'unsafe-inline'",
    "media-src 'self' file: blob:",
    "img-src 'self' file: data: blob:",
    "font-src data:",
    "base-uri 'none'",
    "form-action 'none'",
)


# Addresses that BokehJS would load formulas and street maps from. The page has neither
# and the policy forbids both; without the addresses it can be seen, and not only
# trusted, that nothing remote is in it.
REMOTE = re.compile(
    r"https?://(?:cdn\.jsdelivr\.net|maps\.googleapis\.com|www\.npmjs\.com)[^\s\"'`]*"
)


def _bokeh_scripts():
    """BokehJS and its WebGL part as texts."""
    texts = Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw
    return [REMOTE.sub("about:blank", text) for text in texts]


def _own_scripts():
    """Our scripts as texts, in order."""
    return [(PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]


def digest(text):
    """A script's name in a Content-Security-Policy."""
    found = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(found).decode('ascii')}'"


def make_page(title, data):
    """The text of index.html, which shows the data in the folder `data`, relative to it."""
    library = [f"\n{text}\n" for text in _bokeh_scripts()]
    core, *rest = [f"\n{text}" for text in _own_scripts()]
    hashes = " ".join(digest(text) for text in [*library, core, *rest])
    policy = "; ".join(POLICY).format(hashes=hashes)
    page = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    return page.get_template("index.html").render(
        title=title, data=data, policy=policy, style=style, library=library, core=core, rest=rest
    )
