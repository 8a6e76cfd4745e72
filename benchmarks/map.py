"""How quick the map's page is in headless Chromium: to open, to recolour after a click, to pan.

Vectors are planted groups, positions are given, so that only the page is measured.
`open` is from navigation to the first picture of the map, `ready` until distances can
be asked for, `recolour` from a click to the end of the work that it caused with colour
by distance, `frame` the median time between two frames while the map is dragged.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import sync_playwright

from sound_eval.cli import run_main, script_parser
from sound_eval.config import read_config
from sound_eval.model.run_writer import RunWriter

EXAMPLE = """example:
  python benchmarks/map.py --songs 8000 100000"""
DIM = 80
N_GROUPS = 60
WINDOW = {"width": 1440, "height": 900}
N_CLICKS = 7
COLUMNS = ("open", "ready", "recolour", "frame")
CANVAS_ONLY = ["--disable-gpu", "--disable-software-rasterizer", "--disable-3d-apis"]

# The work is over when the page has drawn the next frame, and then three frames in a
# row without a stop.
SETTLED = """async (act) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const start = performance.now();
  act();
  await frame(); // BokehJS draws in it, perhaps after us: a timeout comes when all that is done
  await new Promise((resolve) => setTimeout(resolve));
  let [quiet, last, end] = [0, performance.now(), performance.now()];
  while (quiet < 3) {
    await frame();
    const now = performance.now();
    quiet = now - last < 34 ? quiet + 1 : 0;
    if (!quiet) end = now;
    last = now;
  }
  return end - start;
}"""
FRAMES = """async (n) => {
  const gaps = [];
  let last = performance.now();
  for (let i = 0; i < n; i++) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  return gaps;
}"""


def build(folder, n_songs):
    """The map of `n_songs` planted songs in a folder; returns its page."""
    random = np.random.default_rng(0)
    group = random.integers(0, N_GROUPS, n_songs)
    centres = random.standard_normal((N_GROUPS, DIM))
    vectors = centres[group] + random.standard_normal((n_songs, DIM))
    names = [f"{song // 1000:03d}/{song:06d}.mp3" for song in range(n_songs)]
    run = RunWriter(folder / "run")
    run.start(read_config(), names)
    run.save(1, vectors.astype(np.float32), {}, cost=0.5)
    middles = 10 * random.standard_normal((N_GROUPS, 2))
    places = middles[group] + random.standard_normal((n_songs, 2))
    np.save(folder / "places.npy", places)
    rows = [
        f"{name},group {of},Song {song},{60 + song % 90 + 0.5},Citation {song}"
        for song, (name, of) in enumerate(zip(names, group, strict=True))
    ]
    (folder / "labels.csv").write_text(
        "\n".join(["filename,group,title,bpm,citation", *rows]) + "\n", encoding="utf-8"
    )
    script = Path(__file__).resolve().parent.parent / "static_web_viewer" / "display_vector_data.py"
    files = [folder / "run", folder, folder / "labels.csv", folder / "map"]
    options = ["--audio", "none", "--projection", folder / "places.npy"]
    command = [sys.executable, script, *files, *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, **quiet)
    return folder / "map" / "index.html"


def measure(page, address, n_songs):
    """Milliseconds as a dict."""
    page.goto(address.as_uri())
    drawn = page.evaluate("soundEval.drawn.then(() => performance.now())")
    ready = page.evaluate("soundEval.ready.then(() => performance.now())")
    page.select_option("#color-by", "distance_to_selected")
    page.evaluate(SETTLED.replace("act()", "soundEval.select(0)"))
    rows = [int(row) for row in np.linspace(1, n_songs - 1, N_CLICKS)]
    clicks = [page.evaluate(SETTLED.replace("act()", f"soundEval.select({row})")) for row in rows]
    page.evaluate("soundEval.select(-1)")
    return {"open": drawn, "ready": ready, "recolour": median(clicks), "frame": median(drag(page))}


def drag(page):
    """Times between frames while the map is dragged, in milliseconds."""
    page.mouse.move(700, 450)
    page.mouse.down()
    page.evaluate(f"globalThis.frames = ({FRAMES})(40)")
    for step in range(40):
        page.mouse.move(700 + 4 * step, 450)
    gaps = page.evaluate("globalThis.frames")
    page.mouse.up()
    return gaps[1:]


def main(argv=None):
    """Measure each size with the browser as it is found here, and without WebGL."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "--songs",
        type=int,
        nargs="+",
        default=[2000, 8000, 100_000],
        help="sizes of the map (default: %(default)s)",
    )
    sizes = parser.parse_args(argv).songs
    columns = "".join(f"{name:>10}" for name in COLUMNS)
    print(f"{'songs':>7}  {'WebGL':8}{columns}   (milliseconds)")
    with sync_playwright() as playwright:
        for n_songs in sizes:
            with tempfile.TemporaryDirectory() as folder:
                address = build(Path(folder), n_songs)
                for drawn_by, arguments in (("as found", []), ("off", CANVAS_ONLY)):
                    browser = playwright.chromium.launch(
                        executable_path=shutil.which("chromium"), args=["--no-sandbox", *arguments]
                    )
                    times = measure(browser.new_page(viewport=WINDOW), address, n_songs)
                    row = "".join(f"{times[name]:10.1f}" for name in COLUMNS)
                    print(f"{n_songs:7}  {drawn_by:8}{row}", flush=True)
                    browser.close()


if __name__ == "__main__":
    run_main(main)
