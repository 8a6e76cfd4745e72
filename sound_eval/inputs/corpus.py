"""All songs of a log-mel tree as network inputs.

Conventions
-----------
The inputs of song i are the rows `starts[i]` to `starts[i + 1]` of `inputs`
(n_inputs, dim), float16, not normalised; `mean` and `deviation` (dim,) are what
normalises them; `covariances` (2, dim, dim) are those of normalised inputs within songs
and between them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sound_eval.inputs import cache as caches
from sound_eval.inputs.input_file import InputFile
from sound_eval.inputs.network_inputs import input_size


@dataclass(frozen=True)
class Corpus:
    """All songs as network inputs; see the module's conventions."""

    names: list
    inputs: InputFile
    starts: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    covariances: np.ndarray

    @property
    def lengths(self):
        """Inputs of each song (n_songs,)."""
        return np.diff(self.starts)

    def song(self, row):
        """Inputs (n, dim) float16 of one song."""
        return self.inputs.read(self.starts[row], self.lengths[row])


def open_corpus(tree, songs, config, cache, is_own=False):
    """The Corpus of the `songs` of `tree`, from the folder `cache` where it is there
    and still true, else built into it.

    What stands in `cache` under the names of its files is replaced only where the
    folder says that it is a cache, or the caller knows that it is (`is_own`). Raises
    InputError where it does not, where log-mel files cannot be used, or change while
    they are read.
    """
    cache = Path(cache)
    caches.renew(cache, Path(tree), songs, config, is_own)
    return Corpus(list(songs), *caches.read_arrays(cache, len(songs), input_size(config)))
