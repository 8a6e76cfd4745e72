"""Projection of planted vectors and of the example music: neighbours stay
neighbours, no plane is less true than the PCA, the same seed gives the same plane,
old songs stay put.
"""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from sound_eval.errors import InputError
from sound_eval.map import projection
from sound_eval.map.truth import Truth, trust
from sound_eval.search.vectors import unit_vectors

N_GROUPS = 12
N_SONGS = 240
N_FEW = 60  # of them, where a few show as much
DIM = 40
SIZES = [8, 12, 20, 40, 96, 200]
EXAMPLE_SONGS = 48  # six pieces of each style


@pytest.fixture(scope="module")
def group():
    return np.arange(N_SONGS) % N_GROUPS


@pytest.fixture(scope="module")
def vectors(group):
    random = np.random.default_rng(1)
    return (
        random.standard_normal((N_GROUPS, DIM))[group]
        + 0.5 * random.standard_normal((N_SONGS, DIM))
    ).astype(np.float32)


@pytest.fixture(scope="module")
def positions(vectors):
    return projection.tsne(vectors)


def test_tsne_keeps_neighbours_and_groups(vectors, positions, group):
    assert positions.shape == (N_SONGS, 2) and positions.dtype == np.float32
    assert trustworthiness(vectors, positions, n_neighbors=10, metric="cosine") > 0.96
    gaps = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (group[gaps.argmin(axis=1)] == group).mean() > 0.97


@pytest.fixture(scope="module")
def few_positions(vectors):
    return projection.tsne(vectors[:N_FEW])


def test_tsne_knows_directions_only(vectors, few_positions):
    lengths = np.random.default_rng(0).choice([0.5, 1.0, 2.0, 4.0], (N_SONGS, 1)).astype(np.float32)
    np.testing.assert_array_equal(unit_vectors(vectors * lengths), unit_vectors(vectors))
    np.testing.assert_array_equal(projection.tsne((vectors * lengths)[:N_FEW]), few_positions)


def test_same_seed_same_positions(vectors, few_positions):
    np.testing.assert_array_equal(projection.tsne(vectors[:N_FEW]), few_positions)
    assert not np.array_equal(projection.tsne(vectors[:N_FEW], seed=1), few_positions)


def test_large_form_is_as_good_and_repeatable(vectors, monkeypatch):
    monkeypatch.setattr(projection, "FFT_ABOVE", 100)
    monkeypatch.setattr(projection, "EARLY_STEPS", 75)
    monkeypatch.setattr(projection, "LATE_STEPS", 75)
    positions = projection.tsne(vectors)
    np.testing.assert_array_equal(projection.tsne(vectors), positions)
    assert trustworthiness(vectors, positions, n_neighbors=10, metric="cosine") > 0.96


def test_threads_change_nothing(vectors, monkeypatch):
    # Where other programs want the cores too, threads wait for each other at every step.
    monkeypatch.setattr(projection, "EARLY_STEPS", 25)
    monkeypatch.setattr(projection, "LATE_STEPS", 25)
    one = projection.tsne(vectors[:N_FEW])
    monkeypatch.setattr(projection, "THREADS_ABOVE", 10)
    np.testing.assert_array_equal(projection.tsne(vectors[:N_FEW]), one)


def test_report_counts_every_step(vectors):
    steps = []
    projection.tsne(vectors[:N_FEW], report=steps.append)
    assert sum(steps) == projection.STEPS


@pytest.mark.parametrize("n_songs", [1, 2, 3, 7, 8, 20])
def test_few_songs(vectors, n_songs):
    positions = projection.tsne(vectors[:n_songs])
    assert positions.shape == (n_songs, 2) and np.isfinite(positions).all()
    assert (
        (trust(vectors[:n_songs], positions) >= 0) & (trust(vectors[:n_songs], positions) <= 1)
    ).all()


def test_equal_and_empty_vectors_have_a_place(vectors):
    odd = vectors[:60].copy()
    odd[10:20] = odd[10]
    odd[30] = 0
    assert np.isfinite(projection.tsne(odd)).all()


def test_vectors_that_are_not_finite_are_refused(vectors):
    bad = vectors.copy()
    bad[[3, 5]] = np.nan
    with pytest.raises(InputError, match="2 of 240 vectors hold nan or inf"):
        projection.tsne(bad)


def planted(n_songs, seed, noise):
    """Vectors (n_songs, DIM) of groups of at least four songs;
    with much noise they are hardly groups.
    """
    random = np.random.default_rng(seed)
    n_groups = min(8, n_songs // 4)
    centres = random.standard_normal((n_groups, DIM))[np.arange(n_songs) % n_groups]
    return centres + noise * random.standard_normal((n_songs, DIM))


def assert_no_noise(vectors, seed):
    """The first t-SNE is wide, and what is published no less true than the PCA;
    returns its mean trust.
    """
    attempts = []
    tsne = projection.tsne

    def noted(*args):
        attempts.append(tsne(*args))
        return attempts[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "tsne", noted)
        plane = projection.best_plane(Truth(vectors), seed=seed)
    assert attempts[0].std(axis=0).max() > 1
    assert np.isfinite(plane.positions).all()
    assert plane.trust.mean() >= plane.pca_trust
    return plane.trust.mean()


@pytest.mark.parametrize("noise", [0.3, 9.0])
@pytest.mark.parametrize("n_songs", SIZES)
def test_a_map_of_few_songs_is_never_noise(n_songs, noise):
    seeds = range(3 if n_songs < 100 else 1)
    trusts = [assert_no_noise(planted(n_songs, seed, noise), seed) for seed in seeds]
    # by chance a third; without groups less than half can be true of hundreds of songs
    assert min(trusts) > (0.4 if noise > 1 else 0.5)
    if 20 <= n_songs < 100 and noise < 1:
        assert np.mean(trusts) > 0.9


@pytest.fixture(scope="module")
def example_vectors(tmp_path_factory, run_script):
    """The mean log-mel of the example music, short pieces, each band over its
    deviation: (48, 80).
    """
    root = tmp_path_factory.mktemp("example")
    run_script("make_example_music.py", root / "music", "--pieces", 6, "--seconds", 5)
    run_script("spectrify_all.py", root / "music", root / "vectors")
    paths = sorted((root / "vectors").rglob("*.npy"))
    assert len(paths) == EXAMPLE_SONGS
    means = np.stack([np.load(path).mean(axis=0) for path in paths])
    return (means - means.mean(axis=0)) / means.std(axis=0)


@pytest.mark.parametrize("n_songs", [8, 30, EXAMPLE_SONGS])
def test_a_map_of_the_example_music_is_never_noise(example_vectors, n_songs):
    for seed in range(2):
        rows = np.random.default_rng(seed).permutation(EXAMPLE_SONGS)[:n_songs]
        mean_trust = assert_no_noise(example_vectors[rows], seed)
        assert n_songs < 30 or mean_trust > 0.85


@pytest.fixture
def attempts(monkeypatch):
    """The exaggeration and seed of every t-SNE made; each is noise, collapsed or not finite."""
    made = []
    noise = np.random.default_rng(0)

    def bad(vectors, perplexity, seed, report, exaggeration):
        made.append((exaggeration, seed))
        report(projection.STEPS)
        return noise.normal(0, [5, 1e-9, np.nan][len(made) - 1], (len(vectors), 2)).astype(
            np.float32
        )

    monkeypatch.setattr(projection, "tsne", bad)
    return made


def test_where_every_tsne_is_noise_the_map_is_the_pca(vectors, attempts):
    plane = projection.best_plane(Truth(vectors), seed=2**32 - 1)
    assert plane.kind == "PCA" and str(plane).startswith("PCA: ")
    np.testing.assert_array_equal(plane.positions, projection.pca(unit_vectors(vectors)))
    assert attempts == [(projection.exaggeration_for(N_SONGS), 2**32 - 1), (1, 2**32 - 1), (1, 0)]


def test_a_tsne_that_collapses_is_made_again(monkeypatch):
    few = (planted(16, seed, 9.0) for seed in range(10))
    collapsed = (one for one in few if projection.tsne(one, exaggeration=12).std() < 1e-3)
    vectors = next(collapsed)  # without one there is nothing to see
    monkeypatch.setattr(projection, "exaggeration_for", lambda n_songs: 12)
    plane = projection.best_plane(Truth(vectors))
    assert (
        plane.kind == "t-SNE"
        and plane.positions.std() > 1
        and plane.trust.mean() >= plane.pca_trust
    )


@pytest.mark.parametrize("n_songs", [*range(1, 9), 40])
def test_degenerate_vectors_have_places(n_songs):
    random = np.random.default_rng(n_songs)
    songs = random.standard_normal((n_songs, 6))
    kinds = {
        "equal": np.ones((n_songs, 6)),
        "empty": np.zeros((n_songs, 6)),
        "half empty": songs * (np.arange(n_songs) % 2)[:, None],
        "copies": songs[np.arange(n_songs) // 4],
        "of one dimension": songs[:, :1],
        "nearly equal": 1 + 1e-7 * songs,
    }
    for kind, vectors in kinds.items():
        truth = Truth(vectors)
        plane = projection.best_plane(truth)
        for positions in (projection.pca(vectors), plane.positions):
            assert positions.shape == (n_songs, 2) and positions.dtype == np.float32, kind
            assert np.isfinite(positions).all(), kind
        assert plane.trust.shape == (n_songs,)
        # all are equally near: nothing is wrong
        assert kind not in ("equal", "empty") or plane.trust.min() == 1
        assert kind not in ("equal", "empty") or not projection.pca(vectors).any()


def test_perplexity_is_honoured_as_far_as_the_songs_allow(vectors):
    assert projection.perplexity_for(96) == 30 and projection.perplexity_for(31) == 10
    assert projection.perplexity_for(96, 12.5) == 12.5 and projection.perplexity_for(31, 12.5) == 10
    assert not np.array_equal(projection.tsne(vectors[:60], 5), projection.tsne(vectors[:60]))
    np.testing.assert_array_equal(
        projection.tsne(vectors[:60], 50), projection.tsne(vectors[:60], 59 / 3)
    )


def test_place_leaves_old_songs_and_puts_new_ones_to_their_like(vectors, positions, group):
    is_old = np.arange(N_SONGS) % 7 != 0
    truth = Truth(vectors)
    placed = projection.place(truth, is_old, positions[is_old])
    np.testing.assert_array_equal(placed[is_old], positions[is_old])
    gaps = np.linalg.norm(placed[~is_old][:, None] - placed[is_old][None], axis=2)
    assert (group[is_old][gaps.argmin(axis=1)] == group[~is_old]).mean() > 0.95
    with pytest.raises(InputError, match="too few"):
        projection.place(truth, np.arange(N_SONGS) < 3, positions[:3])


@pytest.mark.parametrize(
    ("positions", "message"),
    [(np.zeros((40, 2)), "on one spot"), (np.full((40, 2), np.nan), "nan or inf")],
)
def test_no_song_is_placed_on_a_map_that_is_none(positions, message):
    truth = Truth(planted(50, 0, 1))
    with pytest.raises(InputError, match=message):
        projection.place(truth, np.arange(50) < 40, positions)


@pytest.mark.parametrize("n_old", [8, 9, 20, 60])
@pytest.mark.parametrize("scale", [1, 0.01])
def test_placed_songs_are_finite_and_no_less_true_than_where_they_began(n_old, scale):
    """Among few songs, and on a map as narrow as a PCA, in which t-SNE's gradient leads astray."""
    vectors = planted(n_old + 12, n_old, 0.3)
    vectors[-1] = 0
    truth = Truth(vectors)
    is_old = np.arange(n_old + 12) < n_old
    old = scale * projection.tsne(vectors[is_old])
    placed = projection.place(truth, is_old, old)
    assert np.isfinite(placed).all() and np.ptp(placed[~is_old], axis=0).max() > 0
    start = placed.copy()
    start[~is_old] = np.asarray(projection.partial_embedding(truth.unit, is_old, old, None, 0))
    assert truth.trust(placed)[~is_old].mean() >= truth.trust(start)[~is_old].mean()


def test_placed_songs_that_are_not_finite_stay_where_they_began(vectors, positions, monkeypatch):
    from openTSNE import PartialTSNEEmbedding

    monkeypatch.setattr(
        PartialTSNEEmbedding,
        "optimize",
        lambda embedding, *_, **__: np.full_like(embedding, np.nan),
    )
    is_old = np.arange(N_SONGS) % 7 != 0
    placed = projection.place(Truth(vectors), is_old, positions[is_old])
    assert np.isfinite(placed).all() and placed[~is_old].std() > 1


def test_trust_is_low_where_the_map_lies(vectors, positions):
    honest = trust(vectors, positions)
    assert honest.shape == (N_SONGS,) and honest.mean() > 0.8
    moved = positions.copy()
    moved[0] = positions[1] + 1e-3  # a song of another group
    assert trust(vectors, moved)[0] < 0.2 < honest[0]
    assert trust(vectors, np.random.default_rng(0).permutation(positions)).mean() < 0.3


@pytest.mark.parametrize("n_songs", [24, 91, 150])
def test_trust_equals_a_plain_reference(n_songs):
    vectors = planted(n_songs, 3, 1)
    random = np.random.default_rng(0)
    positions = projection.pca(vectors) + random.normal(0, 0.1, (n_songs, 2)).astype(np.float32)
    within, k = {24: (7, 3), 91: (30, 10), 150: (30, 10)}[n_songs]
    unit = unit_vectors(vectors)
    wanted = []
    for song in range(n_songs):
        in_truth = [other for other in np.argsort(-unit @ unit[song]) if other != song][:within]
        gaps = np.linalg.norm(positions - positions[song], axis=1)
        on_map = [other for other in np.argsort(gaps) if other != song][:k]
        wanted.append(len({*in_truth} & {*on_map}) / k)
    np.testing.assert_allclose(trust(vectors, positions), wanted, atol=1e-6)
    rows = np.arange(0, n_songs, 5)
    np.testing.assert_array_equal(
        Truth(vectors, rows).trust(positions), trust(vectors, positions)[rows]
    )


@pytest.mark.parametrize("n_songs", [5, 8, 20, 31])
def test_trust_of_few_songs_can_be_low(n_songs):
    """With 30 of 30 for true neighbours, every plane of 31 songs would be true."""
    vectors = (
        planted(n_songs, 0, 0.3)
        if n_songs >= 8
        else np.random.default_rng(0).standard_normal((n_songs, 9))
    )
    random = np.random.default_rng(1)
    trusts = [trust(vectors, random.standard_normal((n_songs, 2))).mean() for _ in range(20)]
    assert 0.15 < np.mean(trusts) < 0.5


def test_copies_are_all_neighbours_in_truth():
    """Forty copies of each of three songs:
    of equal songs none is nearer in truth, so that no choice of ten is wrong.
    """
    vectors = np.repeat(np.eye(3), 40, axis=0)
    positions = np.repeat([[0, 0], [9, 0], [0, 9]], 40, axis=0) + np.random.default_rng(0).normal(
        0, 1, (120, 2)
    )
    assert trust(vectors, positions).min() == 1
