"""How fast song vectors get good: our trainer beside one pair at a time and gensim's
Doc2Vec, on one corpus, in one run.

one pair at a time: the same networks, song vectors, Adam and averages, compiled alike,
but a step of n rows scores n pairs and not n * n, half of them local and half global,
each drawn on its own, as in the first implementation of this model.
gensim Doc2Vec: PV-DBOW with five negative samples on *audio words*, the clusters that
k-means finds in the same inputs; one row is one word with its document. Its k-means and
its vocabulary count as training time.

Clocks start with the inputs in memory and Python's imports done, stop while scores are
computed, and count compilation. Rows per second leave compilation and k-means out. The
CSV needs the columns of --song and --label; clips of one song are cut from one
recording.
Prints a table in Markdown.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import tempfile
import time
from pathlib import Path

import clip_scores
import numpy as np

from sound_eval.cli import positive_int, positive_number, run_main, script_parser, seed_number
from sound_eval.config import read_config
from sound_eval.files.tables import print_markdown
from sound_eval.inputs.corpus import open_corpus
from sound_eval.inputs.network_inputs import list_songs, overlap
from sound_eval.log_mel.processes import usable_cores
from sound_eval.model import inference, initial, song_vectors
from sound_eval.search.vectors import unit_vectors
from sound_eval.songs.labels import column, read_joined
from sound_eval.terminal import quiet_tensorflow

EXAMPLE = """example, on your own files:
  python benchmarks/train.py bench_out/vectors corpus/metadata.csv --seconds 60"""

BAR = 0.589  # song_mAP of the first implementation after nine minutes on this project's corpus
AUDIO_WORDS = 1000  # clusters of k-means
NEGATIVES = 5
REDRAWS = 50  # of the B of a local pair that is too near to its A or too far from it


class Race:
    """One system's training: its clock, rows, and when its vectors reach the bar.

    `vectors()` are (n_songs, dim).
    """

    def __init__(self, vectors, songs, seconds, every=1.0):
        self.vectors = vectors
        self.songs = songs
        self.seconds = seconds
        self.every = every
        self.start = time.monotonic()
        self.paused = 0.0
        self.rows = 0
        self.first_rows = 0
        self.reached = None
        self.first = None
        self.next_look = every

    def elapsed(self):
        """Seconds of training."""
        return time.monotonic() - self.start - self.paused

    def over(self):
        """Whether the time is up."""
        return self.elapsed() >= self.seconds

    def advance(self, rows):
        """`rows` more are trained; look at the vectors now and then until they reach the bar."""
        self.rows += rows
        if self.first is None:
            self.first, self.first_rows = self.elapsed(), self.rows
        if self.reached is None and self.elapsed() >= self.next_look:
            now = time.monotonic()
            if clip_scores.song_retrieval(unit_vectors(self.vectors()), self.songs)[1] >= BAR:
                self.reached = self.elapsed()
            self.next_look = self.elapsed() + self.every
            self.paused += time.monotonic() - now

    def rate(self):
        """Rows per second since the first ones were done."""
        return (self.rows - self.first_rows) / (self.elapsed() - self.first)


def vectors_so_far(trainer):
    """What a save of the trainer would publish."""
    networks = inference.networks_of(trainer.state)
    words = song_vectors.mean_words_of_corpus(networks, trainer.corpus)
    return song_vectors.song_vectors(trainer.state.songs.average, words)


def train(kind, corpus, config, songs, args):
    """A finished Race of a Trainer class, with its vectors."""
    race = Race(lambda: vectors_so_far(trainer), songs, args.seconds)
    trainer = kind(corpus, config, initial.new_state(config, corpus, args.seed), args.seed)
    epoch = 0
    while not race.over():
        epoch += 1
        trainer.run_epoch(epoch, race.over, lambda rows, cost: race.advance(rows))
    return race, vectors_so_far(trainer)


def one_pair_at_a_time():
    """A Trainer whose rows are pairs of their own."""
    import tensorflow as tf

    from sound_eval.model import network, pairs, training

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


def doc2vec(corpus, config, songs, args):
    """A finished Race of gensim's Doc2Vec, with its vectors.

    Its learning rate falls to zero over --doc2vec-epochs.
    """
    from gensim.models.callbacks import CallbackAny2Vec
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument
    from sklearn.cluster import MiniBatchKMeans

    class EachEpoch(CallbackAny2Vec):
        """Tells the race."""

        def on_epoch_end(self, model):
            race.advance(corpus.inputs.shape[0])

    race = Race(lambda: model.dv.vectors, songs, float("inf"))
    inputs = (corpus.inputs.read().astype(np.float32) - corpus.mean) / corpus.deviation
    clusters = MiniBatchKMeans(
        AUDIO_WORDS, batch_size=4096, n_init=1, random_state=args.seed
    ).fit_predict(inputs)
    words = [str(cluster) for cluster in clusters]
    documents = [
        TaggedDocument(words[start : start + n], [i])
        for i, (start, n) in enumerate(zip(corpus.starts, corpus.lengths, strict=False))
    ]
    model = Doc2Vec(
        vector_size=config.OUTPUT_VECTOR_SIZE,
        dm=0,
        negative=NEGATIVES,
        sample=0,
        min_count=1,
        epochs=args.doc2vec_epochs,
        workers=usable_cores(),
        seed=args.seed,
    )
    model.build_vocab(documents)
    model.train(
        documents, total_examples=model.corpus_count, epochs=model.epochs, callbacks=[EachEpoch()]
    )
    return race, model.dv.vectors


def row(name, race, vectors, songs, labels, args):
    """The cells of one system."""
    seconds = race.elapsed()
    figures = clip_scores.five_scores(vectors, songs, labels, args.song, args.label, args.seed)
    reached = f"{race.reached:.0f}" if race.reached else "never"
    return [
        name,
        f"{race.rate():,.0f}",
        reached,
        f"{seconds:.0f}",
        *(f"{value:.3f}" for value in figures.values()),
    ]


def main(argv=None):
    """Parse, train each system, print."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "vectors_dir",
        metavar="VECTORS_DIR",
        type=Path,
        help="log-mel tree, as spectrify_all.py writes it",
    )
    parser.add_argument("metadata", metavar="METADATA.csv", type=Path, help="labels by `filename`")
    parser.add_argument(
        "--config", type=Path, help="YAML file (default: configs/default_config.yaml)"
    )
    parser.add_argument(
        "--song",
        default="song",
        metavar="COLUMN",
        help="the recording that a clip is cut from (default: song)",
    )
    parser.add_argument(
        "--label",
        default="album",
        metavar="COLUMN",
        help="what kinship is judged by (default: album)",
    )
    parser.add_argument(
        "--seconds",
        type=positive_number,
        default=60,
        help="of training for each of our trainers (default: 60)",
    )
    parser.add_argument(
        "--doc2vec-epochs",
        type=positive_int,
        default=100,
        metavar="N",
        help="passes of Doc2Vec over the corpus (default: 100)",
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, help="of weights, pairs and scores (default: 0)"
    )
    args = parser.parse_args(argv)
    config = read_config(args.config)
    names = list_songs(args.vectors_dir)
    table = read_joined(names, args.metadata)
    songs = column(table, args.song, args.metadata)
    labels = column(table, args.label, args.metadata)

    quiet_tensorflow()
    from sound_eval.model import training

    with tempfile.TemporaryDirectory() as cache:
        corpus = open_corpus(args.vectors_dir, names, config, cache)
        systems = {
            "ours": lambda: train(training.Trainer, corpus, config, songs, args),
            "one pair at a time": lambda: train(one_pair_at_a_time(), corpus, config, songs, args),
            "gensim Doc2Vec": lambda: doc2vec(corpus, config, songs, args),
        }
        figures = clip_scores.names_of_five(args.song, args.label)
        header = ["", "rows/s", f"seconds to {args.song}_mAP {BAR}", "seconds in all", *figures]
        rows = (row(name, *system(), songs, labels, args) for name, system in systems.items())
        print_markdown(header, rows)
    return 0


if __name__ == "__main__":
    run_main(main)
