"""One function over many tasks, by the processes of this machine. Results come as they are ready.

Conventions
-----------
`function` is a module-level function of one task, tasks are hashable and distinct, and both can be pickled. Only a few
tasks a process are handed out at a time, so a million tasks cost no more than their list.
"""
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

TASKS_AHEAD = 4  # tasks handed out per process, so that none waits for the parent
PARENT_CHECK_SECONDS = 1.0


def run_local(function, tasks, processes, crashed):
    """Yield (task, function(task)) as tasks end, done by `processes` processes of this machine.

    Where a process dies (a crash inside a library, killed for memory) the tasks in hand are done again, each in a process of
    its own; for one that brings this down too the result is `crashed`. An exception of `function` is raised here.
    """
    tasks = iter(tasks)
    while suspects := (yield from run_pool(function, tasks, processes)):
        for task in suspects:
            if (yield from run_pool(function, iter([task]), 1)):
                yield task, crashed


def run_pool(function, tasks, processes):
    """Yield (task, result) from one pool until `tasks` end or the pool breaks; returns the tasks in hand when it broke."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)  # a fork has everything imported
    pool = ProcessPoolExecutor(processes, context, start_worker, (os.getpid(),))
    in_hand = {}
    try:
        yield from results(pool, function, tasks, processes * TASKS_AHEAD, in_hand)
    except BrokenProcessPool:
        return list(in_hand)
    except BaseException:  # Ctrl-C, or the caller has had enough: what is in hand is given up
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return []


def results(executor, function, tasks, ahead, in_hand):
    """Yield (task, result) from an executor as tasks end, at most `ahead` handed out; `in_hand` maps these to futures."""
    while True:
        for task in islice(tasks, ahead - len(in_hand)):
            in_hand[task] = None  # in hand even where submitting it fails
            in_hand[task] = executor.submit(function, task)
        if not in_hand:
            return
        finished, _ = wait(in_hand.values(), return_when=FIRST_COMPLETED)
        for task in [task for task, future in in_hand.items() if future in finished]:
            result = in_hand[task].result()
            del in_hand[task]
            yield task, result


def start_worker(parent):
    """What a process does first: leave Ctrl-C to the parent, end with it, and keep quiet."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries print remarks of their own; errors come back as results


def end_with_parent(parent):
    """End this process when its parent is gone: it would wait for tasks for ever."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)
