"""Labels from the tags in audio files: title, artist, album, genre and year, whatever the format calls them.

Conventions
-----------
`read_tags` gives a dict with every key of `FIELDS`, '' where the file says nothing. Of several genres the first counts, since a
label is one value; several artists are joined by commas.
"""
import re
from pathlib import PurePosixPath

FIELDS = ("title", "artist", "album", "genre", "year")

# What the fields are called in ID3 (MP3, AIFF, WAV), MP4, Vorbis comments (FLAC, Ogg, Opus) and APEv2, and ASF (WMA); in lower case.
KEYS = {
    "title": ("tit2", "©nam", "title"),
    "artist": ("tpe1", "©art", "artist", "author"),
    "album": ("talb", "©alb", "album", "wm/albumtitle"),
    "genre": ("tcon", "©gen", "genre", "wm/genre"),
    "year": ("tdrc", "tyer", "©day", "date", "year", "wm/year"),
}


def read_tags(path):
    """The tags of one file, field -> text. Raises MutagenError, or what else a damaged file makes the parser raise."""
    import mutagen

    file = mutagen.File(path)
    tags = {} if file is None or file.tags is None else {str(key).lower(): value for key, value in file.tags.items()}
    if not tags:
        return riff_info(path)
    found = {field: next((texts(tags[key]) for key in keys if key in tags), []) for field, keys in KEYS.items()}
    return tidy({field: ", ".join(values) if field == "artist" else next(iter(values), "") for field, values in found.items()})


def texts(value):
    """The distinct texts of a tag's value: an ID3 frame, a list, or one value; ID3 genre numbers become names."""
    values = getattr(value, "genres", None) or getattr(value, "text", value)
    values = values if isinstance(values, (list, tuple)) else [values]
    return list(dict.fromkeys(text for item in values if (text := str(item).strip())))


def riff_info(path):
    """Tags that libsndfile reads and mutagen does not: the INFO chunk of WAV files; nothing where it cannot open the file."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            found = file.copy_metadata()
    except soundfile.LibsndfileError:  # a format of ffmpeg's alone, in which mutagen found no tags either
        return dict.fromkeys(FIELDS, "")
    return tidy({field: found.get("date" if field == "year" else field, "") for field in FIELDS})


def tidy(tags):
    """Tags on one line each, without control characters, and of the date the year alone."""
    tags = {field: " ".join("".join(c if c.isprintable() else " " for c in value).split()) for field, value in tags.items()}
    year = re.search(r"\d{4}", tags["year"])
    return tags | {"year": year[0] if year else ""}


def labels_of(name, tags):
    """A row of a metadata CSV for the file `name`: its tags, the file's name where there is no title, its top folder, a citation."""
    path = PurePosixPath(name)
    title = tags["title"] or path.stem
    album = " ".join(filter(None, [tags["album"], tags["year"] and f"({tags['year']})"]))
    citation = ", ".join(filter(None, [f"{tags['artist']}: {title}" if tags["artist"] else title, album]))
    return {"filename": name, **tags, "title": title, "folder": path.parts[0] if len(path.parts) > 1 else "", "citation": citation}
