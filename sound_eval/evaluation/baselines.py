"""What learned vectors have to beat: trivial features of the log-mel, and the same model
before any training.
"""

from sound_eval.evaluation.pooling import pool_tree
from sound_eval.model.run_folder import RunFolder
from sound_eval.model.song_vectors import inputs_of, untrained_vectors
from sound_eval.model.state import read_weights

# pooling -> its name in the tables
POOLED = {
    "mean + deviation": "log-mel mean + deviation",
    "MFCC statistics": "MFCC statistics",
}


def baselines(log_mel_dir, names, run_dir, seed=0):
    """Name -> vectors (n_songs, dim) of the songs `names`.

    Random weights are among them where `run_dir` is a run folder with weights.
    """
    pooled = pool_tree(log_mel_dir, names, POOLED, "reading log-mel")
    features = {POOLED[pooling]: vectors for pooling, vectors in pooled.items()}
    return features | _random_weights(log_mel_dir, names, RunFolder(run_dir), seed)


def _random_weights(log_mel_dir, names, folder, seed):
    """The vectors that the run's model gives before training, {} without weights."""
    if not folder.exists():
        return {}
    run = folder.snapshot()
    weights = read_weights(run)
    if not {"mean", "deviation"} <= weights.keys():
        return {}
    inputs = inputs_of(log_mel_dir, names, run.config)
    vectors = untrained_vectors(inputs, weights["mean"], weights["deviation"], run.config, seed)
    return {"random weights": vectors}
