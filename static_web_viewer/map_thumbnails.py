"""A small spectrogram for each song, from its log-mel: time to the right, low tones below, loud dark on clear ground.

The picture has one luminance and carries the sound in its transparency, so that the page can show it on any ground.
"""
import io
from pathlib import Path

import numpy as np
from map_audio import source_of
from PIL import Image

from sound_eval.cli import Progress, warn
from sound_eval.trees import atomic_write, load_array, log_mel_name

SIZE = (272, 64)  # pixels
QUIET, LOUD = 20, 99.5  # percentiles of a song's log-mel that are clear and full


def thumbnail(log_mel):
    """A log-mel (n_frames, n_mels) as the bytes of a PNG of `SIZE`."""
    low, high = np.percentile(log_mel, [QUIET, LOUD])
    loudness = np.clip((log_mel - low) / max(high - low, 1e-6), 0, 1)
    alpha = Image.fromarray(np.rint(255 * loudness.T[::-1]).astype(np.uint8)).resize(SIZE, Image.Resampling.BOX)
    picture = Image.merge("LA", [Image.new("L", SIZE, 20), alpha])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def middle(log_mel, seconds, seconds_per_frame):
    """The frames of the middle `seconds`, all where `seconds` is 0, as the previews are cut."""
    n_frames = round(seconds / seconds_per_frame) if seconds else len(log_mel)
    start = max(0, (len(log_mel) - n_frames) // 2)
    return log_mel[start : start + n_frames]


def write_thumbnails(vectors_dir, names, out_dir, clip_seconds, seconds_per_frame):
    """Write `thumbnails/NAME.png` for every song that has a log-mel, and count the others in one line. Returns which have one, (n,) uint8."""
    found = np.array([source_of(vectors_dir, log_mel_name(name)) is not None for name in names], np.uint8)
    with Progress(int(found.sum()), "song", "spectrograms") as progress:
        for name in np.array(names, object)[found > 0]:
            frames = middle(load_array(Path(vectors_dir) / log_mel_name(name), mmap_mode="r"), clip_seconds, seconds_per_frame)
            with atomic_write(Path(out_dir) / "thumbnails" / f"{name}.png") as file:
                file.write(thumbnail(np.asarray(frames, np.float32)))
            progress.update(1)
    if not found.all():
        warn(f"{(found == 0).sum()} of {len(names)} songs have no log-mel in {vectors_dir}; they are without a spectrogram")
    return found
