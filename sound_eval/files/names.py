"""Names of files: which of them are audio, and when two texts are the same name.

Same are the same letters in another Unicode form, other slashes, blanks around.

Conventions
-----------
Names on the disk and in a music list stay byte for byte as they are; here they are only
compared. Where two names differ in nothing but what is overlooked here, the one that is
exactly as written wins, and without one the name is ambiguous.
"""

import os
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

# What the decoders make sound of. Not among them: .ts, which is seldom a film and often
# a program, and the chip music of game consoles, which has no end.
# fmt: off
AUDIO_SUFFIXES = (
    ".mp3", ".mp2", ".mp1", ".mpa", ".mpga", ".m2a", ".wav", ".wave", ".bwf", ".rf64", ".w64",
    ".flac", ".ogg", ".oga", ".ogx", ".opus", ".spx",
    ".m4a", ".m4b", ".m4r", ".f4a", ".aac", ".adts", ".latm", ".loas", ".wma", ".aif", ".aiff",
    ".aifc", ".au", ".snd", ".caf",
    ".ape", ".alac", ".wv", ".tta", ".tak", ".shn", ".mpc", ".mp+", ".dsf", ".dff", ".mka", ".weba",
    ".ra",
    ".ac3", ".eac3", ".ec3", ".dts", ".dtshd", ".mlp", ".thd", ".amr", ".awb", ".gsm", ".g722",
    ".vox", ".voc", ".oma", ".sph", ".nist", ".ircam", ".sf", ".paf", ".8svx",
    # modules of trackers
    ".mod", ".xm", ".it", ".s3m", ".mptm", ".mtm", ".stm", ".669", ".okt",
    # the sound of films
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".wmv", ".asf", ".ogv", ".flv",
    ".f4v", ".3gp", ".3g2", ".mpg", ".mpeg", ".vob", ".mts", ".m2ts", ".rm", ".rmvb",
)
# fmt: on


def unlistable(name):
    """Why no line of a music list can hold a path, in words that follow on it;
    "" where one can.
    """
    if "\n" in name or "\r" in name:
        return "holds a line break, which a music list cannot"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return ""


def text_key(text):
    """What texts that mean the same have in common:
    NFC (é is one letter or two), without blanks around.
    """
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()


def name_key(name):
    """What spellings of one path have in common:
    as `text_key`, with forward slashes and without `./`.
    """
    key = text_key(name)
    if "\\" in key:
        key = key.replace("\\", "/")
    return str(PurePosixPath(key)) if key.startswith("./") or "/./" in key or "//" in key else key


def look(text):
    """What texts that a person cannot tell apart have in common, as far as Unicode knows."""
    if text.isascii():
        return " ".join(name_key(text).split())
    shown = unicodedata.normalize("NFKC", name_key(text))
    return " ".join("".join(c for c in shown if unicodedata.category(c) != "Cf").split())


def told_apart(texts):
    """`texts` for a message; those that look like another one are in quotes, with other
    letters than ASCII by number.
    """
    by_look = defaultdict(set)
    for text in texts:
        by_look[look(text)].add(text)
    return [ascii(text) if len(by_look[look(text)]) > 1 else text for text in texts]


def fitting(name, names):
    """The rows of `names` that `name` means: of the same text, else of the same key."""
    exact = [row for row, other in enumerate(names) if other == name]
    if exact:
        return exact[:1]
    key = name_key(name)
    return [row for row, other in enumerate(names) if name_key(other) == key]


def on_disk(root, name):
    """The path of the file `name` below `root`: as it is written, else as a file there
    that is the same name.

    A disk or a copying program may have changed the Unicode form. The path as it is
    written where there is no such file, or several.
    """
    exact = Path(root, name)
    if os.path.lexists(exact):
        return exact
    found = Path(root)
    for part in PurePosixPath(name).parts:
        if os.path.lexists(found / part):
            found /= part
            continue
        try:
            same = [entry for entry in os.listdir(found) if text_key(entry) == text_key(part)]
        except OSError:  # no folder, or not ours to read: whoever opens the path says so
            return exact
        if len(same) != 1:
            return exact
        found /= same[0]
    return found
