"""Where the parts of the map's page lie:
nothing over the map runs off the window or under another part, on a desk and on phones.
"""

import pytest
from map_browser import DESKTOP, opened

pytestmark = pytest.mark.browser

PORTRAIT, LANDSCAPE = (390, 844), (844, 390)
PUT_CLUSTER = """([i, left, top]) => {
  const { x, y } = soundEval.data.songs.clusters[i], { unit } = soundEval.plot.view();
  soundEval.plot.show(x + (innerWidth / 2 - left) * unit, y - (innerHeight / 2 - top) * unit, unit);
}"""

PUT_SONG = """([row, left, top]) => {
  const { unit } = soundEval.plot.view(), { x, y } = soundEval.songs;
  const [right, down] = [innerWidth / 2 - left, innerHeight / 2 - top];
  soundEval.plot.show(x[row] + right * unit, y[row] - down * unit, unit);
}"""

TO_HIT = (
    ":is(#panel, #card) :is(button, select, input:not([type=checkbox]), summary, "
    "label:has(input)), #suggestions li"
)
# name, width and height of what is to be seen
SHOWN_BOXES = """(selector) => Array.from(document.querySelectorAll(selector))
  .filter((part) => part.checkVisibility({ visibilityProperty: true }))
  .map((part) => [part, part.getBoundingClientRect()])
  .filter(([, { width, height }]) => width && height)
  .map(([part, box]) => [`${part.id} ${part.textContent.slice(0, 20)}`, box.width, box.height])
"""
POINTS = """Array.from({ length: soundEval.songs.n }, (_, row) => soundEval.positionOf(row))"""


@pytest.fixture
def open_map(map_context, map_dir):
    """A function that opens the map in a window of a size; gives what `opened` gives."""
    return lambda size, **media: opened(
        map_context, (map_dir / "index.html").as_uri(), size=size, **media
    )


def meet(a, b):
    """Whether two boxes (x, y, width, height) share a pixel."""
    return all(
        a[at] < b[at] + b[size] and b[at] < a[at] + a[size]
        for at, size in (("x", "width"), ("y", "height"))
    )


def is_inside(box, size):
    return (
        box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= size[0]
        and box["y"] + box["height"] <= size[1]
    )


def shown_names(page):
    """The boxes of the names that are to be seen, by their text."""
    page.evaluate("new Promise(requestAnimationFrame)")
    spans = page.locator("#names span").all()
    return {span.text_content(): span.bounding_box() for span in spans if span.is_visible()}


@pytest.mark.parametrize("size", [DESKTOP, PORTRAIT, LANDSCAPE])
def test_names_of_clusters_keep_clear_of_edges_and_card(open_map, size):
    with open_map(size) as (page, watched):
        page.evaluate("soundEval.select(4)")
        name = page.evaluate("soundEval.data.songs.clusters[0].name")
        card = page.locator("#card").bounding_box()
        in_map = (
            (card["x"] - 12, size[1] / 2)
            if card["x"] > size[0] / 2
            else (size[0] - 12, card["y"] - 12)
        )
        for left, top in (
            in_map,
            (size[0] / 2, size[1] - 6) if card["x"] > size[0] / 2 else (6, size[1] / 3),
        ):
            page.evaluate(PUT_CLUSTER, [0, left, top])
            names = shown_names(page)
            box = names[name]
            assert is_inside(box, size) and not meet(box, card)
            assert (
                abs(box["x"] + box["width"] / 2 - left) <= box["width"] / 2 + 20
                and abs(box["y"] + box["height"] / 2 - top) <= 40
            )
        page.evaluate(
            PUT_CLUSTER, [0, card["x"] + card["width"] / 2, card["y"] + card["height"] / 2]
        )
        assert name not in shown_names(page)
        assert watched.errors == []


def test_names_of_clusters_hide_neither_each_other_nor_the_selected_song(open_map):
    with open_map(DESKTOP) as (page, _):
        x, y, unit = page.evaluate("Object.values(soundEval.plot.view())")
        page.evaluate("([x, y, unit]) => soundEval.plot.show(x, y, 12 * unit)", [x, y, unit])
        boxes = list(shown_names(page).values())
        assert boxes and not any(meet(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
        page.evaluate("([x, y, unit]) => soundEval.plot.show(x, y, unit)", [x, y, unit])
        assert len(shown_names(page)) == 3
        for box in shown_names(page).values():
            at = {
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "width": 1,
                "height": 1,
            }
            row = page.evaluate("({ x, y }) => soundEval.plot.songAt(x, y, 40)", at)
            page.evaluate("row => soundEval.select(row)", row)
            song = page.evaluate("row => soundEval.positionOf(row)", row) | {
                "width": 1,
                "height": 1,
            }
            assert not any(meet(song, other) for other in shown_names(page).values())


@pytest.mark.parametrize("size", [DESKTOP, (920, 560)])
def test_tooltip_keeps_inside_the_window_and_off_the_card(open_map, size):
    with open_map(size) as (page, watched):
        page.evaluate("soundEval.select(3)")
        panel, card = (page.locator(part).bounding_box() for part in ("#panel", "#card"))
        lefts = (
            panel["x"] + panel["width"] + 6,
            (panel["x"] + panel["width"] + card["x"]) / 2,
            card["x"] - 6,
        )
        for row, left, top in [
            (row, left, top)
            for row in (6, 7)
            for left in lefts
            for top in (6, size[1] / 2, size[1] - 6)
        ]:
            page.evaluate(PUT_SONG, [row, left, top])
            page.mouse.move(left, top)
            page.wait_for_selector("#tooltip:visible")
            box = page.locator("#tooltip").bounding_box()
            assert is_inside(box, size) and not meet(box, card) and not meet(box, panel)
            assert not meet(box, {"x": left, "y": top, "width": 1, "height": 1})
            page.mouse.move(left, -5)  # off the map
        assert watched.errors == []


@pytest.mark.parametrize("size", [PORTRAIT, LANDSCAPE])
def test_what_a_finger_must_hit_is_large_enough(open_map, map_context, size):
    """40 pixels high, and as wide where it is a sign and no text."""
    with open_map(size) as (page, watched):
        touch = map_context.new_cdp_session(page)
        touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
        assert page.evaluate("matchMedia('(pointer: coarse)').matches")
        page.evaluate("soundEval.filters.toggle('genre', 1)")
        page.evaluate("soundEval.select(4)")
        page.click("#panel-toggle")
        page.click("#settings summary")
        assert (
            page.evaluate("getComputedStyle(document.querySelector('summary')).display")
            == "list-item"
        )  # has a triangle
        page.fill("#search", "piece")
        boxes = page.evaluate(SHOWN_BOXES, TO_HIT)
        assert len(boxes) > 25
        assert [name for name, width, height in boxes if min(width, height) < 40] == []
        assert watched.errors == []
        touch.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def all_songs_are_clear(page, size):
    """Whether every song of the map, waited for, lies in the window and under
    neither panel nor card.
    """
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
    parts = [
        part.bounding_box() for part in page.locator("#panel, #card").all() if part.is_visible()
    ]
    points = [point | {"width": 1, "height": 1} for point in page.evaluate(POINTS)]
    assert len(points) == 24
    return all(
        is_inside(point, size) and not any(meet(point, part) for part in parts) for point in points
    )


@pytest.mark.parametrize("size", [LANDSCAPE, (667, 375), (820, 1180)])
def test_panel_is_a_button_beside_the_map_until_it_is_wanted(open_map, size):
    with open_map(size) as (page, watched):
        page.evaluate("soundEval.select(3)")
        panel, card = (page.locator(part).bounding_box() for part in ("#panel", "#card"))
        assert (
            page.is_hidden("#search")
            and panel["width"] * panel["height"] < 0.03 * size[0] * size[1]
        )
        assert card["x"] - panel["x"] - panel["width"] > size[0] / 2
        assert all_songs_are_clear(page, size)
        page.click("#panel-toggle")
        assert page.is_visible("#search") and is_inside(page.locator("#panel").bounding_box(), size)
        assert all_songs_are_clear(page, size)
        page.click("#panel-toggle")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        assert watched.errors == []


@pytest.mark.parametrize("size", [PORTRAIT, LANDSCAPE])
def test_a_folded_panel_shows_that_it_holds_filters(open_map, size):
    with open_map(size) as (page, _):
        dot = "getComputedStyle(document.getElementById('panel-toggle'), '::after').content"
        assert page.evaluate(dot) == "none"
        page.evaluate("soundEval.filters.toggle('genre', 1)")
        assert page.evaluate(dot) == '""'
        page.click("#panel-toggle")
        assert page.evaluate(dot) == "none" and page.is_visible(
            "#filters button"
        )  # the panel says it itself
        page.click("#filters button")
        page.click("#panel-toggle")
        assert page.evaluate(dot) == "none"


def test_whole_map_is_shown_again_when_a_phone_is_turned(open_map):
    with open_map(PORTRAIT) as (page, _):
        for size in (LANDSCAPE, PORTRAIT):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            assert all_songs_are_clear(page, size)
        whole = page.evaluate("soundEval.plot.view().unit")
        page.mouse.move(PORTRAIT[0] / 2, PORTRAIT[1] / 2)
        page.mouse.wheel(0, -400)  # now it is the person's view, which stays
        page.wait_for_function("whole => soundEval.plot.view().unit !== whole", arg=whole)
        before = page.evaluate("soundEval.plot.view()")
        page.set_viewport_size({"width": LANDSCAPE[0], "height": LANDSCAPE[1]})
        page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
        assert page.evaluate("soundEval.plot.view()") == pytest.approx(before)
