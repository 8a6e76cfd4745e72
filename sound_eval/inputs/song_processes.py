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


def in_processes(function, items, what):
    """Results of `function` over `items` in order, by one process per core where there
    are enough of them; `what` is shown meanwhile.

    Raises InputError where the system ends one of the processes.
    """
    with Progress(len(items), "song", what) as progress, ExitStack() as stack:
        if len(items) > SMALL_CORPUS:
            pool = stack.enter_context(
                ProcessPoolExecutor(
                    usable_cores(), initializer=_start_process, initargs=(os.getpid(),)
                )
            )
            results = pool.map(function, items, chunksize=max(8, len(items) // MOST_MESSAGES))
        else:
            results = map(function, items)
        try:
            for result in results:
                progress.update(1)
                yield result
        except BrokenProcessPool as error:
            raise InputError(
                f"{what}: a process was ended from outside, perhaps for lack of memory; start again"
            ) from error


def _start_process(parent):
    """What each process does first: leave Ctrl-C to the parent, end with it, and
    compute in one thread, as all cores have a process.
    """
    start_worker(parent)
    threadpool_limits(1)
