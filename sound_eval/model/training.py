"""Training: steps of Adam compiled into chunks, the averages that are saved, and an
epoch as a loop of chunks.

What a save publishes are the averages: with a constant learning rate they are as good
as the end of a decayed run, at any time (polynomial-decay averaging, Shamir & Zhang
2013), so the loop need not know when it will be stopped.
Rows of songs are gathered before a chunk and put back after it; a step costs the same
whatever the number of songs.

Conventions
-----------
All that changes is one `state.State`, of NumPy arrays between chunks and of tensors
within: a chunk is a function of it that TensorFlow compiles.
"""

import numpy as np
import tensorflow as tf

from sound_eval.errors import InputError
from sound_eval.inputs.network_inputs import overlap
from sound_eval.model import devices, network, pairs
from sound_eval.model.state import Slots, Songs, mapped

# Adam is our own, and so are the averages: both are kept for each song's row with a count
# of steps of its own, and are compiled into the chunk, which no Keras optimizer can be.
# Adam's constants (Kingma & Ba 2015), but a shorter memory of the gradients' size: with 0.999
# it lags behind their jumps in this model, and the cost now and then leaps up by a factor of ten
BETA_1 = 0.9
BETA_2 = 0.99
EPSILON = 1e-8
# the average's weight on step t grows as t^power: about the last tenth of
# the steps counts
AVERAGE_POWER = 8
# with fewer songs the weight decay grows no further: the networks would only shrink
FEW_SONGS = 100
# steps in one call of the compiled function: half a second on a laptop, so that
# stopping is prompt
CHUNK_STEPS = 32


def adam(value, gradient, m, v, step, rate):
    """One step of Adam for one tensor;
    `step` (scalar, or a column for rows with counts of their own) counts from 1.
    """
    m = BETA_1 * m + (1 - BETA_1) * gradient
    v = BETA_2 * v + (1 - BETA_2) * gradient * gradient
    change = rate * (m / (1 - BETA_1**step)) / (tf.sqrt(v / (1 - BETA_2**step)) + EPSILON)
    return value - change, m, v


def weight_decay(config, n_songs):
    """Share of the networks' kernels that each step takes away, decoupled from Adam
    (Loshchilov & Hutter 2019).

    It falls with the number of songs, as the weight of a prior does with that of the
    evidence: WEIGHT_DECAY is what suits 1000 songs.
    """
    return config.ADAM_learning_rate * config.WEIGHT_DECAY * 1000 / max(n_songs, FEW_SONGS)


def averaged(average, value, step):
    """The running average after `step` (from 1) values, of which value t weighs as
    t^AVERAGE_POWER.
    """
    weight = (AVERAGE_POWER + 1) / (step + AVERAGE_POWER)
    return average + weight * (value - average)


def _read_runs(pool, rows, normal):
    """What the networks see (songs_per_step, run_length, 2 dim_out) of the rows of
    `pool` of that shape; `normal` is mean, deviation and `seen` of the State.
    """
    mean, deviation, seen = normal
    return (tf.cast(tf.gather(pool, rows), tf.float32) - mean) / deviation @ seen


class Trainer:
    """Trains a State on a corpus, on all devices of the workers (`devices`).

    The inputs are put on each device once where they fit FRAMES_ON_DEVICE_GB, else they
    are read from the corpus a chunk at a time, while the devices compute the chunk
    before. Raises InputError where there are too many devices for the songs.
    """

    def __init__(self, corpus, config, state, seed, workers=None):
        self.corpus = corpus
        self.config = config
        self.state = state
        self.seed = seed
        self.workers = workers or devices.Alone()
        self.warning = self.workers.open(config, len(corpus.names))
        # of one replica
        self.songs_per_step, self.run_length = self.step_shape()
        self.rows_per_step = self.workers.n_replicas * self.songs_per_step * self.run_length
        self.decay = weight_decay(config, len(corpus.names))
        self.steps_per_epoch = max(1, round(config.TRAIN_STEPS_PER_SAVE / self.rows_per_step))
        self.on_device = corpus.inputs.nbytes <= config.FRAMES_ON_DEVICE_GB * 1e9
        self.pools = self.inputs_on_devices() if self.on_device else None
        self.chunk = tf.function(self.train_chunk, jit_compile=True, reduce_retracing=False)
        self.chunks_at_replicas = self.workers.replicate(self.replica_chunk)

    def step_shape(self):
        """Songs in a step of one replica and inputs of each, the same for all replicas."""
        n_songs = len(self.corpus.names)
        n_replicas = self.workers.n_replicas
        fewest = n_songs // n_replicas
        if fewest < 2:
            raise InputError(
                f"{n_songs} songs for {n_replicas} devices, expected two or more for each; "
                "start fewer workers"
            )
        return pairs.step_shape(self.config, np.sort(self.corpus.lengths)[-fewest:])

    def inputs_on_devices(self):
        """All inputs (n_inputs, dim), one tensor for each device of this worker."""
        # tf.constant would hold them three times meanwhile
        inputs = tf.experimental.dlpack.from_dlpack(self.corpus.inputs.read().__dlpack__())
        pools = []
        for device in self.workers.devices:
            with tf.device(device):
                pools.append(tf.identity(inputs))
        return pools

    def replica_chunk(self, *arguments):
        """`train_chunk` at one replica; networks, slots and costs are then averaged
        over all replicas.
        """
        nets, slots, songs, total = self.chunk(*arguments)
        nets, slots, total = self.workers.reduce("MEAN", (nets, slots, total))
        return nets, slots, songs, total

    def train_chunk(self, nets, slots, step, songs, pool, batches, n_steps, normal):
        """`n_steps` steps in the graph.

        Returns networks, slots, song tables, and the sum of the costs.
        """

        def body(i, step, nets, slots, songs, total):
            batch = pairs.Batches(*(part[i] for part in batches))
            inputs = _read_runs(pool, batch.rows, normal)
            terms = tf.gather(songs.term, batch.songs)
            cost, net_gradients, song_gradients = self.cost_and_gradients(
                nets, terms, inputs, batch
            )
            nets, slots = self.update_networks(nets, slots, net_gradients, step + 1)
            songs = self.update_songs(songs, batch.songs, song_gradients)
            return i + 1, step + 1, nets, slots, songs, total + cost

        start = (tf.constant(0), step, nets, slots, songs, tf.constant(0.0))
        return tf.while_loop(lambda i, *_: i < n_steps, body, start)[2:]

    def cost_and_gradients(self, nets, song_terms, inputs, batch):
        """The cost of a step, and the gradients by networks and song terms of the
        cost with what SONG_L2 adds.
        """
        config = self.config
        with tf.GradientTape() as tape:
            tape.watch([nets, song_terms])
            cost = network.cost(
                nets, song_terms, inputs, batch, config.MIX_INPUTS, config.KIN_SHARE
            )
            total = cost + config.SONG_L2 * tf.reduce_sum(song_terms**2) / self.songs_per_step
        return cost, *tape.gradient(total, [nets, song_terms])

    def update_networks(self, nets, slots, gradients, step):
        """Adam and the running average for every layer of both networks."""
        layers = zip(*map(tf.nest.flatten, (nets, gradients, *slots)), strict=True)
        updated = [self.update_layer(*layer, step) for layer in layers]
        nets, *slots = (
            tf.nest.pack_sequence_as(nets, tensors) for tensors in zip(*updated, strict=True)
        )
        return nets, Slots(*slots)

    def update_layer(self, value, gradient, m, v, average, step):
        """One layer and its slots after a step."""
        value, m, v = adam(value, gradient, m, v, step, self.config.ADAM_learning_rate)
        if value.shape.rank == 2:  # a kernel; biases are left alone
            value *= 1 - self.decay
        return value, m, v, averaged(average, value, step)

    def update_songs(self, songs, rows, gradients):
        """Adam and the running average for the rows of the step's songs;
        each row has its own count of steps.
        """
        same = tf.cast(rows[:, None] == rows[None, :], tf.float32)
        # a song that has two runs in the step gets the sum of both, in both
        gradients = same @ gradients
        row = mapped(lambda table: tf.gather(table, rows), songs)
        step = row.step + 1
        column = step[:, None]
        term, m, v = adam(
            row.term, gradients, row.adam_m, row.adam_v, column, self.config.SONG_learning_rate
        )
        new = Songs(term, m, v, averaged(row.average, term, column), step)
        return mapped(
            lambda table, values: tf.tensor_scatter_nd_update(table, rows[:, None], values),
            songs,
            new,
        )

    def run_epoch(self, epoch, should_stop, on_chunk):
        """Train one epoch, or until `should_stop()`; `on_chunk(rows, mean_cost)` after every chunk.

        Returns the mean cost over the steps done, or None if there was none. Raises
        InputError where the cost is not finite.
        """
        total = 0
        done = 0
        for parts, n_steps in pairs.in_advance(self.chunks(epoch)):
            if should_stop():
                break
            cost = self.run_chunk(parts, n_steps)
            if not np.isfinite(cost):
                raise InputError(
                    f"the cost is {cost} near step {int(self.state.step)}; "
                    f"ADAM_learning_rate {self.config.ADAM_learning_rate} is likely too high"
                )
            total += cost
            done += n_steps
            on_chunk(n_steps * self.rows_per_step, cost / n_steps)
        if self.workers.n_workers > 1:
            for table in self.state.songs:
                self.workers.gather(table)
        return total / done if done else None

    def chunks(self, epoch):
        """The epoch's chunks: (pool, Batches of CHUNK_STEPS steps) for each replica of
        this worker, and how many of the steps are real.
        """
        randoms = [
            pairs.epoch_random(self.seed, epoch, replica) for replica in self.workers.replicas
        ]
        for first in range(0, self.steps_per_epoch, CHUNK_STEPS):
            n_steps = min(CHUNK_STEPS, self.steps_per_epoch - first)
            card = ((epoch - 1) * self.steps_per_epoch + first) * self.songs_per_step
            yield (
                [self.draw(index, random, card, n_steps) for index, random in enumerate(randoms)],
                n_steps,
            )

    def draw(self, index, random, card, n_steps):
        """One chunk of one of this worker's replicas: (pool, Batches)."""
        replica = self.workers.replicas[index]
        own = self.workers.own(len(self.corpus.names), replica)
        dealt = pairs.deal_songs(self.seed, len(own), card, n_steps, self.songs_per_step, replica)
        shape = (
            self.run_length,
            overlap(self.config),
            self.config.WINDOW_SIZE,
            self.config.HIDE_WORDS,
        )
        batches = pairs.draw_batches(random, self.corpus, own[dealt], *shape)
        if self.on_device:
            pool = self.pools[index]
        else:
            pool, batches = pairs.read_inputs(self.corpus, batches)
        return pool, padded(batches, CHUNK_STEPS)

    def run_chunk(self, parts, n_steps):
        """Train `n_steps` of the `parts`, (pool, Batches) for each replica, and put the
        results into the state.

        Returns the sum over the steps of their costs, its mean over the replicas.
        """
        state = self.state
        networks = (state.nets, state.slots, np.float32(state.step))
        normal = (state.mean, state.deviation, state.seen)
        gathered = [self.gather_songs(batches) for _, batches in parts]
        arguments = [
            (*networks, songs, pool, batches, n_steps, normal)
            for (pool, _), (_, songs, batches) in zip(parts, gathered, strict=True)
        ]
        results = self.chunks_at_replicas(arguments)
        nets, slots, _, total = results[0]
        self.state = state._replace(nets=nets, slots=slots, step=state.step + n_steps)
        for (rows, _, _), (_, _, songs, _) in zip(gathered, results, strict=True):
            self.put_back(rows, songs)
        return float(total)

    def gather_songs(self, batches):
        """Rows of the songs in a chunk (n,), their part of the song tables, and the
        Batches with `songs` that count in it.
        """
        unique, rows = np.unique(batches.songs, return_inverse=True)
        # as many rows in every chunk, so that the graph is compiled once
        n_gathered = min(batches.songs.size, len(self.corpus.names))
        gathered = np.resize(unique, n_gathered)
        songs = mapped(lambda table: table[gathered], self.state.songs)
        return unique, songs, batches._replace(songs=rows.reshape(batches.songs.shape))

    def put_back(self, rows, songs):
        """Put the tables of a chunk, whose first rows are the songs `rows`, into the state."""
        for table, values in zip(self.state.songs, songs, strict=True):
            table[rows] = values[: len(rows)]


def padded(batches, n_steps):
    """Batches of exactly `n_steps` steps; the steps added are never taken."""
    missing = n_steps - len(batches.songs)
    return pairs.Batches(
        *(np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) for part in batches)
    )
