"""The song that a person means: by its path, by part of it, or by its row.

A song's name is its audio path relative to the audio folder (`000/000002.mp3`), with
forward slashes; its row is its line in the music list, from 0.
"""

import heapq
import re
from pathlib import PurePosixPath

from sound_eval.errors import InputError
from sound_eval.files.names import fitting, name_key, told_apart
from sound_eval.files.trees import audio_name

CANDIDATES_SHOWN = 8


def find_song(text, names):
    """The row of the song that `text` names, of the audio names `names`.

    Tried in this order: the path; the path in another Unicode form or with other
    slashes; the row, a number without leading zeros; the file name with or without its
    suffix, where one song has it; a part of the path, in any case, that fits one song.
    Raises InputError with the candidates, or the nearest names.
    """
    path = audio_name(str(PurePosixPath(text)))
    same = fitting(path, names)
    if len(same) == 1:
        return same[0]
    if not same and re.fullmatch("0|[1-9][0-9]*", text):
        return _checked_row(text, len(names))
    fits = same or _rows_with(name_key(path).casefold(), names)
    if len(fits) == 1:
        return fits[0]
    if fits:
        candidates = _shown(told_apart([names[row] for row in fits]))
        raise InputError(
            f"{text!r} fits {len(fits)} songs: {', '.join(candidates)}; "
            "give more of the path, or the row"
        )
    spelled, *nearest = told_apart([text, *nearest_names(text, names)])
    raise InputError(
        f"no song and no audio file is named {repr(text) if spelled == text else spelled}; "
        f"the nearest names are {', '.join(nearest)}"
    )


def _rows_with(part, names):
    """The rows of the songs with `part` in their path, in any case; where it is the
    whole name of files, theirs alone.
    """
    keys = [name_key(name).casefold() for name in names]
    fits = [row for row, key in enumerate(keys) if part in key]
    paths = {row: PurePosixPath(keys[row]) for row in fits}
    whole = [row for row, path in paths.items() if part in (path.name, path.stem)]
    return whole or fits


def _checked_row(text, n_songs):
    """The row that the digits of `text` name.

    Raises InputError where the list is shorter.
    """
    if len(text) > len(str(n_songs)) or int(text) >= n_songs:
        raise InputError(f"row {text}: the {n_songs} songs have the rows 0 to {n_songs - 1}")
    return int(text)


def _shown(names):
    """The first few names, and how many more there are."""
    more = len(names) - CANDIDATES_SHOWN
    if more <= 0:
        return names
    return [*names[:CANDIDATES_SHOWN], f"{more} more"]


def nearest_names(text, names, count=3):
    """The names that share most groups of three letters with `text` (Dice coefficient)."""
    wanted = _trigrams(text)

    def overlap(name):
        letters = _trigrams(name)
        return 2 * len(wanted & letters) / (len(wanted) + len(letters))

    return heapq.nlargest(count, names, key=overlap)


def _trigrams(text):
    """The set of groups of three letters in `text`, its ends marked."""
    text = f"  {text.casefold()} "
    return {text[start : start + 3] for start in range(len(text) - 2)}
