"""Run every stage on a folder of music: log-mel, training, scores beside chance, map.

Without a folder, on synthesized music. Everything goes to a folder of its own under
`demo/`, named after the music's folder and its whole path, so that two demos never mix.
A second run on the same folder takes up what the first left: only new songs are
decoded, and the training goes on. All that the scripts print is in `log.txt` there.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import signal
import sys
import time
from pathlib import Path

from demo_work import REPO, Demo

from sound_eval import interrupts
from sound_eval.cli import positive_number, run_main, script_parser

EXAMPLE = """example:
  python tools/demo.py example_input/ --labels example_input/labels.csv"""


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "music",
        nargs="?",
        default="",
        help="folder of audio files (default: synthesize example_input/)",
    )
    parser.add_argument(
        "--labels",
        default="",
        metavar="FILE",
        help="CSV with a filename column (default: from the files' tags and top folders)",
    )
    parser.add_argument(
        "--label",
        default="",
        metavar="COLUMN",
        help="the column to score against (default: genre, …, or the only one)",
    )
    parser.add_argument(
        "--max-minutes",
        type=positive_number,
        default=1.0,
        metavar="M",
        help="how long to train (default: 1)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=REPO / "demo",
        metavar="DIR",
        help="where the demos' folders go (default: the checkout's demo/)",
    )
    return parser.parse_args(argv)


def report(demo, seconds):
    """Print the results; last the file to open."""
    width = max(map(len, demo.results))
    print()
    for name, words in demo.results.items():
        print(f"{name:{width}}   {words}")
    print(f"\nall stages done in {seconds:.0f} s; what they printed is in {demo.runner.path}")
    print(f"the map to open:\n{demo.map / 'index.html'}")


def main(argv=None):
    """Every stage in turn, then the results."""
    args = parse_arguments(argv)
    start = time.monotonic()
    signal.signal(signal.SIGTERM, interrupts.on_signal)
    demo = Demo(args)
    try:
        demo.stages()
    except KeyboardInterrupt:
        kept = "what is done is kept, and the same command goes on from there"
        demo.display.write(f"stopped at {demo.display.heading()}; {kept}", sys.stderr)
        raise
    finally:
        demo.display.close()
    report(demo, time.monotonic() - start)


if __name__ == "__main__":
    run_main(main)
