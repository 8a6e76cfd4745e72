"""Labels from tags: real files of every tag format, written by ffmpeg, and files that have no tags or cannot be read."""
import csv
import subprocess

import pytest
from conftest import encode, planted_sound
from mutagen.id3 import ID3, TCON

from sound_eval.tags import labels_of, read_tags

SCRIPT = "process_results/labels_from_tags.py"
WANTED = {"title": "Für Elise, op. 59", "artist": "Beethoven", "album": "Bagatellen", "genre": "Classical", "year": "1867"}


def tagged(path, **tags):
    """A second of sound with tags, as ffmpeg writes them for the suffix."""
    plain = path.with_name("plain.wav")
    encode(planted_sound("chord", 0, 1), plain)
    options = [word for key, value in tags.items() for word in ("-metadata", f"{key}={value}")]
    options += ["-write_id3v2", "1"] if path.suffix == ".aiff" else []
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", plain, *options, path], check=True)
    plain.unlink()
    return path


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "opus", "m4a", "wma", "wv", "wav", "aiff"])
def test_tags_of_every_format_read_the_same(tmp_path, suffix):
    tags = {field: WANTED[field] for field in ("title", "artist", "album", "genre")}
    path = tagged(tmp_path / f"song.{suffix}", **tags, date="1867-04-01")
    assert read_tags(path) == WANTED


def test_a_genre_number_becomes_a_name_and_the_first_genre_counts(tmp_path):
    path = tagged(tmp_path / "a.mp3", title="x")
    tags = ID3(path)
    tags.add(TCON(encoding=3, text=["17", "Folk"]))
    tags.save()
    assert read_tags(path)["genre"] == "Rock"


def test_a_line_break_in_a_tag_stays_on_its_line(tmp_path):
    assert read_tags(tagged(tmp_path / "a.flac", title="two\nlines\x07"))["title"] == "two lines"


def test_without_tags_title_and_folder_come_from_the_path():
    empty = dict.fromkeys(("title", "artist", "album", "genre", "year"), "")
    row = labels_of("Rock/live/04 song.mp3", empty)
    assert (row["title"], row["folder"], row["citation"]) == ("04 song", "Rock", "04 song")
    assert labels_of("song.mp3", empty)["folder"] == ""
    assert labels_of("a/b.mp3", WANTED)["citation"] == "Beethoven: Für Elise, op. 59, Bagatellen (1867)"


def test_the_csv_names_every_file_and_reports_the_unreadable(tmp_path, run_script):
    music = tmp_path / "my müsic"
    (music / "Jazz").mkdir(parents=True)
    tagged(music / "Jazz" / "a, b.mp3", title='say "hi"', genre="Bebop", artist="Quartet")
    tagged(music / "plain.wav.flac")
    (music / "Jazz" / "broken.m4a").write_bytes(b"\0\0\0\x20ftypM4A \xff\xff\xff\xff" + b"moov" * 20)
    (music / "notes.txt").write_text("not audio")
    done = run_script(SCRIPT, f"{music}/", tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", newline="", encoding="utf-8") as file:
        rows = {row["filename"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["Jazz/a, b.mp3", "Jazz/broken.m4a", "plain.wav.flac"]
    assert rows["Jazz/a, b.mp3"]["title"] == 'say "hi"' and rows["Jazz/a, b.mp3"]["genre"] == "Bebop"
    assert rows["Jazz/broken.m4a"]["folder"] == "Jazz" and rows["Jazz/broken.m4a"]["title"] == "broken"
    assert "the tags of 1 of 3 files cannot be read" in done.stderr and "Jazz/broken.m4a" in done.stderr
    assert "genre   in 1 files, 1 values: Bebop (1)" in done.stdout


def test_a_folder_without_audio_is_an_error(tmp_path, run_script):
    done = run_script(SCRIPT, tmp_path, tmp_path / "labels.csv", check=False)
    assert done.returncode == 1 and "holds no audio file" in done.stderr and not (tmp_path / "labels.csv").exists()


def test_a_song_is_not_replaced_by_the_labels(tmp_path, run_script):
    encode(planted_sound("chord", 0, 1), tmp_path / "music" / "a.wav")
    before = (tmp_path / "music" / "a.wav").read_bytes()
    done = run_script(SCRIPT, tmp_path / "music", tmp_path / "music" / "a.wav", check=False)
    assert done.returncode == 1 and "a.wav: is read here, and would be replaced" in done.stderr
    assert (tmp_path / "music" / "a.wav").read_bytes() == before
