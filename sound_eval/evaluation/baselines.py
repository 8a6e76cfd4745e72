"""What learned vectors have to beat: trivial features of the log-mel, the same model
before any training, and its closed form.
"""

import numpy as np

from sound_eval.evaluation.pooling import pool_tree
from sound_eval.model.inference import closed_form_of
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.song_vectors import inputs_of, mean_word, untrained_networks
from sound_eval.model.state import read_state

# pooling -> its name in the tables
POOLED = {
    "mean + deviation": "log-mel mean + deviation",
    "MFCC statistics": "MFCC statistics",
}


def baselines(log_mel_dir, names, run_dir, seed=0):
    """Name -> vectors (n_songs, dim) of the songs `names`.

    Random weights and the closed form are among them where `run_dir` is a run folder with
    weights.
    """
    pooled = pool_tree(log_mel_dir, names, POOLED, "reading log-mel")
    features = {POOLED[pooling]: vectors for pooling, vectors in pooled.items()}
    return features | _untrained(log_mel_dir, names, RunFolder(run_dir), seed)


def _untrained(log_mel_dir, names, folder, seed):
    """The vectors that the run's model gives before training, by name; {} without weights."""
    if not folder.exists():
        return {}
    run = folder.snapshot()
    if "mean" not in run.weights:
        return {}
    state = read_state(run)
    models = {
        "random weights": untrained_networks(state, run.config, seed),
        "closed form": closed_form_of(state),
    }
    # each song's inputs are made once
    vectors = [
        [mean_word(model, inputs) for model in models.values()]
        for inputs in inputs_of(log_mel_dir, names, run.config)
    ]
    columns = zip(*vectors, strict=True)
    return {name: np.stack(column) for name, column in zip(models, columns, strict=True)}
