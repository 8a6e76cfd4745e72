"""The quality benchmark on a planted corpus:
the table holds what the scorer says, vectors are kept, rivals are real.
"""

import json

import numpy as np
import pytest
from conftest import script_module

from sound_eval.config import read_config, save_config
from sound_eval.files.writing import save_array

SCRIPT = "benchmarks/quality.py"
clip_scores = script_module("benchmarks/clip_scores.py")
five_scores = clip_scores.five_scores


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A log-mel tree of 60 clips of 15 songs in 3 albums, with metadata.csv."""
    root = tmp_path_factory.mktemp("quality corpus")
    random = np.random.default_rng(0)
    # as in music, most bands are no further below the loudest than a summary hears
    albums, songs = random.standard_normal((3, 80)), 0.5 * random.standard_normal((15, 80))
    rows = ["filename,album,song"]
    for clip in range(60):
        song = clip // 4
        frames = (
            albums[song % 3]
            + songs[song]
            + 0.1 * random.standard_normal((1, 80))
            + 0.3 * random.standard_normal((400, 80))
        )
        save_array(root / "vectors" / f"{clip:03d}.mp3.npy", frames.astype(np.float32))
        rows.append(f"{clip:03d}.mp3,album {song % 3},{'' if clip == 59 else f'song {song}'}")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    save_config(root / "small.yaml", read_config().replace(HIDDEN_SIZE=64, OUTPUT_VECTOR_SIZE=16))
    return root


def run(run_script, corpus, out, *options, **kwargs):
    return run_script(
        SCRIPT,
        corpus / "audio",
        corpus / "vectors",
        corpus / "metadata.csv",
        out,
        *options,
        **kwargs,
    )


def test_the_table_holds_the_five_figures_of_the_vectors(corpus, run_script, tmp_path):
    options = ("--only", "log-mel", "random", "--seeds", "2", "--config", corpus / "small.yaml")
    done = run(run_script, corpus, tmp_path, *options)
    results = json.loads((tmp_path / "quality.json").read_text())
    assert {name: len(rows) for name, rows in results.items()} == {
        "log-mel mean": 1,
        "log-mel mean + deviation": 1,
        "random weights": 2,
    }
    assert (
        "| random weights |" in (tmp_path / "quality.md").read_text()
        and "quality.png" in done.stdout
    )
    vectors = np.load(tmp_path / "vectors" / "log-mel_mean_seed_0.npy").astype(float)
    # the last clip has no song
    vectors = ((vectors - vectors.mean(axis=0)) / vectors.std(axis=0))[:59]
    songs = np.array([f"song {clip // 4}" for clip in range(59)], dtype=object)
    albums = np.array([f"album {clip // 4 % 3}" for clip in range(59)], dtype=object)
    expected = five_scores(vectors, songs, albums, "song", "album")
    assert results["log-mel mean"][0] == pytest.approx(expected)
    assert expected["song_r1"] > 0.9


def test_vectors_that_are_there_are_kept(corpus, run_script, tmp_path):
    run(run_script, corpus, tmp_path, "--only", "mfcc")
    path = tmp_path / "vectors" / "MFCC_statistics_seed_0.npy"
    save_array(path, np.random.default_rng(0).standard_normal((60, 8)))
    before = json.loads((tmp_path / "quality.json").read_text())["MFCC statistics"][0]["song_mAP"]
    run(run_script, corpus, tmp_path, "--only", "mfcc")
    after = json.loads((tmp_path / "quality.json").read_text())["MFCC statistics"][0]["song_mAP"]
    assert before > 0.7 and after < 0.3


def test_doc2vec_on_audio_words_beats_noise(corpus, run_script, tmp_path):
    run(run_script, corpus, tmp_path, "--only", "doc2vec", "--seeds", "1")
    assert (
        json.loads((tmp_path / "quality.json").read_text())["Doc2Vec on audio words"][0]["song_mAP"]
        > 0.3
    )


def test_distances_are_scored_without_the_clips_that_have_no_song(corpus, run_script, tmp_path):
    run(run_script, corpus, tmp_path, "--only", "gaussian")
    distances = np.load(tmp_path / "vectors" / "Gaussian_of_MFCCs_seed_0.npy").astype(float)
    assert distances.shape == (60, 60)
    songs = np.array([f"song {clip // 4}" for clip in range(59)], dtype=object)
    albums = np.array([f"album {clip // 4 % 3}" for clip in range(59)], dtype=object)
    expected = clip_scores.five_scores_of_distances(distances[:59, :59], songs, albums)
    found = json.loads((tmp_path / "quality.json").read_text())["Gaussian of MFCCs"][0]
    assert list(found.values()) == pytest.approx(list(expected.values()))
    assert found["song_r1"] > 0.9


def test_i_vectors_are_made_for_each_seed(corpus, run_script, tmp_path):
    options = ("--only", "i-vectors", "--seeds", "2", "--config", corpus / "small.yaml")
    run(run_script, corpus, tmp_path, *options)
    vectors = [np.load(path) for path in sorted((tmp_path / "vectors").iterdir())]
    assert [rows.shape for rows in vectors] == [(60, 16), (60, 16)]
    assert not np.array_equal(*vectors)


def test_an_unknown_system_and_vectors_of_another_corpus_are_errors(corpus, run_script, tmp_path):
    done = run(run_script, corpus, tmp_path, "--seeds", "0", check=False)
    assert done.returncode == 2 and "argument --seeds: '0'" in done.stderr
    done = run(run_script, corpus, tmp_path, "--only", "wav2vec", check=False)
    assert done.returncode == 1 and "no such system; there are log-mel mean" in done.stderr
    save_array(tmp_path / "vectors" / "log-mel_mean_seed_0.npy", np.ones((3, 8)))
    done = run(run_script, corpus, tmp_path, "--only", "log-mel", check=False)
    assert done.returncode == 1 and "3 vectors for 60 songs" in done.stderr
