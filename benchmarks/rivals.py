"""Song vectors by other software, for benchmarks/quality.py:
hand-made features of audio libraries, and Doc2Vec on audio words.
"""

import functools
from concurrent.futures import ProcessPoolExecutor

import numpy as np

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


def of_files(extract, paths, what):
    """Features (n_files, n_features) of audio files by `extract`, on all cores;
    an undefined value becomes the mean of its column.
    """
    rows = []
    with ProcessPoolExecutor() as pool, Progress(len(paths), "song", what) as progress:
        for row in pool.map(extract, paths):
            rows.append(row)
            progress.update(1)
    features = np.stack(rows).astype(np.float64)
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
