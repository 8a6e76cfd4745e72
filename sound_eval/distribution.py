"""Several processes that train one run: local SGD over the workers that the environment variable TF_CONFIG names.

Each worker trains on songs of its own, and after every chunk of steps the networks with their slots are averaged over the workers (local
SGD, Stich 2019): the steps within a chunk are compiled into one program, which could not wait for anyone. A song's row is trained by its
one worker and needs no averaging; at the end of an epoch every worker gets all rows. The first worker, the *chief*, writes the run folder.

Conventions
-----------
`rank` counts workers from 0, `count` is how many there are. The song of row i belongs to worker i modulo count. All methods but `own` are
collective: every worker calls them in the same order with arrays of the same shapes. A worker that is gone is noticed after about ten
seconds by TensorFlow's heartbeats; the others then raise InputError in whatever collective they wait in.
TensorFlow is imported only where there are several workers.
"""
import hashlib
import json
import os

import numpy as np

from sound_eval.cli import InputError

ROWS_AT_ONCE = 1 << 18  # rows of song tables in one message: 84 MB at 80 values a row


class Alone:
    """The one worker of a training that is not distributed."""

    rank, count, chief = 0, 1, True

    def own(self, n_songs):
        """Rows of the songs that this worker trains."""
        return np.arange(self.rank, n_songs, self.count)

    def total(self, arrays):
        """The sum over the workers of each of a list of arrays."""
        return arrays

    def any(self, flag):
        """Whether the flag is true at any worker."""
        return bool(self.total([np.float32(flag)])[0])

    def in_turn(self, function):
        """What `function()` returns here; no two workers run it at a time, the chief first."""
        for turn in range(self.count):
            if turn == self.rank:
                result = function()
            self.any(False)
        return result

    def mean(self, arrays):
        """The mean over the workers of each of a list of arrays."""
        return [total / np.float32(self.count) for total in self.total(arrays)]

    def gather(self, table):
        """The table (n_songs, ...) with every row from the worker that trains it."""
        owner = np.arange(len(table)) % self.count == self.rank
        mine = np.where(owner.reshape(-1, *[1] * (table.ndim - 1)), table, np.float32(0))
        blocks = [self.total([mine[first : first + ROWS_AT_ONCE]])[0] for first in range(0, len(mine), ROWS_AT_ONCE)]
        return np.concatenate(blocks)

    def check_same(self, text, what):
        """Raise InputError where `text` is not the same at every worker."""
        digest = np.frombuffer(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest(), np.uint8).astype(np.float32)
        if not np.array_equal(self.mean([digest])[0], digest):
            raise InputError(f"worker {self.rank}: {what} is not the same for all workers; do all of them see the same folders?")


class Workers(Alone):
    """One of several workers, joined through TensorFlow's MultiWorkerMirroredStrategy."""

    def __init__(self, rank, count, use_gpu):
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[:1] if use_gpu else [], "GPU")  # one process per GPU
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        self.rank, self.count, self.chief = rank, count, rank == 0
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        device, total = self.strategy.extended.worker_devices[0], tf.distribute.ReduceOp.SUM

        def each(tensors):
            with tf.device(device):
                return tf.distribute.get_replica_context().all_reduce(total, [tf.identity(tensor) for tensor in tensors])

        self.reduce = tf.function(lambda tensors: self.strategy.run(each, args=(tensors,)), reduce_retracing=True)

    def total(self, arrays):
        """See `Alone.total`. Raises InputError where another worker is gone."""
        import tensorflow as tf

        try:
            return [tensor.numpy() for tensor in self.reduce([tf.convert_to_tensor(array, tf.float32) for array in arrays])]
        except tf.errors.OpError as error:
            reason = str(error.message).strip().splitlines()[-1]
            message = f"worker {self.rank}: another worker is gone ({reason}); start all of them again, to go on from the last save"
            raise InputError(message) from error


def join(use_gpu):
    """The worker that TF_CONFIG says this process is; returns when all are there. Alone without TF_CONFIG, or with one worker in it."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return Alone()
    try:
        settings = json.loads(text)
        hosts, rank = settings["cluster"]["worker"], int(settings["task"]["index"])
        usable = set(settings["cluster"]) == {"worker"} and 0 <= rank < len(hosts)
    except (ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        raise InputError(f'TF_CONFIG is {text!r}, expected {{"cluster": {{"worker": ["host:port", …]}}, "task": {{"type": "worker", "index": 0}}}}')
    return Workers(rank, len(hosts), use_gpu) if len(hosts) > 1 else Alone()
