"""Is a copy of a song known again: quieter, mono, or in another format?

Some songs of a run are copied by ffmpeg, and the copies get vectors as new songs do.
Printed are, for each kind of copy, the cosine of copy and original (vectors less their
mean over the run, as search takes them) and in how many cases the original is the
copy's nearest song.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sound_eval import programs
from sound_eval.cli import positive_int, run_main, script_parser
from sound_eval.errors import InputError, one_line
from sound_eval.files.tables import print_markdown
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.song_vectors import evenly
from sound_eval.search.vectors import unit_vectors
from sound_eval.songs.audio_query import vectors_of_audio
from sound_eval.terminal import Progress

EXAMPLE = """\
example, on your own files:
  python benchmarks/copies.py corpus/audio run --songs 48
"""
# kind of copy -> what ffmpeg is told, and the suffix; floats keep what is over full scale
COPIES = {
    "-30 dB": (["-af", "volume=-30dB"], ".wav"),
    "-20 dB": (["-af", "volume=-20dB"], ".wav"),
    "-10 dB": (["-af", "volume=-10dB"], ".wav"),
    "+6 dB": (["-af", "volume=6dB", "-c:a", "pcm_f32le"], ".wav"),
    "mono": (["-ac", "1"], ".flac"),
    "22 kHz": (["-ar", "22050"], ".flac"),
    "MP3, 128 kbit/s": (["-b:a", "128k"], ".mp3"),
    "MP3, 64 kbit/s": (["-b:a", "64k"], ".mp3"),
    "Ogg Vorbis, quality 2": (["-c:a", "libvorbis", "-q:a", "2"], ".ogg"),
    "Opus, 64 kbit/s": (["-c:a", "libopus", "-b:a", "64k"], ".opus"),
}


def copied(source, options, path):
    """Copy a file by ffmpeg; returns `path`. Raises InputError where ffmpeg cannot."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *programs.input_of(source)]
    status, _, messages = programs.run([*command, *options, str(path)], watch=path)
    if status:
        raise InputError(f"{source}: ffmpeg made no copy of it: {one_line(messages)}")
    return path


def measure(run, audio_dir, rows):
    """Kind of copy -> (cosines (n,), whether the original is the nearest (n,))."""
    mean = run.vectors.mean(axis=0)
    songs = unit_vectors(run.vectors - mean)
    found = {}
    with Progress(len(COPIES) * len(rows), "copy", "copying") as progress:
        for kind, (options, suffix) in COPIES.items():
            with TemporaryDirectory() as folder:
                paths = []
                for row in rows:
                    path = Path(folder) / f"{row}{suffix}"
                    paths.append(copied(audio_dir / run.names[row], options, path))
                    progress.update(1)
                copies = unit_vectors(vectors_of_audio(run, paths) - mean)
            cosines = copies @ songs.T
            found[kind] = cosines[np.arange(len(rows)), rows], cosines.argmax(axis=1) == rows
    return found


def parse_arguments(argv):
    """Read the command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("audio_dir", metavar="AUDIO_DIR", type=Path, help="the songs of the run")
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help="a run folder")
    parser.add_argument(
        "--songs", type=positive_int, default=48, help="how many are copied (default: 48)"
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Copy, infer, print."""
    args = parse_arguments(argv)
    run = RunFolder(args.run_dir).snapshot()
    rows = evenly(len(run.names), args.songs)
    table = [
        [kind, f"{np.median(cosines):.3f}", f"{cosines.min():.3f}", f"{100 * nearest.mean():.0f} %"]
        for kind, (cosines, nearest) in measure(run, args.audio_dir, rows).items()
    ]
    print_markdown(["copy", "cosine, median", "least", "original is the nearest"], table)
    return 0


if __name__ == "__main__":
    run_main(main)
