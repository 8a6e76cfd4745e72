"""Vectors of audio files from outside, such as compare with those of a run's songs.

Only by the same networks, and as the same kind, does an audio file get a vector that
compares with the others.
"""

from sound_eval.errors import InputError
from sound_eval.inputs.network_inputs import inputs_of_frames
from sound_eval.log_mel.log_mel_file import log_mel_of_file
from sound_eval.model import song_vectors as vectors
from sound_eval.model.inference import networks_from
from sound_eval.model.state import read_weights

REMEDY = "make it anew with calc_all_vecs.py --song-vectors, or ask for songs of its music_list.txt"


def vectors_of_audio(run, paths, song_vectors=None, made=None):
    """Vectors (n, dim) of audio files, inferred with the networks of a run's Snapshot,
    such as compare with the run's own or with those of the file `song_vectors`, of
    which `made` tells.

    Raises InputError where a file cannot be decoded, the run folder has no weights, or
    nothing compares with `song_vectors`.
    """
    networks = networks_from(read_weights(run))
    kind = kind_of(song_vectors, made or {}, run, networks) if song_vectors else "sum"
    inputs = [_inputs_of_audio(path, run.config) for path in paths]
    return vectors.of_inputs(kind, networks, inputs, run.config)


def kind_of(path, made, run, networks):
    """The kind of the song vectors at `path`, of which `made` tells. Raises
    InputError where it is not known, or where other networks than those of the
    Snapshot `run` made them.
    """
    if path.resolve() == run.vectors_path.resolve():
        return "sum"
    if made.get("kind") not in vectors.KINDS:
        raise InputError(
            f"{path}: no {path.name}.json beside it tells what vectors these are, "
            f"and so what to compare an audio file by; {REMEDY}"
        )
    if made.get("networks") != networks.digest():
        raise InputError(
            f"{path}: made by other networks than those that {run.path} has now, "
            f"so an audio file cannot be compared; {REMEDY}"
        )
    return made["kind"]


def _inputs_of_audio(path, config):
    """Network inputs (n, dim) float16 of an audio file;
    raises InputError that names it where it cannot be used.
    """
    try:
        frames = log_mel_of_file(path, config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return inputs_of_frames(frames, config, path)
