"""The map made by its script from real files, driven in a real browser: see, click, listen, colour, filter."""
import csv
import os
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import run_script, write_run_folder
from map_browser import browser, click_song, colours, opened

pytestmark = pytest.mark.browser
SCRIPT = "static_web_viewer/display_vector_data.py"
STYLES = ("pulse", "chord", "noise")


def planted_vectors(names, seed=0):
    """Vectors (n, 16) in which songs of one style lie together; the style is the word before the suffix."""
    random = np.random.default_rng(seed)
    centres = {style: random.standard_normal(16) for style in STYLES}
    return np.stack([centres[name.rsplit(" ", 1)[1].split(".")[0]] + 0.35 * random.standard_normal(16) for name in names])


@pytest.fixture(scope="module")
def songs(audio_folder):
    return sorted(path.relative_to(audio_folder).as_posix() for path in audio_folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def vectors(songs):
    return planted_vectors(songs)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, songs, vectors):
    return write_run_folder(tmp_path_factory.mktemp("run") / "my run", vectors, [f"{name}.npy" for name in songs]).path


@pytest.fixture(scope="module")
def map_dir(tmp_path_factory, run_dir, audio_folder, labels_csv):
    out_dir = tmp_path_factory.mktemp("map") / "carte à écouter"
    done = run_script(SCRIPT, f"{run_dir}/", f"{audio_folder}/", labels_csv, f"{out_dir}/")
    assert f"wrote {out_dir / 'index.html'}: 24 songs, 24 to be heard" in done.stdout and "next:" in done.stdout
    return out_dir


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def page(context, map_dir):
    with opened(context, (map_dir / "index.html").as_uri()) as (page, watched):
        yield page
        assert watched.errors == []
        assert watched.remote() == []
        assert len(watched.requests) >= 3  # the page and two data files at least, so that the line above says something


def labels_of(labels_csv):
    with open(labels_csv, newline="", encoding="utf-8") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}


def test_click_plays_that_song_and_shows_its_citation(page, songs, labels_csv):
    labels = labels_of(labels_csv)
    for row in (3, 10, 17):
        click_song(page, row)
        page.wait_for_function("document.getElementById('player').readyState >= 2")
        assert unquote(page.evaluate("document.getElementById('player').currentSrc")).endswith(f"/audio/{songs[row]}")
        page.wait_for_function("document.getElementById('player').currentTime > 0")
        assert not page.evaluate("document.getElementById('player').paused")
        assert page.evaluate("soundEval.state.selected") == row
        assert page.inner_text("#citation") == labels[songs[row]]["citation"]
        assert page.inner_text("#song-title") == labels[songs[row]]["title"]


def test_hover_shows_the_labels(page, songs, labels_csv):
    place = page.evaluate("soundEval.positionOf(5)")
    page.mouse.move(place["x"], place["y"])
    page.wait_for_selector("#tooltip:visible")
    row = labels_of(labels_csv)[songs[5]]
    text = page.inner_text("#tooltip")
    assert row["genre"] in text and row["title"] in text


def test_songs_of_a_label_share_a_colour(page, songs):
    genre = [name.rsplit(" ", 1)[1].split(".")[0] for name in songs]
    assert page.input_value("#color-by") == "genre"
    seen = {style: {colour for colour, own in zip(colours(page, 24), genre, strict=True) if own == style} for style in STYLES}
    assert all(len(of_style) == 1 for of_style in seen.values())
    assert len(set.union(*seen.values())) == 3
    page.select_option("#color-by", "title")
    assert len(set(colours(page, 24))) > 3


def test_distance_recolours_by_the_true_cosine_distance(page, vectors):
    before = colours(page, 24)
    page.select_option("#color-by", "distance_to_selected")
    click_song(page, 0)
    near_first = colours(page, 24)
    assert near_first != before
    click_song(page, 20)
    assert colours(page, 24) != near_first
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in (0, 20):
        told = page.evaluate("row => Array.from(soundEval.distances(row))", row)
        np.testing.assert_allclose(told, 1 - unit @ unit[row], atol=0.01)


def test_colours_drawn_are_the_colours_told(page):
    """The pixels under a song's point, of the real picture, change with the column."""
    place = page.evaluate("soundEval.positionOf(7)")
    spot = {"x": place["x"] - 1, "y": place["y"] - 1, "width": 2, "height": 2}
    page.mouse.move(600, 5)
    by_label = page.screenshot(clip=spot)
    page.select_option("#color-by", "distance_to_selected")
    page.evaluate("soundEval.select(12)")
    page.wait_for_timeout(300)
    assert page.screenshot(clip=spot) != by_label


def test_nearest_songs_are_the_true_ones(page, songs, vectors):
    click_song(page, 4)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = 1 - unit @ unit[4]
    order = [row for row in np.argsort(distance) if row != 4][:10]
    shown = page.eval_on_selector_all("#nearest button", "list => list.map(one => Number(one.dataset.row))")
    np.testing.assert_allclose(distance[shown], distance[order], atol=0.01)
    assert len(shown) == 10
    page.click("#nearest li:first-child button")
    assert page.evaluate("soundEval.state.selected") == shown[0]


def test_filter_to_one_value_greys_the_others(page, songs):
    page.select_option("#filter-column", "genre")
    value = page.eval_on_selector_all("#filter-value option", "list => list.find(one => one.textContent.startsWith('chord')).value")
    page.select_option("#filter-value", value)
    assert "8 of 24" in page.inner_text("#count")
    shown = page.evaluate("Array.from(soundEval.filters.shown)")
    assert [bool(one) for one in shown] == ["chord" in name for name in songs]
    greyed = {colour for colour, one in zip(colours(page, 24), shown, strict=True) if not one}
    assert len(greyed) == 1 and not greyed & {colour for colour, one in zip(colours(page, 24), shown, strict=True) if one}
    page.select_option("#filter-value", "-1")
    assert page.evaluate("soundEval.filters.nShown") == 24


def test_zoom_pan_and_reset(page):
    start = page.evaluate("soundEval.positionOf(9)")
    page.mouse.move(700, 400)
    page.mouse.wheel(0, -400)
    page.wait_for_function("x => Math.abs(soundEval.positionOf(9).x - x) > 3", arg=start["x"])
    zoomed = page.evaluate("soundEval.positionOf(9)")
    page.mouse.move(600, 20)
    page.mouse.down()
    page.mouse.move(700, 80, steps=5)
    page.mouse.up()
    page.wait_for_function("x => Math.abs(soundEval.positionOf(9).x - x - 100) < 5", arg=zoomed["x"])
    assert page.evaluate("soundEval.state.selected") == -1  # a drag is no click
    page.click("#reset")
    back = page.evaluate("soundEval.positionOf(9)")
    assert back == pytest.approx(start, abs=0.5)


def test_every_song_lies_inside_the_window_beside_the_panel(page):
    panel = page.locator("#panel").bounding_box()
    for row in range(24):
        place = page.evaluate("row => soundEval.positionOf(row)", row)
        assert panel["x"] + panel["width"] < place["x"] < 1280 and 0 < place["y"] < 800


def test_page_names_no_remote_source(map_dir):
    text = (map_dir / "index.html").read_text(encoding="utf-8")
    head = text[: text.index("<style>")]
    assert "default-src &#39;none&#39;" in head
    assert "http:" not in head and "https:" not in head
    assert 'src="http' not in text and "src='http" not in text and 'href="http' not in text.split("<script>")[0]


def test_audio_link_copy_and_none(tmp_path, run_dir, audio_folder, labels_csv, songs):
    for mode in ("link", "copy", "none"):
        done = run_script(SCRIPT, run_dir, audio_folder, labels_csv, tmp_path / mode, "--audio", mode, "--projection", "pca")
        assert f"{0 if mode == 'none' else 24} to be heard" in done.stdout
    source, linked, copied = audio_folder / songs[0], tmp_path / "link" / "audio" / songs[0], tmp_path / "copy" / "audio" / songs[0]
    assert os.path.samefile(source, linked)
    assert not os.path.samefile(source, copied) and copied.read_bytes() == source.read_bytes()
    assert not (tmp_path / "none" / "audio").exists()


def test_without_metadata_the_top_folder_is_the_label(tmp_path, run_dir, audio_folder, context):
    run_script(SCRIPT, run_dir, audio_folder, "-", tmp_path / "map", "--projection", "pca", "--audio", "none")
    with opened(context, (tmp_path / "map" / "index.html").as_uri()) as (page, watched):
        assert page.input_value("#color-by") == "folder"
        assert sorted(page.eval_on_selector_all("#legend .value", "list => list.map(one => one.textContent)")) == ["disc 0", "disc 1"]
        assert watched.errors == []


def test_same_input_same_map(tmp_path, run_dir, audio_folder, labels_csv, map_dir):
    run_script(SCRIPT, run_dir, audio_folder, labels_csv, tmp_path / "again", "--audio", "none")
    assert (tmp_path / "again" / "data" / "positions.npy").read_bytes() == (map_dir / "data" / "positions.npy").read_bytes()


def test_errors_are_one_line(tmp_path, run_dir, audio_folder, labels_csv):
    np.save(tmp_path / "short.npy", np.zeros((3, 2)))
    for arguments, words in [
        ((tmp_path / "none", audio_folder, labels_csv), "epoc_num.txt"),
        ((run_dir, tmp_path / "none", labels_csv), "no such folder"),
        ((run_dir, audio_folder, tmp_path / "none.csv"), "No such file"),
        ((run_dir, audio_folder, labels_csv, "--projection", tmp_path / "short.npy"), "(24, 2)"),
    ]:
        done = run_script(SCRIPT, *arguments[:3], tmp_path / "map", *arguments[3:], check=False)
        assert done.returncode == 1 and words in done.stderr.splitlines()[-1], done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in done.stderr
        assert not (tmp_path / "map" / "index.html").exists()
