"""Song vectors on a plane: t-SNE of cosine distances held against the PCA.

Conventions
-----------
Vectors are (n_songs, dim) float; the distance of two songs is 1 - cosine of their
vectors (a vector of zeros is at distance 1 from everything). Positions are (n_songs, 2)
float32, centred, with no unit: only who is near whom means something. The same input
and seed give the same positions on the same machine. How far they tell the truth is
asked of a `truth.Truth`.
"""

from dataclasses import dataclass

import numpy as np

from sound_eval.errors import InputError
from sound_eval.map.truth import ROUNDING
from sound_eval.search.vectors import unit_vectors
from sound_eval.terminal import Progress

# songs above which the FFT gradient and approximate neighbours are faster than the exact ones
FFT_ABOVE = 10_000
# songs above which several threads gain; below, they wait for each other, for long
# on a busy machine
THREADS_ABOVE = 3000
# gradient steps with and without exaggeration, as van der Maaten's and openTSNE's defaults
EARLY_STEPS = 250
LATE_STEPS = 500
STEPS = EARLY_STEPS + LATE_STEPS
PLACE_STEPS = 250  # gradient steps for songs added to a map
STEPS_PER_REPORT = 25
FEWEST_FOR_TSNE = 8  # below this many songs a neighbourhood means nothing and the plane is the PCA
PERPLEXITY = 30.0
# The early exaggeration: the usual 12 from 600 songs on, 2 up to 100, between them n / 50.
EXAGGERATION = 12.0
GENTLEST = 2.0
SONGS_PER_EXAGGERATION = 50
# A t-SNE is several units wide, whatever the vectors; one that shrank is 1e-6 wide and less.
COLLAPSED = 1e-3


@dataclass(frozen=True)
class Plane:
    """Positions (n, 2), what made them, the trust of the songs asked about (n_rows,),
    and beside it the mean trust of the PCA.
    """

    kind: str
    positions: np.ndarray
    trust: np.ndarray
    pca_trust: float

    def __str__(self):
        """`t-SNE: 91.2 % of the neighbours on the map are neighbours in truth (PCA: 72.0 %)`."""
        beside = "" if self.kind == "PCA" else f" (PCA: {100 * self.pca_trust:.1f} %)"
        share = f"{100 * self.trust.mean():.1f} %"
        return f"{self.kind}: {share} of the neighbours on the map are neighbours in truth{beside}"


def held_against_pca(kind, positions, truth):
    """A Plane of positions made elsewhere, as they are."""
    pca_trust = float(truth.trust(pca(truth.unit)).mean())
    return Plane(kind, positions, truth.trust(positions), pca_trust)


def pca_plane(truth):
    """The Plane of the two principal axes."""
    positions = pca(truth.unit)
    trust = truth.trust(positions)
    return Plane("PCA", positions, trust, float(trust.mean()))


def best_plane(truth, perplexity=None, seed=0):
    """The t-SNE of the songs as a Plane, or the PCA where no t-SNE is as true.

    A t-SNE that shrank to a point or is less true than the PCA is made again without
    exaggeration, and then from another start.
    """
    plain = pca_plane(truth)
    if len(truth.unit) < FEWEST_FOR_TSNE:
        return plain
    gentle = 1.0
    another_seed = (seed + 1) % 2**32
    usual = exaggeration_for(len(truth.unit))
    for exaggeration, start in [(usual, seed), (gentle, seed), (gentle, another_seed)]:
        with Progress(STEPS, "step", "t-SNE") as progress:
            positions = tsne(truth.unit, perplexity, start, progress.update, exaggeration)
        if _is_spread(positions) and truth.trust(positions).mean() >= plain.pca_trust:
            return Plane("t-SNE", positions, truth.trust(positions), plain.pca_trust)
    return plain


def _is_spread(positions):
    """Whether a t-SNE is one: finite, and not shrunk to a point."""
    return bool(np.isfinite(positions).all() and positions.std(axis=0).max() > COLLAPSED)


def pca(vectors):
    """The two principal axes of the unit vectors: (n, dim) -> (n, 2), signs fixed so
    that the largest loading is positive.

    Songs that all have one direction lie at 0, 0.
    """
    unit = unit_vectors(vectors).astype(np.float64)
    centred = unit - unit.mean(axis=0)
    if np.abs(centred).max(initial=0) < ROUNDING:
        return np.zeros((len(unit), 2), np.float32)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    positions = np.zeros((len(unit), 2), np.float32)
    positions[:, : axes.shape[1]] = centred @ axes
    return positions


def exaggeration_for(n_songs):
    """How strongly t-SNE's early steps draw songs together, from 2 to 12.

    Attraction exaggerated e times outweighs the repulsion wherever 1 - 1 / e exceeds
    the second eigenvalue of the neighbourhood graph, and then all songs fall into one
    point (Linderman & Steinerberger 2019). With a third of all songs for neighbours, as
    few songs have, that eigenvalue is .5 to .9: 12 shrank maps of 8 to 96 songs to
    nothing, 6 some of 8; 4 and less did so at no size, and none of 1 to 12 was truer
    than the others where it did not.
    """
    return min(EXAGGERATION, max(GENTLEST, n_songs / SONGS_PER_EXAGGERATION))


def perplexity_for(n_songs, wanted=None):
    """The perplexity that t-SNE takes: `wanted`, by default 30, but at most a third of
    the other songs.

    Of n / 3, n / 4, n / 6 and n / 10 the first gave the truest maps at all
    sizes from 8 to 150.
    """
    return min(PERPLEXITY if wanted is None else wanted, (n_songs - 1) / 3)


def tsne(vectors, perplexity=None, seed=0, report=None, exaggeration=None):
    """Positions (n, 2) by t-SNE (van der Maaten & Hinton 2008) of cosine distances,
    started from the PCA.

    Above `FFT_ABOVE` songs the gradient is FIt-SNE's (Linderman et al. 2019) and
    neighbours are approximate. `report(count)` is called with the number of gradient
    steps done since the last call, of `STEPS` in all. Whether the plane is any good is
    for `best_plane` to say.
    """
    if len(vectors) < FEWEST_FOR_TSNE:
        return pca(vectors)
    from openTSNE import TSNEEmbedding

    unit = unit_vectors(vectors)
    large = len(unit) > FFT_ABOVE
    start = _scaled_to(pca(unit).astype(np.float64), 1e-4)
    start += np.random.default_rng(seed).normal(0, 1e-6, start.shape)  # equal songs start apart
    embedding = TSNEEmbedding(
        start,
        _affinities_of(unit, perplexity, seed, large),
        negative_gradient_method="fft" if large else "bh",
        n_jobs=_threads_for(len(unit)),
        random_state=seed,
        callbacks=_reporter(report),
        callbacks_every_iters=STEPS_PER_REPORT,
    )
    early = exaggeration or exaggeration_for(len(unit))
    embedding = embedding.optimize(EARLY_STEPS, exaggeration=early, momentum=0.5, inplace=True)
    embedding = embedding.optimize(LATE_STEPS, momentum=0.8, inplace=True)
    positions = np.asarray(embedding)
    return (positions - positions.mean(axis=0)).astype(np.float32)


def place(truth, is_old, old_positions, perplexity=None, seed=0, report=None):
    """Positions (n, 2) in which the songs of `is_old` (n,) bool keep `old_positions`
    and the others settle among them.

    Each new song starts at the median of its nearest old songs and then moves by
    t-SNE's gradient, the old ones held still (Poličar et al. 2023); where that leads
    nowhere, or to places less true than they started from, they stay at the start.
    `truth` is of all songs; `report` as in `tsne`, of `PLACE_STEPS` in all. Raises
    InputError where the old songs are too few, or not spread out.
    """
    _check_old(truth, is_old, old_positions)
    started = np.zeros((len(is_old), 2), np.float32)
    started[is_old] = old_positions
    if is_old.all():
        return started
    added = partial_embedding(truth.unit, is_old, old_positions, perplexity, seed)
    started[~is_old] = np.asarray(added)
    added = added.optimize(
        PLACE_STEPS,
        learning_rate=0.1,
        momentum=0.8,
        max_grad_norm=0.25,
        inplace=True,
        callbacks=_reporter(report),
        callbacks_every_iters=STEPS_PER_REPORT,
    )
    settled = started.copy()
    settled[~is_old] = np.asarray(added)
    if not np.isfinite(settled).all():
        return started
    is_new = ~is_old[truth.rows]
    gain = truth.trust(settled)[is_new].mean() - truth.trust(started)[is_new].mean()
    return settled if gain >= 0 else started


def _check_old(truth, is_old, old_positions):
    """Raise InputError for positions that no song can be placed among."""
    anew = "make the map anew"
    if not np.isfinite(old_positions).all():
        raise InputError(f"the old map has positions that are nan or inf; {anew}")
    old = truth.unit[is_old]
    differ = len(old) > 0 and np.ptp(old, axis=0).max(initial=0) > ROUNDING
    if differ and np.ptp(old_positions, axis=0).max() <= COLLAPSED * ROUNDING:
        raise InputError(f"all songs of the old map lie on one spot; {anew}")
    if not is_old.all() and is_old.sum() < FEWEST_FOR_TSNE:
        few = (
            f"only {is_old.sum()} songs of the old map are in this run, "
            "too few to place others among"
        )
        raise InputError(f"{few}; {anew}")


def partial_embedding(unit, is_old, old_positions, perplexity, seed):
    """openTSNE's embedding of the new songs among the old ones, each at the
    median of its nearest.
    """
    from openTSNE import TSNEEmbedding

    old = _affinities_of(unit[is_old], perplexity, seed, large=False)
    how = {
        "negative_gradient_method": "bh",
        "n_jobs": _threads_for(len(unit)),
        "random_state": seed,
    }
    reference = TSNEEmbedding(np.array(old_positions, np.float64), old, **how)
    k = min(10, int(is_old.sum()) - 1)
    new = _with_direction(unit[~is_old])
    return reference.prepare_partial(
        new, initialization="median", k=k, perplexity=perplexity_for(is_old.sum(), 5)
    )


def _threads_for(n_songs):
    """openTSNE's `n_jobs`; the positions are the same for any number of threads."""
    return -1 if n_songs > THREADS_ABOVE else 1


def _with_direction(unit):
    """Unit rows (n, dim) with one more dimension, which gives rows of zeros a
    direction of their own.
    """
    is_zero = ~unit.any(axis=1, keepdims=True)
    return np.hstack([unit, is_zero.astype(unit.dtype)])


def _affinities_of(unit, perplexity, seed, large):
    """t-SNE's joint probabilities of (n, dim) unit rows; see `perplexity_for`."""
    from openTSNE.affinity import PerplexityBasedNN

    # Annoy's trees depend on the number of threads.
    n_jobs = 1 if large else _threads_for(len(unit))
    return PerplexityBasedNN(
        _with_direction(unit),
        perplexity=perplexity_for(len(unit), perplexity),
        metric="cosine",
        method="annoy" if large else "exact",
        n_jobs=n_jobs,
        random_state=seed,
    )


def _scaled_to(positions, deviation):
    """Positions scaled so that the first axis has the given standard deviation."""
    spread = positions[:, 0].std()
    return positions * (deviation / spread if spread > 0 else 1.0)


def _reporter(report):
    """openTSNE's callback that passes `STEPS_PER_REPORT` on to `report`."""
    if report is None:
        return None

    def callback(iteration, error, embedding):
        report(STEPS_PER_REPORT)
        return False

    return [callback]
