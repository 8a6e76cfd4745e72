"""Exported vectors, read back by the programs they are meant for."""

from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from conftest import write_run_folder

from sound_eval.songs.labels import read_metadata

NAMES = [
    "disc 1/01 a.mp3",
    "disc 1/100%.mp3",
    '#1/ünï\u00a0côde, "x".flac',
    "-03 b.wav",
    "other/ 5.ogg",
    *(f"more/{n:02d}.mp3" for n in range(10)),
]


@pytest.fixture(scope="module", name="vectors")
def vectors_fixture():
    return np.random.default_rng(0).standard_normal((len(NAMES), 6)).astype(np.float32)


@pytest.fixture(scope="module", name="run_dir")
def run_dir_fixture(tmp_path_factory, vectors):
    return write_run_folder(
        tmp_path_factory.mktemp("a run") / "öuts", vectors, [f"{name}.npy" for name in NAMES]
    ).path


@pytest.fixture(name="labels_csv")
def labels_fixture(tmp_path):
    table = pd.DataFrame(
        {
            "filename": NAMES,
            "genre": [f"g{row % 3}" for row in range(len(NAMES))],
            "x": ["a label\tof\nlines"] * len(NAMES),
        }
    )
    table.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path / "labels.csv"


@pytest.mark.parametrize("suffix", [".txt", ".bin"])
def test_word2vec_files_open_in_gensim(suffix, run_script, run_dir, vectors, tmp_path):
    from gensim.models import KeyedVectors

    run_script("process_results/export_vectors.py", run_dir, tmp_path / f"my songs{suffix}")
    keyed = KeyedVectors.load_word2vec_format(
        str(tmp_path / f"my songs{suffix}"), binary=suffix == ".bin"
    )
    assert [unquote(key) for key in keyed.index_to_key] == NAMES
    assert np.array_equal(keyed.vectors, vectors), (
        "nine digits, or four bytes, give every value back exactly"
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = max(set(range(len(NAMES))) - {0}, key=lambda row: unit[row] @ unit[0])
    assert unquote(keyed.most_similar(keyed.index_to_key[0])[0][0]) == NAMES[nearest]


def test_projector_files_have_a_vector_and_a_label_line_for_each_song(
    run_script, run_dir, vectors, labels_csv, tmp_path
):
    run_script(
        "process_results/export_vectors.py",
        run_dir,
        tmp_path / "songs.tsv",
        "--metadata",
        labels_csv,
    )
    assert np.array_equal(
        np.loadtxt(tmp_path / "songs.tsv", delimiter="\t", dtype=np.float32), vectors
    )
    table = pd.read_csv(tmp_path / "songs_metadata.tsv", sep="\t", quoting=3, keep_default_na=False)
    assert list(table.columns) == ["filename", "genre", "x"] and len(table) == len(NAMES)
    assert table.x.unique().tolist() == ["a label of lines"], (
        "the format cannot quote tabs and line ends"
    )


def test_parquet_opens_in_pandas_with_labels_positions_and_vectors(
    run_script, run_dir, vectors, labels_csv, tmp_path
):
    done = run_script(
        "process_results/export_vectors.py",
        run_dir,
        tmp_path / "songs.parquet",
        "--metadata",
        labels_csv,
    )
    assert "% of the neighbours on the map are neighbours in truth" in done.stdout
    table = pd.read_parquet(tmp_path / "songs.parquet")
    assert list(table.columns) == ["filename", "genre", "x_label", "x", "y", "vector"]
    assert (
        table.filename.tolist() == NAMES
        and table.genre[4] == "g1"
        and table.x_label[0] == "a label\tof\nlines"
    )
    assert np.array_equal(np.stack(table.vector), vectors) and table.vector[0].dtype == np.float32
    assert np.isfinite(table[["x", "y"]]).all(axis=None) and table[["x", "y"]].std().min() > 0


def test_csv_and_npz_give_the_vectors_back_exactly(
    run_script, run_dir, vectors, labels_csv, tmp_path
):
    for suffix in (".csv", ".npz"):
        run_script(
            "process_results/export_vectors.py",
            run_dir,
            tmp_path / f"songs{suffix}",
            "--metadata",
            labels_csv,
        )
    table = pd.read_csv(tmp_path / "songs.csv", keep_default_na=False)
    assert table.filename.tolist() == [f"'{name}" if name[0] == "-" else name for name in NAMES]
    assert read_metadata(tmp_path / "songs.csv").filename.tolist() == NAMES
    assert np.array_equal(
        table[[f"v{column}" for column in range(6)]].to_numpy(np.float32), vectors
    )
    arrays = np.load(tmp_path / "songs.npz", allow_pickle=False)
    assert (
        np.array_equal(arrays["vectors"], vectors)
        and arrays["filename"].tolist() == NAMES
        and arrays["genre"][5] == "g2"
    )


def test_without_a_csv_the_label_is_the_folder(run_script, run_dir, tmp_path):
    run_script("process_results/export_vectors.py", run_dir, tmp_path / "songs.csv")
    assert pd.read_csv(tmp_path / "songs.csv", keep_default_na=False).folder.tolist()[:5] == [
        "disc 1",
        "disc 1",
        "#1",
        "",
        "other",
    ]


def test_what_cannot_be_written_is_said_in_one_line(run_script, run_dir, tmp_path):
    done = run_script(
        "process_results/export_vectors.py", run_dir, tmp_path / "songs.xyz", check=False
    )
    assert done.returncode == 2 and done.stderr.startswith("usage: ")
    assert "one of .txt, .bin, .tsv, .parquet, .csv, .npz" in done.stderr.splitlines()[-1]
    args = (run_dir, tmp_path / "songs.csv", "--seed", "x")
    done = run_script("process_results/export_vectors.py", *args, check=False)
    assert done.returncode == 2 and "argument --seed: 'x'" in done.stderr
    done = run_script(
        "process_results/export_vectors.py", tmp_path, tmp_path / "songs.csv", check=False
    )
    assert done.returncode == 1 and "no epoc_num.txt; a run folder is what" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_not_replaced(run_script, run_dir, labels_csv):
    for out, message in (
        (labels_csv, "is read here, and would be replaced"),
        (run_dir / "music_list.txt", "did not make it"),
    ):
        before = out.read_bytes()
        done = run_script(
            "process_results/export_vectors.py", run_dir, out, "--metadata", labels_csv, check=False
        )
        assert done.returncode == 1 and message in done.stderr and out.read_bytes() == before


def test_neither_the_vectors_nor_the_labels_beside_them_replace_a_users_file(
    run_script, run_dir, labels_csv, tmp_path
):
    script, beside = "process_results/export_vectors.py", tmp_path / "songs_metadata.tsv"
    beside.write_text("filename\tmine\n#1\tyes\n")
    for read in ([], ["--metadata", beside]):
        done = run_script(script, run_dir, tmp_path / "songs.tsv", *read, check=False)
        assert (
            done.returncode == 1
            and f"error: {beside}: is " in done.stderr
            and done.stderr.count("\n") == 1
        )
        assert (
            beside.read_text() == "filename\tmine\n#1\tyes\n"
            and not (tmp_path / "songs.tsv").exists()
        )
    beside.unlink()
    for _ in range(2):
        run_script(script, run_dir, tmp_path / "songs.tsv", "--metadata", labels_csv)
    assert len(beside.read_text().splitlines()) == len(NAMES) + 1
    done = run_script(script, run_dir, tmp_path / "songs.tsv", "--metadata", beside, check=False)
    assert done.returncode == 1 and "is read here" in done.stderr, (
        "its own labels are not replaced while it reads them"
    )


@pytest.mark.parametrize("suffix", [".txt", ".bin", ".parquet", ".csv", ".npz"])
def test_a_users_file_of_every_format_is_refused(suffix, run_script, run_dir, tmp_path):
    out = tmp_path / f"mine{suffix}"
    out.write_text("mine")
    done = run_script("process_results/export_vectors.py", run_dir, out, check=False)
    assert (
        done.returncode == 1 and "will not be replaced" in done.stderr and out.read_text() == "mine"
    )


def test_labels_named_like_our_columns_are_renamed(run_script, run_dir, tmp_path):
    table = pd.DataFrame({"filename": NAMES, "file": "a", "vectors": "b", "vectors_label": "c"})
    table.to_csv(tmp_path / "labels.csv", index=False)
    run_script(
        "process_results/export_vectors.py",
        run_dir,
        tmp_path / "songs.npz",
        "--metadata",
        tmp_path / "labels.csv",
    )
    arrays = np.load(tmp_path / "songs.npz", allow_pickle=False)
    assert [
        str(arrays[name][0]) for name in ("file_label", "vectors_label", "vectors_label_label")
    ] == ["a", "b", "c"]
