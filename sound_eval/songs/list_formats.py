"""The formats of lists of songs, for people and for programs: text, JSON, CSV, and M3U8
playlists.

A list is a title and its entries in order; `labels` of an entry is a dict column ->
text, empty where nothing is known.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

from sound_eval.errors import InputError
from sound_eval.files.outputs import write_output
from sound_eval.files.tables import csv_text

PLAYLIST = "playlist"  # kind of the output


class Entry(NamedTuple):
    """One line of a list: a song of the run, or an audio file from outside (`row` None)."""

    row: int | None
    name: str
    similarity: float | None  # None where there is nothing to compare with
    labels: dict

    @property
    def title(self):
        """`Artist - Title` as far as the labels say, else the file name without its suffix."""
        labels = [self.labels.get(name, "").strip() for name in ("artist", "title")]
        title = " - ".join(filter(None, labels)) or Path(self.name).stem
        return " ".join(title.split())

    def record(self, rank):
        """The entry as a dict of plain values."""
        similarity = None if self.similarity is None else round(self.similarity, 6)
        return {"rank": rank, "row": self.row, "filename": self.name, "similarity": similarity}


def as_text(lists):
    """For reading: rank, similarity, name, and the title where labels give one."""
    lines = []
    for title, entries in lists:
        lines.append(title)
        for rank, entry in enumerate(entries, 1):
            similarity = "" if entry.similarity is None else f"{entry.similarity:.3f}"
            line = f"{rank:4d}  {similarity:5}  {entry.name}"
            lines.append(f"{line}  ({entry.title})" if entry.labels else line)
    return "\n".join(lines) + "\n"


def as_json(lists):
    """An array with an object {query, songs} for each list."""
    report = []
    for title, entries in lists:
        songs = [
            entry.record(rank) | {"labels": entry.labels} for rank, entry in enumerate(entries, 1)
        ]
        report.append({"query": title, "songs": songs})
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def as_csv(lists):
    """All lists under one header: the query in the first column, the labels in the last."""
    rows = [
        {"query": title} | entry.labels | entry.record(rank)
        for title, entries in lists
        for rank, entry in enumerate(entries, 1)
    ]
    columns = ["query", "rank", "row", "filename", "similarity"]
    columns += dict.fromkeys(name for row in rows for name in row if name not in columns)
    return csv_text(columns, ([row.get(name, "") for name in columns] for row in rows))


def save_m3u8(path, songs):
    """Write a playlist: `songs` are (audio path, title, seconds or None).

    UTF-8, paths relative to the playlist's folder, so that list and music can move
    together, byte for byte as on the disk; -1 stands for an unknown duration. Raises
    InputError for a path with a line break, and as `outputs.write_output`.
    """
    folder = Path(path).resolve().parent
    lines = ["#EXTM3U"]
    for audio, title, seconds in songs:
        # the folder's links are followed, those of the file itself are not
        place = Path(audio).parent.resolve() / Path(audio).name
        duration = -1 if seconds is None else round(seconds)
        lines.append(f"#EXTINF:{duration},{title}")
        lines.append(_playlist_line(Path(os.path.relpath(place, folder)).as_posix()))
    text = {"mode": "w", "encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}
    with write_output(path, PLAYLIST, **text) as file:
        file.write("\n".join(lines) + "\n")


def _playlist_line(path):
    """A relative path as a line that is no comment (`#1.mp3`), no address
    (`live: one/a.mp3`), and keeps its first blank.
    """
    if "\n" in path or "\r" in path:
        raise InputError(f"{path!r}: a playlist cannot hold a path with a line break")
    is_risky = path[0] in "# \t" or ":" in path.partition("/")[0]
    return f"./{path}" if is_risky else path
