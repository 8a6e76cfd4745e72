"""Pictures of a run's map for the README:
wide in the light and the dark theme, and as a phone shows it.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import io
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from sound_eval.cli import run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs, write_output

EXAMPLE = """example:
  python tools/map_pictures.py example_outs/ example_input/ example_input/labels.csv \\
      example_results/ --song 'volume 01/03'
  make pictures RUN=example_outs/ MUSIC=example_input/ LABELS=example_input/labels.csv"""
SCRIPT = Path(__file__).resolve().parent.parent / "static_web_viewer" / "display_vector_data.py"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")  # the first that is there is taken
# name, theme, window, scale, column to colour by; '' for the column that
# the map begins with
PICTURES = (
    ("map_light.png", "light", DESKTOP, 1, ""),
    ("map_dark.png", "dark", DESKTOP, 1, ""),
    ("map_distance_light.png", "light", DESKTOP, 1, "distance_to_selected"),
    ("map_distance_dark.png", "dark", DESKTOP, 1, "distance_to_selected"),
    ("map_phone.png", "dark", PHONE, 1, ""),
)
KIND = "pictures of a map"  # of the outputs
N_COLOURS = 256
SETTLE = 1500  # milliseconds after the choice of a song
SELECT = """(part) => {
  const row = soundEval.songs.names.findIndex((name) => name.includes(part));
  soundEval.select(Math.max(0, row));
}"""


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "run_dir", metavar="RUN_DIR", type=Path, help="run folder of spectrogram_doc2vec.py"
    )
    parser.add_argument("audio_dir", metavar="AUDIO_DIR", type=Path, help="the folder of music")
    parser.add_argument("metadata", metavar="METADATA.csv", help="labels")
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="folder of the pictures")
    parser.add_argument(
        "--song",
        default="",
        metavar="NAME",
        help="part of the name of the song to select (default: the first)",
    )
    parser.add_argument(
        "--options",
        default="",
        metavar="TEXT",
        help='for display_vector_data.py, such as --options="--centers 8"',
    )
    return parser.parse_args(argv)


def build(args, folder):
    """The map in a folder; raises InputError with the script's own words where it fails."""
    files = [args.run_dir.resolve(), args.audio_dir.resolve(), args.metadata, folder]
    command = [sys.executable, SCRIPT, *files, *shlex.split(args.options)]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    done = subprocess.run(list(map(str, command)), check=False, **pipes)
    if done.returncode:
        raise InputError(done.stderr.strip().split("\n")[-1].removeprefix("error: "))
    return folder / "index.html"


def take(browser, address, song, theme, window, scale, colour):
    """One picture as PNG bytes."""
    page = browser.new_page(viewport=window, color_scheme=theme, device_scale_factor=scale)
    page.goto(address.as_uri() + (f"#color={colour}" if colour else ""))
    page.evaluate("soundEval.ready")
    page.evaluate(SELECT, song)
    page.wait_for_timeout(SETTLE)
    picture = page.screenshot()
    page.close()
    return picture


def smaller(picture):
    """A PNG with at most `N_COLOURS` colours."""
    buffer = io.BytesIO()
    opaque = Image.open(io.BytesIO(picture)).convert("RGB")
    few = opaque.quantize(N_COLOURS, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main(argv=None):
    """Build the map, open it in each theme and size, write the pictures."""
    args = parse_arguments(argv)
    check_outputs({args.out_dir / name: KIND for name, *_ in PICTURES}, [args.metadata])
    with tempfile.TemporaryDirectory() as folder:
        take_all(build(args, Path(folder) / "map"), args)


def take_all(address, args):
    """Write all pictures of the page at `address`."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for name, *view in PICTURES:
            with write_output(args.out_dir / name, KIND) as file:
                file.write(smaller(take(browser, address, args.song, *view)))
            print(f"wrote {args.out_dir / name}")
        browser.close()


if __name__ == "__main__":
    run_main(main)
