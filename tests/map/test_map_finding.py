"""Finding songs on the map: search, filters together, a line drawn round songs, files
to take away, links to a view.
"""

import csv
import io
import unicodedata
from urllib.parse import quote

import numpy as np
import pytest
from conftest import run_script, write_run_folder
from map_browser import FORMULA_TITLE, SCRIPT, click_song, opened, style_of

pytestmark = pytest.mark.browser

SHOWN = "Array.from(soundEval.filters.shown.keys()).filter(row => soundEval.filters.shown[row])"


def test_search_greys_what_does_not_match_and_offers_what_does(page, map_songs):
    page.fill("#search", "CHÓRD")  # neither case nor accents count
    assert page.evaluate(SHOWN) == [row for row, name in enumerate(map_songs) if "chord" in name]
    offers = page.eval_on_selector_all(
        "#suggestions li", "list => list.map(one => one.textContent)"
    )
    assert "chordgenre · 8" in offers
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#search") == ""
    assert page.evaluate("soundEval.filters.nShown") == 8 and "chord" in page.inner_text("#filters")


def test_search_for_one_song_selects_it(page):
    page.fill("#search", "piece 17")
    page.click("#suggestions li:first-child")
    assert page.evaluate("soundEval.state.selected") == 17
    assert page.evaluate("soundEval.filters.nShown") == 24
    page.fill("#search", "no such song")
    assert page.evaluate("soundEval.filters.nShown") == 0
    page.keyboard.press("Escape")
    assert page.evaluate("soundEval.filters.nShown") == 24


@pytest.mark.parametrize(("written", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_are_found_whichever_way_they_are_written(tmp_path, map_context, written, typed):
    names = [
        unicodedata.normalize(written, name)
        for name in ("Café Zoë/été.mp3", "Motörhead/ace.mp3", "한국/노래.mp3", "other/song.mp3")
    ]
    run = write_run_folder(
        tmp_path / "run",
        np.random.default_rng(0).standard_normal((4, 8)),
        [f"{name}.npy" for name in names],
    ).path
    (tmp_path / "music").mkdir()
    run_script(
        SCRIPT,
        run,
        tmp_path / "music",
        "-",
        tmp_path / "map",
        "--projection",
        "pca",
        "--audio",
        "none",
    )
    address = (tmp_path / "map" / "index.html").as_uri()
    with opened(map_context, address) as (page, watched):
        for row, words in enumerate(("café été", "motörhead", "노래")):
            page.fill("#search", unicodedata.normalize(typed, words))
            assert [
                bool(shown) for shown in page.evaluate("Array.from(soundEval.filters.shown)")
            ] == [other == row for other in range(4)]
        assert watched.errors == []
    folder, song = (
        quote(unicodedata.normalize(typed, text)) for text in ("Café Zoë", "Café Zoë/été.mp3")
    )
    with opened(map_context, f"{address}#song={song}&only.folder={folder}") as (page, _):
        assert page.evaluate("soundEval.state.selected") == 0
        assert page.evaluate("soundEval.filters.nShown") == 1


def test_list_of_what_was_found_floats_over_the_panel(map_context, map_dir):
    for size in ((1280, 800), (844, 390), (390, 844)):
        with opened(map_context, (map_dir / "index.html").as_uri(), size=size) as (page, _):
            page.keyboard.press("/")
            below = page.locator("#color-by").bounding_box()
            page.keyboard.type("p")
            found = page.locator("#suggestions").bounding_box()
            assert page.locator("#color-by").bounding_box() == below
            assert (
                found["y"] < below["y"]
                and found["y"] + found["height"] <= size[1]
                and found["x"] + found["width"] <= size[0]
            )
            for line in page.locator("#suggestions li").all():
                line.scroll_into_view_if_needed()
                box = line.bounding_box()
                middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
                assert (
                    page.evaluate(
                        "([x, y]) => document.elementFromPoint(x, y).closest('li')?.role", middle
                    )
                    == "option"
                )


def test_search_by_keys_tells_a_screen_reader_where_one_is(page):
    told = """() => {
      const search = document.getElementById("search"), { ariaExpanded } = search;
      const active = search.getAttribute("aria-activedescendant");
      const selected = document.querySelectorAll("#suggestions [aria-selected=true]");
      const chosen = Array.from(selected, ({ id }) => id);
      return { open: ariaExpanded === "true", active, chosen };
    }"""
    nowhere, closed = (
        {"open": True, "active": None, "chosen": []},
        {"open": False, "active": None, "chosen": []},
    )

    def on(i):
        return {"open": True, "active": f"suggestion-{i}", "chosen": [f"suggestion-{i}"]}

    page.keyboard.press("/")
    page.keyboard.type("piece 1")
    last = page.locator("#suggestions li").count() - 1
    assert last > 2 and page.evaluate(told) == nowhere
    for key, wanted in [
        ("ArrowUp", on(last)),
        ("ArrowDown", nowhere),
        ("ArrowDown", on(0)),
        ("ArrowDown", on(1)),
        ("Escape", closed),
    ]:
        page.keyboard.press(key)
        assert page.evaluate(told) == wanted, key
    n_found = page.evaluate("soundEval.filters.nShown")
    assert page.input_value("#search") == "piece 1" and n_found < 24
    page.keyboard.press("ArrowDown")
    assert page.evaluate(told) == on(0)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.input_value("#search") == "" and page.evaluate("soundEval.filters.nShown") == 24
    assert page.evaluate("document.activeElement.id") != "search"


def test_legend_counts_and_filters_by_several_values(page, map_songs):
    rows = page.eval_on_selector_all(
        "#legend .category", "list => list.map(one => one.textContent)"
    )
    assert sorted(rows) == ["chord8", "noise8", "pulse8"]
    page.click("#legend .category:has-text('chord')")
    page.click("#legend .category:has-text('noise')")
    assert page.evaluate(SHOWN) == [
        row for row, name in enumerate(map_songs) if style_of(name) != "pulse"
    ]
    page.click("#filters button:has-text('chord')")
    assert page.evaluate(SHOWN) == [
        row for row, name in enumerate(map_songs) if style_of(name) == "noise"
    ]


@pytest.fixture(scope="module")
def uneven_map(tmp_path_factory, map_run, map_songs, audio_folder):
    """The page of a map with nine labels: j of one song, i of two, h to b of three each."""
    root = tmp_path_factory.mktemp("uneven")
    letters = "jii" + "".join(letter * 3 for letter in "hgfedcb")
    rows = [f"{name},{letter}" for name, letter in zip(map_songs, letters, strict=True)]
    (root / "labels.csv").write_text("\n".join(["filename,label", *rows]) + "\n", encoding="utf-8")
    run_script(
        SCRIPT,
        map_run,
        audio_folder,
        root / "labels.csv",
        root / "map",
        "--projection",
        "pca",
        "--audio",
        "none",
    )
    return (root / "map" / "index.html").as_uri()


def test_legend_is_in_order_of_size_and_stays_so_when_a_value_is_chosen(map_context, uneven_map):
    with opened(map_context, uneven_map) as (page, watched):
        read = (
            "list => list.map(row => [row.children[1].textContent, "
            "Number(row.children[2].textContent), row.firstChild.style.background])"
        )
        before = page.eval_on_selector_all("#legend .category", read)
        counts = [count for _, count, _ in before]
        assert (
            counts == sorted(counts, reverse=True)
            and len(set(counts)) == 3
            and before[-1][0] == "j"
        )
        page.focus("#legend .category:last-child")
        page.keyboard.press("Enter")
        # a second key takes it back
        assert page.evaluate("document.activeElement.textContent") == "j1"
        after = page.eval_on_selector_all("#legend .category", read)
        assert [row[:2] for row in after] == [row[:2] for row in before]
        changed = [
            name for (name, _, old), (_, _, new) in zip(before, after, strict=True) if old != new
        ]
        assert len(changed) == 2 and changed[-1] == "j"  # it, and the one that gave it its colour
        page.keyboard.press("Enter")
        assert page.eval_on_selector_all("#legend .category", read) == before
        assert watched.errors == []


@pytest.fixture(scope="module")
def numbers_map(tmp_path_factory, map_run, map_songs, audio_folder):
    """The page of a map with columns of numbers:
    years from 2004 to 2019, levels below 0, shares, and what is no
    number to measure by.
    """
    root = tmp_path_factory.mktemp("numbers")
    rows = ["filename,year,level,share,barcode,catalogue,tempo"]
    for row, name in enumerate(map_songs):
        share = f"{0.123456 + row / 1000:.6f}"
        catalogue = f"1_{100 + row}"
        values = (
            2004 + row * 15 // 23,
            -60.25 + 2.375 * row,
            share,
            12345678901234567 + row,
            catalogue,
            900 / 7 + row,
        )
        rows.append(",".join(map(str, (name, *values))))
    (root / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = run_script(
        SCRIPT,
        map_run,
        audio_folder,
        root / "labels.csv",
        root / "map",
        "--projection",
        "pca",
        "--audio",
        "none",
    )
    assert (
        "PCA: " in done.stdout
        and "% of the neighbours on the map are neighbours in truth" in done.stdout
    )
    return (root / "map" / "index.html").as_uri()


def test_ends_of_a_scale_are_the_least_and_the_largest_value(map_context, numbers_map):
    with opened(map_context, numbers_map) as (page, watched):
        for name, ends in {
            "year": ["2004", "2019"],
            "level": ["-60.25", "-5.625"],
            "share": ["0.123456", "0.146456"],
        }.items():
            page.select_option("#color-by", name)
            assert (
                page.eval_on_selector_all(
                    "#legend .ends span", "list => list.map(one => one.textContent)"
                )
                == ends
            )
            page.select_option("#filter-column", name)
            assert [page.input_value("#filter-low"), page.input_value("#filter-high")] == ends
        page.select_option("#color-by", "tempo")
        read = "list => list.map(one => [one.textContent, one.title])"
        shown = [["128.57143", "128.57142857142858"], ["151.57143", str(900 / 7 + 23)]]
        assert page.eval_on_selector_all("#legend .ends span", read) == shown
        page.select_option("#color-by", "distance_to_selected")
        page.evaluate("soundEval.select(0)")
        farthest = page.evaluate("Math.max(...soundEval.distances(0))")
        assert page.eval_on_selector_all(
            "#legend .ends span", "list => list.map(one => one.textContent)"
        ) == ["0", f"{farthest:.3f}"]
        # as float64 it would be ...588
        assert page.evaluate("soundEval.songs.text(22, 'barcode')") == "12345678901234589"
        assert page.evaluate("soundEval.songs.text(23, 'catalogue')") == "1_123"
        assert watched.errors == []


def test_an_empty_end_of_a_range_is_no_bound(map_context, numbers_map):
    with opened(map_context, numbers_map) as (page, watched):
        page.select_option("#filter-column", "level")
        page.fill("#filter-high", "-50")
        page.keyboard.press("Enter")
        assert page.evaluate(SHOWN) == list(range(5)) and "level: -60.25 to -50" in page.inner_text(
            "#filters"
        )
        page.fill("#filter-low", "-59")
        page.fill("#filter-high", "")
        page.keyboard.press("Enter")
        assert page.evaluate(SHOWN) == list(
            range(1, 24)
        ) and "level: -59 to -5.625" in page.inner_text("#filters")
        page.fill("#filter-low", "")
        page.keyboard.press("Enter")
        assert page.evaluate("soundEval.filters.nShown") == 24 and page.inner_text("#filters") == ""
        assert watched.errors == []


def test_range_of_numbers_together_with_a_value(page, map_labels):
    page.select_option("#filter-column", "bpm")
    page.fill("#filter-low", "70")
    page.fill("#filter-high", "100")
    page.keyboard.press("Enter")
    page.evaluate("soundEval.filters.toggle('genre', 1)")
    wanted = [
        row
        for row, song in enumerate(map_labels[0])
        if song["bpm"] and 70 <= float(song["bpm"]) <= 100 and song["genre"] == "chord"
    ]
    assert 0 < len(wanted) < 8
    assert page.evaluate(SHOWN) == wanted


@pytest.mark.parametrize("tool", ["lasso", "box"])
def test_a_line_drawn_round_songs_keeps_them(page, map_songs, tool):
    page.click(f"[data-drag={tool}]")
    wanted = [row for row, name in enumerate(map_songs) if style_of(name) == style_of(map_songs[0])]
    places = [page.evaluate("row => soundEval.positionOf(row)", row) for row in wanted]
    left, right = min(p["x"] for p in places) - 9, max(p["x"] for p in places) + 9
    top, bottom = min(p["y"] for p in places) - 9, max(p["y"] for p in places) + 9
    corners = (
        [(left, top), (right, top), (right, bottom), (left, bottom)]
        if tool == "lasso"
        else [(left, top), (right, bottom)]
    )
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    page.wait_for_function("soundEval.filters.nShown < 24")
    assert page.evaluate(SHOWN) == wanted
    page.click("#filters button")
    assert page.evaluate("soundEval.filters.nShown") == 24


def download(page, button):
    with page.expect_download() as waiting:
        page.click(button)
    return waiting.value.path().read_text(encoding="utf-8")


def test_playlist_of_the_songs_shown(page, map_dir, map_labels):
    page.evaluate("soundEval.filters.toggle('genre', 2)")
    lines = download(page, "#save-m3u8").splitlines()
    assert lines[0] == "#EXTM3U"
    files = [line for line in lines if not line.startswith("#")]
    assert len(files) == 8 and all((map_dir / file).is_file() for file in files)
    titles = [line.removeprefix("#EXTINF:-1,") for line in lines[1::2]]
    assert titles == [song["title"] for song in map_labels[0] if song["genre"] == "noise"]


def test_table_of_the_songs_shown_is_harmless(page, map_labels):
    click_song(page, 0)
    text = download(page, "#save-csv")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["filename"] for row in rows] == [song["filename"] for song in map_labels[0]]
    assert rows[2]["title"] == f"'{FORMULA_TITLE}"
    assert (
        rows[1]["title"] == map_labels[0][1]["title"]
        and rows[6]["title"] == map_labels[0][6]["title"]
    )
    assert rows[7]["bpm"] == "77.5" and rows[3]["bpm"] == ""
    assert float(rows[0]["distance_to_selected"]) == 0 < float(rows[1]["distance_to_selected"])


def test_a_link_restores_the_view(page, map_context, map_dir):
    click_song(page, 9)
    page.select_option("#color-by", "bpm")
    page.evaluate("soundEval.filters.toggle('genre', 1)")
    page.evaluate("soundEval.filters.between('bpm', 65, 110)")
    address = page.url
    shown = page.evaluate(SHOWN)
    assert "#song=" in address and "color=bpm" in address
    with opened(map_context, address) as (other, watched):
        assert other.evaluate("soundEval.state.selected") == 9
        assert other.input_value("#color-by") == "bpm" and other.evaluate(SHOWN) == shown
        assert watched.errors == []
    with opened(
        map_context,
        (map_dir / "index.html").as_uri() + "#song=gone.mp3&color=nothing&only.genre=none&only.x=1",
    ) as (other, watched):
        assert other.evaluate("soundEval.filters.nShown") == 24
        assert watched.errors == []


def test_clusters_are_a_column_and_list_their_central_songs(page, map_songs):
    page.select_option("#color-by", "cluster")
    names = page.eval_on_selector_all("#legend .value", "list => list.map(one => one.textContent)")
    assert sorted(name.split(" · ")[1] for name in names) == ["chord", "noise", "pulse"]
    page.click("#legend .category:has-text('pulse')")
    strong = page.eval_on_selector_all(
        "#names span",
        "list => list.filter(one => getComputedStyle(one).opacity === '1').map(one => "
        "one.textContent)",
    )
    assert [name.split(" · ")[1] for name in strong] == ["pulse"]
    central = page.eval_on_selector_all(
        "#central-songs button", "list => list.map(one => Number(one.dataset.row))"
    )
    assert len(central) == 5 and all(style_of(map_songs[row]) == "pulse" for row in central)
    page.click("#central-songs li:first-child button")
    assert page.evaluate("soundEval.state.selected") == central[0]
