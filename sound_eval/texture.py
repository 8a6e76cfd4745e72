"""Log-mel frames -> summaries of the windows of seconds in which rhythm and texture live.

A single frame is a tenth of a second of spectrum. A summary describes every window of `window` frames, one each `step` frames:

    mean            (n_mels)                    the spectrum
    deviation       (n_mels)                    how much it moves
    flux            (n_mels)                    mean absolute difference of neighbouring frames: how fast it moves
    skewness        (n_mels)                    whether it moves by peaks out of quiet (positive) or by gaps in a steady sound (negative)
    modulation      (n_coarse * n_bands)        log magnitude of the modulation spectrum (the Fourier transform of each coarse band's
                                                log-mel over time) in octaves from `LOWEST_MODULATION_HZ` up: tremolo, beat and pulse

after the texture-window statistics of Tzanetakis & Cook (2002) and the modulation spectra of McKinney & Breebaart (2003).
Arrays are (n_frames, n_mels) in, (n_windows, n_features) float32 out; rates are in frames per second.
"""
from itertools import pairwise

import numpy as np
from scipy.fft import rfft, rfftfreq

FLOOR = np.log(1e-4)  # log-mel below this is inaudible beside the music; without a floor, silence would dominate the deviations
COARSE_BINS = 20  # modulation is taken of this many groups of neighbouring mel bins
LOWEST_MODULATION_HZ = 0.5
N_MODULATION_BANDS = 6  # octaves: 0.5-1, 1-2, 2-4, 4-8, 8-16, above 16 Hz
STEADY = 0.1  # added to the deviation that the skewness is divided by: what hardly moves has no shape
MODULATION_FLOOR = 1e-2  # added to magnitudes before the logarithm: 1 % modulation depth is heard as none
BLOCK_WINDOWS = 2048  # windows summarised at once, which bounds the memory for long recordings


def n_windows(n_frames, window, step):
    """How many summaries `n_frames` give: 1 for a song that is no longer than a window."""
    return 1 + max(0, n_frames - window) // step


def n_features(n_mels):
    """Values in one summary of `n_mels` bins."""
    return 4 * n_mels + min(COARSE_BINS, n_mels) * N_MODULATION_BANDS


def summarise(frames, window, step, frames_per_second):
    """Summaries (n_windows, n_features) float32 of log-mel `frames` (n_frames, n_mels).

    Frames shorter than a window are repeated to and fro until they fill it.
    """
    frames = np.maximum(np.asarray(frames, np.float32), np.float32(FLOOR))
    if len(frames) < window:
        frames = np.pad(frames, ((0, window - len(frames)), (0, 0)), mode="symmetric")
    count = n_windows(len(frames), window, step)
    blocks = []
    for first in range(0, count, BLOCK_WINDOWS):
        last = min(first + BLOCK_WINDOWS, count)
        blocks.append(summarise_block(frames[first * step : (last - 1) * step + window], window, step, frames_per_second))
    return np.concatenate(blocks)


def summarise_block(frames, window, step, frames_per_second):
    """`summarise` for frames that hold whole windows, all at once."""
    starts = np.arange(0, len(frames) - window + 1, step)
    mean = window_sums(frames, starts, window) / window
    square = window_sums(frames * frames, starts, window) / window
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    third_moment = window_sums(frames**3, starts, window) / window - 3 * mean * square + 2 * mean**3
    flux = window_sums(np.abs(np.diff(frames, axis=0)), starts, window - 1) / max(window - 1, 1)
    modulation = modulation_spectrum(coarse_bins(frames), starts, window, frames_per_second)
    return np.concatenate([mean, deviation, flux, third_moment / (deviation + STEADY) ** 3, modulation], axis=1, dtype=np.float32)


def window_sums(values, starts, length):
    """Sums (n_windows, n) of `values` (n_frames, n) over `length` frames from each start, by differences of running sums."""
    running = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=running[1:])
    return running[starts + length] - running[starts]


def coarse_bins(frames):
    """Means (n_frames, n_coarse) of groups of neighbouring mel bins."""
    n_mels = frames.shape[1]
    edges = np.linspace(0, n_mels, min(COARSE_BINS, n_mels) + 1).astype(int)
    return np.add.reduceat(frames, edges[:-1], axis=1) / np.diff(edges).astype(np.float32)


def modulation_spectrum(bands, starts, window, frames_per_second):
    """Log magnitude (n_windows, n_coarse * n_bands) of each band's modulation, by octaves of modulation frequency."""
    windows = np.lib.stride_tricks.sliding_window_view(bands, window, axis=0)[starts]  # (n_windows, n_coarse, window)
    spectrum = rfft(windows - windows.mean(-1, keepdims=True), axis=-1, workers=1)
    power = (spectrum.real**2 + spectrum.imag**2) * np.float32(4 / window**2)  # a sine of amplitude a has power a^2
    octaves = [power[..., inside].sum(-1) for inside in octave_bins(window, frames_per_second)]
    magnitude = np.sqrt(np.stack(octaves, axis=-1))  # (n_windows, n_coarse, n_bands)
    return np.log(magnitude + MODULATION_FLOOR).reshape(len(starts), -1)


def octave_bins(window, frames_per_second):
    """For each octave the mask of the FFT bins in it; the last one takes everything above."""
    frequency = rfftfreq(window, 1 / frames_per_second)
    edges = LOWEST_MODULATION_HZ * 2.0 ** np.arange(N_MODULATION_BANDS + 1)
    edges[-1] = np.inf
    slack = 1e-6  # so that a bin at an edge falls on one side for good
    return [(frequency >= low - slack) & (frequency < high - slack) for low, high in pairwise(edges)]
