"""Log-mel frames -> summaries of the windows of seconds in which rhythm and texture live.

A single frame is a tenth of a second of spectrum. A summary describes every window of
`window` frames, one each `step` frames:

    mean        (n_mels)   the spectrum, less its mean over the bands
    deviation   (n_mels)   how much it moves
    flux        (n_mels)   mean absolute difference of neighbouring frames: how fast it
                           moves
    skewness    (n_mels)   whether it moves by peaks out of quiet (positive) or by gaps in
                           a steady sound (negative)
    ripples     (3 * 58)   log magnitude of the joint modulation over time and frequency, in
                           three overlapping ranges of the mel axis, see `_ripple_spectrum`:
                           tremolo, beat and pulse, whether they move all bands at once or
                           sweep up or down, and how the spectrum is ribbed
    rhythm      (30)       of the eight seconds around, whatever their tempo, see `rhythms`

How loud a recording is says nothing of the music, and what lies far below its loudest
moments is what encoders throw away: so all of this is measured in frames that are level
with each other (`levelled`), and a window's own level is taken out of its mean.

After the texture-window statistics of Tzanetakis & Cook (2002) and the spectrotemporal
modulations of Chi, Ru & Shamma (2005). Arrays are (n_frames, n_mels) in,
(n_windows, n_features) float32 out; rates are in frames per second.
"""

from itertools import pairwise

import numpy as np
from scipy.fft import fft, fftfreq, rfft, rfftfreq

from sound_eval.inputs import rhythms

# share of a recording's frames whose loudest band is below its level
LEVEL_QUANTILE = 0.95
# natural logarithm of the level over the floor, 35 dB: the deeper the floor, the more of
# what a codec of 64 kbit/s changes is heard, and nothing that tells songs apart lies there
DEPTH = 4.0
# added to the deviation that the skewness is divided by: what hardly moves has no shape
STEADY = 0.1
COARSE_BINS = 40  # ripples are taken of this many groups of neighbouring mel bins
RATES_HZ = (0.5, 1, 2, 4, 8, 16, np.inf)  # edges of the bands of modulation over time
# edges of the bands of modulation over frequency, in periods per range; below 1 all
# bins move as one
SCALES = (1, 2, 4, 8, np.inf)
N_RANGES = 3  # each half the mel axis, half overlapping
# of one range: both directions and none, and standing ripples
N_RIPPLES = (2 * (len(SCALES) - 1) + 1) * (len(RATES_HZ) - 1) + len(SCALES) - 1
# added to magnitudes before the logarithm: what modulates less is heard as steady
RIPPLE_FLOOR = 0.01
# windows summarised at once: few enough for the cache of a core, however
# long the recording
BLOCK_WINDOWS = 128


def n_windows(n_frames, window, step):
    """How many summaries `n_frames` give: 1 for a song that is no longer than a window."""
    return 1 + max(0, n_frames - window) // step


def n_features(n_mels):
    """Values in one summary of `n_mels` bins."""
    return 4 * n_mels + N_RANGES * N_RIPPLES + rhythms.N_VALUES


def levelled(frames):
    """Log-mel frames (n_frames, n_mels) float32 relative to the level of the recording,
    over a floor DEPTH below it.

    The level is what the loudest band of a frame stays below in LEVEL_QUANTILE of the
    frames. The floor is added to the magnitudes: what falls beneath it is soon still.
    """
    frames = np.asarray(frames, np.float32)
    level = np.quantile(frames.max(axis=1), LEVEL_QUANTILE)
    above_floor = frames - np.float32(level - DEPTH)
    # numpy.logaddexp, in functions that take a third of its time
    raised = np.maximum(above_floor, 0) + np.log(1 + np.exp(-np.abs(above_floor)))
    return raised - np.float32(DEPTH)


def summarise(frames, window, step, frames_per_second):
    """Summaries (n_windows, n_features) float32 of log-mel `frames` (n_frames, n_mels).

    Frames shorter than a window are repeated to and fro until they fill it.
    """
    frames = levelled(frames)
    if len(frames) < window:
        frames = np.pad(frames, ((0, window - len(frames)), (0, 0)), mode="symmetric")
    count = n_windows(len(frames), window, step)
    blocks = []
    for first in range(0, count, BLOCK_WINDOWS):
        last = min(first + BLOCK_WINDOWS, count)
        block = frames[first * step : (last - 1) * step + window]
        blocks.append(_summarise_block(block, window, step, frames_per_second))
    middles = np.arange(count) * step + window / 2
    around = rhythms.rhythm_around(frames, middles, frames_per_second)
    return np.concatenate([np.concatenate(blocks), around], axis=1)


def _summarise_block(frames, window, step, frames_per_second):
    """`summarise` for frames that hold whole windows, all at once."""
    starts = np.arange(0, len(frames) - window + 1, step)
    mean, deviation, skewness = _moments(frames, starts, window)
    mean -= mean.mean(axis=1, keepdims=True)
    changes = np.abs(np.diff(frames, axis=0))
    flux = _window_sums(changes, starts, window - 1) / max(window - 1, 1)
    ripples = _ripple_spectrum(_coarse_bins(frames), starts, window, frames_per_second)
    return np.concatenate(
        [mean, deviation, flux, skewness, ripples],
        axis=1,
        dtype=np.float32,
    )


def _moments(frames, starts, window):
    """Mean, deviation and skewness (n_windows, n_mels) of windows of frames.

    By running sums: `scipy.stats.skew` of every window takes eight times as long as all
    three, more than a whole summary, and differs in the last digits, by which a resumed
    training would no longer see the inputs that it began with.
    """
    # products, as NumPy's powers take forty times as long
    squares = frames * frames
    powers = (frames, squares, squares * frames)
    mean, square, cube = (_window_sums(power, starts, window) / window for power in powers)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    third_moment = cube - mean * (3 * square - 2 * mean * mean)
    spread = deviation + STEADY
    return mean, deviation, third_moment / (spread * spread * spread)


def _window_sums(values, starts, length):
    """Sums (n_windows, n) of `values` (n_frames, n) over `length` frames from each
    start, by differences of running sums.
    """
    running = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=running[1:])
    return running[starts + length] - running[starts]


def _coarse_bins(frames):
    """Means (n_frames, n_coarse) of groups of neighbouring mel bins."""
    n_mels = frames.shape[1]
    edges = np.linspace(0, n_mels, min(COARSE_BINS, n_mels) + 1).astype(int)
    return np.add.reduceat(frames, edges[:-1], axis=1) / np.diff(edges).astype(np.float32)


def _ripple_spectrum(bins, starts, window, frames_per_second):
    """Log magnitudes (n_windows, N_RANGES * N_RIPPLES) of the two-dimensional Fourier
    transform of windows of `bins` (n_frames, n_bins).

    Of each range of bins, in this order: rates within scale below 1, then for each
    scale rates of ripples that sweep downwards and upwards, and last the standing
    ripple of each scale, at rate 0. A ripple of amplitude 1 in all bins of a range
    reads as about 0.
    """
    # (n_windows, n_bins, window)
    windows = np.lib.stride_tricks.sliding_window_view(bins, window, axis=0)[starts]
    over_time = rfft(windows, axis=-1, workers=1)
    size = max(1, bins.shape[1] // 2)
    hop = bins.shape[1] // 4
    taper = np.hanning(size + 2)[1:-1].astype(np.float32)
    scales, rates = _ripple_bands(size, window, frames_per_second)
    parts = []
    for first in hop * np.arange(N_RANGES):
        part = over_time[:, first : first + size].copy()
        # else the level would stand for a ripple
        part[..., 0] -= part[..., 0].mean(1, keepdims=True)
        spectrum = fft(part * taper[:, None], axis=1, workers=1)
        power = (spectrum.real**2 + spectrum.imag**2) * np.float32(4 / (window * taper.sum()) ** 2)
        moving = scales @ (power @ rates)
        standing = scales @ power[..., 0, None]
        parts += [moving.reshape(len(starts), -1), standing[:, 1::2, 0] + standing[:, 2::2, 0]]
    return np.log(np.sqrt(np.concatenate(parts, axis=1)) + np.float32(RIPPLE_FLOOR))


def _ripple_bands(size, window, frames_per_second):
    """What adds up the power of a transform (size, window // 2 + 1) by bands:
    (n_scales, size) and (window // 2 + 1, n_rates) of 0 and 1.
    """
    # so that a frequency at an edge falls on one side for good
    slack = 1e-6
    periods = fftfreq(size, 1 / size)
    hertz = rfftfreq(window, 1 / frames_per_second)
    sweeps = [direction * periods for direction in (1, -1)]
    scales = [
        (sweep >= low - slack) & (sweep < high - slack)
        for low, high in pairwise(SCALES)
        for sweep in sweeps
    ]
    rates = [(hertz >= low - slack) & (hertz < high - slack) for low, high in pairwise(RATES_HZ)]
    scales.insert(0, np.abs(periods) < SCALES[0] - slack)
    return np.array(scales, np.float32), np.array(rates, np.float32).T
