"""Hubness and intrinsic dimension: by hand and on planted spheres."""

import numpy as np
import pytest
from random_vectors import random_unit

from sound_eval.search.hubs import hubness, intrinsic_dimension
from sound_eval.search.vectors import Cosine, neighbours, unit_vectors


def test_hubness_counts_lists():
    found = np.array([[1, 2], [2, 3], [1, 3], [2, 1]])
    hubs = hubness(found)
    assert hubs["occurrences"].tolist() == [0, 3, 3, 2] and hubs["never"] == 0.25
    assert hubs["skewness"] == pytest.approx(-0.8165, abs=1e-4)  # of 0, 3, 3, 2 by hand
    even = np.array([[1], [2], [0]])
    assert hubness(even)["skewness"] == 0


@pytest.mark.parametrize("dimension", [2, 5])
def test_intrinsic_dimension_is_that_of_the_sphere_the_songs_lie_on(dimension):
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.standard_normal((40, dimension + 1)))[0]
    unit = unit_vectors(random.standard_normal((3000, dimension + 1)) @ turn.T)
    assert intrinsic_dimension(unit, neighbours(Cosine(unit), 10)) == pytest.approx(
        dimension, rel=0.15
    )


def test_intrinsic_dimension_leaves_out_songs_with_a_copy():
    unit = random_unit(300, 4)
    doubled = np.vstack([unit, unit[:20]])
    found = neighbours(Cosine(doubled), 10)
    assert np.isfinite(intrinsic_dimension(doubled, found))
    assert np.isnan(
        intrinsic_dimension(
            np.repeat(unit[:2], 20, axis=0), neighbours(Cosine(np.repeat(unit[:2], 20, axis=0)), 5)
        )
    )


def test_intrinsic_dimension_of_lists_that_cannot_tell_is_nan_without_a_warning(recwarn):
    unit = unit_vectors(np.random.default_rng(0).standard_normal((20, 4)))
    assert np.isnan(intrinsic_dimension(unit, neighbours(Cosine(unit), 1)))
    assert np.isnan(intrinsic_dimension(0 * unit, neighbours(Cosine(0 * unit), 5)))
    assert not recwarn.list
