"""Vectors for the tests of search."""

import numpy as np

from sound_eval.search.vectors import unit_vectors


def random_unit(n_songs, dim, seed=0):
    return unit_vectors(np.random.default_rng(seed).standard_normal((n_songs, dim)))
