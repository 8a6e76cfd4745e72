"""A map just above the size at which points that the map misleads about are faint
instead of hollow.
"""

import numpy as np
import pytest
from conftest import run_script, write_run_folder
from map_browser import SCRIPT, colours, opened

pytestmark = pytest.mark.browser

GROUP = 20  # songs that sound alike
N_GROUPS = 1001
N_SCATTERED = 200  # groups that the map tears apart
N_SONGS = GROUP * N_GROUPS
# opacity
FULL = 0xFF
FAINT = 0x59
BESIDE_PANEL = {"x": 400, "y": 0, "width": 800, "height": 800}


@pytest.fixture(scope="module")
def scattered():
    """Which songs (n,) bool the planted positions put among strangers."""
    return np.arange(N_SONGS) // GROUP < N_SCATTERED


@pytest.fixture(scope="module")
def large_map(tmp_path_factory, scattered):
    """The page of a map of groups of songs, each at a place of its own but for the
    scattered ones, which are dealt out over such places.
    """
    root, random = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    group = np.arange(N_SONGS) // GROUP
    vectors = random.standard_normal((N_GROUPS, 16))[group] + 0.05 * random.standard_normal(
        (N_SONGS, 16)
    )
    place = group.copy()
    place[scattered] = random.permutation(place[scattered])
    np.save(
        root / "places.npy",
        np.stack([place % 33, place // 33], axis=1) + random.uniform(-0.2, 0.2, (N_SONGS, 2)),
    )
    names = [f"{song}.mp3" for song in range(N_SONGS)]
    run = write_run_folder(root / "run", vectors, [f"{name}.npy" for name in names]).path
    rows = [f"{name},{'even' if song % 2 == 0 else 'odd'}" for song, name in enumerate(names)]
    (root / "labels.csv").write_text("\n".join(["filename,parity", *rows]) + "\n")
    run_script(
        SCRIPT,
        run,
        root,
        root / "labels.csv",
        root / "map",
        "--audio",
        "none",
        "--projection",
        root / "places.npy",
    )
    return (root / "map" / "index.html").as_uri()


def opacity(page):
    """Of each song's colour, (n,)."""
    return np.array(colours(page, N_SONGS)) & 0xFF


def test_doubtful_points_of_a_large_map_are_faint(map_context, large_map, scattered):
    with opened(map_context, large_map) as (page, watched):
        np.testing.assert_array_equal(opacity(page), np.where(scattered, FAINT, FULL))
        page.click("#settings summary")
        assert "Points faint where" in page.inner_text("#settings")
        before = page.screenshot(clip=BESIDE_PANEL)
        page.uncheck("#show-trust")
        assert (opacity(page) == FULL).all()
        page.wait_for_timeout(500)
        assert page.screenshot(clip=BESIDE_PANEL) != before
        page.check("#show-trust")
        page.evaluate("soundEval.filters.toggle('parity', 2)")  # odd
        drawn, even = np.array(colours(page, N_SONGS)), np.arange(N_SONGS) % 2 == 0
        assert len(set(drawn[even])) == 1  # all greyed alike, doubtful or not
        np.testing.assert_array_equal(drawn[~even] & 0xFF, np.where(scattered[~even], FAINT, FULL))
        page.evaluate("soundEval.filters.clear()")
        light = colours(page, N_SONGS)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("colour => soundEval.colourOf(0) !== colour", arg=light[0])
        np.testing.assert_array_equal(opacity(page), np.where(scattered, FAINT, FULL))
        assert watched.errors == []
