"""How a rhythm goes, whatever its tempo: the scale transform of the onsets'
autocorrelation.

A window of seconds is heard as one curve, how much the bands rise from frame to frame.
Its autocorrelation has peaks where the rhythm repeats: at the beat, the half of it, the
bar. Played faster, all of them move towards zero by the same factor; on a logarithmic
axis of lags that is a shift, and the magnitude of a Fourier transform does not know
shifts (Cohen 1993 for the transform, Holzapfel & Stylianou 2011 for dances told by it).

Arrays are (n_frames, n_mels) in, (n_windows, N_VALUES) float32 out; rates are in frames
per second.
"""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

N_VALUES = 30  # of the transform, from the constant on
WINDOW_SECONDS = 8.0  # two bars of a slow piece
STEP_SECONDS = 1.0  # from one window to the next
LAGS_SECONDS = (0.075, 5.0)  # of the autocorrelation, from the quickest notes to a long bar
N_LAGS = 256  # on the logarithmic axis
# of that axis, in which the longest lags fade out: what another tempo moves over its end
# does not change the rest
FADE = 0.2
SMOOTH_SECONDS = 0.15  # of the curve: players are not exact, and frames are not where onsets are
LEAST_FRAMES = 8  # in a window, however far apart frames are
# added to magnitudes, which have length 1 together, before the logarithm
FLOOR = 0.1
BLOCK_WINDOWS = 256  # at once: memory stays small, however long the recording


def windows_and_step(frames_per_second):
    """Frames in a window, and from one window to the next."""
    window = max(LEAST_FRAMES, round(WINDOW_SECONDS * frames_per_second))
    return window, max(1, round(STEP_SECONDS * frames_per_second))


def rhythm_around(frames, middles, frames_per_second):
    """Rhythm (n, N_VALUES) float32 of the window of `frames`, log-mel as
    `texture.levelled` gives it, whose middle is nearest to each of `middles` (n,), in frames.
    """
    window, step = windows_and_step(frames_per_second)
    values = rhythm(frames, frames_per_second)
    nearest = np.round((np.asarray(middles) - window / 2) / step).astype(int)
    return values[np.clip(nearest, 0, len(values) - 1)]


def rhythm(frames, frames_per_second):
    """Rhythm (n_windows, N_VALUES) float32 of each window of `frames`, log-mel as
    `texture.levelled` gives it.

    Frames shorter than a window are repeated to and fro until they fill it.
    """
    window, step = windows_and_step(frames_per_second)
    onsets = _onsets(frames, frames_per_second)
    if len(onsets) < window:
        onsets = np.pad(onsets, (0, window - len(onsets)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(onsets, window)[::step]
    blocks = [
        _scale_transform(windows[first : first + BLOCK_WINDOWS], frames_per_second)
        for first in range(0, len(windows), BLOCK_WINDOWS)
    ]
    return np.concatenate(blocks)


def _onsets(frames, frames_per_second):
    """How much the bands rise (n_frames,), smoothed; the first frame rises from itself."""
    rises = np.maximum(np.diff(frames, axis=0, prepend=frames[:1]), 0).mean(axis=1)
    width = max(1, round(SMOOTH_SECONDS * frames_per_second) | 1)
    kernel = np.hanning(width + 2)[1:-1]
    # "same" gives the kernel's length where the curve is the shorter one
    return np.convolve(rises, kernel / kernel.sum())[width // 2 :][: len(rises)]


def _scale_transform(windows, frames_per_second):
    """Log magnitudes (n_windows, N_VALUES) of the scale transform of the
    autocorrelation of each row of `windows` (n_windows, window).
    """
    correlation = _autocorrelation(windows)
    longest = correlation.shape[1] - 2
    first, last = (min(lag * frames_per_second, longest) for lag in LAGS_SECONDS)
    lags = np.geomspace(first, last, N_LAGS)
    below = lags.astype(int)
    share = lags - below
    values = correlation[:, below] * (1 - share) + correlation[:, below + 1] * share
    # of energy 1 on the logarithmic axis what has energy 1 on the plain one
    spectrum = np.abs(rfft(values * np.sqrt(lags) * _fade(), axis=1))[:, :N_VALUES]
    length = np.linalg.norm(spectrum, axis=1, keepdims=True)
    return np.log(spectrum / np.maximum(length, 1e-9) + FLOOR).astype(np.float32)


def _fade():
    """What each lag weighs (N_LAGS,): a quarter of a sine, squared, at the end."""
    to_end = np.linspace(1, 0, N_LAGS) / FADE
    return np.sin(np.pi / 2 * np.minimum(to_end, 1)) ** 2


def _autocorrelation(windows):
    """Mean product (n_windows, window) of each row, less its mean, with itself by lag;
    1 at lag 0, and zero for a row that does not move.
    """
    size = windows.shape[1]
    centred = windows - windows.mean(axis=1, keepdims=True)
    spectrum = rfft(centred, next_fast_len(2 * size), axis=1)
    sums = irfft(spectrum.real**2 + spectrum.imag**2, next_fast_len(2 * size), axis=1)[:, :size]
    means = sums / np.arange(size, 0, -1)
    return means / np.maximum(means[:, :1], 1e-9)
