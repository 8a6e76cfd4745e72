"""A small spectrogram for each song, from its log-mel: time to the right, low tones
below, loud dark on clear ground.

The picture has one luminance and carries the sound in its transparency, so that the
page can show it on any ground.
"""

import io
from functools import partial

import numpy as np
from PIL import Image

from sound_eval.errors import InputError
from sound_eval.files.reading import load_frames
from sound_eval.files.trees import log_mel_name
from sound_eval.map.folder.former import is_thumbnail
from sound_eval.map.folder.places import NO_SUCH_NAME, Beside, Tree
from sound_eval.map.folder.record import THUMBNAILS
from sound_eval.map.folder.sounds import source_of
from sound_eval.terminal import Progress, warn

SIZE = (272, 64)  # pixels
# in place of where a picture lies
MISSING = None
LOST = ""
# percentiles of a song's log-mel that are clear and full
QUIET = 20
LOUD = 99.5
GREY = 20  # luminance of all pixels


def thumbnail(log_mel):
    """A log-mel (n_frames, n_mels) as the bytes of a PNG of `SIZE`."""
    low, high = np.percentile(log_mel, [QUIET, LOUD])
    loudness = np.clip((log_mel - low) / max(high - low, 1e-6), 0, 1)
    pixels = np.rint(255 * loudness.T[::-1]).astype(np.uint8)
    alpha = Image.fromarray(pixels).resize(SIZE, Image.Resampling.BOX)
    picture = Image.merge("LA", [Image.new("L", SIZE, GREY), alpha])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _middle(log_mel, seconds, seconds_per_frame):
    """The frames of the middle `seconds`, all where `seconds` is 0, as the previews are cut."""
    n_frames = round(seconds / seconds_per_frame) if seconds else len(log_mel)
    start = max(0, (len(log_mel) - n_frames) // 2)
    return log_mel[start : start + n_frames]


def write_thumbnails(vectors_dir, names, folder, clip_seconds, seconds_per_frame):
    """Write a spectrogram for every song that has a log-mel, and count the others in a
    line for each reason; returns how the page finds them, a `places.Beside`.
    """
    tree = Tree(THUMBNAILS, names, _suffix(clip_seconds))
    part_of = partial(_middle, seconds=clip_seconds, seconds_per_frame=seconds_per_frame)
    places = []
    with Progress(len(names), "song", "spectrograms") as progress:
        for name in names:
            places.append(_draw(vectors_dir, name, folder, tree, part_of))
            progress.update(1)
    _warn_of(places, names, vectors_dir)
    renamed = {
        row: place
        for row, place in enumerate(places)
        if place and not tree.is_usual(names[row], place)
    }
    return Beside(np.array([bool(place) for place in places], np.uint8), tree.suffix, renamed)


def no_thumbnails(names):
    """The `places.Beside` of a map without spectrograms."""
    return Beside(np.zeros(len(names), np.uint8), "", {})


def _suffix(clip_seconds):
    """What is put behind the name of a song."""
    return f".{clip_seconds:g}s.png" if clip_seconds else ".png"


def _draw(vectors_dir, name, folder, tree, part_of):
    """Write one song's spectrogram; returns its place, MISSING without a log-mel, LOST
    where it cannot be shown.
    """
    path = source_of(vectors_dir, log_mel_name(name))
    if path is None:
        return MISSING
    frames = _read_frames(path, part_of)
    return LOST if frames is None else _write_first(folder, tree.places(name), thumbnail(frames))


def _read_frames(path, part_of):
    """The log-mel frames to show, (n, n_mels) float32; None where the file is no log-mel."""
    try:
        log_mel = load_frames(path, mmap_mode="r")
    except InputError:
        return None
    return np.asarray(part_of(log_mel), np.float32)


def _write_first(folder, places, picture):
    """Write a picture at the first of `places` where it can be;
    returns that, LOST where nowhere.
    """
    for place in places:
        try:
            if folder.is_former and not folder.record.is_free(place):
                _take_over(folder, place)
            folder.write(place, picture)
        except OSError as error:
            if error.errno not in NO_SUCH_NAME:
                raise
        else:
            return place
    return LOST


def _take_over(folder, place):
    """Make what a map without a record drew this map's own."""
    if is_thumbnail(folder.path / place, SIZE):
        folder.adopt(place)


def _warn_of(places, names, vectors_dir):
    """One line for each reason why songs have no spectrogram."""
    missing = sum(place is MISSING for place in places)
    if missing:
        warn(
            f"{missing} of {len(names)} songs have no log-mel in {vectors_dir}; "
            "they are without a spectrogram"
        )
    lost = [name for name, place in zip(names, places, strict=True) if place is LOST]
    if lost:
        warn(
            f"the log-mels of {len(lost)} songs cannot be shown; "
            f"they are without a spectrogram (the first is {lost[0]})"
        )
