"""Turn a folder of music into the same tree of log-mel files, which training reads."""

import sound_eval.interrupts  # first: Ctrl-C while the rest loads is one line

import os
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
from sound_eval.log_mel.processes import usable_cores
from sound_eval.terminal import warn

EXAMPLE = """examples:
  python spectrify_all.py example_input/ example_vectors/ --config=configs/small_train.yaml
  python spectrify_all.py example_input/ example_results/vectors/ --dask local

With tcp://HOST:8786 in place of local, many machines work that share both folders.

A second run does only what is missing or has changed.
Files that cannot be used are in VECTORS_DIR/failures.csv.
Exit status: 0 if all went, 3 if some files failed, 1 if none succeeded."""


def parse_arguments(argv):
    """The command line."""
    parser = script_parser(__doc__, EXAMPLE)
    add = parser.add_argument
    add("audio_dir", metavar="AUDIO_DIR", help="folder of music, with any folders in it")
    tree_help = "where the tree of log-mel files goes: a/b.mp3 becomes a/b.mp3.npy"
    add("vectors_dir", metavar="VECTORS_DIR", help=tree_help)
    config_help = "YAML file of settings (default: configs/default_config.yaml)"
    add("--config", metavar="FILE", help=config_help)
    cores = usable_cores()
    processes_help = "processes (default: one per core, %(default)s here)"
    add("--processes", type=positive_int, default=cores, metavar="N", help=processes_help)
    dask_help = "work on the Dask cluster whose scheduler is there; local starts one here for a try"
    add("--dask", metavar="ADDRESS", help=dask_help)
    exclude_help = "leave out files or folders, such as *.wma; repeatable"
    add("--exclude", action="append", default=[], metavar="GLOB", help=exclude_help)
    overwrite_help = "do everything again, for instance with another config"
    add("--overwrite", action="store_true", help=overwrite_help)
    prune_help = (
        "alone: remove log-mel files whose audio file is gone, "
        "but not those of a whole folder, whose disk may be missing; "
        "--prune=FOLDER: those below FOLDER of AUDIO_DIR too; repeatable"
    )
    add("--prune", action="append", default=[], metavar="FOLDER", help=prune_help)
    return parser.parse_args(prune_alone(sys.argv[1:] if argv is None else argv))


def prune_alone(argv):
    """The arguments, where --prune alone takes no value: the one behind it is none."""
    return ["--prune=" if len(text) > 4 and "--prune".startswith(text) else text for text in argv]


def main(argv=None):
    """Run, report, return the exit status."""
    args = parse_arguments(argv)
    config = read_config(args.config)
    from sound_eval.log_mel.spectrify import spectrify

    # stop as for Ctrl-C: what is done stays done
    signal.signal(signal.SIGTERM, sound_eval.interrupts.on_signal)
    report = spectrify(
        args.audio_dir,
        args.vectors_dir,
        config,
        processes=args.processes,
        dask=args.dask,
        overwrite=args.overwrite,
        prune=args.prune,
        exclude=args.exclude,
    )
    print_report(report, args)
    return report.exit_status


def print_report(report, args):
    """What was written, what needs attention, what to type next; last the counts."""
    if report.others:
        print(others_text(report.others))
    for remark in report.remarks(args.vectors_dir):
        warn(remark)
    print(report.work_done(args.vectors_dir))
    if report.done or report.skipped:
        config = [f"--config={args.config}"] if args.config else []
        print_next("python", "spectrogram_doc2vec.py", args.vectors_dir, "RUN_DIR", *config)
    print(report.counts())


if __name__ == "__main__":
    run_main(main)
