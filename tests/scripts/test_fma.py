"""FMA's tracks.csv and genres.csv, in their real layout, become our metadata CSV."""

import csv

import pytest

SCRIPT = "process_results/process_fma_metadata.py"
COLUMNS = {
    "album": (
        "comments date_created date_released engineer favorites id information listens producer "
        "tags title tracks type"
    ),
    "artist": (
        "active_year_begin active_year_end associated_labels bio comments date_created favorites "
        "id latitude location longitude members name related_projects tags website wikipedia_page"
    ),
    "set": "split subset",
    "track": (
        "bit_rate comments composer date_created date_recorded duration favorites genre_top genres "
        "genres_all information interest language_code license listens "
        "lyricist number publisher tags title"
    ),
}
# number -> the fields that we read, and a biography that is not ours to read but holds
# line breaks and commas
TRACKS = {
    "2": (
        "Hip-Hop",
        "[21]",
        "Food",
        "AWOL",
        "AWOL - A Way Of Life",
        "Attribution-NonCommercial-ShareAlike 3.0",
        "training",
        "small",
    ),
    "1234": ("", "[12, 999]", 'Night, "live"', "A\nB", "", "", "validation", "medium"),
    "155066": ("Rock", "[]", "Späti  \n\n II", "Ü, V", "NA", "CC0", "test", "large"),
}
FIELDS = [
    ("track", "genre_top"),
    ("track", "genres"),
    ("track", "title"),
    ("artist", "name"),
    ("album", "title"),
    ("track", "license"),
]


@pytest.fixture
def fma_metadata(tmp_path):
    folder = tmp_path / "fma metadata"
    folder.mkdir()
    columns = [(top, name) for top, names in COLUMNS.items() for name in names.split()]
    with open(folder / "tracks.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *(top for top, _ in columns)])
        writer.writerow(["", *(name for _, name in columns)])
        writer.writerow(["track_id", *[""] * len(columns)])
        for number, values in TRACKS.items():
            row = dict(zip([*FIELDS, ("set", "split"), ("set", "subset")], values, strict=True))
            row[("artist", "bio")] = '<p>Born in "1970",\nstill there.</p>\n\n'
            writer.writerow([number, *(row.get(column, "") for column in columns)])
    genres = "genre_id,#tracks,parent,title,top_level\n21,8693,0,Hip-Hop,21\n12,32923,0,Rock,12\n"
    (folder / "genres.csv").write_text(genres, encoding="utf-8")
    return folder


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_column_arrives(fma_metadata, run_script, tmp_path):
    done = run_script(SCRIPT, fma_metadata, tmp_path / "out.csv", "--subset", "full")
    rows = read(tmp_path / "out.csv")
    assert rows[0] == {
        "filename": "000/000002.mp3",
        "genre_top": "Hip-Hop",
        "genres": "Hip-Hop",
        "title": "Food",
        "artist": "AWOL",
        "album": "AWOL - A Way Of Life",
        "license": "Attribution-NonCommercial-ShareAlike 3.0",
        "split": "training",
        "citation": "AWOL: Food, AWOL - A Way Of Life. Attribution-NonCommercial-ShareAlike 3.0",
    }
    assert [row["filename"] for row in rows] == [
        "000/000002.mp3",
        "001/001234.mp3",
        "155/155066.mp3",
    ]
    assert (rows[1]["genre_top"], rows[1]["genres"], rows[1]["artist"], rows[1]["citation"]) == (
        "",
        "Rock; 999",
        "A B",
        'A B: Night, "live"',
    )
    assert (rows[2]["title"], rows[2]["album"], rows[2]["genres"]) == ("Späti II", "NA", "")
    assert "3 tracks, 2 with a genre_top; 1 training, 1 validation, 1 test" in done.stdout


@pytest.mark.parametrize(
    ("subset", "count"), [("small", 1), ("medium", 2), ("large", 3), ("full", 3)]
)
def test_a_subset_holds_the_smaller_ones(fma_metadata, run_script, tmp_path, subset, count):
    run_script(SCRIPT, fma_metadata, tmp_path / "out.csv", "--subset", subset)
    assert len(read(tmp_path / "out.csv")) == count


def test_other_folders_and_files_are_errors(fma_metadata, run_script, tmp_path):
    done = run_script(SCRIPT, fma_metadata, tmp_path / "out.csv", "--subset", "tiny", check=False)
    assert done.returncode == 2 and "argument --subset: invalid choice: 'tiny'" in done.stderr
    done = run_script(SCRIPT, tmp_path, tmp_path / "out.csv", check=False)
    assert (
        done.returncode == 1
        and "tracks.csv: no such file; give the folder that fma_metadata.zip unpacks to"
        in done.stderr
    )
    (fma_metadata / "tracks.csv").write_text("a,b\nc,d\ntrack_id,\n1,2\n")
    done = run_script(SCRIPT, fma_metadata, tmp_path / "out.csv", check=False)
    assert (
        done.returncode == 1
        and "no column 'track genre_top'" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_labels_are_made_again_but_replace_nothing_of_a_users(fma_metadata, run_script, tmp_path):
    out = tmp_path / "out.csv"
    for subset in ("small", "full"):
        run_script(SCRIPT, fma_metadata, out, "--subset", subset)
    assert len(read(out)) == 3
    out.write_text("mine")
    done = run_script(SCRIPT, fma_metadata, out, check=False)
    assert (
        done.returncode == 1 and "will not be replaced" in done.stderr and out.read_text() == "mine"
    )


def test_what_is_read_is_not_replaced(fma_metadata, run_script):
    for name in ("tracks.csv", "genres.csv"):
        before = (fma_metadata / name).read_bytes()
        done = run_script(SCRIPT, fma_metadata, fma_metadata / name, check=False)
        assert (
            done.returncode == 1 and f"{name}: is read here, and would be replaced" in done.stderr
        )
        assert (fma_metadata / name).read_bytes() == before
