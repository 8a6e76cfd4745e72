"""The map made by its script from real files, driven in a real browser:
see, click, listen, colour, filter.
"""

import os
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import run_script
from map_browser import (
    LONG_TITLE,
    RTL_TITLE,
    SCRIPT,
    SCRIPT_TITLE,
    STYLES,
    click_song,
    colours,
    data_of,
    opened,
    style_of,
    true_distances,
)

pytestmark = pytest.mark.browser


def test_click_plays_that_song_and_shows_its_citation(page, map_songs, map_labels):
    labels = map_labels[0]
    for row in (3, 10, 17):
        click_song(page, row)
        page.wait_for_function("document.getElementById('player').readyState >= 2")
        assert unquote(page.evaluate("document.getElementById('player').currentSrc")).endswith(
            f"/audio/{map_songs[row]}"
        )
        page.wait_for_function("document.getElementById('player').currentTime > 0")
        assert not page.evaluate("document.getElementById('player').paused")
        assert page.evaluate("soundEval.state.selected") == row
        assert page.inner_text("#citation") == labels[row]["citation"]
        assert page.inner_text("#song-title") == labels[row]["title"]


def test_hover_shows_the_labels(page, map_songs, map_labels):
    place = page.evaluate("soundEval.positionOf(4)")
    page.mouse.move(place["x"], place["y"])
    page.wait_for_selector("#tooltip:visible")
    row = map_labels[0][4]
    text = page.inner_text("#tooltip")
    assert row["genre"] in text and row["title"] in text


def test_songs_of_a_label_share_a_colour(page, map_songs):
    genre = [style_of(name) for name in map_songs]
    assert page.input_value("#color-by") == "genre"
    seen = {
        style: {
            colour for colour, own in zip(colours(page, 24), genre, strict=True) if own == style
        }
        for style in STYLES
    }
    assert all(len(of_style) == 1 for of_style in seen.values())
    assert len(set.union(*seen.values())) == 3
    page.select_option("#color-by", "title")
    assert len(set(colours(page, 24))) > 3


def test_distance_recolours_by_the_true_cosine_distance(page, map_vectors):
    before = colours(page, 24)
    page.select_option("#color-by", "distance_to_selected")
    click_song(page, 0)
    near_first = colours(page, 24)
    assert near_first != before
    click_song(page, 20)
    assert colours(page, 24) != near_first
    for row in (0, 20):
        told = page.evaluate("row => Array.from(soundEval.distances(row))", row)
        np.testing.assert_allclose(told, true_distances(map_vectors, row), atol=0.01)


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


def test_nearest_songs_are_the_true_ones(page, map_vectors):
    click_song(page, 4)
    distance = true_distances(map_vectors, 4)
    order = [row for row in np.argsort(distance) if row != 4][:10]
    shown = page.eval_on_selector_all(
        "#nearest button", "list => list.map(one => Number(one.dataset.row))"
    )
    np.testing.assert_allclose(distance[shown], distance[order], atol=0.01)
    assert len(shown) == 10
    page.click("#nearest li:first-child button")
    assert page.evaluate("soundEval.state.selected") == shown[0]


def test_filter_to_one_value_greys_the_others(page, map_songs):
    page.select_option("#filter-column", "genre")
    value = page.eval_on_selector_all(
        "#filter-value option",
        "list => list.find(one => one.textContent.startsWith('chord')).value",
    )
    page.select_option("#filter-value", value)
    assert "8 of 24" in page.inner_text("#count")
    shown = [bool(one) for one in page.evaluate("Array.from(soundEval.filters.shown)")]
    assert shown == [style_of(name) == "chord" for name in map_songs]
    drawn = colours(page, 24)
    greyed = {colour for colour, one in zip(drawn, shown, strict=True) if not one}
    assert len(greyed) == 1 and not greyed & {
        colour for colour, one in zip(drawn, shown, strict=True) if one
    }
    page.select_option("#filter-value", "-1")
    assert page.evaluate("soundEval.filters.nShown") == 24


def test_titles_are_text_and_nothing_else(page):
    for row, title in ((1, SCRIPT_TITLE), (5, RTL_TITLE), (6, LONG_TITLE.strip())):
        page.evaluate("row => soundEval.select(row)", row)
        assert page.text_content("#song-title").strip() == title
    page.select_option("#color-by", "title")
    page.fill("#search", "img")
    page.wait_for_selector("#suggestions li")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#panel img, #legend img").count() == 0


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
    page.wait_for_function(
        "x => Math.abs(soundEval.positionOf(9).x - x - 100) < 5", arg=zoomed["x"]
    )
    assert page.evaluate("soundEval.state.selected") == -1  # a drag is no click
    page.click("#reset")
    back = page.evaluate("soundEval.positionOf(9)")
    assert back == pytest.approx(start, abs=0.5)


def test_keys_zoom_about_the_middle_of_the_free_part(page):
    place = "(({ x, y }) => [x, y])(soundEval.positionOf(9))"
    start, panel = np.array(page.evaluate(place)), page.locator("#panel").bounding_box()
    # the card's place at the right is 336 pixels wide
    middle = np.array([(panel["x"] + panel["width"] + 1280 - 336) / 2, 400])
    page.keyboard.press("+")
    np.testing.assert_allclose(
        np.array(page.evaluate(place)) - middle, 1.4 * (start - middle), atol=0.01
    )
    page.keyboard.press("-")
    page.keyboard.press("-")
    np.testing.assert_allclose(
        np.array(page.evaluate(place)) - middle, (start - middle) / 1.4, atol=0.01
    )
    page.keyboard.press("0")
    np.testing.assert_allclose(page.evaluate(place), start, atol=0.01)


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
    assert (
        'src="http' not in text
        and "src='http" not in text
        and 'href="http' not in text.split("<script>")[0]
    )


def test_audio_link_copy_and_none(tmp_path, map_run, audio_folder, map_labels, map_songs):
    for mode in ("link", "copy", "none"):
        done = run_script(
            SCRIPT,
            map_run,
            audio_folder,
            map_labels[1],
            tmp_path / mode,
            "--audio",
            mode,
            "--projection",
            "pca",
        )
        assert f"{0 if mode == 'none' else 24} to be heard" in done.stdout
    source = audio_folder / map_songs[0]
    linked = tmp_path / "link" / "audio" / map_songs[0]
    copied = tmp_path / "copy" / "audio" / map_songs[0]
    assert os.path.samefile(source, linked)
    assert not os.path.samefile(source, copied) and copied.read_bytes() == source.read_bytes()
    assert not (tmp_path / "none" / "audio").exists()


def test_without_metadata_the_top_folder_is_the_label(tmp_path, map_run, audio_folder, map_context):
    run_script(
        SCRIPT,
        map_run,
        audio_folder,
        "-",
        tmp_path / "map",
        "--projection",
        "pca",
        "--audio",
        "none",
    )
    with opened(map_context, (tmp_path / "map" / "index.html").as_uri()) as (page, watched):
        assert page.input_value("#color-by") == "folder"
        assert sorted(
            page.eval_on_selector_all("#legend .value", "list => list.map(one => one.textContent)")
        ) == ["disc 0", "disc 1"]
        assert watched.errors == []


def test_same_input_same_map(tmp_path, map_run, audio_folder, map_labels, map_dir):
    run_script(SCRIPT, map_run, audio_folder, map_labels[1], tmp_path / "again", "--audio", "none")
    assert (data_of(tmp_path / "again") / "positions.npy").read_bytes() == (
        data_of(map_dir) / "positions.npy"
    ).read_bytes()


def test_errors_are_one_line(tmp_path, map_run, audio_folder, map_labels):
    np.save(tmp_path / "short.npy", np.zeros((3, 2)))
    for arguments, words in [
        ((tmp_path / "none", audio_folder, map_labels[1]), "epoc_num.txt"),
        ((map_run, tmp_path / "none", map_labels[1]), "no such folder"),
        ((map_run, audio_folder, tmp_path / "none.csv"), "No such file"),
        ((map_run, audio_folder, map_labels[1], "--projection", tmp_path / "short.npy"), "(24, 2)"),
    ]:
        done = run_script(SCRIPT, *arguments[:3], tmp_path / "map", *arguments[3:], check=False)
        assert done.returncode == 1 and words in done.stderr.splitlines()[-1], done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in done.stderr
        assert not (tmp_path / "map" / "index.html").exists()


# Machado, Oliveira & Fernandes (2009), "A physiologically-based model for simulation of
# color vision deficiency", severity 1: linear RGB as seen.
VISIONS = {
    "normal": np.eye(3),
    "red-blind": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green-blind": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "blue-blind": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def lab(css, vision):
    """CIELAB (3,) of a CSS colour as an eye sees it."""
    srgb = np.array([int(css[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(XYZ @ np.clip(VISIONS[vision] @ linear, 0.001, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stay_apart_for_every_eye(map_context, map_dir, theme):
    with opened(map_context, (map_dir / "index.html").as_uri(), scheme=theme) as (page, _):
        palette = page.evaluate("theme => soundEval.colours.CATEGORIES[theme]", theme)
        ground = page.evaluate(
            "getComputedStyle(document.body).getPropertyValue('--ground').trim()"
        )
    assert len(palette) == 8
    for vision in VISIONS:
        seen = np.array([lab(css, vision) for css in [*palette, ground]])
        gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(seen), 1)]
        assert gaps.min() > 14, vision  # 2.3 is just noticeable


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_numbers_stand_out_from_the_ground_in_order(map_context, map_dir, theme):
    """Lightness goes one way along the scale, and a contrast of 3:1 (WCAG 2.2, 1.4.11),
    here in lightness, is left at its faint end.
    """
    with opened(map_context, (map_dir / "index.html").as_uri(), scheme=theme) as (page, _):
        page.select_option("#color-by", "distance_to_selected")
        page.evaluate("soundEval.select(4)")
        near_first = np.argsort(page.evaluate("Array.from(soundEval.distances(4))"))
        drawn = [f"#{colours(page, 24)[row] >> 8:06x}" for row in near_first]
        ground = page.evaluate(
            "getComputedStyle(document.body).getPropertyValue('--ground').trim()"
        )
    lightness = np.array([lab(css, "normal")[0] for css in [ground, *drawn]])
    gaps = np.abs(lightness[1:] - lightness[0])
    assert len(set(drawn)) > 8 and (np.diff(gaps) < 0.1).all()  # but for the rounding to 8 bits
    least, most = sorted(((lightness[[0, -1]] + 16) / 116) ** 3 + 0.05)
    assert most / least >= 3


def test_themes_follow_the_system(map_context, map_dir):
    with opened(map_context, (map_dir / "index.html").as_uri(), scheme="dark") as (page, watched):
        dark = colours(page, 24)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.emulate_media(color_scheme="light")
        page.wait_for_function(
            "ground => getComputedStyle(document.body).backgroundColor !== ground", arg=ground
        )
        assert colours(page, 24) != dark
        assert watched.errors == []


def test_many_values_share_one_colour_but_a_chosen_one_gets_its_own(page):
    page.select_option("#color-by", "title")
    assert page.locator("#legend .category").count() == 24
    before = colours(page, 24)
    assert len(set(before)) == 8  # seven of their own, one for the rest
    row = next(row for row, colour in enumerate(before) if before.count(colour) > 1)
    page.evaluate(
        "row => soundEval.filters.toggle('title', soundEval.songs.columns.get('title').codes[row])",
        row,
    )
    assert colours(page, 24)[row] not in (before[row], colours(page, 24)[row - 1])
