"""The devices that train one run: local SGD over the GPUs of a machine, and over the
processes that the variable TF_CONFIG names.

Each device trains on songs of its own, and after every chunk of steps the networks with
their slots are averaged over all devices (local SGD, Stich 2019): the steps within a
chunk are compiled into one program, which could not wait for anyone. A song's row is
trained on its one device and needs no averaging; at the end of an epoch every process
gets all rows. The first process, the *chief*, writes the run folder.

Conventions
-----------
A *worker* is a process; `rank` counts them from 0. A *replica* is a device of a worker,
each worker has as many; `replicas` are the numbers of this worker's among all
`n_replicas`. The song of row i belongs to replica i modulo n_replicas.
What workers do together (`total` and all that calls it, and what `replicate` makes)
they call in the same order with arrays of the same shapes. A worker that is gone is
noticed after about ten seconds by TensorFlow's heartbeats; the others then raise
InputError.
TensorFlow is imported where it is first needed, so that a tree that cannot be read is
told without it.
"""

import collections
import hashlib
import json
import os

import numpy as np

from sound_eval.errors import InputError

ROWS_AT_ONCE = 1 << 18  # rows of song tables in one message: 84 MB at 80 values a row


def choose_devices(use_gpu):
    """Names of the TensorFlow devices to train on, and a warning or None:
    all GPUs if wanted and there, else the CPU.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not use_gpu:
        tf.config.set_visible_devices([], "GPU")
    elif gpus:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        return [f"/GPU:{number}" for number in range(len(gpus))], None
    warning = None
    if use_gpu:
        warning = "USE_GPU is true, but TensorFlow finds no GPU; training on the CPU"
    return ["/CPU:0"], warning


class Alone:
    """The one worker of a training in one process."""

    rank = 0
    n_workers = 1
    chief = True

    def open(self, config, n_songs):
        """Take the devices to train on; returns a warning or None.

        No more GPUs than there are songs for a whole step on each.
        """
        import tensorflow as tf

        devices, warning = choose_devices(config.USE_GPU)
        devices = devices[: max(1, n_songs // config.songs_per_step)]
        strategy = None
        if len(devices) > 1:
            strategy = tf.distribute.MirroredStrategy(devices)
        self.use(devices, strategy)
        return warning

    def use(self, devices, strategy):
        """Train on these devices of this worker, with `strategy` where they are not all
        there is of the training.
        """
        self.devices = devices
        self.strategy = strategy
        self.n_replicas = self.n_workers * len(devices)
        self.replicas = range(self.rank * len(devices), (self.rank + 1) * len(devices))

    def own(self, n_songs, replica):
        """Rows of the songs that a replica trains."""
        return np.arange(replica, n_songs, self.n_replicas)

    def replicate(self, function):
        """A function that calls `function` at every replica of this worker at the same time.

        It takes the arguments of each, tuples of (structures of) arrays, and returns
        the results of each, with NumPy arrays in them.
        """
        import tensorflow as tf

        # a graph of all replicas: eagerly they would run one after the other
        at_all = tf.function(
            lambda values: self.strategy.run(function, args=values), reduce_retracing=True
        )

        def place(arguments, index):
            with tf.device(self.devices[index]):
                return tf.nest.map_structure(tf.convert_to_tensor, arguments[index])

        def run(arguments):
            if self.strategy:
                first = self.replicas[0]
                values = self.strategy.experimental_distribute_values_from_function(
                    lambda context: place(arguments, context.replica_id_in_sync_group - first)
                )
                results = self.strategy.experimental_local_results(at_all(values))
            else:
                with tf.device(self.devices[0]):
                    results = [function(*place(arguments, 0))]
            return tf.nest.map_structure(lambda tensor: tensor.numpy(), results)

        return run

    def reduce(self, how, tensors):
        """To be called in what `replicate` is given:
        a structure of tensors summed (`how` "SUM") or averaged ("MEAN")
        over all replicas.
        """
        import tensorflow as tf

        if not self.strategy:
            return tensors
        # an argument as it is would not be seen to lie on the replica's device
        tensors = tf.nest.map_structure(tf.identity, tensors)
        return tf.distribute.get_replica_context().all_reduce(how, tensors)

    def total(self, arrays):
        """The sum over the workers of each of a list of arrays."""
        return arrays

    def any(self, flag):
        """Whether the flag is true at any worker."""
        return bool(self.total([np.float32(flag)])[0])

    def in_turn(self, function):
        """What `function()` returns here; no two workers run it at a time, the chief first."""
        for turn in range(self.n_workers):
            if turn == self.rank:
                result = function()
            self.any(False)
        return result

    def gather(self, table):
        """Replace the rows of a table (n_songs, ...) that other workers train by theirs."""
        for first in range(0, len(table), ROWS_AT_ONCE):
            block = table[first : first + ROWS_AT_ONCE]
            replicas = np.arange(first, first + len(block)) % self.n_replicas
            block[~np.isin(replicas, self.replicas)] = 0
            block[:] = self.total([block])[0]

    def check_same(self, text, what):
        """Raise InputError where `text` is not the same at every worker."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        digest = np.frombuffer(digest, np.uint8).astype(np.float32)
        if not np.array_equal(self.total([digest])[0], self.n_workers * digest):
            raise InputError(
                f"worker {self.rank}: {what} is not the same for all workers; "
                "do all of them see the same folders?"
            )


class Workers(Alone):
    """One of several workers, joined through TensorFlow's MultiWorkerMirroredStrategy."""

    def __init__(self, rank, n_workers, use_gpu):
        import tensorflow as tf

        self.rank = rank
        self.n_workers = n_workers
        self.chief = rank == 0
        _, self.warning = choose_devices(use_gpu)
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        check_equal_gpus(tf.config.list_logical_devices(), rank)
        self.use(strategy.extended.worker_devices, strategy)
        self.sum = self.replicate(lambda *tensors: self.reduce("SUM", tensors))

    def open(self, config, n_songs):
        """See `Alone.open`; the devices were taken when all workers met."""
        return self.warning

    def replicate(self, function):
        """See `Alone.replicate`. What it makes raises InputError where another worker is gone."""
        import tensorflow as tf

        replicated = super().replicate(function)

        def run(arguments):
            try:
                return replicated(arguments)
            except tf.errors.ResourceExhaustedError:
                raise  # of a device of this worker
            except tf.errors.OpError as error:
                reason = str(error.message).strip().splitlines()[-1]
                message = (
                    f"worker {self.rank}: another worker is gone ({reason}); "
                    "start all of them again, to go on from the last save"
                )
                raise InputError(message) from error

        return run

    def total(self, arrays):
        """See `Alone.total`: the first replica of each worker gives its arrays, the
        others give zeros.
        """
        arrays = tuple(np.asarray(array, np.float32) for array in arrays)
        zeros = tuple(map(np.zeros_like, arrays))
        return self.sum([arrays, *[zeros] * (len(self.devices) - 1)])[0]


def check_equal_gpus(devices, rank):
    """Raise InputError unless all workers have as many GPUs, by the TensorFlow devices
    of all of them: its sums take equal numbers.
    """
    import tensorflow as tf

    gpus = collections.Counter()
    for device in devices:
        gpus[tf.DeviceSpec.from_string(device.name).task] += device.device_type == "GPU"
    if len(set(gpus.values())) > 1:
        counts = ", ".join(str(gpus[task]) for task in sorted(gpus))
        raise InputError(
            f"worker {rank}: the workers have {counts} GPUs, expected as many for each; "
            "CUDA_VISIBLE_DEVICES says which it may use"
        )


def join(use_gpu):
    """The worker that TF_CONFIG says this process is; returns when all are there.

    Alone without TF_CONFIG, or with one worker in it.
    """
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
        raise InputError(
            f'TF_CONFIG is {text!r}, expected {{"cluster": {{"worker": ["host:port", …]}}, "task": '
            f'{{"type": "worker", "index": 0}}}}'
        )
    return Workers(rank, len(hosts), use_gpu) if len(hosts) > 1 else Alone()
