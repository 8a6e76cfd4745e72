"""Signal -> log-mel: short-time Fourier magnitudes in mel bands, as natural logarithms.
Knows arrays, not Config.

Conventions
-----------
A signal is mono float32 (n_samples,) in [-1, 1]; frames are float32 (n_frames, n_mels),
row i over samples `[i * hop, i * hop + fft_size)`: no padding, so n_frames = 1 +
(n_samples - fft_size) // hop. A signal shorter than one window is padded with zeros to
one frame. Periodic Hann window, magnitude (not power), triangles linear in HTK mel with
the DC bin dropped: what `tf.signal.stft` and `tf.signal.linear_to_mel_weight_matrix`
compute.

Everything is computed in blocks of `BLOCK_FRAMES` frames counted from the start of the
signal, however the signal arrives, so a stream gives bit for bit what the whole array
gives, in constant memory.
"""

from functools import lru_cache

import numpy as np
from scipy.fft import rfft
from scipy.sparse import csr_array

LOW_HZ, HIGH_HZ = 80.0, 7600.0  # edges of the mel bands
LOG_FLOOR = 1e-6  # added to the magnitudes: the logarithm of silence is finite
# frames analysed at once: what is computed on the way stays in the processor's cache
BLOCK_FRAMES = 64


def hz_to_mel(hz):
    """HTK's mel scale: 1127 ln(1 + hz / 700)."""
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


def mel_matrix(n_mels, fft_size, samplerate, low_hz=LOW_HZ, high_hz=HIGH_HZ):
    """Triangular bands as a matrix (fft_size // 2 + 1, n_mels) float32: magnitudes
    (n, n_bins) @ matrix = (n, n_mels).

    `high_hz` is lowered to half the sample rate where that is less. Row 0, the
    DC bin, is zero.
    """
    # (n_bins, 1)
    bins = hz_to_mel(np.arange(fft_size // 2 + 1) * (samplerate / fft_size))[:, np.newaxis]
    # equal steps in mel
    edges = np.linspace(hz_to_mel(low_hz), hz_to_mel(min(high_hz, samplerate / 2)), n_mels + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]  # (n_mels,) each
    triangles = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre))
    matrix = np.maximum(triangles, 0.0)
    matrix[0] = 0.0
    return matrix.astype(np.float32)


@lru_cache(maxsize=8)
def sparse_bands(n_mels, fft_size, samplerate):
    """`mel_matrix` transposed, (n_mels, n_bins), as a sparse matrix.

    A bin lies in two bands at most, so this product takes a third of a dense one's
    time, and unlike that it has the same bits whatever the number of threads.
    """
    return csr_array(mel_matrix(n_mels, fft_size, samplerate).T)


@lru_cache(maxsize=8)
def hann(size):
    """The periodic Hann window (size,) float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def _frames_of(samples, *, samplerate, hop, fft_size, n_mels):
    """Log-mel (n_frames, n_mels) of at least `fft_size` samples, computed in one piece."""
    # (n_frames, fft_size), a view
    windows = np.lib.stride_tricks.sliding_window_view(samples, fft_size)[::hop]
    # (n_frames, n_bins) complex64
    spectra = rfft(windows * hann(fft_size), axis=1, overwrite_x=True)
    bands = sparse_bands(n_mels, fft_size, samplerate) @ np.abs(spectra).T  # (n_mels, n_frames)
    return np.log(np.ascontiguousarray(bands.T) + np.float32(LOG_FLOOR))


def log_mel_blocks(blocks, *, samplerate, hop, fft_size, n_mels):
    """Yield the log-mel of a signal that arrives in pieces: arrays (up to BLOCK_FRAMES,
    n_mels) float32.

    `blocks` are float32 arrays of any lengths. Yields nothing for a signal
    without samples.
    """
    parameters = {"samplerate": samplerate, "hop": hop, "fft_size": fft_size, "n_mels": n_mels}
    stride = BLOCK_FRAMES * hop  # samples from one block of frames to the next
    span = max(stride, stride - hop + fft_size)  # samples that a block of frames needs
    rest, started = np.empty(0, np.float32), False
    for block in blocks:
        rest = np.concatenate([rest, block]) if len(rest) else block
        while len(rest) >= span:
            started = True
            yield _frames_of(rest[: stride - hop + fft_size], **parameters)
            rest = rest[stride:]
    if len(rest) and not started and len(rest) < fft_size:
        rest = np.pad(rest, (0, fft_size - len(rest)))
    if len(rest) >= fft_size:
        yield _frames_of(rest, **parameters)


def log_mel(samples, *, samplerate, hop, fft_size, n_mels):
    """Log-mel (n_frames, n_mels) float32 of a mono signal (n_samples,), samplerate in
    Hz, hop and fft_size in samples.

    Raises ValueError where the signal is not one-dimensional or has no samples.
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise ValueError(
            f"expected a mono signal (n_samples,), got shape {samples.shape}; "
            "average the channels first"
        )
    return np.concatenate(
        list(
            log_mel_blocks(
                [samples], samplerate=samplerate, hop=hop, fft_size=fft_size, n_mels=n_mels
            )
        )
    )
