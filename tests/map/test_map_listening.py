"""Listening on the map: walking by keys and by true neighbours, what plays when,
what stays visible.
"""

import numpy as np
import pytest
from map_browser import click_song, data_of, opened, true_distances

from sound_eval.map.truth import trust

pytestmark = pytest.mark.browser

PAUSED = "document.getElementById('player').paused"
SELECTED = "soundEval.state.selected"
SELECTED_AND_CARD = """(row) => {
  soundEval.select(row);
  const { x, y } = soundEval.positionOf(row);
  return [x, y, document.getElementById("card").getBoundingClientRect().top];
}"""


def test_space_plays_and_pauses(page):
    click_song(page, 4)
    page.wait_for_function(f"!{PAUSED}")
    page.keyboard.press(" ")
    page.wait_for_function(PAUSED)
    page.keyboard.press(" ")
    page.wait_for_function(f"!{PAUSED}")


def test_arrows_walk_to_the_nearest_in_that_direction(page):
    places = np.array(
        page.evaluate("Array.from(soundEval.songs.x, (x, i) => [x, soundEval.songs.y[i]])")
    )
    click_song(page, 0)
    for key, (dx, dy) in {
        "ArrowRight": (1, 0),
        "ArrowUp": (0, 1),
        "ArrowLeft": (-1, 0),
        "ArrowDown": (0, -1),
    }.items():
        start = page.evaluate(SELECTED)
        gap = places - places[start]
        along, aside = gap @ (dx, dy), np.abs(gap @ (dy, -dx))
        ahead = np.flatnonzero((along > aside) & (np.arange(24) != start))
        page.keyboard.press(key)
        wanted = ahead[np.linalg.norm(gap[ahead], axis=1).argmin()] if len(ahead) else start
        assert page.evaluate(SELECTED) == wanted


def test_n_goes_to_the_true_nearest_not_yet_heard_and_p_goes_back(page, map_vectors):
    click_song(page, 7)
    heard = [7]
    for _ in range(4):
        distance = true_distances(map_vectors, heard[-1])
        distance[heard] = np.inf
        page.keyboard.press("n")
        heard.append(page.evaluate(SELECTED))
        assert distance[heard[-1]] == pytest.approx(distance.min(), abs=0.01)
    page.keyboard.press("p")
    assert page.evaluate(SELECTED) == heard[-2]
    assert page.evaluate("soundEval.state.trail") == heard[:-1]


def test_escape_clears_filters_first_and_then_the_song(page):
    click_song(page, 3)
    page.evaluate("soundEval.filters.toggle('genre', 1)")
    page.keyboard.press("Escape")
    assert page.evaluate("soundEval.filters.nShown") == 24 and page.evaluate(SELECTED) == 3
    page.keyboard.press("Escape")
    assert page.evaluate(SELECTED) == -1 and page.evaluate(PAUSED)
    assert page.is_hidden("#card")


def test_a_click_leaves_no_frame_round_the_window(page):
    click_song(page, 2)
    deepest = (
        "(() => { let at = document.activeElement; while (at.shadowRoot?.activeElement) "
        "at = at.shadowRoot.activeElement; return at; })()"
    )
    assert "bk-events" in page.evaluate(f"{deepest}.className")
    assert page.evaluate(f"getComputedStyle({deepest}).outlineStyle") == "none"


def test_keys_typed_into_the_search_are_text(page):
    click_song(page, 3)
    page.keyboard.press("/")
    page.keyboard.type("n p")
    assert page.input_value("#search") == "n p" and page.evaluate(SELECTED) == 3


def test_hover_preview_plays_after_a_moment_only_if_wanted(page):
    playing = "soundEval.state.playing"
    place = page.evaluate("soundEval.positionOf(8)")
    page.mouse.move(place["x"], place["y"])
    page.wait_for_timeout(600)
    assert page.evaluate(playing) == -1
    page.evaluate("document.getElementById('hover-preview').checked = true")
    page.mouse.move(place["x"] + 1, place["y"])
    page.wait_for_function(f"{playing} >= 0")
    assert page.evaluate(SELECTED) == -1


def test_seek_moves_in_the_song(page):
    click_song(page, 2)
    page.wait_for_function("document.getElementById('player').duration > 7")
    page.evaluate(
        "(seek => { seek.value = .5; seek.dispatchEvent(new Event('input')); "
        "})(document.getElementById('seek'))"
    )
    page.wait_for_function("document.getElementById('player').currentTime > 3.5")
    assert "/ 0:08" in page.inner_text("#time")


def test_going_on_when_a_song_ends(page):
    page.evaluate("document.getElementById('play-on').checked = true")
    click_song(page, 2)
    page.evaluate("document.getElementById('player').dispatchEvent(new Event('ended'))")
    assert page.evaluate(SELECTED) not in (2, -1)


def test_selected_song_is_moved_out_from_under_the_card(map_context, map_dir):
    with opened(map_context, (map_dir / "index.html").as_uri(), size=(390, 844)) as (page, watched):
        for row in range(24):
            x, y, top = page.evaluate(SELECTED_AND_CARD, row)
            assert 0 < x < 390 and 50 < y < top
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.click("#panel-toggle")
        assert page.is_visible("#search")
        page.evaluate("soundEval.select(3)")  # the card and the open panel would cover the map
        assert (
            page.is_hidden("#search")
            and page.get_attribute("#panel-toggle", "aria-expanded") == "false"
        )
        assert watched.errors == []


def test_trust_is_told_as_it_was_computed(page, map_dir, map_vectors):
    wanted = trust(map_vectors, np.load(data_of(map_dir) / "positions.npy", allow_pickle=False))
    np.testing.assert_allclose(
        page.evaluate("Array.from(soundEval.songs.trust)"), wanted, atol=1e-6
    )
    row = int(wanted.argmin())
    page.evaluate("row => soundEval.select(row)", row)
    assert page.inner_text("#trust").startswith(f"{100 * wanted[row]:.0f} %")
