"""Training: steps of Adam compiled into chunks, the averages that are saved, and an
epoch as a loop of chunks.

Conventions
-----------
The whole state is a flat dict of NumPy arrays (`new_state`), which is also what a save
holds, so a resumed training goes on exactly:

    net_1/..., net_2/...                        the networks (`network.init_network`)
    adam_m/..., adam_v/..., average/...         Adam's moments and the running averages,
                                                for each of these
    step                                        steps done
    songs/vector, songs/adam_m, songs/adam_v, songs/average     (n_songs, dim_out), one row per song
    songs/step                                  (n_songs,) steps in which the song took part
    mean, deviation                             (dim,) what normalises the inputs

What a save publishes are the averages: with a constant learning rate they are as good
as the end of a decayed run, at any time (polynomial-decay averaging, Shamir & Zhang
2013), so the loop need not know when it will be stopped.
Rows of songs are gathered before a chunk and put back after it; a step costs the same
whatever the number of songs.
"""

import numpy as np
import tensorflow as tf

from sound_eval.errors import InputError
from sound_eval.inputs.network_inputs import input_size, overlap
from sound_eval.model import devices, network, pairs

BETA_1, BETA_2, EPSILON = (
    0.9,
    0.99,
    1e-8,
)  # Adam's constants (Kingma & Ba 2015), but a shorter memory of the gradients' size: with 0.999
# it lags behind their jumps in this model, and the cost now and then leaps up by a factor of ten
# the average's weight on step t grows as t^power: about the last tenth of
# the steps counts
AVERAGE_POWER = 8
# with fewer songs the weight decay grows no further: the networks would only shrink
FEW_SONGS = 100
# steps in one call of the compiled function: half a second on a laptop, so that
# stopping is prompt
CHUNK_STEPS = 32
NETWORKS = ("net_1", "net_2")
SLOTS = ("adam_m", "adam_v", "average")
SONG_TABLES = ("vector", "adam_m", "adam_v", "average")


def new_state(config, corpus, seed):
    """The state before the first step."""
    random = np.random.default_rng(seed)
    state = {"mean": corpus.mean, "deviation": corpus.deviation, "step": np.int64(0)}
    for net in NETWORKS:
        for name, value in network.init_network(
            random, input_size(config), config.HIDDEN_SIZE, config.OUTPUT_VECTOR_SIZE
        ).items():
            state[f"{net}/{name}"] = state[f"average/{net}/{name}"] = value
            state[f"adam_m/{net}/{name}"] = state[f"adam_v/{net}/{name}"] = np.zeros_like(value)
    for table in SONG_TABLES:
        state[f"songs/{table}"] = np.zeros(
            (len(corpus.names), config.OUTPUT_VECTOR_SIZE), np.float32
        )
    state["songs/step"] = np.zeros(len(corpus.names), np.float32)
    return state


def with_new_songs(state, song_vectors):
    """The state with rows added for new songs, which start from `song_vectors` (n_new, dim_out)."""
    new = dict(state)
    for table in SONG_TABLES:
        rows = song_vectors if table in ("vector", "average") else np.zeros_like(song_vectors)
        new[f"songs/{table}"] = np.concatenate([state[f"songs/{table}"], rows])
    new["songs/step"] = np.concatenate(
        [state["songs/step"], np.zeros(len(song_vectors), np.float32)]
    )
    return new


def network_names(state):
    """`net_1/hidden_kernel` and so on, in a fixed order."""
    return sorted(name for name in state if name.split("/")[0] in NETWORKS)


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


def read_runs(pool, rows, normal):
    """Normalised inputs (n_songs, run_length, dim) at the rows (n_songs, run_length) of `pool`."""
    mean, deviation = normal
    return (tf.cast(tf.gather(pool, rows), tf.float32) - mean) / deviation


class Trainer:
    """Trains a state on a corpus, on all devices of the workers (`distribution`).

    The inputs are put on each device once where they fit FRAMES_ON_DEVICE_GB, else they
    are read from the corpus a chunk at a time, while the devices compute the chunk
    before. Raises InputError where there are too many devices for the songs.
    """

    def __init__(self, corpus, config, state, seed, workers=None):
        self.corpus, self.config, self.state, self.seed = corpus, config, dict(state), seed
        self.workers = workers or devices.Alone()
        self.warning = self.workers.open(config, len(corpus.names))
        self.n_songs, self.run_length = self.batch_shape()
        self.rows_per_step = self.workers.n_replicas * self.n_songs * self.run_length
        self.decay = weight_decay(config, len(corpus.names))
        self.steps_per_epoch = max(1, round(config.TRAIN_STEPS_PER_SAVE / self.rows_per_step))
        self.on_device = corpus.inputs.nbytes <= config.FRAMES_ON_DEVICE_GB * 1e9
        self.pools = self.inputs_on_devices() if self.on_device else None
        self.chunk = tf.function(self.train_chunk, jit_compile=True, reduce_retracing=False)
        self.chunks_at_replicas = self.workers.replicate(self.replica_chunk)

    def batch_shape(self):
        """Songs in a step of one replica and inputs of each, the same for all replicas."""
        n_songs, n_replicas = len(self.corpus.names), self.workers.n_replicas
        fewest = n_songs // n_replicas
        if fewest < 2:
            raise InputError(
                f"{n_songs} songs for {n_replicas} devices, expected two or more for each; "
                "start fewer workers"
            )
        return pairs.batch_shape(self.config, np.sort(self.corpus.lengths)[-fewest:])

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
            inputs = read_runs(pool, batch.rows, normal)
            vectors = tf.gather(songs["vector"], batch.songs)
            cost, net_gradients, song_gradients = self.cost_and_gradients(
                nets, vectors, inputs, batch
            )
            nets, slots = self.update_networks(nets, slots, net_gradients, step + 1)
            songs = self.update_songs(songs, batch.songs, song_gradients)
            return i + 1, step + 1, nets, slots, songs, total + cost

        start = (tf.constant(0), step, nets, slots, songs, tf.constant(0.0))
        return tf.while_loop(lambda i, *_: i < n_steps, body, start)[2:]

    def cost_and_gradients(self, nets, song_vectors, inputs, batch):
        """The cost of a step, and the gradients by networks and song vectors of the
        cost with its L2 term.
        """
        with tf.GradientTape() as tape:
            tape.watch([nets, song_vectors])
            cost = network.cost(
                nets, song_vectors, inputs, batch, self.config.MIX_INPUTS, self.config.KIN_SHARE
            )
            total = cost + self.config.SONG_L2 * tf.reduce_sum(song_vectors**2) / self.n_songs
        return cost, *tape.gradient(total, [nets, song_vectors])

    def update_networks(self, nets, slots, gradients, step):
        """Adam and the running average for every tensor of both networks."""
        new_nets, new_slots = ({}, {}), tuple({slot: {} for slot in SLOTS} for _ in nets)
        for index, net in enumerate(nets):
            for name, value in net.items():
                slot = {kind: slots[index][kind][name] for kind in SLOTS}
                value, m, v = adam(
                    value,
                    gradients[index][name],
                    slot["adam_m"],
                    slot["adam_v"],
                    step,
                    self.config.ADAM_learning_rate,
                )
                value *= 1 - self.decay if name.endswith("kernel") else 1
                new_nets[index][name] = value
                for kind, tensor in zip(
                    SLOTS, (m, v, averaged(slot["average"], value, step)), strict=True
                ):
                    new_slots[index][kind][name] = tensor
        return new_nets, new_slots

    def update_songs(self, songs, rows, gradients):
        """Adam and the running average for the rows of the step's songs;
        each row has its own count of steps.
        """
        same = tf.cast(rows[:, None] == rows[None, :], tf.float32)
        # a song that has two runs in the step gets the sum of both, in both
        gradients = same @ gradients
        row = {name: tf.gather(songs[name], rows) for name in songs}
        step = row["step"] + 1
        column = step[:, None]
        vector, m, v = adam(
            row["vector"],
            gradients,
            row["adam_m"],
            row["adam_v"],
            column,
            self.config.SONG_learning_rate,
        )
        new = {
            "vector": vector,
            "adam_m": m,
            "adam_v": v,
            "average": averaged(row["average"], vector, column),
            "step": step,
        }
        return {
            name: tf.tensor_scatter_nd_update(songs[name], rows[:, None], new[name])
            for name in songs
        }

    def run_epoch(self, epoch, should_stop, on_chunk):
        """Train one epoch, or until `should_stop()`; `on_chunk(rows, mean_cost)` after every chunk.

        Returns the mean cost over the steps done, or None if there was none. Raises
        InputError where the cost is not finite.
        """
        total = done = 0
        for parts, n_steps in pairs.in_advance(self.chunks(epoch)):
            if should_stop():
                break
            cost = self.run_chunk(parts, n_steps)
            if not np.isfinite(cost):
                step = int(self.state["step"])
                raise InputError(
                    f"the cost is {cost} near step {step}; "
                    f"ADAM_learning_rate {self.config.ADAM_learning_rate} is likely too high"
                )
            total, done = total + cost, done + n_steps
            on_chunk(n_steps * self.rows_per_step, cost / n_steps)
        if self.workers.n_workers > 1:
            for table in (*SONG_TABLES, "step"):
                self.workers.gather(self.state[f"songs/{table}"])
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
            card = ((epoch - 1) * self.steps_per_epoch + first) * self.n_songs
            yield (
                [self.draw(index, random, card, n_steps) for index, random in enumerate(randoms)],
                n_steps,
            )

    def draw(self, index, random, card, n_steps):
        """One chunk of one of this worker's replicas: (pool, Batches)."""
        replica = self.workers.replicas[index]
        own = self.workers.own(len(self.corpus.names), replica)
        chosen = own[pairs.deal_songs(self.seed, len(own), card, n_steps, self.n_songs, replica)]
        shape = (
            self.run_length,
            overlap(self.config),
            self.config.WINDOW_SIZE,
            self.config.HIDE_WORDS,
        )
        batches = pairs.draw_batches(random, self.corpus, chosen, *shape)
        pool, batches = (
            (self.pools[index], batches)
            if self.on_device
            else pairs.read_inputs(self.corpus, batches)
        )
        return pool, padded(batches, CHUNK_STEPS)

    def run_chunk(self, parts, n_steps):
        """Train `n_steps` of the `parts`, (pool, Batches) for each replica, and put the
        results into the state.

        Returns the sum over the steps of their costs, its mean over the replicas.
        """
        networks, normal = (
            (*self.networks(), np.float32(self.state["step"])),
            (self.state["mean"], self.state["deviation"]),
        )
        gathered = [self.gather_songs(batches) for _, batches in parts]
        arguments = [
            (*networks, songs, pool, batches, n_steps, normal)
            for (pool, _), (_, songs, batches) in zip(parts, gathered, strict=True)
        ]
        results = self.chunks_at_replicas(arguments)
        nets, slots, _, total = results[0]
        self.store(nets, slots, n_steps)
        for (unique, _, _), (_, _, songs, _) in zip(gathered, results, strict=True):
            for name, table in songs.items():
                self.state[f"songs/{name}"][unique] = table[: len(unique)]
        return float(total)

    def gather_songs(self, batches):
        """Rows of the songs in a chunk (n,), their part of the song tables, and the
        Batches with `songs` that count in it.
        """
        unique, rows = np.unique(batches.songs, return_inverse=True)
        # as many rows in every chunk, so that the graph is compiled once
        n_gathered = min(batches.songs.size, len(self.corpus.names))
        gathered = np.resize(unique, n_gathered)
        songs = {name: self.state[f"songs/{name}"][gathered] for name in (*SONG_TABLES, "step")}
        return unique, songs, batches._replace(songs=rows.reshape(batches.songs.shape))

    def networks(self):
        """The networks and their slots, as the structures that the graph works on."""
        nets, slots = ({}, {}), ({slot: {} for slot in SLOTS}, {slot: {} for slot in SLOTS})
        for name in network_names(self.state):
            net, tensor = name.split("/")
            nets[NETWORKS.index(net)][tensor] = self.state[name]
            for slot in SLOTS:
                slots[NETWORKS.index(net)][slot][tensor] = self.state[f"{slot}/{name}"]
        return nets, slots

    def store(self, nets, slots, n_steps):
        """Put the networks and slots that come out of the graph into the state."""
        for index, net in enumerate(NETWORKS):
            for tensor, value in nets[index].items():
                self.state[f"{net}/{tensor}"] = value
                for slot in SLOTS:
                    self.state[f"{slot}/{net}/{tensor}"] = slots[index][slot][tensor]
        self.state["step"] = self.state["step"] + n_steps


def padded(batches, n_steps):
    """Batches of exactly `n_steps` steps; the steps added are never taken."""
    missing = n_steps - len(batches.songs)
    return pairs.Batches(
        *(np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) for part in batches)
    )
