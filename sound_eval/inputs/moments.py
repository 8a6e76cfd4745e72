"""First and second moments of the inputs of many songs, gathered block by block while
the inputs are made.

    mean, deviation   (dim,)       of all inputs, which normalise them
    within            (dim, dim)   covariance of the inputs of a song, mean over the songs
    between           (dim, dim)   covariance of the means of the songs

The covariances count every song alike, however long it is, and are of normalised inputs.
Within a song inputs are taken less its own mean, so that nothing of the size of the
means cancels.
"""

from dataclasses import dataclass

import numpy as np

# a value that hardly moves carries no news; dividing by less would only raise its noise
SMALLEST_DEVIATION = 1e-2


@dataclass
class Moments:
    """Sums over songs, in float64; `a += b` takes the songs of b in."""

    n_songs: int
    n_inputs: int
    total: np.ndarray  # (dim,) of inputs
    squares: np.ndarray  # (dim,) of inputs
    means: np.ndarray  # (dim,) of the songs' means
    means_outer: np.ndarray  # (dim, dim) of their outer products
    within: np.ndarray  # (dim, dim) of the songs' covariances

    @classmethod
    def none(cls, dim):
        """The moments of no song."""
        lines = [np.zeros(dim) for _ in range(3)]
        return cls(0, 0, *lines, np.zeros((dim, dim)), np.zeros((dim, dim)))

    @classmethod
    def of_songs(cls, songs):
        """The moments of `songs`, a sequence of inputs (n, dim) float32."""
        means = np.stack([song.mean(axis=0, dtype=np.float64) for song in songs])
        rows = np.concatenate(songs)
        lengths = np.array([len(song) for song in songs])
        # scaled so that the products of a song's rows add up to their mean
        scale = np.repeat(lengths**-0.5, lengths).astype(np.float32)
        centred = (rows - np.repeat(means.astype(np.float32), lengths, axis=0)) * scale[:, None]
        return cls(
            n_songs=len(songs),
            n_inputs=len(rows),
            total=lengths @ means,
            squares=np.square(rows, dtype=np.float64).sum(axis=0),
            means=means.sum(axis=0),
            means_outer=means.T @ means,
            within=(centred.T @ centred).astype(np.float64),
        )

    def __iadd__(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self

    def normalisation(self):
        """Mean and deviation (2, dim) float32 of all inputs."""
        mean = self.total / self.n_inputs
        deviation = np.sqrt(np.maximum(self.squares / self.n_inputs - mean**2, 0))
        return np.stack([mean, np.maximum(deviation, SMALLEST_DEVIATION)]).astype(np.float32)

    def covariances(self):
        """Covariances (2, dim, dim) float64 of normalised inputs, within songs and between them."""
        deviation = self.normalisation()[1].astype(np.float64)
        mean = self.means / self.n_songs
        between = self.means_outer / self.n_songs - np.outer(mean, mean)
        return np.stack([self.within / self.n_songs, between]) / np.outer(deviation, deviation)
