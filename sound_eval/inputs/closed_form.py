"""The model solved as a linear one, in a second: what training starts from, and the
baseline that it has to beat.

With linear networks, and inputs that are Gaussian within songs and between them, the
best dot product of the model, the log odds of local to global, is a sum over the
canonical correlations of the two inputs A and B of a local pair (Hotelling 1936). Two
inputs of one song have the covariance between songs S_b in common, and each the
covariance S_b + S_w, so these correlations are r = l / (1 + l) with

    S_b w = l (S_w + REGULARISATION I) w

that is linear discriminant analysis with the songs as classes (Fisher 1936; Ioffe 2006
for its reading as odds). The word vector of an input is its values along the leading w,
scaled so that each varies by 1 within a song: what tells songs apart is long, what
moves within a song is short.

The regularisation is that of inputs which are normalised; it decides where songs have
one input only, or fewer songs are there than values in an input.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

REGULARISATION = 0.1
# of the closed form's values in what the networks see, beside the principal components: the
# larger, the better a song's own clips are found, and the worse its kin
CLOSED_FORM_SIZE = 0.7


def solve(covariances, n_values):
    """The basis (dim, n_values) float32, whose columns are the leading w, and their
    ratios l (n_values,), largest first.

    covariances: (2, dim, dim) of normalised inputs, within songs and between them. Where an
    input has fewer values than `n_values`, the last columns and ratios are zero. The
    sign of a column is that of its largest entry.
    """
    within, between = covariances
    dim = len(within)
    count = min(dim, n_values)
    regularised = within + REGULARISATION * np.eye(dim)
    ratios, basis = eigh(between, regularised, subset_by_index=[dim - count, dim - 1])
    ratios = ratios[::-1]
    basis = basis[:, ::-1]
    largest = np.abs(basis).argmax(axis=0)
    basis = basis * np.sign(basis[largest, np.arange(count)])
    missing = n_values - count
    return (
        np.pad(basis, ((0, 0), (0, missing))).astype(np.float32),
        np.pad(np.maximum(ratios, 0), (0, missing)),
    )


def seen_map(covariances, basis, ratios):
    """What the networks see of normalised inputs, as a matrix (dim, 2 n_values) float32.

    One half are the principal components, as many as there are ratios, at the sizes that
    they have: songs of a kind are near each other in them. The other half are the
    values of the closed form, where clips of one song are, each as large as the share of
    it that is between songs, at CLOSED_FORM_SIZE of the whole.
    """
    total = covariances.sum(axis=0)
    count = min(len(total), len(ratios))
    _, components = eigh(total, subset_by_index=[len(total) - count, len(total) - 1])
    components = np.pad(components[:, ::-1], ((0, 0), (0, len(ratios) - count)))
    between_songs = basis * np.sqrt(ratios) / (1 + ratios)
    return np.concatenate(
        [_of_size(1, components, total), _of_size(CLOSED_FORM_SIZE, between_songs, total)], axis=1
    ).astype(np.float32)


def _of_size(size, matrix, covariance):
    """`matrix` (dim, n), scaled so that its values of inputs with this covariance have
    `size` as the root of their mean variance; a matrix of nothing stays as it is.
    """
    variance = np.einsum("ik,ij,jk->", matrix, covariance, matrix) / matrix.shape[1]
    return matrix * size / np.sqrt(variance) if variance > 0 else matrix


@dataclass(frozen=True)
class ClosedForm:
    """The linear model in the place of a run's networks: words of inputs, and no song terms."""

    mean: np.ndarray
    deviation: np.ndarray
    basis: np.ndarray

    @property
    def dim_out(self):
        """Values in a vector."""
        return self.basis.shape[1]

    def words(self, inputs):
        """Word vectors (n, dim_out) float32 of inputs (n, dim), which are not normalised."""
        scaled = self.basis / self.deviation[:, None]
        return np.asarray(inputs, np.float32) @ scaled - self.mean @ scaled

    def words_only(self):
        """What makes word vectors, and nothing else."""
        return self

    def digest(self):
        """A short text that differs for another closed form."""
        digest = hashlib.sha256(b"closed form")
        for array in (self.mean, self.deviation, self.basis):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()[:16]
