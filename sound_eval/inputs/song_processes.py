"""One function over the files of many songs, by all cores, in the order of the songs."""

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack

from threadpoolctl import threadpool_limits

from sound_eval.errors import InputError
from sound_eval.log_mel.processes import start_worker, usable_cores
from sound_eval.terminal import Progress

MOST_MESSAGES = 4096  # that a large corpus is handed to processes in
SMALL_CORPUS = 32  # songs up to which starting processes costs more than they save


def one(_item):
    """The songs in an item that is one song."""
    return 1


def in_processes(function, items, what, songs_of=one):
    """Results of `function` over `items` in order, by one process per core where these
    are enough songs, `songs_of(item)` in each; `what` is shown meanwhile.

    Raises InputError where the system ends one of the processes.
    """
    n_songs = sum(map(songs_of, items))
    with Progress(n_songs, "song", what) as progress, ExitStack() as stack:
        if n_songs > SMALL_CORPUS:
            pool = stack.enter_context(
                ProcessPoolExecutor(
                    usable_cores(), initializer=_start_process, initargs=(os.getpid(),)
                )
            )
            results = pool.map(function, items, chunksize=_chunk(len(items), n_songs))
        else:
            results = map(function, items)
        try:
            for item, result in zip(items, results, strict=True):
                progress.update(songs_of(item))
                yield result
        except BrokenProcessPool as error:
            raise InputError(
                f"{what}: a process was ended from outside, perhaps for lack of memory; start again"
            ) from error


def _chunk(n_items, n_songs):
    """Items that are sent to a process at once: some songs, not thousands of messages."""
    return max(1, 8 * n_items // n_songs, n_items // MOST_MESSAGES)


def _start_process(parent):
    """What each process does first: leave Ctrl-C to the parent, end with it, and
    compute in one thread, as all cores have a process.
    """
    start_worker(parent)
    threadpool_limits(1)
