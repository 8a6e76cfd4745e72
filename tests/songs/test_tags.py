"""Labels from tags: real files of every tag format, written by ffmpeg, and files that
have no tags or cannot be read.
"""

import csv
import json
import shutil
import subprocess
import unicodedata

import mutagen
import pytest
from conftest import encode, planted_sound
from mutagen import id3
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TALB, TCON, TIT2, TPE1, TXXX

from sound_eval.songs.labels import read_metadata
from sound_eval.songs.tags import genres_alone, labels_of, read_tags, year_of

SCRIPT = "process_results/labels_from_tags.py"
TEXTS = {
    "title": "Für Elise, op. 59",
    "artist": "Beethoven",
    "album_artist": "Ensemble",
    "album": "Bagatellen",
}
WANTED = {**TEXTS, "genres": ["Classical"], "year": "1867"}
EMPTY = dict.fromkeys((*TEXTS, "year"), "") | {"genres": []}


def tagged(path, **tags):
    """A second of sound with tags, as ffmpeg writes them for the suffix."""
    plain = path.with_name("plain source.wav")
    encode(planted_sound("chord", 0, 1), plain)
    options = [word for key, value in tags.items() for word in ("-metadata", f"{key}={value}")]
    options += ["-write_id3v2", "1"] if path.suffix == ".aiff" else []
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", plain, *options, path], check=True
    )
    plain.unlink()
    return path


def genre_of(values, others=()):
    """The columns genre and genres of a file with these texts as its genre, among others."""
    row = labels_of(
        "a.mp3",
        EMPTY | {"genres": list(values)},
        genres_alone([EMPTY | {"genres": [text]} for text in [*values, *others]]),
    )
    return row["genre"], row["genres"]


SUFFIXES = (
    "mp3",
    "flac",
    "ogg",
    "opus",
    "oga",
    "spx",
    "m4a",
    "mov",
    "wma",
    "wv",
    "wav",
    "aiff",
    "tta",
    "mka",
    "mkv",
    "webm",
    "caf",
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tags_of_every_format_read_the_same(tmp_path, suffix):
    path = tagged(tmp_path / f"song.{suffix}", **TEXTS, genre="Classical", date="1867-04-01")
    wanted = dict(WANTED)
    if suffix in ("wav", "caf", "mov"):
        wanted["album_artist"] = ""  # ffmpeg writes none into these
    assert read_tags(path) == wanted


@pytest.mark.parametrize("suffix", ["mp3", "wv", "tta", "aac"])
def test_ape_tags_are_read_beside_or_in_place_of_id3(tmp_path, suffix):
    path = tagged(tmp_path / f"song.{suffix}")
    if suffix == "mp3":
        ID3(path).delete(path)
    tags = APEv2()
    tags.update(
        {
            "Title": TEXTS["title"],
            "Artist": TEXTS["artist"],
            "Album Artist": TEXTS["album_artist"],
            "Album": TEXTS["album"],
        }
    )
    tags.update({"Genre": ["Classical", "Piano"], "Year": "1867"})
    tags.save(path)
    assert read_tags(path) == WANTED | {"genres": ["Classical", "Piano"]}
    if suffix == "mp3":  # what ID3 has too is ID3's
        mixed = ID3()
        mixed.add(TIT2(encoding=3, text="of ID3"))
        mixed.save(path)
        assert read_tags(path) == WANTED | {"title": "of ID3", "genres": ["Classical", "Piano"]}


@pytest.mark.parametrize("version", ["v1", 3, 4])
def test_every_version_of_id3(tmp_path, version):
    path = tagged(tmp_path / "a.mp3")
    tags = ID3()
    for frame in (TIT2, TPE1, TALB):
        tags.add(frame(encoding=3 if version == 4 else 1, text="Ärzte"))
    tags.add(TCON(encoding=1, text=["17", "8"]))
    tags.add(id3.TDRC(encoding=1, text="2004-05-01"))
    if version == "v1":
        ID3(path).delete(path)
        tags.save(path, v1=2)
        ID3(path).delete(path, delete_v1=False)
    else:
        tags.save(path, v1=0, v2_version=version, v23_sep=None)
    found = read_tags(path)
    assert (found["title"], found["artist"], found["album"], found["year"]) == (
        "Ärzte",
        "Ärzte",
        "Ärzte",
        "2004",
    )
    assert found["genres"] == (["Rock"] if version == "v1" else ["Rock", "Jazz"])


def test_id3_of_version_2_2(tmp_path):
    frames = b"".join(name + len(text).to_bytes(3, "big") + text for name, text in (
        (b"TT2", b"\0Title"), (b"TP1", b"\0One"), (b"TP2", b"\0Band"), (b"TCO", b"\0(17)(8)"),
        (b"TYE", b"\x001998"),
    ))  # fmt: skip
    path = tagged(tmp_path / "a.mp3")
    ID3(path).delete(path)
    path.write_bytes(
        b"ID3\x02\0\0"
        + bytes([0, 0, len(frames) >> 7, len(frames) & 127])
        + frames
        + path.read_bytes()
    )
    assert read_tags(path) == EMPTY | {
        "title": "Title",
        "artist": "One",
        "album_artist": "Band",
        "genres": ["Rock", "Jazz"],
        "year": "1998",
    }


def test_chunks_of_a_wav_complete_its_id3(tmp_path):
    path = tagged(tmp_path / "a.wav", title="of INFO", genre="Rock", artist="One")
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="of ID3"))
    file.save()
    assert read_tags(path) == EMPTY | {"title": "of ID3", "artist": "One", "genres": ["Rock"]}


def test_what_people_add_to_mp4_and_id3_goes_by_its_name(tmp_path):
    path = tagged(tmp_path / "a.m4a", title="x")
    file = mutagen.File(path)
    file["----:com.apple.iTunes:ALBUMARTIST"] = b"B\xc3\xa4nd"
    file["----:com.apple.iTunes:Genre"] = [b"Rock", b"Jazz"]
    file.save()
    assert (
        read_tags(path)["album_artist"],
        read_tags(path)["artist"],
        read_tags(path)["genres"],
    ) == ("Bänd", "Bänd", ["Rock", "Jazz"])
    path = tagged(tmp_path / "a.mp3", title="x")
    tags = ID3(path)
    tags.add(TXXX(encoding=3, desc="ALBUM ARTIST", text="Bänd"))
    tags.save()
    assert read_tags(path)["album_artist"] == "Bänd"


def test_several_comments_of_one_name_are_several_genres(tmp_path):
    for suffix in ("flac", "ogg", "opus"):
        path = tagged(tmp_path / f"a.{suffix}")
        file = mutagen.File(path)
        file["GENRE"], file["ARTIST"] = ["Rock", "Jazz", "Rock"], ["One", "Two"]
        file.save()
        assert (read_tags(path)["genres"], read_tags(path)["artist"]) == (
            ["Rock", "Jazz"],
            "One, Two",
        )


def test_a_tracker_module_has_its_title(tmp_path):
    if (
        "libopenmpt"
        not in subprocess.run(
            ["ffmpeg", "-v", "error", "-formats"], capture_output=True, text=True, check=True
        ).stdout
    ):
        pytest.skip("this ffmpeg has no libopenmpt")
    sample = b"\0" * 22 + b"\0\x10\0\x40\0\0\0\1"
    module = (
        b"Chip tune".ljust(20, b"\0")
        + sample
        + (b"\0" * 28 + b"\0\1") * 30
        + b"\1\x7f"
        + b"\0" * 128
        + b"M.K."
        + b"\0" * 1024
        + b"\0" * 32
    )
    (tmp_path / "a.mod").write_bytes(module)
    assert read_tags(tmp_path / "a.mod")["title"] == "Chip tune"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["Rock; Jazz"], ("Rock", "Rock; Jazz")),
        (["Rock;Jazz ; Rock"], ("Rock", "Rock; Jazz")),
        (["Rock/Jazz"], ("Rock", "Rock; Jazz")),
        (["Rock / Jazz"], ("Rock", "Rock; Jazz")),
        (["Rock, Jazz"], ("Rock", "Rock; Jazz")),
        (["Rock|Jazz"], ("Rock", "Rock; Jazz")),
        (["Rock\0Jazz"], ("Rock", "Rock; Jazz")),
        (["Jazz", "Rock/Blues"], ("Jazz", "Jazz; Rock; Blues")),
        (["(17)(8)"], ("Rock", "Rock; Jazz")),
        (["(17)"], ("Rock", "Rock")),
        (["R&B/Soul"], ("R&B/Soul", "R&B/Soul")),
        (["Hip-Hop/Rap; Jazz"], ("Hip-Hop/Rap", "Hip-Hop/Rap; Jazz")),
        (["Funk / Soul"], ("Funk / Soul", "Funk / Soul")),
        (["Drum & Bass"], ("Drum & Bass", "Drum & Bass")),
        (["Folk, World, & Country"], ("Folk, World, & Country", "Folk, World, & Country")),
        (["Sludge/Doom"], ("Sludge/Doom", "Sludge/Doom")),
        ([], ("", "")),
        ([" ; "], ("", "")),
    ],
)
def test_several_genres_are_told_from_one_with_a_slash(values, wanted):
    assert genre_of(values) == wanted


def test_a_genre_that_stands_alone_elsewhere_is_known():
    assert genre_of(["Sludge/Doom"], ["sludge", "Doom; Noise"]) == ("Sludge", "Sludge; Doom")


@pytest.mark.parametrize(
    ("date", "year"),
    [
        *[
            ("2004-05-01", "2004"),
            ("01.05.2004", "2004"),
            ("20040501", "2004"),
            ("01052004", "2004"),
            ("2004", "2004"),
            ("c. 1785?", "1785"),
        ],
        *[
            ("'04", "2004"),
            ("04", "2004"),
            ("'98", "1998"),
            ("0000", ""),
            ("0", ""),
            ("", ""),
            ("spring", ""),
            ("1.5.04", ""),
        ],
    ],
)
def test_years(date, year):
    assert year_of(date) == year


def test_a_line_break_in_a_tag_stays_on_its_line(tmp_path):
    assert read_tags(tagged(tmp_path / "a.flac", title="two\nlines\x07"))["title"] == "two lines"


def test_without_tags_title_and_folder_come_from_the_path():
    row = labels_of("Rock/live/04 song.mp3", EMPTY, set())
    assert (row["title"], row["folder"], row["citation"]) == ("04 song", "Rock", "04 song")
    assert labels_of("song.mp3", EMPTY, set())["folder"] == ""
    assert (
        labels_of("a/b.mp3", WANTED, set())["citation"]
        == "Beethoven: Für Elise, op. 59, Bagatellen (1867)"
    )


def test_the_csv_names_every_file_and_reports_the_unreadable(tmp_path, run_script):
    music = tmp_path / "my müsic"
    (music / "Jazz").mkdir(parents=True)
    tagged(music / "Jazz" / "a, b.mp3", title='say "hi"', genre="Bebop", artist="Quartet")
    tagged(music / "plain.wav.flac")
    (music / "Jazz" / "broken.m4a").write_bytes(
        b"\0\0\0\x20ftypM4A \xff\xff\xff\xff" + b"moov" * 20
    )
    (music / "notes.txt").write_text("not audio")
    done = run_script(SCRIPT, f"{music}/", tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", newline="", encoding="utf-8") as file:
        rows = {row["filename"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["Jazz/a, b.mp3", "Jazz/broken.m4a", "plain.wav.flac"]
    assert (
        rows["Jazz/a, b.mp3"]["title"] == 'say "hi"' and rows["Jazz/a, b.mp3"]["genre"] == "Bebop"
    )
    assert (
        rows["Jazz/broken.m4a"]["folder"] == "Jazz" and rows["Jazz/broken.m4a"]["title"] == "broken"
    )
    assert (
        "the tags of 1 of 3 files cannot be read" in done.stderr
        and "Jazz/broken.m4a" in done.stderr
    )
    assert "genre   in 1 files, 1 values: Bebop (1)" in done.stdout


def test_a_folder_without_audio_is_an_error_that_says_why(tmp_path, run_script):
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow").mkdir()
    (tmp_path / "hollow" / "a.mp3").touch()
    (tmp_path / "file").touch()
    messages = {
        "empty": "empty: holds no audio file\n",
        "hollow": (
            "hollow: holds no audio file that can be used (1 cannot; a.mp3: the file is empty)\n"
        ),
        "missing": "missing: no such folder\n",
        "file": "file: not a folder\n",
    }
    for name, message in messages.items():
        done = run_script(SCRIPT, tmp_path / name, tmp_path / "labels.csv", check=False)
        assert (
            done.returncode == 1
            and done.stderr == f"error: {tmp_path}/{message}"
            and not (tmp_path / "labels.csv").exists()
        )


def test_labels_are_made_again_replace_nothing_and_come_back_as_they_were(tmp_path, run_script):
    name = unicodedata.normalize("NFD", '=é/-1+2, "x".mp3')
    (tmp_path / "music" / name).parent.mkdir(parents=True)
    shutil.move(
        tagged(
            tmp_path / "a.mp3",
            title="=cmd|' /C calc'!A0",
            artist="'=x",
            album="-3.5",
            genre="@jazz",
        ),
        tmp_path / "music" / name,
    )
    for _ in range(2):
        run_script(SCRIPT, tmp_path / "music", tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", newline="", encoding="utf-8") as file:
        (raw,) = csv.DictReader(file)
    assert (raw["title"], raw["artist"], raw["album"], raw["genre"]) == (
        "'=cmd|' /C calc'!A0",
        "''=x",
        "-3.5",
        "'@jazz",
    )
    (row,) = read_metadata(tmp_path / "labels.csv").to_dict("records")
    assert (row["filename"], row["title"], row["artist"], row["album"], row["genre"]) == (
        name,
        "=cmd|' /C calc'!A0",
        "'=x",
        "-3.5",
        "@jazz",
    )
    (tmp_path / "labels.csv").write_text("filename,genre\nmine,rock\n")
    done = run_script(SCRIPT, tmp_path / "music", tmp_path / "labels.csv", check=False)
    assert done.returncode == 1 and "will not be replaced" in done.stderr
    assert (tmp_path / "labels.csv").read_text() == "filename,genre\nmine,rock\n"
    assert (
        json.loads((tmp_path / ".sound-eval.jsonl").read_text().split("\n")[1])["kind"] == "labels"
    )


def test_a_song_is_not_replaced_by_the_labels(tmp_path, run_script):
    encode(planted_sound("chord", 0, 1), tmp_path / "music" / "a.wav")
    before = (tmp_path / "music" / "a.wav").read_bytes()
    done = run_script(SCRIPT, tmp_path / "music", tmp_path / "music" / "a.wav", check=False)
    assert (
        done.returncode == 1 and "a.wav: is there, and this script did not make it" in done.stderr
    )
    assert (tmp_path / "music" / "a.wav").read_bytes() == before
