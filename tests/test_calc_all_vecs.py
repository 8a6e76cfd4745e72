"""calc_all_vecs.py: word vectors as a tree, song vectors for known and for new songs."""
import numpy as np
import pytest
from conftest import run_script
from planted import planted_song, write_config, write_tree

from sound_eval import corpus as corpora
from sound_eval import infer
from sound_eval.run_folder import RunFolder
from sound_eval.trees import read_music_list

SCRIPT = "calc_all_vecs.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(tree, run folder): trained on 24 songs in three styles."""
    root = tmp_path_factory.mktemp("trained ü")
    write_tree(root / "tree", 24)
    run_script("spectrogram_doc2vec.py", root / "tree", root / "run", f"--config={write_config(root / 'c.yaml')}", "--epochs=12")
    return root / "tree", root / "run"


def test_word_vectors_are_net_1_of_every_input(trained, tmp_path):
    tree, run = trained
    done = run_script(SCRIPT, f"{tree}/", f"{run}/", tmp_path / "words ü")
    assert "word vectors of 24 songs" in done.stdout and "next: " in done.stdout
    networks = infer.networks_from(RunFolder(run).weights())
    for name in RunFolder(run).music_list():
        words = np.load(tmp_path / "words ü" / name)
        frames = np.load(tree / name)
        assert words.dtype == np.float32 and words.shape == (len(frames), 8)
        np.testing.assert_allclose(words, networks.words(frames.astype(np.float16)), atol=1e-4)


def test_many_songs_are_done_by_processes_and_come_out_the_same(trained, tmp_path):
    _, run = trained
    names = write_tree(tmp_path / "tree", 40)
    np.save(tmp_path / "tree" / "narrow.npy", np.zeros((5, 3), np.float32))
    songs = tmp_path / "songs.npy"
    done = run_script(SCRIPT, tmp_path / "tree", run, tmp_path / "words", "--song-vectors", songs, "--mean-words", check=False)
    assert done.returncode == 3 and done.stderr.count("skipped: ") == 1 and "narrow.npy: shape (5, 3)" in done.stderr
    networks = infer.networks_from(RunFolder(run).weights())
    assert read_music_list(tmp_path / "music_list.txt") == names == corpora.list_songs(tmp_path / "words")
    for name, mean in zip(names, np.load(songs), strict=True):
        expected = networks.words(np.load(tmp_path / "tree" / name).astype(np.float16))
        np.testing.assert_allclose(np.load(tmp_path / "words" / name), expected, atol=1e-4)
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
        done = run_script(SCRIPT, tree, run, tmp_path / out, "--song-vectors", tmp_path / out / "songs.npy")
        assert "30 song vectors (6 inferred)" in done.stdout
    vectors = np.load(tmp_path / "a" / "songs.npy")
    np.testing.assert_array_equal(vectors, np.load(tmp_path / "b" / "songs.npy"))
    rows = {name: row for row, name in enumerate(read_music_list(tmp_path / "a" / "music_list.txt"))}
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    known = unit[[rows[name] for name in names]]
    style = np.array([int(name.split(" ")[-1][:3]) % 3 for name in names])
    for i in range(6):
        similarity = known @ unit[rows[f"new {i}.mp3.npy"]]
        assert style[similarity.argmax()] == i % 3


def test_inferred_and_trained_song_vectors_agree(trained, tmp_path):
    tree, run = trained
    for out, more in (("trained", []), ("inferred", ["--infer-all"])):
        run_script(SCRIPT, tree, run, tmp_path / out, "--song-vectors", tmp_path / out / "songs.npy", "--song-only", *more)
    ours, theirs = np.load(tmp_path / "trained/songs.npy"), np.load(tmp_path / "inferred/songs.npy")
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.median(cosine) > 0.9


def test_files_that_cannot_be_used_are_named_and_the_rest_goes_on(trained, tmp_path):
    _, run = trained
    tree = tmp_path / "tree"
    write_tree(tree, 4)
    np.save(tree / "narrow.npy", np.zeros((5, 3), np.float32))
    done = run_script(SCRIPT, tree, run, tmp_path / "out", "--song-vectors", tmp_path / "out" / "s.npy", check=False)
    assert done.returncode == 3
    assert "narrow.npy: shape (5, 3)" in done.stderr and "1 of 5 songs left out" in done.stderr
    assert len(np.load(tmp_path / "out" / "s.npy")) == 4


@pytest.mark.parametrize(("arguments", "status", "message"), [([], 1, "no epoc_num.txt"), (["--mean-words"], 2, "--song-vectors")])
def test_errors(trained, tmp_path, arguments, status, message):
    done = run_script(SCRIPT, trained[0], tmp_path, tmp_path / "out", *arguments, check=False)
    assert done.returncode == status and message in done.stderr and "Traceback" not in done.stderr


def test_what_is_read_is_not_replaced(trained, tmp_path):
    tree, run = trained
    before = {path: path.read_bytes() for folder in trained for path in folder.rglob("*.*") if path.is_file()}
    for out, songs, message in (
        (tree, None, "lies in the log-mel tree"),
        (tree / "words", None, "lies in the log-mel tree"),
        (tmp_path / "words", tree / "songs.npy", "lies in the log-mel tree"),
        (tmp_path / "words", run / "songs.npy", "would replace that of the run"),
        (tmp_path / "words", tmp_path, "--song-vectors names a file"),
    ):
        done = run_script(SCRIPT, tree, run, out, *(["--song-vectors", songs] if songs else []), check=False)
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "words").exists()
    assert {path: path.read_bytes() for folder in trained for path in folder.rglob("*.*") if path.is_file()} == before


def test_rounding_of_inputs_is_that_of_the_corpus(trained):
    tree, run = trained
    config = RunFolder(run).config()
    corpus = corpora.open_corpus(tree, corpora.list_songs(tree), config, run / "cache")
    np.testing.assert_array_equal(corpus.song(3), corpora.network_inputs(np.load(tree / corpus.names[3]), config).astype(np.float16))
