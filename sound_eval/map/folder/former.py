"""Maps as they lie on the disk: what data a page shows, and what of a map that has no
record was written by it.

Versions of the map before there was a record wrote `data/songs.js`; a later one may
have lost its record, when it was copied without hidden files. What is taken for the
map's own is what nobody else would have written there.
"""

import re
import struct
from html import unescape
from pathlib import Path

from sound_eval.errors import InputError
from sound_eval.files.reading import load_array
from sound_eval.files.trees import read_names
from sound_eval.map.folder.record import PAGE
from sound_eval.map.page import digest

DATA_FILES = ("songs.js", "vectors.js", "positions.npy", "songs.txt")
DATA_OF_PAGE = re.compile(r'<script src="(data(?:/[0-9a-f]{16})?)/songs\.js"></script>')
FEWEST_SCRIPTS = 10  # in a page of the map
PNG_HEAD = struct.Struct(">8s 4x4s II2B")  # signature, IHDR, width, height, bits, colour type
GREY_AND_ALPHA = 4


def shown_data(path):
    """The name of the folder that holds the data of the map at `path`, None where
    there is no map.
    """
    page = Path(path) / PAGE
    if not page.is_file():
        return None
    found = DATA_OF_PAGE.search(page.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None


def read_places(path):
    """Positions (2,) by the names of the songs on the map at `path`.

    Raises InputError where there is none to go on from.
    """
    shown = shown_data(path)
    if shown is None:
        raise InputError(f"{path}: no map to update; leave out --update to make one")
    positions_path = Path(path) / shown / "positions.npy"
    names = read_names(Path(path) / shown / "songs.txt")
    positions = load_array(positions_path)
    if positions.shape != (len(names), 2):
        message = (
            f"shape {positions.shape} does not fit the {len(names)} songs of songs.txt beside it"
        )
        raise InputError(f"{positions_path}: {message}; leave out --update to make the map anew")
    return dict(zip(names, positions, strict=True))


def is_own_page(path):
    """Whether an index.html is a page of the map with its own scripts and no others.

    The page names in its policy the digests of its scripts.
    """
    if not path.is_file() or path.is_symlink():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    if not policy or not DATA_OF_PAGE.search(text) or "globalThis.soundEval" not in text:
        return False
    loaded = re.findall(r"<script [^>]*>", text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    if len(loaded) != 1 or len(scripts) < FEWEST_SCRIPTS:
        return False
    allowed = unescape(policy[1])
    return all(digest(script) in allowed for script in scripts)


def is_data_file(path):
    """Whether the file at `path` is what a map writes under this name, as far as its
    beginning tells.
    """
    if not path.is_file() or path.is_symlink():
        return False
    with open(path, "rb") as file:
        head = file.read(20)
    begins = {".js": b'soundEval.receive("', ".npy": b"\x93NUMPY"}.get(path.suffix, b"")
    return head.startswith(begins)


def is_thumbnail(path, size):
    """Whether a file is a PNG as `thumbnails` writes it, of this (width, height)."""
    if not path.is_file() or path.is_symlink():
        return False
    with open(path, "rb") as file:
        head = file.read(PNG_HEAD.size)
    wanted = (b"\x89PNG\r\n\x1a\n", b"IHDR", *size, 8, GREY_AND_ALPHA)
    return len(head) == PNG_HEAD.size and PNG_HEAD.unpack(head) == wanted
