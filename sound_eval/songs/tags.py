"""Labels from the tags in audio files: title, artist, album, genres and year, whatever
the format calls them.

Conventions
-----------
`read_tags` gives a dict with every key of `FIELDS`: text, '' where the file says
nothing, and for `genres` a list of texts as they stand in the file. A label is one
value, so `genre` is the first genre and `genres` are all, joined by `; `; what counts
as several says `_split_genres`. Several artists are joined by commas. Texts are in
Unicode's form NFC, on one line.

Mutagen reads most formats; libsndfile the chunks of WAV and AIFF that it does not;
ffprobe what both do not know (Matroska, trackers, ...). A field that the first leaves
empty is taken from the next. The packages mediafile and tinytag know the fields too,
but not Matroska, TTA, CAF and trackers, nor tags of another format's kind (APEv2 in
an MP3), and both break genres and line breaks in other ways than ours.
"""

import datetime
import json
import re
import unicodedata
from pathlib import PurePosixPath

from sound_eval import programs
from sound_eval.errors import InputError, one_line
from sound_eval.terminal import Progress

FIELDS = ("title", "artist", "album_artist", "album", "genres", "year")
SEVERAL = "; "  # between the genres of a song

# What the fields are called in ID3 (MP3, AIFF, WAV, DSF, TTA), MP4, Vorbis comments
# (FLAC, Ogg, Opus), APEv2, ASF (WMA) and Matroska; in lower case, the likeliest first.
# What people add to ID3 and MP4 (`TXXX:NAME`, `----:com.apple.iTunes:NAME`) goes by
# NAME.
KEYS = {
    "title": ("tit2", "©nam", "title"),
    "artist": ("tpe1", "©art", "artist", "author", "performer"),
    "album_artist": (
        "tpe2",
        "aart",
        "albumartist",
        "album artist",
        "album_artist",
        "wm/albumartist",
    ),
    "album": ("talb", "©alb", "album", "wm/albumtitle"),
    "genres": ("tcon", "©gen", "genre", "wm/genre"),
    "year": (
        "tdrc",
        "tyer",
        "©day",
        "date",
        "year",
        "wm/year",
        "date_released",
        "date_recorded",
        "tdor",
        "originaldate",
        "originalyear",
    ),
}
YEAR = re.compile(r"(1[5-9]|20)\d\d")
SHORT_YEAR = re.compile(r"['’]?(\d\d)")

SEPARATORS = re.compile(r"[;\0]|\\\\")  # between genres, without a doubt
PERHAPS = re.compile("[/,|]")  # between genres, or part of the name of one
# Names with a slash of their own, in the shops of Apple, Deezer and in AllMusic and
# Discogs; all others in ID3's list have none.
WITH_SLASH = {
    "r&b/soul", "soul/r&b", "hip-hop/rap", "hip hop/rap", "rap/hip hop", "rap/hip-hop",
    "singer/songwriter", "pop/funk",
    "pop/rock", "rock/pop", "funk/soul", "dance/electronic", "electronic/dance", "folk/rock",
    "films/games",
}  # fmt: skip


def read_labels(root, names):
    """A row of labels for each of the files `names` below `root`, and `name: reason` for
    those whose tags cannot be read.
    """
    found = []
    unreadable = []
    with Progress(len(names), "file", "reading tags") as progress:
        for name in names:
            try:
                tags = read_tags(root / name)
            except Exception as error:
                # parsers of damaged files raise anything; the file is reported and
                # keeps its name and folder
                unreadable.append(f"{name}: {one_line(error)}")
                tags = dict.fromkeys(FIELDS, "") | {"genres": []}
            found.append(tags)
            progress.update(1)
    alone = genres_alone(found)
    rows = [labels_of(name, tags, alone) for name, tags in zip(names, found, strict=True)]
    return rows, unreadable


def read_tags(path):
    """The tags of one file, field -> text or list.

    Raises MutagenError, InputError, or what a damaged file makes a parser raise.
    """
    found = {field: [] for field in FIELDS}
    for tags in _sources(path):
        for field, keys in KEYS.items():
            found[field] = found[field] or next((tags[key] for key in keys if tags.get(key)), [])
        if all(found.values()):
            break
    found = {field: _tidy(values) for field, values in found.items()}
    texts = {field: next(iter(found[field]), "") for field in ("title", "album")}
    people = {field: ", ".join(found[field]) for field in ("artist", "album_artist")}
    people["artist"] = people["artist"] or people["album_artist"]
    year = next(filter(None, map(year_of, found["year"])), "")
    return {**texts, **people, "genres": found["genres"], "year": year}


def _sources(path):
    """What each reader finds in a file, as dicts key in lower case -> list of texts, read
    one after the other, as far as needed.
    """
    import mutagen
    from mutagen.aiff import AIFF
    from mutagen.apev2 import APEv2
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4
    from mutagen.wave import WAVE

    file = mutagen.File(path)
    found = [_plain(file.tags)] if file is not None and file.tags else []
    yield from found
    for read in (ID3, APEv2):  # of a kind that is not the format's own: APEv2 in MP3, ID3 in AAC
        try:
            found.append(_plain(read(path)))
        except mutagen.MutagenError:
            continue
        yield found[-1]
    if file is None or isinstance(file, (WAVE, AIFF)):
        found.append(_chunks(path))
        yield found[-1]
    # QuickTime has its tags in another place than MP4
    if not any(found) and (file is None or isinstance(file, MP4)):
        yield _probed(path)


def _plain(tags):
    """Tags of mutagen as a dict key in lower case -> list of texts."""
    found = {}
    for key, value in tags.items():
        name = key.lower()
        if name.startswith(("txxx:", "----:")):
            name = name.rpartition(":")[2]
        found.setdefault(name, []).extend(_texts(value))
    return found


def _texts(value):
    """The texts of a tag's value: an ID3 frame, whose genre numbers become names, a
    list, bytes, or one value.
    """
    values = getattr(value, "genres", None) or getattr(value, "text", value)
    values = values if isinstance(values, (list, tuple)) else [values]
    decoded = (
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in values
    )
    return [part for text in decoded for part in text.split("\0") if part.strip()]


def _chunks(path):
    """Tags that libsndfile reads: the INFO of WAV files, the chunks of AIFF and CAF.

    Empty where it cannot open the file.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            return {key: [text] for key, text in file.copy_metadata().items() if text.strip()}
    except soundfile.LibsndfileError:  # a format of ffmpeg's alone
        return {}


def _probed(path):
    """Tags that ffprobe reads, of the file and of its first stream of sound.

    Raises InputError where it cannot open the file.
    """
    wanted = ["-of", "json", "-show_entries", "format_tags:stream_tags", "-select_streams", "a"]
    command = ["ffprobe", "-v", "error", *wanted, *programs.input_of(path)]
    status, output, messages = programs.run(command)
    if status:
        raise InputError(f"ffprobe cannot read it: {messages.strip()[-300:]}")
    report = json.loads(output or "{}")
    found = {}
    for part in [report.get("format", {}), *report.get("streams", [])[:1]]:
        for key, text in part.get("tags", {}).items():
            found.setdefault(key.lower(), [text])
    return found


def _tidy(values):
    """Distinct texts in the form NFC, each on one line, without control characters; a
    NUL stays out as well.
    """
    found = {}
    for text in values:
        letters = unicodedata.normalize("NFC", text)
        shown = "".join(letter if letter.isprintable() else " " for letter in letters)
        if line := " ".join(shown.split()):
            found[line] = None
    return list(found)


def year_of(date):
    """The year in a date: `2004-05-01`, `01.05.2004`, `20040501`; `'04` and `04` are of
    this century unless that is to come.
    """
    if found := YEAR.search(date):
        return found[0]
    short = SHORT_YEAR.fullmatch(date)
    if not short:
        return ""
    century = 2000 if 2000 + int(short[1]) <= datetime.date.today().year else 1900
    return str(century + int(short[1]))


def genres_alone(tags):
    """The genres, in lower case, that stand alone somewhere among the `tags` of many
    files, and those that everyone knows.
    """
    from mutagen.id3 import TCON

    values = [value for one in tags for text in one["genres"] for value in SEPARATORS.split(text)]
    alone = {value.strip().casefold() for value in values if not PERHAPS.search(value)}
    return alone | {name.casefold() for name in TCON.GENRES}


def _split_genres(values, alone):
    """The distinct genres in the texts of a file.

    They are split at semicolons; at slashes, commas and bars only where each part is a
    genre that stands `alone` elsewhere, so that `Rock/Jazz` is two, and `R&B/Soul` and
    `Folk, World, & Country` are one. Numbers of ID3 become names: `(17)(8)`.
    """
    from mutagen.id3 import TCON

    texts = [part for text in values for part in SEPARATORS.split(text)]
    found = []
    for value in TCON(encoding=3, text=texts).genres:
        parts = [part.strip() for part in PERHAPS.split(value)]
        is_one_name = "/".join(parts).casefold() in WITH_SLASH
        all_known = all(part.casefold() in alone for part in parts)
        found += parts if all_known and not is_one_name else [value]
    return _tidy(found)


def labels_of(name, tags, alone):
    """A row of a metadata CSV for the file `name`: its tags, the file's name where
    there is no title, its top folder, a citation.

    `alone` are `genres_alone` of all files.
    """
    path = PurePosixPath(name)
    title = tags["title"] or path.stem
    genres = _split_genres(tags["genres"], alone)
    year = tags["year"] and f"({tags['year']})"
    album = " ".join(filter(None, [tags["album"], year]))
    who = f"{tags['artist']}: {title}" if tags["artist"] else title
    return {
        "filename": name,
        "title": title,
        "artist": tags["artist"],
        "album_artist": tags["album_artist"],
        "album": tags["album"],
        "genre": genres[0] if genres else "",
        "genres": SEVERAL.join(genres),
        "year": tags["year"],
        "folder": unicodedata.normalize("NFC", path.parts[0]) if len(path.parts) > 1 else "",
        "citation": ", ".join(filter(None, [who, album])),
    }
