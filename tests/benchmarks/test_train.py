"""The benchmark of training on a planted corpus: rows, picture, the line about the first
minute, and clocks that looks do not advance.
"""

import itertools

import numpy as np
import pytest
from conftest import script_module
from planted import planted_song, write_config

from sound_eval.files.writing import save_array

SCRIPT = "benchmarks/train.py"
train = script_module(SCRIPT)
racers = script_module("benchmarks/racers.py")
N_CLIPS = 24
SYSTEMS = ["closed form", "ours", "one pair at a time", "gensim Doc2Vec"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A log-mel tree of two clips of each of 12 songs in 3 albums, with metadata.csv."""
    root = tmp_path_factory.mktemp("train ü")
    rows = ["filename,album,song"]
    for clip in range(N_CLIPS):
        song = clip // 2
        frames = planted_song(song % 3, song, n_frames=240)
        save_array(root / "vectors" / f"{clip:03d}.mp3.npy", frames[clip % 2 :: 2])
        rows.append(f"{clip:03d}.mp3,album {song % 3},song {song}")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    write_config(root / "small.yaml")
    return root


def command(corpus, picture, *options):
    """The arguments of a run of a moment: it stops when it has trained its first rows."""
    options = ("--seconds", 1, "--doc2vec-epochs", 5, *options)
    fixed = ("--picture", picture, "--config", corpus / "small.yaml")
    return corpus / "vectors", corpus / "metadata.csv", *fixed, *options


def test_the_table_and_the_picture_hold_every_system(corpus, run_script, tmp_path, monkeypatch):
    drawn = []
    picture = train.figures.picture

    def kept(path, draw, lines, *rest):
        drawn.append(lines)
        return picture(path, draw, lines, *rest)

    monkeypatch.setattr(train.figures, "picture", kept)
    path = tmp_path / "new" / "séconds.png"
    done = run_script(SCRIPT, *command(corpus, path))

    table = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in table[2:]] == SYSTEMS
    assert all(len(row) == 9 for row in table)
    assert float(table[2][5]) > 0.5  # song_mAP of the closed form
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "\nours after " in done.stdout or "\nours was not looked at" in done.stdout

    (lines,) = drawn
    assert list(lines) == SYSTEMS
    assert lines["ours"][0] == lines["closed form"][0] and len(lines["ours"]) >= 2
    assert len(lines["gensim Doc2Vec"]) == 4  # 1, 2, 4 and 5 passes
    for points in lines.values():
        seconds = [point[train.SECONDS] for point in points]
        assert seconds[0] > 0
        if points is not lines["gensim Doc2Vec"]:  # whose trainings are each on their own
            assert all(before < after for before, after in itertools.pairwise(seconds))
    first_trained = lines["ours"][1]
    assert first_trained[train.SECONDS] > 1


def test_a_picture_that_cannot_be_written_is_told_before_any_training(corpus, run_script, tmp_path):
    done = run_script(SCRIPT, *command(corpus, tmp_path / "seconds.txt"), check=False)
    assert done.returncode == 1 and "seconds.txt: expected the name of a picture" in done.stderr
    theirs = tmp_path / "seconds.png"
    theirs.write_text("somebody's")
    done = run_script(SCRIPT, *command(corpus, theirs), check=False)
    assert done.returncode == 1 and "will not be replaced" in done.stderr
    assert theirs.read_text() == "somebody's" and "|" not in done.stdout


@pytest.fixture
def at(monkeypatch):
    """A function that sets what time.monotonic says to `racers`."""
    now = [100.0]
    monkeypatch.setattr(racers.time, "monotonic", lambda: now[0])

    def set_time(seconds):
        now[0] = 100.0 + seconds

    return set_time


def test_a_look_counts_for_itself_and_not_for_later_ones(at, capsys):
    watch = racers.Watch(chunk_rows=960)
    trained = "epoch 1: cost 5.1, 70,000 rows/s, save in 2 s\n"
    at(2)
    watch.hear("epoch 0: the closed form, wrote run/vector_at_0.npy after 2.0 s\n")
    for seconds in (10, 11):
        at(seconds)
        watch.hear(trained)
    at(14)
    watch.hear("epoch 1: cost 5.0, wrote run/vector_at_1.npy\n")
    at(15)
    watch.hear(trained)
    at(19)
    watch.hear("epoch 2: cost 4.9, wrote run/vector_at_2.npy\n")
    watch.hear("879 songs, 5 inputs of 3 values\n")
    # the save from 11 to 14 is not in the time of the one from 15 to 19
    assert watch.saves == [(0, 2), (1, 14), (2, 16)]
    assert watch.clock.first == (10, 960) and watch.seconds_trained() == 12
    assert watch.clock.rate() == 2 * 960 / 2
    assert capsys.readouterr().err == "879 songs, 5 inputs of 3 values\n"


def test_the_lines_that_are_watched_for_are_those_of_a_training(capsys):
    from sound_eval.terminal import Monitor

    watch = racers.Watch(chunk_rows=7)
    monitor = Monitor(rows_per_epoch=7, rows_per_print=1)
    monitor.start_epoch(3)
    monitor.chunk(7, 0.5)
    monitor.saved(0.5, "run/vector_at_3.npy")
    said = capsys.readouterr()
    for line in (said.err + said.out).splitlines(keepends=True):
        watch.hear(line)
    assert watch.clock.rows == 7 and [epoch for epoch, _ in watch.saves] == [3]


def test_the_first_minute_names_what_is_behind_the_closed_form(monkeypatch):
    judge = train.Judge(train.parse_arguments(["tree", "labels.csv"]), None, None)
    scores = {name: [0.5, 0.5] for name in judge.names} | {"album_knn5": [0.6, 0.55]}
    monkeypatch.setattr(
        train.Judge, "five", lambda _self, which: {name: scores[name][which] for name in scores}
    )
    looks = [racers.Look(1.5, 0), racers.Look(59, 1), racers.Look(61, None)]
    line = judge.first_minute(looks)
    assert line == "ours after 59.0 s is behind the closed form in album_knn5 (0.550, it has 0.600)"
    scores["album_knn5"] = [0.6, 0.6]
    assert judge.first_minute(looks).endswith("in no score")
    assert "not looked at" in judge.first_minute([looks[0], looks[2]])


def test_doublings_end_at_the_most():
    assert racers.doublings(1) == [1]
    assert racers.doublings(8) == [1, 2, 4, 8]
    assert racers.doublings(100) == [1, 2, 4, 8, 16, 32, 64, 100]


def test_a_local_pair_is_within_its_window_and_its_song():
    from sound_eval.config import read_config
    from sound_eval.inputs.network_inputs import overlap

    one_pair = script_module("benchmarks/one_pair.py")
    config = read_config()

    class Corpus:
        starts = np.array([0, 200, 230])
        lengths = np.array([200, 30])

    random = np.random.default_rng(0)
    songs = random.integers(2, size=(50, 40))
    a = Corpus.starts[songs] + random.integers(Corpus.lengths[songs])
    b = one_pair.draw_local(random, Corpus, config, songs, a)
    assert (b >= Corpus.starts[songs]).all() and (b < Corpus.starts[songs + 1]).all()
    distance = np.abs(a - b)
    assert distance.max() <= config.WINDOW_SIZE and distance.min() >= overlap(config)
