"""The evaluation scripts as a person runs them:
what they print and write, and what they say to files that do not fit.
"""

import csv
import json
import os
import re
import shutil

import matplotlib.image
import numpy as np
import pytest
from conftest import REPO, write_run_folder
from planted import small_config

from sound_eval.files.trees import read_music_list
from sound_eval.inputs.corpus import open_corpus
from sound_eval.model.state import new_state, to_arrays

SVM, KMEANS = "process_results/logistic_regress.py", "process_results/sphere_kmeans.py"
FRAMES = "process_results/vecwise_regress.py"
STYLES = ("rock", "jazz, cool", "_folk $x$", "é")
N_SONGS = 80


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder whose vectors hold the style, with labels.csv;
    songs come in artists of four, all of one style.
    """
    root = tmp_path_factory.mktemp("läbels and vectors")
    random = np.random.default_rng(0)
    style = np.arange(N_SONGS) // 4 % 4
    vectors = 3 * random.standard_normal((4, 16))[style] + random.standard_normal((N_SONGS, 16))
    write_run_folder(
        root / "run", vectors, [f"disc {i % 2}/sóng {i:02d}.mp3.npy" for i in range(N_SONGS)]
    )
    rows = [
        [
            f"disc {i % 2}/sóng {i:02d}.mp3",
            STYLES[style[i]],
            f"artist {i // 4}",
            f"Title {i}",
            part(i),
        ]
        for i in range(N_SONGS)
    ]
    write_csv(root / "labels.csv", rows)
    for i in range(N_SONGS):  # a log-mel tree that knows nothing of the style
        path = root / "log mel" / f"disc {i % 2}" / f"sóng {i:02d}.mp3.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, random.standard_normal((50, 40)).astype(np.float32))
    return root


def part(i):
    return ("training", "training", "validation", "test")[i // 16 % 4]


def write_csv(path, rows, header=("filename", "genre", "artist", "title", "set"), **kwargs):
    with open(path, "w", newline="", encoding=kwargs.pop("encoding", "utf-8")) as file:
        csv.writer(file, **kwargs).writerows([header, *rows])


def files(run, labels="labels.csv"):
    return run / labels, run / "run" / "music_list.txt", run / "run" / "vector_at_1.npy"


def test_svm_prints_held_out_scores_beside_baselines_and_guesses(run, run_script, tmp_path):
    done = run_script(
        SVM,
        *files(run),
        "--group",
        "artist",
        "--log-mel-dir",
        run / "log mel",
        "--report",
        tmp_path / "re port",
    )
    assert (
        "label 'genre': 4 values, 80 songs, 80 tested; 5 stratified folds, no artist on both sides"
        in done.stdout
    )
    assert f"{REPO}/process_results/sphere_kmeans.py" in done.stdout.split("next: ")[1]
    report = json.loads((tmp_path / "re port" / "report.json").read_text(encoding="utf-8"))
    scores = {result["name"]: result["scores"]["balanced accuracy"] for result in report["results"]}
    assert list(scores) == [
        "song vectors",
        "log-mel mean + deviation",
        "MFCC statistics",
        "majority label",
        "chance",
    ]
    assert scores["song vectors"] > 0.9 and scores["majority label"] == scores[
        "chance"
    ] == pytest.approx(0.25)
    assert max(scores["log-mel mean + deviation"], scores["MFCC statistics"]) < 0.6
    assert f"{scores['song vectors']:.3f}" in done.stdout
    assert all(result["lead_interval"][0] > 0 for result in report["results"][1:4])


def test_report_holds_picture_table_and_out_of_fold_predictions(run, run_script, tmp_path):
    run_script(SVM, *files(run), "--model", "knn", "--report", tmp_path)
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["filename"] for row in rows] == [
        f"disc {i % 2}/sóng {i:02d}.mp3" for i in range(N_SONGS)
    ]
    right = np.mean([row["genre"] == row["predicted by song vectors"] for row in rows])
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["results"][0]["scores"]["accuracy"] == pytest.approx(right)
    assert np.trace(report["confusion"]) / np.sum(report["confusion"]) == pytest.approx(right)
    assert matplotlib.image.imread(tmp_path / "confusion.png").shape[0] > 300
    assert f"| song vectors | {right:.3f} [" in (tmp_path / "report.md").read_text(encoding="utf-8")


REPORT = ("report.md", "report.json", "predictions.csv", "confusion.png")


@pytest.mark.parametrize("script", [SVM, FRAMES])
def test_a_report_replaces_nothing_and_that_is_said_before_the_work(
    run, run_script, tmp_path, script
):
    inputs = files(run) if script == SVM else (run / "labels.csv", run / "log mel")
    done = run_script(
        script, *inputs, "--label", "genre", "--report", run / "labels.csv", check=False
    )
    assert done.returncode == 1 and done.stdout == "" and "labels.csv: not a folder" in done.stderr
    for name in REPORT:
        (tmp_path / name).write_text("mine")
        done = run_script(script, *inputs, "--label", "genre", "--report", tmp_path, check=False)
        assert (
            done.returncode == 1
            and done.stdout == ""
            and f"{tmp_path / name}: is there" in done.stderr
        )
        assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()


def test_a_report_is_made_again_but_not_over_what_it_is_made_of(run, run_script, tmp_path):
    for model in ("knn", "logistic"):
        options = ("--model", model, "--split", "set", "--label", "genre", "--report", tmp_path)
        run_script(SVM, *files(run), *options)
    assert "classifier: logistic" in (tmp_path / "report.md").read_text(encoding="utf-8")
    predictions = tmp_path / "predictions.csv"
    (run / "a link.csv").symlink_to(predictions)
    before = predictions.read_bytes()
    for labels in (predictions, run / "a link.csv"):
        for script, *inputs in ((SVM, *files(run)[1:]), (FRAMES, run / "log mel")):
            options = ("--label", "genre", "--report", tmp_path)
            done = run_script(script, labels, *inputs, *options, check=False)
            assert done.returncode == 1 and "predictions.csv: is read here" in done.stderr
    assert predictions.read_bytes() == before


def test_official_split_tests_the_test_rows_alone(run, run_script, tmp_path):
    done = run_script(
        SVM, *files(run), "--model", "logistic", "--split", "set", "--report", tmp_path
    )
    assert "80 songs, 16 tested; the split of column 'set'" in done.stdout
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 16


def test_k_means_prints_figures_beside_random_and_writes_picture_and_clusters(
    run, run_script, tmp_path
):
    done = run_script(
        KMEANS,
        *files(run),
        "--centers",
        "4",
        "--output",
        tmp_path / "a plot.png",
        "--csv-column",
        "genre",
    )
    figures = {
        name: (float(ours), float(random))
        for name, ours, random in re.findall(
            r"^(\S+) +(-?\d\.\d{3}) +(-?\d\.\d{3})$", done.stdout, re.M
        )
    }
    assert set(figures) == {"NMI", "ARI", "purity", "V-measure", "homogeneity", "completeness"}
    assert figures["NMI"][0] > 0.9 and figures["NMI"][1] < 0.2
    assert matplotlib.image.imread(tmp_path / "a plot.png").shape[0] > 300
    with open(tmp_path / "a plot.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == N_SONGS and len({(row["genre"], row["cluster"]) for row in rows}) == 4
    assert f"{REPO}/static_web_viewer/display_vector_data.py" in done.stdout.split("next: ")[1]


def test_k_means_does_not_replace_its_labels(run, run_script, tmp_path):
    (tmp_path / "labels.csv").write_bytes(
        (run / "labels.csv").read_bytes() + b"a song that is not in the run,rock,,,\n"
    )
    before = (tmp_path / "labels.csv").read_bytes()
    done = run_script(
        KMEANS,
        tmp_path / "labels.csv",
        *files(run)[1:],
        "--output",
        tmp_path / "labels.png",
        check=False,
    )
    assert (
        done.returncode == 1
        and "labels.csv: is read here" in done.stderr
        and "(by --output" in done.stderr
    )
    assert (tmp_path / "labels.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["k.png", "k.csv", "k_silhouette.png"])
def test_k_means_replaces_no_picture_and_no_table_of_a_users(run, run_script, tmp_path, name):
    (tmp_path / name).write_text("mine")
    done = run_script(
        KMEANS,
        *files(run),
        "--choose-k",
        "2:3",
        "--output",
        tmp_path / "k.png",
        "--csv-column",
        "genre",
        check=False,
    )
    assert (
        done.returncode == 1
        and done.stdout == ""
        and f"{tmp_path / name}: is there" in done.stderr
        and "(by --output" in done.stderr
    )
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "mine"


def test_k_means_again_replaces_what_it_made(run, run_script, tmp_path):
    for centers in (3, 4):
        run_script(
            KMEANS,
            *files(run),
            "--centers",
            centers,
            "--output",
            tmp_path / "k.png",
            "--csv-column",
            "genre",
        )
    with open(tmp_path / "k.csv", newline="", encoding="utf-8") as file:
        assert {row["cluster"] for row in csv.DictReader(file)} == set("0123")


def test_k_means_accepts_the_older_spelling_and_chooses_k(run, run_script, tmp_path):
    done = run_script(
        KMEANS,
        *files(run),
        "--choose-k",
        "2:7",
        "--output",
        tmp_path / "k.svg",
        "--csv_collum=genre",
        "--restarts",
        "3",
    )
    assert "the best is 4" in done.stdout and "\n4 clusters of 80 songs" in done.stdout
    assert (tmp_path / "k_silhouette.svg").read_text(encoding="utf-8").count("<svg") == 1
    drawn = (tmp_path / "k.svg").read_text(encoding="utf-8")
    # the legend shows every label as it is
    assert all(f">{style}</text>" in drawn for style in STYLES)


def messy_csv(run):
    """labels.csv with a BOM and semicolons, a row twice, 4 songs without a row, 4
    without a value, rows of unknown files.
    """
    with open(run / "labels.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    for row in rows[4:8]:
        row[1] = "  "
    strange = [[f"gone/{i}.mp3", "rock", "artist 0", "x", "test"] for i in range(4)]
    write_csv(
        run / "messy.csv", [*rows[:-4], rows[0], *strange], delimiter=";", encoding="utf-8-sig"
    )


def test_a_csv_with_every_misfit_is_counted_and_used(run, run_script, tmp_path):
    messy_csv(run)
    done = run_script(SVM, *files(run, "messy.csv"), "--label", "genre", "--model", "knn")
    assert "72 songs, 72 tested" in done.stdout
    assert "4 of 80 songs have no row" in done.stderr and "4 rows name no song" in done.stderr
    assert (
        "1 rows name a song for the second time" in done.stderr
        and "8 songs have no value in column 'genre'" in done.stderr
    )
    done = run_script(KMEANS, *files(run, "messy.csv"), "--output", tmp_path / "messy.png")
    assert (
        "8 songs have no value in column 'genre'" in done.stderr
        and "(4 values, 72 songs)" in done.stdout
    )


@pytest.mark.parametrize(
    ("script", "options", "message"),
    [
        (SVM, ["--label", "mood"], "no column 'mood'; it has genre, artist, title, set"),
        (SVM, ["--label", "title"], "fewer than 5 songs"),
        (SVM, ["--label", "artist", "--group", "artist"], "0 label to tell apart"),
        (SVM, ["--split", "genre"], "is unknown; known are"),
        (KMEANS, ["--centers", "81"], "81 clusters of 80 songs"),
        (KMEANS, ["--choose-k", "2:90"], "fewer clusters than the 80 songs"),
    ],
)
def test_what_cannot_be_answered_is_one_line(run, run_script, script, options, message):
    done = run_script(script, *files(run), *options, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert message in done.stderr and done.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("script", "options", "message"),
    [
        (SVM, ["--folds", "2"], "argument --folds: '2': expected a whole number of at least 3"),
        (SVM, ["--seed", "-1"], "argument --seed: '-1': expected a whole number from 0 to"),
        (SVM, ["--model", "forest"], "argument --model: invalid choice: 'forest'"),
        (SVM, ["--group", "artist", "--split", "set"], "not allowed with argument"),
        (FRAMES, ["--folds", "x"], "argument --folds: 'x': expected a whole number of at least 3"),
        (KMEANS, ["--centers", "0"], "argument --centers: '0'"),
        (KMEANS, ["--restarts", "0"], "argument --restarts: '0'"),
        (KMEANS, ["--seed", "1.5"], "argument --seed: '1.5'"),
        (KMEANS, ["--choose-k", "5:2"], "argument --choose-k: '5:2'"),
        (KMEANS, ["--output", "plot.jpeg2"], "plot.jpeg2: expected the name of a picture"),
    ],
)
def test_a_bad_command_line_exits_2(run, run_script, script, options, message):
    inputs = files(run) if script != FRAMES else (run / "labels.csv", run / "log mel")
    done = run_script(script, *inputs, *options, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("usage: ")
    assert message in done.stderr.splitlines()[-1]


def test_one_label_and_fewer_songs_than_folds_are_errors(run, run_script, tmp_path):
    rows = [[f"{i}.mp3", "rock", "a", "t", "test"] for i in range(8)]
    write_csv(tmp_path / "one.csv", rows)
    write_run_folder(tmp_path / "run", np.eye(8), [f"{i}.mp3.npy" for i in range(8)])
    done = run_script(SVM, tmp_path / "one.csv", *files(tmp_path)[1:], check=False)
    assert done.returncode == 1 and "error: 1 label to tell apart (rock)" in done.stderr
    write_csv(tmp_path / "few.csv", [[f"{i}.mp3", "ab"[i % 2], "a", "t", "test"] for i in range(4)])
    done = run_script(SVM, tmp_path / "few.csv", *files(tmp_path)[1:], check=False)
    assert done.returncode == 1 and "have a label that is in fewer than 5 songs" in done.stderr


def test_vectors_of_another_run_and_broken_vectors_are_errors(run, run_script, tmp_path):
    labels, music_list, _ = files(run)
    np.save(tmp_path / "short.npy", np.zeros((79, 16), np.float32))
    done = run_script(SVM, labels, music_list, tmp_path / "short.npy", check=False)
    assert done.returncode == 1 and "shape (79, 16) does not fit the 80 songs" in done.stderr
    vectors = np.zeros((80, 16), np.float32)
    vectors[7, 3] = np.nan
    np.save(tmp_path / "nan.npy", vectors)
    done = run_script(KMEANS, labels, music_list, tmp_path / "nan.npy", check=False)
    assert done.returncode == 1 and "sóng 07.mp3' holds NaN" in done.stderr


def balanced_accuracies(folder):
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {result["name"]: result["scores"]["balanced accuracy"] for result in report["results"]}


def test_the_model_before_training_stands_beside_the_vectors_of_a_run_with_weights(
    run, run_script, tmp_path
):
    names = read_music_list(run / "run" / "music_list.txt")
    config = small_config(NUM_MEL_BINS=40, OUTPUT_VECTOR_SIZE=16)
    corpus = open_corpus(run / "log mel", names, config, tmp_path / "cache", is_own=False)
    weights = to_arrays(new_state(config, corpus, seed=0))
    vectors = np.load(run / "run" / "vector_at_1.npy")
    made = write_run_folder(tmp_path / "run", vectors, names, config, weights=weights)
    # the former name of --log-mel-dir
    options = ("--vectors-dir", run / "log mel", "--model", "knn", "--report", tmp_path / "report")
    inputs = (run / "labels.csv", made.path / "music_list.txt", made.path / "vector_at_1.npy")
    run_script(SVM, *inputs, *options)
    scores = balanced_accuracies(tmp_path / "report")
    untrained = ["random weights", "closed form"]
    assert list(scores)[3:5] == untrained
    # the log-mel tree knows nothing of the style
    assert scores["song vectors"] > 0.85 and max(scores[name] for name in untrained) < 0.6


def test_frame_vectors_are_pooled_by_mean_and_deviation(run, run_script, tmp_path):
    random = np.random.default_rng(0)
    for i in range(N_SONGS - 2):  # the style is in the spread of the frames, not in their mean
        path = tmp_path / "frames" / f"disc {i % 2}" / f"sóng {i:02d}.mp3.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, random.standard_normal((200, 6)).astype(np.float32) * (1 + i // 4 % 4))
    np.save(tmp_path / "frames" / "disc 0" / "unknown.mp3.npy", np.ones((3, 6), np.float32))
    done = run_script(
        FRAMES,
        run / "labels.csv",
        tmp_path / "frames",
        "--run-dir",
        run / "run",
        "--report",
        tmp_path / "report",
    )
    assert (
        "1 of 79 songs are not in the music list" in done.stderr
        and "78 songs, 78 tested" in done.stdout
    )
    scores = balanced_accuracies(tmp_path / "report")
    assert scores["frame vectors' mean + deviation"] > 0.75 and scores["song vectors"] > 0.85
    assert scores["mean of frame vectors"] < 0.6


def test_frame_vectors_leave_out_song_vectors_and_folders_without_any_are_errors(
    run, run_script, tmp_path
):
    frames = tmp_path / "frames"
    shutil.copytree(run / "log mel", frames)
    np.save(frames / "songs.npy", np.ones((N_SONGS, 6), np.float32))
    (frames / "songs.npy.json").write_text("{}")
    done = run_script(
        FRAMES,
        run / "labels.csv",
        frames,
        "--run-dir",
        run / "run",
        "--label",
        "genre",
        "--model",
        "knn",
    )
    assert "warning" not in done.stderr and "80 songs, 80 tested" in done.stdout
    done = run_script(FRAMES, run / "labels.csv", run / "run" / "weights", check=False)
    assert (
        done.returncode == 1
        and "holds no frame vectors" in done.stderr
        and done.stderr.count("\n") == 1
    )
    done = run_script(FRAMES, run / "labels.csv", run, "--run-dir", run / "run", check=False)
    assert (
        done.returncode == 1
        and "none of the 81 songs is in its music list" in done.stderr
        and done.stderr.count("\n") == 1
    )
