"""calc_all_vecs.py: word vectors as a tree, song vectors for known and for new songs."""

import itertools
import os
import threading
import time

import numpy as np
import pytest
from conftest import run_script
from planted import planted_song, small_config, write_config, write_tree

from sound_eval.errors import InputError
from sound_eval.files.trees import read_music_list
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import list_songs, read_inputs
from sound_eval.model import inference
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.run_writer import RunWriter
from sound_eval.songs import library
from sound_eval.songs.library import read_song_vectors, save_song_vectors

SCRIPT = "calc_all_vecs.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(tree, run folder): trained on 24 songs in three styles."""
    root = tmp_path_factory.mktemp("trained ü")
    write_tree(root / "tree", 24)
    run_script(
        "spectrogram_doc2vec.py",
        root / "tree",
        root / "run",
        f"--config={write_config(root / 'c.yaml')}",
        "--epochs=12",
    )
    return root / "tree", root / "run"


def test_word_vectors_are_net_1_of_every_input(trained, tmp_path):
    tree, run = trained
    done = run_script(SCRIPT, f"{tree}/", f"{run}/", tmp_path / "words ü")
    assert "word vectors of 24 songs" in done.stdout and "next: " in done.stdout
    networks = inference.networks_from(RunFolder(run).weights())
    for name in RunFolder(run).music_list():
        words = np.load(tmp_path / "words ü" / f"{name}.npy")
        inputs = read_inputs(tree, name, small_config())
        n_frames = len(np.load(tree / f"{name}.npy"))
        assert words.dtype == np.float32 and words.shape == (n_frames, 8)
        np.testing.assert_allclose(words, networks.words(inputs), atol=1e-4)


def test_many_songs_are_done_by_processes_and_come_out_the_same(trained, tmp_path):
    _, run = trained
    names = write_tree(tmp_path / "tree", 40)
    np.save(tmp_path / "tree" / "narrow.npy", np.zeros((5, 3), np.float32))
    songs = tmp_path / "songs.npy"
    done = run_script(
        SCRIPT,
        tmp_path / "tree",
        run,
        tmp_path / "words",
        "--song-vectors",
        songs,
        "--mean-words",
        check=False,
    )
    assert (
        done.returncode == 3
        and done.stderr.count("skipped: ") == 1
        and "narrow.npy: shape (5, 3)" in done.stderr
    )
    networks = inference.networks_from(RunFolder(run).weights())
    assert read_music_list(tmp_path / "music_list.txt") == names == list_songs(tmp_path / "words")
    for name, mean in zip(names, np.load(songs), strict=True):
        expected = networks.words(read_inputs(tmp_path / "tree", name, small_config()))
        np.testing.assert_allclose(np.load(tmp_path / "words" / f"{name}.npy"), expected, atol=1e-4)
        np.testing.assert_allclose(mean, expected.mean(0), atol=1e-4)


def test_known_songs_get_the_rows_of_the_run(trained, tmp_path):
    tree, run = trained
    run_script(SCRIPT, tree, run, tmp_path, "--song-vectors", tmp_path / "songs.npy")
    assert read_music_list(tmp_path / "music_list.txt") == RunFolder(run).music_list()
    np.testing.assert_allclose(np.load(tmp_path / "songs.npy"), RunFolder(run).vectors(), atol=1e-4)
    for kind in ("--mean-words", "--song-only"):
        run_script(SCRIPT, tree, run, tmp_path, f"--song-vectors={tmp_path / kind}.npy", kind)
    parts = np.load(tmp_path / "--mean-words.npy") + np.load(tmp_path / "--song-only.npy")
    np.testing.assert_allclose(parts, RunFolder(run).vectors(), atol=1e-4)


def test_new_songs_are_inferred_next_to_their_kin_and_always_alike(trained, tmp_path):
    _, run = trained
    tree = tmp_path / "tree"
    names = write_tree(tree, 24)
    for i in range(6):
        np.save(tree / f"new {i}.mp3.npy", planted_song(i % 3, 500 + i))
    for out in ("a", "b"):
        done = run_script(
            SCRIPT, tree, run, tmp_path / out, "--song-vectors", tmp_path / out / "songs.npy"
        )
        assert "30 song vectors (6 inferred)" in done.stdout
    vectors = np.load(tmp_path / "a" / "songs.npy")
    np.testing.assert_array_equal(vectors, np.load(tmp_path / "b" / "songs.npy"))
    rows = {
        name: row for row, name in enumerate(read_music_list(tmp_path / "a" / "music_list.txt"))
    }
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    known = unit[[rows[name] for name in names]]
    style = np.array([int(name.split(" ")[-1][:3]) % 3 for name in names])
    for i in range(6):
        similarity = known @ unit[rows[f"new {i}.mp3"]]
        assert style[similarity.argmax()] == i % 3


def test_inferred_and_trained_song_vectors_agree(trained, tmp_path):
    tree, run = trained
    for out, more in (("trained", []), ("inferred", ["--infer-all"])):
        run_script(
            SCRIPT,
            tree,
            run,
            tmp_path / out,
            "--song-vectors",
            tmp_path / out / "songs.npy",
            "--song-only",
            *more,
        )
    ours, theirs = np.load(tmp_path / "trained/songs.npy"), np.load(tmp_path / "inferred/songs.npy")
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.median(cosine) > 0.9


def test_files_that_cannot_be_used_are_named_and_the_rest_goes_on(trained, tmp_path):
    _, run = trained
    tree = tmp_path / "tree"
    write_tree(tree, 4)
    np.save(tree / "narrow.npy", np.zeros((5, 3), np.float32))
    done = run_script(
        SCRIPT,
        tree,
        run,
        tmp_path / "out",
        "--song-vectors",
        tmp_path / "out" / "s.npy",
        check=False,
    )
    assert done.returncode == 3
    assert "narrow.npy: shape (5, 3)" in done.stderr and "1 of 5 songs left out" in done.stderr
    assert len(np.load(tmp_path / "out" / "s.npy")) == 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 1, "no epoc_num.txt"),
        (["--mean-words"], 2, "--song-vectors"),
        (
            ["--song-vectors", "/songs.npz"],
            2,
            "/songs.npz: writes a .npy file; give it that suffix",
        ),
    ],
)
def test_errors(trained, tmp_path, arguments, status, message):
    done = run_script(SCRIPT, trained[0], tmp_path, tmp_path / "out", *arguments, check=False)
    assert done.returncode == status and message in done.stderr and "Traceback" not in done.stderr


def test_what_is_read_is_not_replaced(trained, tmp_path):
    tree, run = trained
    before = {
        path: path.read_bytes()
        for folder in trained
        for path in folder.rglob("*.*")
        if path.is_file()
    }
    for out, songs, message in (
        (tree, None, "lies in the log-mel tree"),
        (tree / "words", None, "lies in the log-mel tree"),
        (tmp_path / "words", tree / "songs.npy", "lies in the log-mel tree"),
        (
            tmp_path / "words",
            run / "songs.npy",
            "a run folder, whose files the music_list.txt beside the song vectors would mix with",
        ),
        (tmp_path / "words", run / "weights" / "songs.npy", "belongs to a run folder"),
        (run, None, "a run folder, whose files the word vectors would mix with"),
        (run / "cache", None, "belongs to a run folder"),
        (tmp_path / "words", tmp_path, "--song-vectors names a file"),
    ):
        done = run_script(
            SCRIPT, tree, run, out, *(["--song-vectors", songs] if songs else []), check=False
        )
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "words").exists()
    assert {
        path: path.read_bytes()
        for folder in trained
        for path in folder.rglob("*.*")
        if path.is_file()
    } == before


def test_rounding_of_inputs_is_that_of_the_corpus(trained):
    tree, run = trained
    config = RunFolder(run).config()
    corpus = open_corpus(tree, list_songs(tree), config, run / "cache")
    np.testing.assert_array_equal(
        corpus.song(3),
        read_inputs(tree, corpus.names[3], config),
    )


# ---- what the script made, and what it did not ----


def words(trained, out, *args, **kwargs):
    return run_script(SCRIPT, trained[0], trained[1], out, *args, **kwargs)


def contents(folder):
    """All files below a folder but the records, name -> bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("[!.]*")
        if path.is_file()
    }


def test_another_runs_music_list_is_not_replaced(trained, tmp_path):
    for name in ("done", "begun"):
        run = RunWriter(tmp_path / name)
        run.start(small_config(), ["a.npy", "b.npy"])
        if name == "done":
            run.save(1, np.zeros((2, 8)), {}, 0.5)
        before = contents(run.path)
        done = words(
            trained, tmp_path / "out", "--song-vectors", run.path / "songs.npy", check=False
        )
        assert (
            done.returncode == 1
            and f"{run.path}: a run folder" in done.stderr
            and done.stderr.count("\n") == 1
        )
        assert contents(run.path) == before and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["out/disc 0/söng 000.mp3.npy", "songs.npy", "songs.npy.json", "music_list.txt"]
)
def test_files_of_the_users_are_not_replaced(trained, tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    done = words(trained, tmp_path / "out", "--song-vectors", tmp_path / "songs.npy", check=False)
    assert (
        done.returncode == 1
        and f"{tmp_path / name}: is there, and this script did not make it" in done.stderr
    )
    assert (tmp_path / name).read_text() == "mine"
    assert name == "music_list.txt" or set(contents(tmp_path)) == {name}


def test_what_the_script_made_is_made_again_but_not_what_was_changed_since(trained, tmp_path):
    arguments = (tmp_path / "out", "--song-vectors", tmp_path / "songs.npy")
    words(trained, *arguments)
    before = contents(tmp_path)
    assert len(before) == 24 + 3
    (tmp_path / "out" / "disc 0" / ".writing-word-vectors-0123").write_text("half")
    words(trained, *arguments)
    assert contents(tmp_path) == before and not list(tmp_path.rglob(".writing-*"))
    np.save(tmp_path / "out" / "disc 1" / "söng 001.mp3.npy", np.zeros(3))
    done = words(trained, *arguments, check=False)
    assert (
        done.returncode == 1
        and "söng 001.mp3.npy: is there, and this script did not make it" in done.stderr
        and "changed since" in done.stderr
    )
    assert np.load(tmp_path / "out" / "disc 1" / "söng 001.mp3.npy").shape == (3,)


def test_files_of_song_vectors_share_a_music_list_only_where_it_is_the_same(trained, tmp_path):
    _, run = trained
    sets = {name: tmp_path / name for name in ("all", "fewer")}
    write_tree(sets["all"], 24)
    write_tree(sets["fewer"], 10)
    out, here = tmp_path / "out", tmp_path / "here"

    def make(tree, name, *args, **kwargs):
        return run_script(
            SCRIPT, sets[tree], run, out, "--song-vectors", here / name, *args, **kwargs
        )

    make("fewer", "a.npy")
    make("all", "a.npy")  # the same file with more songs: nobody else needs the old list
    assert len(read_music_list(here / "music_list.txt")) == len(np.load(here / "a.npy")) == 24
    make("all", "b.npy", "--mean-words")
    before = contents(here)
    for name in ("a.npy", "b.npy", "c.npy"):
        done = make("fewer", name, check=False)
        assert (
            done.returncode == 1
            and "music_list.txt holds other songs and belongs to" in done.stderr
        )
    assert contents(here) == before
    (here / "b.npy").unlink()
    (here / "b.npy.json").unlink()
    make("fewer", "a.npy")
    names, vectors, made = read_song_vectors(here / "a.npy")
    assert len(names) == len(vectors) == 10 and made["kind"] == "sum"


def test_song_vectors_are_held_against_their_songs(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "TRIES", 2)  # nobody is writing them
    words(trained, tmp_path / "out", "--song-vectors", tmp_path / "songs.npy")
    names, vectors, _ = read_song_vectors(tmp_path / "songs.npy")
    (tmp_path / "music_list.txt").write_text(
        "".join(f"{name}\n" for name in reversed(names)), encoding="utf-8"
    )
    with pytest.raises(
        InputError, match=r"songs\.npy: music_list\.txt beside it holds other songs"
    ):
        read_song_vectors(tmp_path / "songs.npy")
    (tmp_path / "music_list.txt").write_text(
        "".join(f"{name}\n" for name in names), encoding="utf-8"
    )
    np.save(tmp_path / "songs.npy", vectors[::-1])
    with pytest.raises(InputError, match=r"songs\.npy: not the vectors that songs\.npy\.json"):
        read_song_vectors(tmp_path / "songs.npy")


@pytest.mark.parametrize(
    "text", ["[" * 10_000, "[1]", "{", "\0", "{'kind': 1}", "9" * 5000, "x" * 20_000]
)
def test_hostile_descriptions_are_one_line(tmp_path, text):
    np.save(tmp_path / "s.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "music_list.txt").write_text("a\nb\nc\n")
    (tmp_path / "s.npy.json").write_text(text)
    with pytest.raises(InputError, match=r"s\.npy\.json: "):
        read_song_vectors(tmp_path / "s.npy")


class Digest:
    def digest(self):
        return "0123456789abcdef"


def test_readers_beside_a_writer_never_get_songs_and_vectors_of_different_times(tmp_path):
    path, stop, mixed, seen = tmp_path / "songs.npy", threading.Event(), [], set()

    def write():
        for number in itertools.count(1):
            if stop.is_set():
                return
            save_song_vectors(
                path,
                [f"{number}/{row}.npy" for row in range(20)],
                np.full((20, 8), number),
                "sum",
                Digest(),
            )

    save_song_vectors(
        path, [f"0/{row}.npy" for row in range(20)], np.full((20, 8), 0), "sum", Digest()
    )
    writer = threading.Thread(target=write)
    writer.start()
    end = time.monotonic() + 4
    while time.monotonic() < end and len(seen) < 100:
        try:
            names, vectors, _ = read_song_vectors(path)
        except InputError:
            continue  # it is written over and over, without a pause
        seen.add(names[0])
        if not (vectors == int(names[0].split("/")[0])).all():
            mixed.append(names[0])
    stop.set()
    writer.join()
    assert len(seen) > 3 and not mixed


def test_pipes_among_the_songs_are_skipped_at_once(trained, tmp_path):
    _, run = trained
    write_tree(tmp_path / "tree", 4)
    os.mkfifo(tmp_path / "tree" / "pipe.npy")
    (tmp_path / "tree" / "endless.npy").symlink_to("/dev/zero")
    done = run_script(SCRIPT, tmp_path / "tree", run, tmp_path / "out", check=False)
    assert done.returncode == 3 and done.stderr.count("where a file is expected") == 2
    assert len(contents(tmp_path / "out")) == 4
