"""The example music: what is written is real, labelled, varied within a style, told
apart between styles, and the same for the same seed.
"""

import csv
import re

import numpy as np
import pytest
import soundfile

from example_music import instruments
from example_music.collection import plan
from example_music.instruments import RATE
from example_music.styles import STYLES

ARGUMENTS = ("--pieces", 4, "--seconds", 8)
CHANCE = 1 / len(STYLES)


def read_labels(folder):
    with open(folder / "labels.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def music(tmp_path_factory, run_script):
    folder = tmp_path_factory.mktemp("music") / "example ü"
    run_script("make_example_music.py", folder, *ARGUMENTS)
    return folder


def test_every_row_is_a_file_and_every_file_a_row(music):
    files = {
        path.relative_to(music).as_posix()
        for path in music.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    } - {"labels.csv"}
    rows = read_labels(music)
    assert list(rows[0]) == ["filename", "genre", "title", "citation"]
    assert {row["filename"] for row in rows} == files
    assert len(rows) == 4 * len(STYLES) >= 32
    assert (
        sum(name.endswith(".mp3") for name in files)
        == sum(name.endswith(".wav") for name in files)
        == len(files) / 2
    )


def test_the_files_hold_sound(music):
    for row in read_labels(music):
        sound, rate = soundfile.read(music / row["filename"])
        assert rate == RATE and sound.shape[1] == 2
        assert 0.8 * 8 - 0.1 <= len(sound) / rate <= 1.2 * 8 + 0.2  # MP3 pads
        assert 0.02 < np.sqrt(np.mean(sound**2)) < 0.7
        seconds = np.sqrt(
            np.mean(sound[: len(sound) // RATE * RATE].reshape(-1, RATE * 2) ** 2, axis=1)
        )
        assert np.mean(seconds > 0.005) > 0.8  # no long silence
    assert soundfile.info(next(music.rglob("*.mp3"))).format in ("MP3", "MPEG")


def test_the_files_carry_their_title_and_genre(music):
    import mutagen

    for row in read_labels(music)[:8]:
        tags = mutagen.File(music / row["filename"]).tags
        assert (tags["TIT2"].text[0], tags["TCON"].text[0]) == (row["title"], row["genre"])


def test_neither_folders_nor_track_numbers_tell_the_style(music):
    rows = read_labels(music)
    for volume in ("volume 01/", "volume 04/"):
        assert sorted(row["genre"] for row in rows if row["filename"].startswith(volume)) == sorted(
            STYLES
        )
    orders = [
        tuple(row["genre"] for row in rows[i : i + len(STYLES)])
        for i in range(0, len(rows), len(STYLES))
    ]
    assert len(set(orders)) == len(orders)


def test_the_same_seed_gives_the_same_music_and_another_seed_other(tmp_path, run_script):
    small = ("--styles", 2, "--pieces", 2, "--seconds", 5)
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        run_script("make_example_music.py", tmp_path / name, *small, "--seed", seed)
    wavs = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.wav"))
    assert len(wavs) == 2
    assert all(
        (tmp_path / "one" / wav).read_bytes() == (tmp_path / "again" / wav).read_bytes()
        for wav in wavs
    )
    others = {path.read_bytes() for path in (tmp_path / "other").rglob("*.wav")}
    assert not others & {(tmp_path / "one" / wav).read_bytes() for wav in wavs}


def test_a_second_run_makes_only_what_is_missing(music, run_script):
    wav, *rest = sorted(music.rglob("*.wav"))
    before, times = wav.read_bytes(), {path: path.stat().st_mtime_ns for path in rest}
    wav.unlink()
    done = run_script("make_example_music.py", f"{music}/", *ARGUMENTS)
    assert f"1 pieces, {4 * len(STYLES) - 1} were there" in done.stdout
    assert wav.read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in rest} == times


def test_a_folder_with_other_labels_is_left_alone(music, run_script):
    before = (music / "labels.csv").read_bytes()
    done = run_script("make_example_music.py", music, "--pieces", 2, check=False)
    assert (
        done.returncode == 1
        and "another collection" in done.stderr
        and done.stderr.count("\n") == 1
    )
    assert (music / "labels.csv").read_bytes() == before


@pytest.mark.parametrize("theirs", ["labels.csv", "piece"])
def test_nothing_of_a_users_own_music_is_touched_or_called_ours(
    music, run_script, tmp_path, theirs
):
    own = tmp_path / (theirs if theirs == "labels.csv" else read_labels(music)[3]["filename"])
    own.parent.mkdir(exist_ok=True)
    own.write_text("mine")
    done = run_script("make_example_music.py", tmp_path, *ARGUMENTS, check=False)
    assert (
        done.returncode == 1
        and done.stderr.startswith(f"error: {own}: ")
        and done.stderr.count("\n") == 1
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        own
    ] and own.read_text() == "mine"


def test_a_collection_of_a_former_version_without_a_record_goes_on(run_script, tmp_path):
    small = ("--styles", 1, "--pieces", 2, "--seconds", 5)
    run_script("make_example_music.py", tmp_path, *small)
    (tmp_path / ".sound-eval.jsonl").unlink()
    assert "0 pieces, 2 were there" in run_script("make_example_music.py", tmp_path, *small).stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--styles", 0),
        ("--styles", 9),
        ("--seconds", 1),
        ("--pieces", 0),
        ("--seconds", "nan"),
        ("--seconds", "inf"),
    ],
)
def test_impossible_options_are_named(options, tmp_path, run_script):
    done = run_script("make_example_music.py", tmp_path, *options, check=False)
    assert done.returncode == 2 and re.search(rf"error: .*{options[0]}", done.stderr)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("frequency", [82.4, 220.0, 523.3])
@pytest.mark.parametrize(
    "name",
    [
        "pluck",
        "nylon",
        "harpsichord",
        "organ",
        "flute",
        "strings",
        "triangle_wave",
        "electric_piano",
        "upright_bass",
    ],
)
def test_instruments_are_in_tune(name, frequency):
    sound = getattr(instruments, name)(frequency, 1.5, 0.5, np.random.default_rng(0))[
        : RATE + RATE // 2
    ]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 19))
    bins = np.fft.rfftfreq(1 << 19, 1 / RATE)
    near = (bins > 0.8 * frequency) & (bins < 1.25 * frequency)
    cents = 1200 * np.log2(bins[near][spectrum[near].argmax()] / frequency)
    assert abs(cents) < 10


def test_pieces_of_a_style_differ_in_key_tempo_and_length():
    pieces = plan(n_styles=8, n_pieces=12, seconds=25, seed=0)
    assert len({piece.name for piece in pieces}) == 96
    assert all(20 <= piece.seconds <= 30 for piece in pieces)
    for genre, style in STYLES.items():
        tempos = [piece.tempo for piece in pieces if piece.genre == genre]
        assert len(tempos) == 12 and style.tempo[0] <= min(tempos) and max(tempos) <= style.tempo[1]
        assert max(tempos) - min(tempos) > 0.4 * (style.tempo[1] - style.tempo[0])
        assert len({piece.key for piece in pieces if piece.genre == genre}) >= 5
        assert len({piece.mode for piece in pieces if piece.genre == genre}) >= 2


def statistics(path):
    """Mean and deviation of 20 log energies in octave-like bands over short windows:
    a listener who hears timbre and pulse only.
    """
    sound = soundfile.read(path)[0].mean(axis=1)
    power = (
        np.abs(
            np.fft.rfft(
                sound[: len(sound) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024), axis=1
            )
        )
        ** 2
    )
    edges = np.unique(np.geomspace(3, 512, 21).astype(int))
    energies = np.log(np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) + 1e-6)
    return np.concatenate(
        [energies.mean(0), energies.std(0), np.abs(np.diff(energies, axis=0)).mean(0)]
    )


def leave_one_out(features, genres):
    """Share of pieces whose nearest other piece is of their style."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    distance = ((features[:, None] - features[None]) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    return np.mean(genres[distance.argmin(1)] == genres)


def test_styles_are_heard_but_not_by_loudness_alone(music):
    rows = read_labels(music)
    genres = np.array([row["genre"] for row in rows])
    features = np.array([statistics(music / row["filename"]) for row in rows])
    assert leave_one_out(features, genres) > 4 * CHANCE
    loudness = np.array(
        [[np.abs(soundfile.read(music / row["filename"])[0]).mean()] for row in rows]
    )
    assert leave_one_out(loudness, genres) < 4 * CHANCE
