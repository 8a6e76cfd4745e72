"""Songs as people name them and as lists need them: by path, by part of it, or by row; how long they last.

A song's name is its audio path relative to the audio folder (`000/000002.mp3`), with forward slashes; its row is its line in
the music list, from 0. Durations are in seconds.
"""
import heapq
import os
import re
import subprocess
from pathlib import Path, PurePosixPath

from sound_eval.cli import InputError
from sound_eval.trees import audio_name, load_array, log_mel_name

CANDIDATES_SHOWN = 8
UNIT_SECONDS = {"h": 3600, "min": 60, "m": 60, "s": 1}


def find_song(text, names):
    """The row of the song that `text` names, of the audio names `names`.

    Tried in this order: the path; the row, a number without leading zeros; the file name with or without its suffix, where one
    song has it; a part of the path, in any case, that fits one song. Raises InputError with the candidates, or the nearest names.
    """
    path = audio_name(str(PurePosixPath(text)))
    if path in names:
        return names.index(path)
    if re.fullmatch("0|[1-9][0-9]*", text):
        return checked_row(int(text), len(names))
    folded = path.casefold()
    fits = [row for row, name in enumerate(names) if folded in name.casefold()]
    exact = [row for row in fits if folded in (PurePosixPath(names[row]).name.casefold(), PurePosixPath(names[row]).stem.casefold())]
    for rows in (exact, fits):
        if len(rows) == 1:
            return rows[0]
    if fits:
        raise InputError(f"{text!r} fits {len(fits)} songs: {', '.join(shown([names[row] for row in exact or fits]))}; give more of the path")
    raise InputError(f"no song and no audio file is named {text!r}; the nearest names are {', '.join(nearest_names(text, names))}")


def checked_row(row, n_songs):
    """`row`; raises InputError where the list is shorter."""
    if row >= n_songs:
        raise InputError(f"row {row}: the {n_songs} songs have the rows 0 to {n_songs - 1}")
    return row


def shown(names):
    """The first few names, and how many more there are."""
    more = len(names) - CANDIDATES_SHOWN
    return [*names[:CANDIDATES_SHOWN], *([f"{more} more"] if more > 0 else [])]


def nearest_names(text, names, count=3):
    """The names that share most groups of three letters with `text` (Dice coefficient)."""
    wanted = trigrams(text)

    def overlap(name):
        letters = trigrams(name)
        return 2 * len(wanted & letters) / (len(wanted) + len(letters))

    return heapq.nlargest(count, names, key=overlap)


def trigrams(text):
    """The set of groups of three letters in `text`, its ends marked."""
    text = f"  {text.casefold()} "
    return {text[start : start + 3] for start in range(len(text) - 2)}


def seconds_from_text(text):
    """Seconds in `60min`, `1h30min`, `90s`; raises InputError on anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)", text.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != re.sub(r"\s", "", text.lower()):
        raise InputError(f"length {text!r}: expected something like 60min, 1h30min or 90s")
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)


class Durations:
    """How long songs last: by the frame counts of a log-mel tree (with the `config` that made it), else by the audio files."""

    def __init__(self, config, vectors_dir=None, audio_dir=None):
        self.config, self.vectors_dir, self.audio_dir = config, vectors_dir, audio_dir

    def seconds(self, row, name):
        """Seconds of a song of the run, or of the audio file `name` where `row` is None; None where neither folder was given.

        Raises InputError or OSError where the song's file cannot be read.
        """
        if row is None:
            return audio_seconds(Path(name))
        if self.vectors_dir:
            n_frames = len(load_array(Path(self.vectors_dir) / log_mel_name(name), mmap_mode="r"))
            return (max(n_frames - 1, 0) * self.config.hop + self.config.FFT_SIZE) / self.config.SAMPLERATE
        return audio_seconds(Path(self.audio_dir) / name) if self.audio_dir else None


def audio_seconds(path):
    """Duration of an audio file by its header: libsndfile's, else ffprobe's. Raises InputError where neither can tell."""
    import soundfile

    if not path.is_file():
        raise InputError(f"{path}: no such file; is this the audio folder that the vectors were made of?")
    try:
        return soundfile.info(os.fspath(path)).duration
    except soundfile.LibsndfileError as error:
        refused = error
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", os.path.abspath(path)]
    try:
        return float(subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise InputError(f"{path}: its duration is not readable ({refused}; ffprobe: {error})") from error
