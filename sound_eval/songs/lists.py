"""Lists of songs as people and programs read them: text, JSON, CSV, and M3U8 playlists.

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


class Entry(NamedTuple):
    """One line of a list: a song of the run, or an audio file from outside (`row` None)."""

    row: int | None
    name: str
    similarity: float | None  # None where there is nothing to compare with
    labels: dict

    @property
    def title(self):
        """`Artist - Title` as far as the labels say, else the file name without its suffix."""
        parts = [
            self.labels[name].strip()
            for name in ("artist", "title")
            if self.labels.get(name, "").strip()
        ]
        return " ".join((" - ".join(parts) or Path(self.name).stem).split())

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
            similarity = "     " if entry.similarity is None else f"{entry.similarity:5.3f}"
            lines.append(
                f"{rank:4d}  {similarity}  {entry.name}"
                + (f"  ({entry.title})" if entry.labels else "")
            )
    return "\n".join(lines) + "\n"


def as_json(lists):
    """An array with an object {query, songs} for each list."""
    report = [
        {
            "query": title,
            "songs": [e.record(rank) | {"labels": e.labels} for rank, e in enumerate(entries, 1)],
        }
        for title, entries in lists
    ]
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def as_csv(lists):
    """All lists under one header, the query in the first column and the labels in the last ones."""
    rows = [
        {"query": title} | entry.labels | entry.record(rank)
        for title, entries in lists
        for rank, entry in enumerate(entries, 1)
    ]
    columns = ["query", "rank", "row", "filename", "similarity"]
    columns += dict.fromkeys(name for row in rows for name in row if name not in columns)
    return csv_text(columns, ([row.get(name, "") for name in columns] for row in rows))


def save_m3u8(path, songs):
    """Write a playlist, as an output of the kind `playlist`: `songs` are (audio path,
    title, seconds or None).

    UTF-8, paths relative to the playlist's folder, so that list and music can move
    together, byte for byte as on the disk; -1 stands for an unknown duration. Raises
    InputError for a path with a line break, and as `outputs.write_output`.
    """
    folder, lines = Path(path).resolve().parent, ["#EXTM3U"]
    for audio, title, seconds in songs:
        relative = Path(
            os.path.relpath(Path(audio).parent.resolve() / Path(audio).name, folder)
        ).as_posix()
        lines.append(f"#EXTINF:{-1 if seconds is None else round(seconds)},{title}")
        lines.append(line_of(relative))
    with write_output(
        path, "playlist", "w", encoding="utf-8", errors="surrogateescape", newline="\n"
    ) as file:
        file.write("\n".join(lines) + "\n")


def line_of(path):
    """A relative path as a line that is no comment (`#1.mp3`), no address
    (`live: one/a.mp3`), and keeps its first blank.
    """
    if "\n" in path or "\r" in path:
        raise InputError(f"{path!r}: a playlist cannot hold a path with a line break")
    return f"./{path}" if path[0] in "# \t" or ":" in path.partition("/")[0] else path
