"""Make a metadata CSV for a folder of music from the tags in its files."""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

from collections import Counter
from pathlib import Path

from sound_eval.audio.folder import AudioFolder
from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.config import read_config
from sound_eval.errors import InputError
from sound_eval.files.outputs import LABELS, check_outputs
from sound_eval.files.tables import write_csv
from sound_eval.terminal import warn

EXAMPLE = """\
example:
  python process_results/labels_from_tags.py example_input/ example_results/labels.csv

The CSV has filename, title, artist, album_artist, album, genre (the first one), genres (all,
joined by semicolons), year, folder (the top folder of each file) and citation.
"""
MAX_NAMED = 5  # unreadable files named on the terminal


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "audio_dir", type=Path, help="folder of music, the one that spectrify_all.py reads"
    )
    parser.add_argument("output", type=Path, help="the CSV to write")
    parser.add_argument(
        "--config",
        type=Path,
        help="YAML file whose AUDIO_SUFFIXES say what is audio (default: "
        "configs/default_config.yaml)",
    )
    return parser.parse_args(argv)


def songs_in(root, suffixes):
    """The names of the songs in a folder; what looks like one and is none is counted.

    Raises InputError where there is none.
    """
    folder = AudioFolder(root, suffixes)
    unusable = [f"{failure.name}: {failure.reason}" for failure in folder.failures]
    if not folder.sources:
        why = f" that can be used ({len(unusable)} cannot; {unusable[0]})" if unusable else ""
        raise InputError(f"{root}: holds no audio file{why}")
    if unusable:
        warn(
            f"{len(unusable)} files and folders cannot be used and are left out: "
            f"{', '.join(unusable[:MAX_NAMED])}"
        )
    return [source.name for source in folder.sources]


def print_report(rows, unreadable, output):
    """What was found, and the files whose tags could not be read."""
    for line in unreadable[:MAX_NAMED]:
        warn(line)
    if unreadable:
        warn(
            f"the tags of {len(unreadable)} of {len(rows)} files cannot be read; "
            "title and folder are from their paths"
        )
    print(f"wrote {output}: {len(rows)} files")
    for field in ("artist", "album", "genre", "year", "folder"):
        counts = Counter(row[field] for row in rows if row[field])
        common = ", ".join(f"{value} ({count})" for value, count in counts.most_common(3))
        line = f"  {field:7} in {sum(counts.values())} files, {len(counts)} values"
        print(f"{line}: {common}" if common else line)


def main(argv=None):
    """Read, write, report."""
    args = parse_arguments(argv)
    names = songs_in(args.audio_dir, read_config(args.config).AUDIO_SUFFIXES)
    check_outputs({args.output: LABELS}, [args.config])
    from sound_eval.songs.tags import read_labels

    rows, unreadable = read_labels(args.audio_dir, names)
    write_csv(args.output, LABELS, list(rows[0]), (row.values() for row in rows))
    print_report(rows, unreadable, args.output)
    print_next(
        "python",
        "static_web_viewer/display_vector_data.py",
        "RUN_DIR",
        args.audio_dir,
        args.output,
        "MAP_DIR",
    )
    return 0


if __name__ == "__main__":
    run_main(main)
