"""Log-mel trees with planted songs, and a small configuration to train on them, for the
tests of corpus, training and inference.
"""

import dataclasses

import numpy as np

from sound_eval.config import from_mapping, save_config
from sound_eval.model.inference import Networks

DIM, OUT = 12, 8  # values of an input and of a vector, by the small configuration

SMALL = {
    "NUM_MEL_BINS": 12,
    "TIME_SEGMENT_SIZE": 0.1,
    "FFT_SIZE": 2048,
    "TEXTURE_SECONDS": 0,
    "WINDOW_SIZE": 8,
    "HIDDEN_SIZE": 16,
    "OUTPUT_VECTOR_SIZE": 8,
    "BATCH_SIZE": 64,
    "SONGS_PER_BATCH": 4,
    "TRAIN_STEPS_PER_SAVE": 64 * 40,
    "TRAIN_STEPS_PER_PRINT": 64 * 10,
    "ADAM_learning_rate": 0.003,
    "WEIGHT_DECAY": 0.1,  # a dozen inputs have larger weights than hundreds
}


def small_config(**changes):
    """A configuration that trains an epoch in a moment;
    single frames unless TEXTURE_SECONDS says otherwise.
    """
    return from_mapping(SMALL | changes, "small")


def planted_song(style, seed, n_frames=120, n_mels=12):
    """Log-mel frames (n_frames, n_mels) of a song:
    noise around the spectrum of one of a few styles, and one of its own.
    """
    of_style, of_song = np.random.default_rng(style), np.random.default_rng(1000 + seed)
    spectrum = 2.5 * of_style.standard_normal(n_mels) + 0.8 * of_song.standard_normal(n_mels)
    return (spectrum - 4 + 0.5 * of_song.standard_normal((n_frames, n_mels))).astype(np.float32)


def write_tree(root, n_songs=12, n_styles=3, **kwargs):
    """A tree of planted songs; returns their names.

    Song i is of style i modulo `n_styles`.
    """
    names = [f"disc {i % 2}/söng {i:03d}.mp3" for i in range(n_songs)]
    for i, name in enumerate(names):
        path = root / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, planted_song(i % n_styles, i, **kwargs))
    return sorted(names)


def write_config(path, **changes):
    """The small configuration as a YAML file; returns its path."""
    save_config(path, small_config(**changes))
    return path


def random_networks():
    """Networks with random weights and references, for the small configuration."""
    random = np.random.default_rng(0)

    def net():
        return {
            "hidden_kernel": random.standard_normal((2 * OUT, 16)).astype(np.float32) / 3,
            "hidden_bias": random.standard_normal(16).astype(np.float32) / 3,
            "output_kernel": random.standard_normal((16, OUT)).astype(np.float32) / 3,
            "output_bias": random.standard_normal(OUT).astype(np.float32) / 3,
        }

    normal = (np.full(DIM, -4, np.float32), np.full(DIM, 2, np.float32))
    seen = random.standard_normal((DIM, 2 * OUT)).astype(np.float32) / 4
    plain = Networks(net(), net(), *normal, seen)
    return dataclasses.replace(plain, references=plain.contexts(random.normal(-4, 2, (40, DIM))))
