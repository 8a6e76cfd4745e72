"""Song vectors on a plane: t-SNE of cosine distances, its slow and fast forms, and how far the plane can be trusted.

Conventions
-----------
Vectors are (n_songs, dim) float; the distance of two songs is 1 - cosine of their vectors (a vector of zeros is at
distance 1 from everything). Positions are (n_songs, 2) float32, centred, with no unit: only who is near whom means
something. The same input and seed give the same positions on the same machine.
"""
import numpy as np
from scipy.spatial import cKDTree

from sound_eval.cli import InputError
from sound_eval.vectors import Cosine, neighbours, unit_vectors

FFT_ABOVE = 10_000  # songs above which the FFT gradient and approximate neighbours are faster than the exact ones
THREADS_ABOVE = 3000  # songs above which several threads gain; below, they wait for each other, for long on a machine that is busy
EARLY_STEPS, LATE_STEPS = 250, 500  # gradient steps with and without exaggeration, as van der Maaten's and openTSNE's defaults
EARLY_EXAGGERATION = 12
STEPS = EARLY_STEPS + LATE_STEPS
PLACE_STEPS = 250  # gradient steps for songs added to a map
STEPS_PER_REPORT = 25
FEWEST_FOR_TSNE = 8  # below this many songs a neighbourhood means nothing and the plane is the PCA


def pca(vectors):
    """The two principal axes of the unit vectors: (n, dim) -> (n, 2), signs fixed so that the largest loading is positive."""
    unit = unit_vectors(vectors).astype(np.float64)
    centred = unit - unit.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    positions = np.zeros((len(unit), 2), np.float32)
    positions[:, : axes.shape[1]] = centred @ axes
    return positions


def tsne(vectors, perplexity=30.0, seed=0, report=None):
    """Positions (n, 2) by t-SNE (van der Maaten & Hinton 2008) of cosine distances, started from the PCA.

    Above `FFT_ABOVE` songs the gradient is FIt-SNE's (Linderman et al. 2019) and neighbours are approximate.
    `report(count)` is called with the number of gradient steps done since the last call, of `STEPS` in all.
    """
    if len(vectors) < FEWEST_FOR_TSNE:
        return pca(vectors)
    from openTSNE import TSNEEmbedding

    unit = unit_vectors(vectors)
    large = len(unit) > FFT_ABOVE
    start = scaled_to(pca(unit).astype(np.float64), 1e-4)
    start += np.random.default_rng(seed).normal(0, 1e-6, start.shape)  # equal songs start apart
    embedding = TSNEEmbedding(
        start,
        affinities_of(unit, perplexity, seed, large),
        negative_gradient_method="fft" if large else "bh",
        n_jobs=threads_for(len(unit)),
        random_state=seed,
        callbacks=reporter(report),
        callbacks_every_iters=STEPS_PER_REPORT,
    )
    embedding = embedding.optimize(EARLY_STEPS, exaggeration=EARLY_EXAGGERATION, momentum=0.5, inplace=True)
    embedding = embedding.optimize(LATE_STEPS, momentum=0.8, inplace=True)
    positions = np.asarray(embedding)
    return (positions - positions.mean(axis=0)).astype(np.float32)


def place(vectors, is_old, old_positions, perplexity=30.0, seed=0, report=None):
    """Positions (n, 2) in which the songs of `is_old` (n,) bool keep `old_positions` and the others settle among them.

    Each new song starts at the median of its nearest old songs and then moves by t-SNE's gradient, the old ones held
    still (Poličar et al. 2023). `report` as in `tsne`, of `PLACE_STEPS` in all.
    """
    positions = np.zeros((len(vectors), 2), np.float32)
    positions[is_old] = old_positions
    if is_old.all():
        return positions
    if is_old.sum() < FEWEST_FOR_TSNE:
        raise InputError(f"only {is_old.sum()} songs of the old map are in this run, too few to place others among; make the map anew")
    from openTSNE import TSNEEmbedding

    unit = unit_vectors(vectors)
    old = affinities_of(unit[is_old], perplexity, seed, large=False)
    how = {"negative_gradient_method": "bh", "n_jobs": threads_for(len(unit)), "random_state": seed}
    reference = TSNEEmbedding(np.array(old_positions, np.float64), old, **how)
    added = reference.prepare_partial(with_direction(unit[~is_old]), initialization="median", k=min(10, int(is_old.sum()) - 1), perplexity=5)
    added = added.optimize(
        PLACE_STEPS,
        learning_rate=0.1,
        momentum=0.8,
        max_grad_norm=0.25,
        inplace=True,
        callbacks=reporter(report),
        callbacks_every_iters=STEPS_PER_REPORT,
    )
    positions[~is_old] = np.asarray(added)
    return positions


def threads_for(n_songs):
    """openTSNE's `n_jobs`; the positions are the same for any number of threads."""
    return -1 if n_songs > THREADS_ABOVE else 1


def with_direction(unit):
    """Unit rows (n, dim) with one more dimension, which gives rows of zeros a direction of their own."""
    is_zero = ~unit.any(axis=1, keepdims=True)
    return np.hstack([unit, is_zero.astype(unit.dtype)])


def affinities_of(unit, perplexity, seed, large):
    """t-SNE's joint probabilities of (n, dim) unit rows; a perplexity too large for n is lowered to a third of it."""
    from openTSNE.affinity import PerplexityBasedNN

    return PerplexityBasedNN(
        with_direction(unit),
        perplexity=min(perplexity, (len(unit) - 1) / 3),
        metric="cosine",
        method="annoy" if large else "exact",
        n_jobs=1 if large else threads_for(len(unit)),  # annoy's trees depend on the number of threads
        random_state=seed,
    )


def scaled_to(positions, deviation):
    """Positions scaled so that the first axis has the given standard deviation."""
    spread = positions[:, 0].std()
    return positions * (deviation / spread if spread > 0 else 1.0)


def reporter(report):
    """openTSNE's callback that passes `STEPS_PER_REPORT` on to `report`."""
    if report is None:
        return None

    def callback(iteration, error, embedding):
        report(STEPS_PER_REPORT)
        return False

    return [callback]


def trust(vectors, positions, k=10, within=30, report=None):
    """For each song the share of its `k` nearest on the map that are among its `within` nearest by cosine distance: (n,).

    1 means that the map tells the truth around a song, 0 that its neighbours on the map are strangers. `report(count)` is called
    with the number of songs done since the last call.
    """
    n_songs = len(positions)
    if n_songs < 3:
        return np.ones(n_songs, np.float32)
    within = min(within, n_songs - 1)
    k = min(k, max(1, within // 3))
    near_in_space = neighbours(Cosine(unit_vectors(vectors)), within, on_block=report)
    on_map = cKDTree(positions).query(positions, k + 1)[1]
    # A song is nearest to itself, unless others lie on the very same spot; then any k of those will do.
    near_on_map = np.array([row[row != song][:k] for song, row in enumerate(on_map)])
    found = np.array([np.isin(near_on_map[song], near_in_space[song]).mean() for song in range(n_songs)])
    return found.astype(np.float32)
