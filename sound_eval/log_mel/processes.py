"""One function over many tasks, by the processes of this machine or of a Dask cluster.
Results come as they are ready.

Conventions
-----------
`function` is a module-level function of one task, tasks are hashable and distinct, and
both can be pickled. Only a few tasks a process are handed out at a time, so a million
tasks cost no more than their list. An exception of `function` is raised here; for a
task that brings down the process it runs in, again and again, the result is `crashed`.
`on_wait()` is called now and then while no task ends.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from itertools import islice

from sound_eval.errors import InputError, one_line

TASKS_AHEAD = 4  # tasks handed out per process, so that none waits for the parent
PARENT_CHECK_SECONDS = 1.0
WAIT_SECONDS = 0.5  # between two calls of `on_wait`
CONNECT_SECONDS = 20.0  # to reach a Dask scheduler and its first worker


def usable_cores():
    """How many processors this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_local(function, tasks, processes, crashed, on_wait=lambda: None):
    """Yield (task, function(task)) as tasks end, done by `processes` processes of this machine.

    Where a process dies (a crash inside a library, killed for memory) the tasks in
    hand are done again, each in a process of its own; one that brings this down
    too is `crashed`.
    """
    tasks = iter(tasks)
    while suspects := (yield from _run_pool(function, tasks, processes, on_wait)):
        for task in suspects:
            if (yield from _run_pool(function, iter([task]), 1, on_wait)):
                yield task, crashed


def _run_pool(function, tasks, processes, on_wait):
    """Yield (task, result) from one pool until `tasks` end or the pool breaks;
    returns the tasks in hand when it broke.
    """
    # a fork has everything imported
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    pool = ProcessPoolExecutor(processes, context, start_worker, (os.getpid(),))
    in_hand = {}
    try:
        for task, future in _finished(
            pool, function, tasks, processes * TASKS_AHEAD, in_hand, on_wait
        ):
            yield task, future.result()
    except BrokenProcessPool:
        return list(in_hand)
    except BaseException:  # Ctrl-C, or the caller has had enough: what is in hand is given up
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return []


def _finished(executor, function, tasks, ahead, in_hand, on_wait):
    """Yield (task, its future) as tasks end, at most `ahead` handed out;
    `in_hand` maps those not taken yet to futures.
    """
    while True:
        for task in islice(tasks, ahead - len(in_hand)):
            in_hand[task] = None  # in hand even where submitting it fails
            in_hand[task] = executor.submit(function, task)
        if not in_hand:
            return
        while not (ended := wait(in_hand.values(), WAIT_SECONDS, FIRST_COMPLETED).done):
            on_wait()
        for task in [task for task, future in in_hand.items() if future in ended]:
            yield task, in_hand[task]
            del in_hand[task]


def start_worker(parent):
    """What a process does first: leave Ctrl-C to the parent, end with it, and keep quiet."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    # libraries print remarks of their own; errors come back as results
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end_with_parent(parent):
    """End this process when its parent is gone: it would wait for tasks for ever."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


# ---- Dask ----


def run_dask(function, tasks, address, processes, crashed, folders, on_wait=lambda: None):
    """Yield (task, function(task)) as tasks end, done by the workers of the Dask
    scheduler at `address`.

    `local` starts a cluster of `processes` processes on this machine. A worker that
    dies costs the tasks it had, which the scheduler gives to others; a task that was
    there whenever one died is done again alone, so that no other pays for the one that
    kills. Every worker has to see `folders`. Raises InputError where Dask is not
    installed, the scheduler does not answer, or a worker lacks the package or a folder.
    """
    distributed = _import_distributed()
    with _connect(distributed, address, processes) as client:
        _check_workers(client, folders)
        ahead = TASKS_AHEAD * sum(client.nthreads().values())
        executor, suspects = client.get_executor(pure=False), []
        for task, future in _finished(executor, function, iter(tasks), ahead, {}, on_wait):
            try:
                yield task, future.result()
            except distributed.scheduler.KilledWorker:
                suspects.append(task)
        for task in suspects:
            try:
                yield task, executor.submit(function, task).result()
            except distributed.scheduler.KilledWorker:
                yield task, crashed


def _import_distributed():
    """The package, which only this route needs."""
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            f"--dask needs dask.distributed ({error}); install it: pip install distributed"
        ) from error
    return distributed


@contextmanager
def _connect(distributed, address, processes):
    """A client of the scheduler at `address`, with at least one worker behind it."""
    with ExitStack() as stack:
        if address == "local":
            options = {"n_workers": processes, "threads_per_worker": 1, "dashboard_address": None}
            address = stack.enter_context(distributed.LocalCluster(**options))
        try:
            client = stack.enter_context(distributed.Client(address, timeout=CONNECT_SECONDS))
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"--dask {address}: no Dask scheduler with workers answers there "
                f"({one_line(error)})"
            ) from error
        yield client


def _check_workers(client, folders):
    """Raise InputError unless every worker can import this package and sees the folders."""
    try:
        missing = client.run(_missing_folders, [str(folder) for folder in folders])
    except ModuleNotFoundError as error:
        raise InputError(
            f"the Dask workers cannot import the package ({error}); "
            "start them with PYTHONPATH set to this checkout"
        ) from error
    for worker, names in missing.items():
        if names:
            raise InputError(
                f"the Dask worker {worker} does not see {', '.join(names)}; "
                "the folders have to be shared under the same path"
            )


def _missing_folders(folders):
    """Those of `folders` that are not there."""
    return [folder for folder in folders if not os.path.isdir(folder)]
