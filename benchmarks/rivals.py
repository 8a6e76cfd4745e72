"""Song vectors by other software, for benchmarks/quality.py:
hand-made features of audio libraries, Doc2Vec on audio words, i-vectors.

Methods that compare two songs and have no vectors give distances (n_songs, n_songs).
"""

import functools
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from sound_eval.evaluation.pooling import mfcc, read_frames
from sound_eval.terminal import Progress

N_WORDS = 1024  # audio words: clusters of inputs, fewer on a small corpus
INPUTS_PER_WORD = 32  # at least, so that documents share words
WORD_SAMPLE = 50_000  # inputs that the clusters are found on
DOC2VEC = {
    "dm": 0,
    "window": 10,
    "min_count": 1,
    "epochs": 60,
    "workers": 1,
}  # PV-DBOW (Le & Mikolov 2014); one worker keeps seeds exact
# of the 23 features of bliss-audio 0.2: tempo, 9 of timbre and loudness, 13 of chroma
BLISS_WEIGHTS = np.concatenate([[1 / 4], np.ones(9), np.full(13, 3 / 13)])
MUSLY_STYLE = 1000  # songs, at most, that musly learns the style of a collection from
# added to variances of MFCCs, which are of the order of 1, so that silence has an inverse
VARIANCE_FLOOR = 1e-3
N_GAUSSIANS = 64  # of the universal background model of i-vectors
BACKGROUND_SAMPLE = 100_000  # frames that it is fitted on
EM_STEPS = 10  # of the total variability


def bliss_features(path):
    """The 23 features of bliss-audio for one file."""
    from bliss_audio import Song

    return np.array(Song(str(path)).analysis)


@functools.cache
def smile():
    """One openSMILE extractor per process."""
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


def egemaps_features(path):
    """The 88 functionals of eGeMAPS (Eyben et al. 2016) for one file, mono at its own rate."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return smile().process_signal(samples.mean(axis=1), rate).to_numpy()[0]


def on_all_cores(extract, paths, what):
    """What `extract` makes of each audio file, as a list."""
    results = []
    with ProcessPoolExecutor() as pool, Progress(len(paths), "song", what) as progress:
        for result in pool.map(extract, paths):
            results.append(result)
            progress.update(1)
    return results


def of_files(extract, paths, what):
    """Features (n_files, n_features) of audio files by `extract`, on all cores;
    an undefined value becomes the mean of its column.
    """
    features = np.stack(on_all_cores(extract, paths, what)).astype(np.float64)
    return np.where(np.isfinite(features), features, np.nanmean(features, axis=0))


def doc2vec(corpus, dim, seed):
    """Vectors (n_songs, dim) by gensim's Doc2Vec, where a word is the cluster
    of an input of our own model.

    So both models hear the same, and differ in what they make of it.
    """
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument
    from sklearn.cluster import MiniBatchKMeans

    songs = [
        (corpus.song(row) - corpus.mean) / corpus.deviation for row in range(len(corpus.names))
    ]
    inputs = np.concatenate(songs)
    sample = inputs[np.random.default_rng(seed).permutation(len(inputs))[:WORD_SAMPLE]]
    words = MiniBatchKMeans(
        min(N_WORDS, len(inputs) // INPUTS_PER_WORD), n_init=1, random_state=seed
    ).fit(sample)
    documents = [
        TaggedDocument(list(map(str, words.predict(song))), [row]) for row, song in enumerate(songs)
    ]
    return Doc2Vec(documents, vector_size=dim, seed=seed, **DOC2VEC).dv.vectors


def bliss_distances(paths):
    """Distances (n_files, n_files) of audio files as bliss-rs 0.13 is said to weigh its
    features: tempo 1/4, all 13 of chroma 3 together, each other one 1.

    The features are those of the installed bliss-audio, as they are, in the order of
    `AnalysisIndex` (bliss-rs, src/song/mod.rs). The weights multiply squared
    differences, as the diagonal of the matrix of `mahalanobis_distance` does
    (src/playlist.rs); the code of 0.13 itself was not at hand to compare.
    """
    features = of_files(bliss_features, paths, "bliss-audio")
    return weighted_distances(features, BLISS_WEIGHTS)


def weighted_distances(features, weights):
    """Euclidean distances (n, n) of features (n, dim), each squared difference times
    its weight (dim,).
    """
    scaled = features * np.sqrt(weights)
    return cdist(scaled, scaled)


def jukebox():
    """A jukebox of musly that compares timbre; it decodes by ffmpeg."""
    from pymusly import MuslyJukebox

    return MuslyJukebox("timbre", "none")


# one per process, for analysis alone: it knows no songs
analyser = functools.cache(jukebox)


def musly_track(path):
    """What musly keeps of one file, as bytes: a Gaussian of 25 MFCCs."""
    return analyser().serialize_track(analyser().track_from_audiofile(str(path), 0))


def musly_distances(paths):
    """Distances (n_files, n_files) of audio files by the timbre of musly, 0 to 1: the
    Jensen-Shannon divergence of Gaussians, made mutual over the songs of the collection
    (Schnitzer et al. 2011).
    """
    compared = jukebox()
    tracks = [
        compared.deserialize_track(track) for track in on_all_cores(musly_track, paths, "musly")
    ]
    style = np.random.default_rng(0).permutation(len(tracks))[:MUSLY_STYLE]
    compared.set_style([tracks[row] for row in style])
    numbered = list(zip(compared.add_tracks(tracks), tracks, strict=True))
    return np.array([compared.compute_similarity(track, numbered) for track in numbered])


def song_mfccs(tree, names, what):
    """The 20 MFCCs (n_frames, 20) of each song of a log-mel tree, one by one."""
    with Progress(len(names), "song", what) as progress:
        for name in names:
            yield mfcc(read_frames(tree, name))
            progress.update(1)


def gaussian_distances(tree, names):
    """Distances (n_songs, n_songs) of songs as Gaussians of 20 MFCCs, one for each song
    (Mandel & Ellis 2005): the root of the symmetrised Kullback-Leibler divergence
    (Pampalk 2006), which is to a divergence what a distance is to its square.
    """
    means = []
    covariances = []
    for coefficients in song_mfccs(tree, names, "Gaussians"):
        means.append(coefficients.mean(axis=0))
        spread = np.cov(coefficients, rowvar=False, bias=True)
        covariances.append(spread + VARIANCE_FLOOR * np.eye(len(spread)))
    return np.sqrt(symmetrised_divergence(np.stack(means), np.stack(covariances)))


def symmetrised_divergence(means, covariances):
    """KL(p, q) + KL(q, p) (n, n) of each pair of Gaussians with means m (n, dim) and
    covariances S (n, dim, dim).

    It is half of tr(S_q^-1 (S_p + d d')) + tr(S_p^-1 (S_q + d d')), less dim, where d
    is m_p - m_q; the logarithms of the determinants cancel.
    """
    n, dim = means.shape
    inverses = np.linalg.inv(covariances)
    moments = covariances + means[:, :, None] * means[:, None]
    turned = np.einsum("nij,nj->ni", inverses, means)
    traces = moments.reshape(n, -1) @ inverses.reshape(n, -1).T
    traces += (turned * means).sum(axis=1) - 2 * means @ turned.T
    return np.maximum((traces + traces.T) / 2 - dim, 0)


def i_vectors(tree, names, dim, seed):
    """i-vectors (n_songs, dim) of songs of a log-mel tree: how a song's MFCCs differ
    from a mixture of Gaussians that was fitted on all songs, in the `dim` values that
    explain it best (Dehak et al. 2011; for music Eghbal-zadeh et al. 2015).

    No label is used, so there is none of the discriminant analysis of the papers.
    """
    from sklearn.mixture import GaussianMixture

    songs = list(song_mfccs(tree, names, "i-vectors"))
    frames = np.concatenate(songs)
    sample = np.random.default_rng(seed).permutation(len(frames))[:BACKGROUND_SAMPLE]
    background = GaussianMixture(N_GAUSSIANS, covariance_type="diag", random_state=seed)
    background.fit(frames[sample])
    counts, shifts = zip(*(background_statistics(background, song) for song in songs), strict=True)
    # so many small inversions: threads of BLAS would only wait for each other
    with threadpool_limits(1, "blas"):
        return total_variability(np.stack(counts), np.stack(shifts), dim, seed)


def background_statistics(background, frames):
    """Of each Gaussian of a mixture how many frames it takes (n_gaussians,), and the
    sum of how far these are from its mean, in its deviations (n_gaussians, n_mfcc).
    """
    shares = background.predict_proba(frames)
    counts = shares.sum(axis=0)
    shifts = shares.T @ frames - counts[:, None] * background.means_
    return counts, shifts / np.sqrt(background.covariances_)


def total_variability(counts, shifts, dim, seed):
    """The factors (n_songs, dim) of a factor analysis of the statistics of songs,
    counts (n_songs, n_gaussians) and shifts (n_songs, n_gaussians, n_mfcc), by
    expectation and maximisation (Dehak et al. 2011).
    """
    _, n_gaussians, n_mfcc = shifts.shape
    loadings = 0.1 * np.random.default_rng(seed).standard_normal((n_gaussians, n_mfcc, dim))
    for _ in range(EM_STEPS):
        factors, moments = expected_factors(loadings, counts, shifts)
        sums = np.tensordot(counts, moments, axes=(0, 0))  # (n_gaussians, dim, dim)
        products = np.tensordot(shifts, factors, axes=(0, 0))  # (n_gaussians, n_mfcc, dim)
        loadings = np.linalg.solve(sums, products.transpose(0, 2, 1)).transpose(0, 2, 1)
    return expected_factors(loadings, counts, shifts)[0]


def expected_factors(loadings, counts, shifts):
    """Mean (n_songs, dim) and second moment (n_songs, dim, dim) of each song's factors,
    which are standard normal before its frames are seen.
    """
    dim = loadings.shape[2]
    squares = loadings.transpose(0, 2, 1) @ loadings
    spread = np.linalg.inv(np.eye(dim) + np.tensordot(counts, squares, axes=1))
    pulls = np.tensordot(shifts, loadings, axes=2)
    factors = np.einsum("nij,nj->ni", spread, pulls)
    return factors, spread + factors[:, :, None] * factors[:, None]
