"""Turn a folder of music into the same tree of log-mel files, which training reads."""

import sound_eval.interrupts  # first: Ctrl-C while the rest loads is one line

import os
import shlex
import signal
import sys

# No threads for linear algebra in any process: the processes use the cores already. It
# is read when NumPy is imported.
os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", VECLIB_MAXIMUM_THREADS="1"
)

from sound_eval.audio.folder import others_text
from sound_eval.cli import positive_int, print_next, run_main, script_parser
from sound_eval.config import read_config
from sound_eval.files.trees import log_mel_name
from sound_eval.log_mel.processes import usable_cores
from sound_eval.terminal import warn

EXAMPLE = """examples:
  python spectrify_all.py example_input/ example_vectors/ --config=configs/small_train.yaml
  python spectrify_all.py example_input/ example_results/vectors/ --dask local

With tcp://HOST:8786 in place of local, many machines work that share both folders.

A second run does only what is missing or has changed. Files that cannot be used are in VECTORS_DIR/failures.csv.
Exit status: 0 if all went, 3 if some files failed, 1 if none succeeded."""


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "audio_dir", metavar="AUDIO_DIR", help="folder of music, with any folders in it"
    )
    parser.add_argument(
        "vectors_dir",
        metavar="VECTORS_DIR",
        help="where the tree of log-mel files goes: a/b.mp3 becomes a/b.mp3.npy",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="YAML file of settings (default: configs/default_config.yaml)",
    )
    parser.add_argument(
        "--processes",
        type=positive_int,
        default=usable_cores(),
        metavar="N",
        help="processes (default: one per core, %(default)s here)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="work on the Dask cluster whose scheduler is there; local starts one here for a try",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave out files or folders, such as *.wma; repeatable",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="do everything again, for instance with another config",
    )
    parser.add_argument(
        "--prune",
        action="append",
        default=[],
        metavar="FOLDER",
        help="alone: remove log-mel files whose audio file is gone, "
        "but not those of a whole folder, whose disk may be missing; "
        "--prune=FOLDER: those below FOLDER of AUDIO_DIR too; repeatable",
    )
    # Alone it takes no value, so the argument behind it is none.
    argv = sys.argv[1:] if argv is None else argv
    return parser.parse_args(
        ["--prune=" if len(text) > 4 and "--prune".startswith(text) else text for text in argv]
    )


def main(argv=None):
    """Run, report, return the exit status."""
    arguments = parse_arguments(argv)
    config = read_config(arguments.config)
    from sound_eval.log_mel.spectrify import spectrify

    # stop as for Ctrl-C: what is done stays done
    signal.signal(signal.SIGTERM, sound_eval.interrupts.on_signal)
    options = {
        name: getattr(arguments, name)
        for name in ("processes", "dask", "exclude", "overwrite", "prune")
    }
    report = spectrify(arguments.audio_dir, arguments.vectors_dir, config, **options)
    print_report(report, arguments)
    return report.exit_status


def print_report(report, arguments):
    """What was written, what needs attention, what to type next; last the counts."""
    if report.others:
        print(others_text(report.others))
    print_orphans(report.orphans)
    if report.strangers:
        what = f"{len(report.strangers)} .npy files in {arguments.vectors_dir} are none of its own"
        warn(f"{what} (left alone; training takes them for songs): {some(report.strangers)}")
    if report.failures:
        warn(
            f"{len(report.failures)} files failed; "
            f"{arguments.vectors_dir.rstrip('/')}/failures.csv says why"
        )
    print(work_done(report, arguments.vectors_dir))
    if report.done or report.skipped:
        config = [f"--config={arguments.config}"] if arguments.config else []
        print_next("python", "spectrogram_doc2vec.py", arguments.vectors_dir, "RUN_DIR", *config)
    damaged = f", {len(report.damaged)} damaged" if report.damaged else ""
    too_long = f" ({report.too_long} longer than MAX_SECONDS)" if report.too_long else ""
    print(
        f"done {report.done}{damaged}, skipped {report.skipped}{too_long}, "
        f"failed {len(report.failures)}"
    )


def print_orphans(orphans):
    """Which log-mel files have lost their audio, and what became of them."""
    for names, what in ((orphans.removed, "removed"), (orphans.kept, "kept; --prune removes them")):
        if names:
            warn(
                f"{len(names)} log-mel files have no audio file any more ({what}): "
                f"{some([log_mel_name(name) for name in names])}"
            )
    for folder, names in sorted(orphans.held.items()):
        option = shlex.quote(f"--prune={folder}")
        warn(
            f"{len(names)} log-mel files are kept, though all audio below {folder}/ is gone: "
            f"is its disk mounted? {option} removes them"
        )


def some(names):
    """The first of some names, as text."""
    return ", ".join(names[:5]) + " …" * (len(names) > 5)


def work_done(report, vectors_dir):
    """One line on what this run did, which may be nothing."""
    if report.done:
        speed = report.seconds / max(report.elapsed, 1e-9)
        return (
            f"wrote {vectors_dir}: {report.seconds / 3600:.2f} h of audio in {report.elapsed:.1f} "
            f"s, {speed:.0f} times real time"
        )
    return (
        f"{vectors_dir}: nothing new"
        if report.failures
        else f"{vectors_dir}: up to date, nothing to do"
    )


if __name__ == "__main__":
    run_main(main)
