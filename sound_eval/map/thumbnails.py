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
from sound_eval.files.trees import load_frames, log_mel_name
from sound_eval.map.folder import THUMBNAILS
from sound_eval.map.former import is_thumbnail
from sound_eval.map.places import NO_SUCH_NAME, Tree
from sound_eval.map.sounds import source_of
from sound_eval.terminal import Progress, warn

SIZE = (272, 64)  # pixels
MISSING, LOST = None, ""  # in place of the name of a picture
QUIET, LOUD = 20, 99.5  # percentiles of a song's log-mel that are clear and full


def thumbnail(log_mel):
    """A log-mel (n_frames, n_mels) as the bytes of a PNG of `SIZE`."""
    low, high = np.percentile(log_mel, [QUIET, LOUD])
    loudness = np.clip((log_mel - low) / max(high - low, 1e-6), 0, 1)
    alpha = Image.fromarray(np.rint(255 * loudness.T[::-1]).astype(np.uint8)).resize(
        SIZE, Image.Resampling.BOX
    )
    picture = Image.merge("LA", [Image.new("L", SIZE, 20), alpha])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def middle(log_mel, seconds, seconds_per_frame):
    """The frames of the middle `seconds`, all where `seconds` is 0, as the previews are cut."""
    n_frames = round(seconds / seconds_per_frame) if seconds else len(log_mel)
    start = max(0, (len(log_mel) - n_frames) // 2)
    return log_mel[start : start + n_frames]


def write_thumbnails(vectors_dir, names, folder, clip_seconds, seconds_per_frame):
    """Write a spectrogram for every song that has a log-mel, and count the others in a
    line for each reason.

    Returns which songs have one, (n,) uint8, where those lie, row -> name, that are not
    where the page looks, and the suffix that it looks for.
    """
    tree = Tree(THUMBNAILS, names, f".{clip_seconds:g}s.png" if clip_seconds else ".png")
    outcomes = []
    with Progress(len(names), "song", "spectrograms") as progress:
        for name in names:
            outcomes.append(
                draw(
                    vectors_dir,
                    name,
                    folder,
                    tree,
                    partial(middle, seconds=clip_seconds, seconds_per_frame=seconds_per_frame),
                )
            )
            progress.update(1)
    warn_of(outcomes, names, vectors_dir)
    elsewhere = {
        row: place
        for row, place in enumerate(outcomes)
        if place and not tree.is_usual(names[row], place)
    }
    return np.array([bool(place) for place in outcomes], np.uint8), elsewhere, tree.suffix


def draw(vectors_dir, name, folder, tree, part_of):
    """Write one song's spectrogram; returns its place, MISSING without a log-mel, LOST
    where it cannot be shown.
    """
    path = source_of(vectors_dir, log_mel_name(name))
    if path is None:
        return MISSING
    frames = read_frames(path, part_of)
    return LOST if frames is None else write_first(folder, tree.places(name), thumbnail(frames))


def read_frames(path, part_of):
    """The log-mel frames to show, (n, n_mels) float32; None where the file is no log-mel."""
    try:
        log_mel = load_frames(path, mmap_mode="r")
    except InputError:
        return None
    if log_mel.ndim != 2 or not log_mel.size or log_mel.dtype.kind != "f":
        return None
    return np.asarray(part_of(log_mel), np.float32)


def write_first(folder, places, picture):
    """Write a picture at the first of `places` where it can be;
    returns that, LOST where nowhere.
    """
    for place in places:
        try:
            if (
                folder.is_former
                and not folder.is_free(place)
                and is_thumbnail(folder.path / place, SIZE)
            ):
                folder.adopt(place)
            folder.write(place, picture)
        except OSError as error:
            if error.errno not in NO_SUCH_NAME:
                raise
        else:
            return place
    return LOST


def warn_of(outcomes, names, vectors_dir):
    """One line for each reason why songs have no spectrogram."""
    missing = sum(outcome is MISSING for outcome in outcomes)
    if missing:
        warn(
            f"{missing} of {len(names)} songs have no log-mel in {vectors_dir}; "
            "they are without a spectrogram"
        )
    lost = [name for name, outcome in zip(names, outcomes, strict=True) if outcome is LOST]
    if lost:
        warn(
            f"the log-mels of {len(lost)} songs cannot be shown; "
            f"they are without a spectrogram (the first is {lost[0]})"
        )
