"""One pair at a time, for benchmarks/train.py: the networks, song vectors, Adam and
averages of our Trainer, but a step of n rows scores n pairs and not n * n, half of them
local and half global, each drawn on its own, as in the first implementation of this
model.
"""

import numpy as np

from sound_eval.inputs.network_inputs import overlap
from sound_eval.model import pairs

REDRAWS = 50  # of the B of a local pair that is too near to its A or too far from it


def trainer_class():
    """The Trainer whose rows are pairs of their own."""
    import tensorflow as tf

    from sound_eval.model import network, training

    class OnePairAtATime(training.Trainer):
        """A step takes BATCH_SIZE songs with one A each, and for each A one B:
        in the first half local, in the second global.
        """

        def __init__(self, corpus, config, state, seed):
            super().__init__(corpus, config, state, seed)
            self.n_songs = self.rows_per_step = config.BATCH_SIZE
            self.run_length = 1
            self.steps_per_epoch = config.TRAIN_STEPS_PER_SAVE // config.BATCH_SIZE

        def chunks(self, epoch):
            """As the Trainer's, of pairs that are each drawn on its own."""
            random = pairs.epoch_random(self.seed, epoch)
            shape = (training.CHUNK_STEPS, self.n_songs)
            for _ in range(0, self.steps_per_epoch, training.CHUNK_STEPS):
                songs, others = random.integers(len(self.corpus.names), size=(2, *shape))
                a, b = (
                    self.corpus.starts[rows] + random.integers(self.corpus.lengths[rows])
                    for rows in (songs, others)
                )
                half = shape[1] // 2
                b[:, :half] = draw_local(
                    random, self.corpus, self.config, songs[:, :half], a[:, :half]
                )
                shown = (random.random((*shape, 1)) >= self.config.HIDE_WORDS).astype(np.float32)
                rows = np.concatenate([a, b], axis=1)[:, :, None]
                others = random.integers(shape[1], size=(shape[0], 2, shape[1]))
                batches = pairs.Batches(
                    songs, rows, positions=rows, least=songs, shown=shown, others=others
                )
                yield [(self.pools[0], batches)], training.CHUNK_STEPS

        def cost_and_gradients(self, nets, song_vectors, inputs, batch):
            """As the Trainer's, by each pair's logistic cost; `inputs` are all A, then all B."""
            n = self.n_songs
            sign = tf.where(tf.range(n) < n // 2, 1.0, -1.0)
            with tf.GradientTape() as tape:
                tape.watch([nets, song_vectors])
                parts, mix = (inputs[:n, 0], inputs[n:, 0]), self.config.MIX_INPUTS
                mixed = [
                    network.mixed(part, others, mix) if mix else part
                    for part, others in zip(parts, tf.unstack(batch.others), strict=True)
                ]
                words, contexts = (
                    network.encode(net, part) for net, part in zip(nets, mixed, strict=True)
                )
                logits = tf.reduce_sum(
                    (words * batch.shown + song_vectors * (1 - batch.shown)) * contexts, axis=1
                )
                cost = tf.reduce_mean(tf.nn.softplus(sign * logits))
                total = cost + self.config.SONG_L2 * tf.reduce_sum(song_vectors**2) / n
            return cost, *tape.gradient(total, [nets, song_vectors])

    return OnePairAtATime


def draw_local(random, corpus, config, songs, a):
    """Inputs that are local to the inputs `a` of `songs`, any with equal chance;
    in a song too short for that, any of its inputs.
    """
    low = np.maximum(a - config.WINDOW_SIZE, corpus.starts[songs])
    high = np.minimum(a + config.WINDOW_SIZE, corpus.starts[songs] + corpus.lengths[songs] - 1)
    b = random.integers(low, high + 1)
    for _ in range(REDRAWS):
        near = np.abs(a - b) < overlap(config)
        if not near.any():
            break
        b[near] = random.integers(low[near], high[near] + 1)
    return b
