"""The model's cost against a plain loop over pairs, and what may move which vector."""

import numpy as np
import pytest
from planted import small_config, write_tree

tf = pytest.importorskip("tensorflow")

from sound_eval.inputs.corpus import open_corpus  # noqa: E402
from sound_eval.inputs.network_inputs import list_songs  # noqa: E402
from sound_eval.model import network, pairs, training  # noqa: E402
from sound_eval.model.state import (  # noqa: E402
    Nets,
    from_arrays,
    init_network,
    mapped,
    new_state,
    to_arrays,
    with_new_songs,
)

N_SONGS, RUN, DIM, OUT = 3, 6, 5, 4
LEAST = (2, 2, 1)
TRAINERS = {}  # those that are compiled, all on the one corpus
STEPS_PER_EPOCH = 41  # of the small configuration


def random_batch(seed=0, valid=(6, 6, 4)):
    """Networks, song vectors, inputs and one step of draws."""
    random = np.random.default_rng(seed)
    nets = tuple(
        {k: tf.constant(v) for k, v in init_network(random, DIM, 7, OUT).items()} for _ in range(2)
    )
    songs = tf.constant(random.standard_normal((N_SONGS, OUT)), tf.float32)
    inputs = tf.constant(random.standard_normal((N_SONGS, RUN, DIM)), tf.float32)
    positions = np.sort([random.choice(20, RUN, replace=False) for _ in range(N_SONGS)])
    positions[np.arange(RUN) >= np.array(valid)[:, None]] = -1
    shown = (random.random((N_SONGS, RUN)) < 0.6).astype(np.float32)
    others = np.stack([random.permutation(N_SONGS * RUN) for _ in range(2)])
    batch = pairs.Batches(
        None, None, *map(tf.constant, (positions.astype(np.int32), LEAST, shown, others))
    )
    return nets, songs, inputs, batch


def plain_cost(nets, songs, inputs, batch, mix, kin_share=0):
    """The cost by a loop over all pairs, from the definitions of local, global and kin."""
    flat = inputs.numpy().reshape(-1, DIM)
    heard = [
        ((flat + mix * flat[others]) / np.sqrt(1 + mix**2)).astype(np.float32)
        for others in batch.others.numpy()
    ]
    words, contexts = (
        network.encode(net, tf.constant(rows)).numpy().reshape(N_SONGS, RUN, OUT)
        for net, rows in zip(nets, heard, strict=True)
    )
    positions, local, everywhere, excused, kin = batch.positions.numpy(), [], [], [], []
    for s, a in zip(*np.nonzero(positions >= 0), strict=True):
        left = words[s, a] if batch.shown[s, a] else songs[s].numpy()
        for t, b in zip(*np.nonzero(positions >= 0), strict=True):
            probability_global = 1 / (1 + np.exp(-left @ contexts[t, b]))
            if s != t:
                odds = network.KIN_ODDS * (1 - probability_global) / probability_global
                everywhere.append(-np.log(probability_global))
                excused.append(np.log(1 + odds))
                kin.append(odds / (1 + odds))
            elif abs(positions[s, a] - positions[t, b]) >= LEAST[s]:
                local.append(-np.log(1 - probability_global))
    return 0.5 * np.mean(local) + 0.5 * (
        np.mean(everywhere) - min(1, kin_share / np.mean(kin)) * np.mean(excused)
    )


@pytest.mark.parametrize("mix, kin_share", [(0, 0), (0.7, 0.1), (0.7, 0.9)])
@pytest.mark.parametrize("valid", [(6, 6, 6), (6, 5, 4), (6, 1, 2)])
def test_cost_is_the_mean_over_pairs(valid, mix, kin_share):
    batch = random_batch(valid=valid)
    np.testing.assert_allclose(
        network.cost(*batch, mix, kin_share), plain_cost(*batch, mix, kin_share), rtol=1e-5
    )


def global_cost_and_slope(product, kin_share):
    """Cost of two songs of one input each, all of whose dot products are `product`, and
    its derivative by them.
    """
    left, contexts = tf.fill([2, 1, 1], float(product)), tf.ones([2, 1, 1])
    with tf.GradientTape() as tape:
        tape.watch(left)
        cost = network.global_cost(left, contexts, tf.ones([2, 1]), kin_share)
    return float(cost), float(tf.reduce_sum(tape.gradient(cost, left)))


def test_what_looks_like_kin_is_hardly_pushed_apart():
    assert global_cost_and_slope(-8, kin_share=0)[1] < -0.99
    assert abs(global_cost_and_slope(-8, kin_share=1)[1]) < 0.01
    assert global_cost_and_slope(4, kin_share=1)[1] == pytest.approx(
        global_cost_and_slope(4, kin_share=0)[1], rel=0.35
    )


@pytest.mark.parametrize(
    "product, kin_share, slope", [(-8, 0.1, -0.9), (-79, 0.1, -0.9), (-200, 0.1, -1), (-200, 0, -1)]
)
def test_no_more_kin_than_their_share(product, kin_share, slope):
    """Where all global pairs look like kin, they are still pushed apart but for that
    share; entirely where exp(200) would overflow.
    """
    assert global_cost_and_slope(product, kin_share)[1] == pytest.approx(slope, abs=0.01)
    assert global_cost_and_slope(product, 0)[0] == pytest.approx(-product, rel=1e-3)


def test_zero_dot_products_cost_ln_2():
    nets, songs, inputs, batch = random_batch()
    zero = tuple({name: tf.zeros_like(tensor) for name, tensor in net.items()} for net in nets)
    np.testing.assert_allclose(
        network.cost(zero, 0 * songs, inputs, batch, 0.7, 0), np.log(2), rtol=1e-6
    )


@pytest.mark.parametrize("shown", [0, 1])
def test_one_term_stands_alone(shown):
    nets, songs, inputs, batch = random_batch()
    batch = batch._replace(shown=shown * tf.ones_like(batch.shown))
    with tf.GradientTape() as tape:
        tape.watch([nets, songs])
        cost = network.cost(nets, songs, inputs, batch, 0, 0.1)
    of_nets, of_songs = tape.gradient(cost, [nets, songs])
    assert (np.abs(of_nets[0]["hidden_kernel"]).max() > 0) == bool(shown)
    assert (np.abs(of_songs).max() > 0) == (not shown)
    assert np.abs(of_nets[1]["hidden_kernel"]).max() > 0


def test_void_inputs_change_nothing():
    nets, songs, inputs, batch = random_batch(valid=(6, 6, 4))
    other = tf.tensor_scatter_nd_update(inputs, [[2, 5]], [100 * tf.ones(DIM)])
    costs = [float(network.cost(nets, songs, values, batch, 0, 0.1)) for values in (inputs, other)]
    assert costs[0] == costs[1]


def test_mixing_keeps_the_variance():
    inputs = tf.constant(np.random.default_rng(0).standard_normal((20_000, 3)), tf.float32)
    heard = network.mixed(inputs, tf.roll(tf.range(20_000), 7, 0), 0.7).numpy()
    np.testing.assert_allclose(heard.std(0), 1, atol=0.02)
    assert 0.7 < np.corrcoef(heard[:, 0], inputs.numpy()[:, 0])[0, 1] < 0.9


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    write_tree(root / "tree", 12)
    return open_corpus(root / "tree", list_songs(root / "tree"), small_config(), root / "cache")


def trainer_of(corpus, seed=0, steps_per_epoch=None, **changes):
    """A Trainer before its first step; compiled once for each configuration."""
    trainer = compiled(corpus, tuple(changes.items()))
    trainer.seed = seed
    trainer.state = new_state(trainer.config, corpus, seed)
    trainer.steps_per_epoch = steps_per_epoch or STEPS_PER_EPOCH
    return trainer


def compiled(corpus, changes):
    """A Trainer of the small configuration with some keys changed."""
    if changes not in TRAINERS:
        config = small_config(**dict(changes))
        state = new_state(config, corpus, 0)
        TRAINERS[changes] = training.Trainer(corpus, config, state, 0)
        assert TRAINERS[changes].steps_per_epoch == STEPS_PER_EPOCH
    return TRAINERS[changes]


def run(trainer, epoch=1):
    return trainer.run_epoch(epoch, lambda: False, lambda rows, cost: None)


def test_only_songs_of_the_step_get_a_step(corpus):
    trainer = trainer_of(corpus, steps_per_epoch=1)
    before = mapped(np.copy, trainer.state.songs)
    run(trainer)
    songs = trainer.state.songs
    touched = songs.step > 0
    assert touched.sum() == trainer.songs_per_step < len(touched)
    for table in ("term", "adam_m", "adam_v", "average"):
        moved = (getattr(songs, table) != getattr(before, table)).any(axis=1)
        assert (moved == touched).all()


def test_adam_and_the_average_equal_plain_ones(corpus):
    random = np.random.default_rng(0)
    gradients = random.standard_normal((5, 3)).astype(np.float32)
    value = m = v = average = np.zeros(3, np.float32)
    plain, plain_m, plain_v, values = np.zeros(3), np.zeros(3), np.zeros(3), []
    for step, gradient in enumerate(gradients, start=1):
        value, m, v = training.adam(value, gradient, m, v, float(step), 0.01)
        average = training.averaged(average, value, float(step))
        plain_m = training.BETA_1 * plain_m + (1 - training.BETA_1) * gradient
        plain_v = training.BETA_2 * plain_v + (1 - training.BETA_2) * gradient**2
        plain = plain - 0.01 * plain_m / (1 - training.BETA_1**step) / (
            np.sqrt(plain_v / (1 - training.BETA_2**step)) + training.EPSILON
        )
        values.append(plain)
    np.testing.assert_allclose(value, plain, rtol=1e-4)
    # of value t: a polynomial in t of that power
    weights = np.cumprod([1, *((t + training.AVERAGE_POWER) / t for t in range(1, 5))])
    np.testing.assert_allclose(average, np.average(values, axis=0, weights=weights), rtol=1e-3)


def test_weight_decay_shrinks_kernels_by_the_number_of_songs(corpus):
    assert training.weight_decay(
        small_config(WEIGHT_DECAY=2, ADAM_learning_rate=0.001), 1000
    ) == pytest.approx(0.002)
    assert training.weight_decay(
        small_config(WEIGHT_DECAY=2, ADAM_learning_rate=0.001), 4000
    ) == pytest.approx(0.0005)
    assert training.weight_decay(
        small_config(WEIGHT_DECAY=2, ADAM_learning_rate=0.001), 3
    ) == training.weight_decay(
        small_config(WEIGHT_DECAY=2, ADAM_learning_rate=0.001), training.FEW_SONGS
    )
    less = trainer_of(corpus, steps_per_epoch=1)
    run(less)
    more = trainer_of(corpus, steps_per_epoch=1, WEIGHT_DECAY=10)
    run(more)
    assert 0 < less.decay < more.decay
    for net in Nets._fields:
        for layer, array in getattr(less.state.nets, net).items():
            share = 1.0
            if layer.endswith("kernel"):
                share = (1 - more.decay) / (1 - less.decay)
            other = getattr(more.state.nets, net)[layer]
            np.testing.assert_allclose(other, share * array, rtol=1e-5, atol=1e-7)


def test_training_lowers_the_cost_and_finds_the_styles(corpus):
    for seed in range(3):
        trainer = trainer_of(corpus, seed)
        first = run(trainer, 1)
        for epoch in range(2, 6):
            last = run(trainer, epoch)
        assert last < 0.9 * first < 0.9 * 0.7
        vectors = trainer.state.songs.average
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        style = np.array([int(name.split(" ")[-1][:3]) % 3 for name in corpus.names])
        similarity = unit @ unit.T
        same = style[:, None] == style[None, :]
        off_diagonal = ~np.eye(len(style), dtype=bool)
        assert similarity[same & off_diagonal].mean() > similarity[~same].mean() + 0.5


def test_streaming_equals_the_inputs_on_the_device(corpus):
    on_device, streamed = trainer_of(corpus), trainer_of(corpus, FRAMES_ON_DEVICE_GB=0)
    assert on_device.on_device and not streamed.on_device
    run(on_device)
    run(streamed)
    others = to_arrays(streamed.state)
    for name, array in to_arrays(on_device.state).items():
        np.testing.assert_allclose(others[name], array, atol=1e-5, err_msg=name)


def test_n_plus_n_epochs_equal_2n(corpus):
    trainer = trainer_of(corpus)
    for epoch in (1, 2, 3, 4):
        run(trainer, epoch)
    whole = to_arrays(trainer.state)
    part = trainer_of(corpus)
    run(part, 1)
    run(part, 2)
    saved = {name: np.array(array) for name, array in to_arrays(part.state).items()}
    resumed = training.Trainer(corpus, small_config(), from_arrays(saved), seed=0)
    run(resumed, 3)
    run(resumed, 4)
    others = to_arrays(resumed.state)
    for name, array in whole.items():
        np.testing.assert_array_equal(others[name], array, err_msg=name)


def test_an_exploding_cost_is_an_error(corpus):
    trainer = trainer_of(corpus, ADAM_learning_rate=1e6)
    with pytest.raises(training.InputError, match=r"cost is (nan|inf).*ADAM_learning_rate"):
        for epoch in range(1, 4):
            run(trainer, epoch)


def test_new_songs_keep_old_rows(corpus):
    config = small_config()
    random = np.random.default_rng(0)
    state = mapped(
        lambda array: random.random(np.shape(array)).astype(np.float32),
        new_state(config, corpus, 0),
    )
    n_songs = len(corpus.names)
    new = with_new_songs(state, np.full((2, config.OUTPUT_VECTOR_SIZE), 7, np.float32))
    for old_table, table in zip(state.songs, new.songs, strict=True):
        np.testing.assert_array_equal(table[:n_songs], old_table)
    assert (new.songs.term[n_songs:] == 7).all() and (new.songs.average[n_songs:] == 7).all()
    assert not (new.songs.adam_m[n_songs:].any() or new.songs.adam_v[n_songs:].any())
    assert new.songs.step[n_songs:].tolist() == [0, 0]
    assert new.nets is state.nets and new.slots is state.slots
