"""By which file a folder of the program's own is known, and which names in it are its own.

A log-mel tree has TREE_MARK at its top, a run folder has RUN_MARK once a
save is complete.
"""

import re

from sound_eval.files.trees import LOG_MEL_SUFFIX

TREE_MARK = ".spectrify.jsonl"
FAILURES_NAME = "failures.csv"  # in a log-mel tree

# of a run folder
RUN_MARK = "epoc_num.txt"
MUSIC_LIST_NAME = "music_list.txt"  # beside other files of song vectors too
CONFIG_NAME = "config.yaml"
COSTS_NAME = "cost_list.csv"
LOCK_NAME = ".lock"
RUN_TEXTS = (CONFIG_NAME, MUSIC_LIST_NAME, COSTS_NAME, RUN_MARK)
RUN_FOLDERS = ("weights", "cache", "tensorboard")
RUN_PARTS = re.compile(
    rf"(vector_at_\d+\.npy|{'|'.join(map(re.escape, (*RUN_TEXTS, LOCK_NAME)))}"
    rf"|({'|'.join(RUN_FOLDERS)})(/.*)?)"
)


def log_mel_tree_of(path):
    """The log-mel tree that `path`, which need not be there yet, is or lies in; None
    outside of any.
    """
    path = path.resolve()
    return next((one for one in (path, *path.parents) if (one / TREE_MARK).is_file()), None)


def is_part_of_run(path, folder):
    """Whether `folder` is a run folder and `path`, which need not be there, has the
    name of a part of it.
    """
    is_run = (folder / RUN_MARK).is_file()
    return is_run and bool(RUN_PARTS.fullmatch(path.relative_to(folder).as_posix()))


def is_part_of_tree(path, folder):
    """Whether `folder` is a log-mel tree and `path`, which lies in it, has the name
    of a part of it.

    That is the name of a song's log-mel, or of the list of failures.
    """
    if path.suffix.lower() != LOG_MEL_SUFFIX and path.name != FAILURES_NAME:
        return False
    return (folder / TREE_MARK).is_file()
