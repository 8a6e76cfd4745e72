"""Where the time of preprocessing one file goes, and what was tried for each step.
Processor time in one process.

Processor time, unlike wall time, does not count what other programs do meanwhile, and
so nor the wait for the disk. The variants take turns over the same files of AUDIO_DIR,
five times, and the best of each counts. Prints a table in Markdown; the variant in use
stands first.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import os
import time
from functools import partial
from pathlib import Path

# as in spectrify_all.py
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import soundfile
import soxr
from scipy.fft import irfft, rfft

from sound_eval.audio import decoders, mixing
from sound_eval.audio.folder import AudioFolder
from sound_eval.cli import positive_int, run_main, script_parser
from sound_eval.config import read_config
from sound_eval.errors import InputError
from sound_eval.files.tables import print_markdown
from sound_eval.log_mel import melspec
from sound_eval.log_mel.log_mel_file import log_mel_of_file, log_mel_parameters
from sound_eval.terminal import Progress

EXAMPLE = """example:
  python benchmarks/spectrify_steps.py example_input/ --files 15"""
ROUNDS = 5
NEW_RATE = 16000  # Hz


def read_blocks(path, frames, dtype="float32"):
    """Decode a file in blocks of that many frames and throw them away."""
    with soundfile.SoundFile(path) as file:
        buffer = np.empty((frames, file.channels), dtype)
        while file.buffer_read_into(buffer, dtype=dtype):
            pass


def resample_by_fft(samples, rate, periods=96, overlap=4):
    """Overlap-save: blocks of whole periods of both rates, whose spectra are cut at
    the new half rate.
    """
    common = np.gcd(rate, NEW_RATE)
    old, new = rate // common, NEW_RATE // common  # samples in one period
    block, margin = old * periods, old * overlap
    step = block - 2 * margin
    n_blocks = -(-len(samples) // step)
    padded = np.pad(samples, (margin, n_blocks * step + margin - len(samples)))
    spectra = rfft(np.lib.stride_tricks.sliding_window_view(padded, block)[::step], axis=1)[
        :, : new * periods // 2 + 1
    ]
    blocks = irfft(spectra, n=new * periods, axis=1) * np.float32(new / old)
    return blocks[:, new * overlap : -new * overlap].ravel()


def dense_bands(spectra, parameters):
    """The mel bands by a dense matrix product."""
    return np.abs(spectra) @ melspec.mel_matrix(
        parameters["n_mels"], parameters["fft_size"], parameters["samplerate"]
    )


def with_sizes(values, frames, function):
    """Run `function` with other block sizes."""
    before = decoders.BLOCK_VALUES, melspec.BLOCK_FRAMES
    decoders.BLOCK_VALUES, melspec.BLOCK_FRAMES = values, frames
    try:
        function()
    finally:
        decoders.BLOCK_VALUES, melspec.BLOCK_FRAMES = before


def steps(paths, config):
    """(step, variant, function over all files) for every measurement."""
    stereo = [soundfile.read(path, dtype="float32", always_2d=True) for path in paths]
    mono = [(mixing.mean_of_channels(samples), rate) for samples, rate in stereo]
    parameters = log_mel_parameters(config)
    signals = [soxr.resample(samples, rate, config.SAMPLERATE) for samples, rate in mono]
    views = [
        np.lib.stride_tricks.sliding_window_view(signal, config.FFT_SIZE)[:: config.hop][:64]
        for signal in signals
    ]
    windows = [np.ascontiguousarray(view * melspec.hann(config.FFT_SIZE)) for view in views]
    spectra = [rfft(window, axis=1) for window in windows]
    return [
        *decoding(paths),
        *resampling(stereo, mono),
        *analysing(windows, spectra, parameters),
        (
            "log-mel of the whole signal",
            "blocks of 64 frames",
            lambda: [melspec.log_mel(signal, **parameters) for signal in signals],
        ),
        *block_sizes(paths, config),
    ]


def decoding(paths):
    """Variants of decoding."""

    def read(frames, dtype="float32"):
        return lambda: [read_blocks(path, frames, dtype) for path in paths]

    return [
        ("decode (libsndfile)", "float32, blocks of 65536", read(1 << 16)),
        ("", "float32, blocks of 4096", read(1 << 12)),
        ("", "float32, the whole file", read(1 << 22)),
        ("", "int16, blocks of 65536", read(1 << 16, "int16")),
    ]


def resampling(stereo, mono):
    """Variants of the way from channels at their own rate to one at ours."""

    def soxr_of(signals, quality):
        return lambda: [soxr.resample(signal, rate, NEW_RATE, quality) for signal, rate in signals]

    return [
        (
            "mean of channels",
            "sum of columns",
            lambda: [mixing.mean_of_channels(samples) for samples, _ in stereo],
        ),
        ("", "numpy.mean", lambda: [samples.mean(axis=1) for samples, _ in stereo]),
        ("resample", "soxr HQ, mono", soxr_of(mono, "HQ")),
        ("", "soxr HQ, before the mean", soxr_of(stereo, "HQ")),
        ("", "soxr MQ, mono", soxr_of(mono, "MQ")),
        ("", "soxr LQ, mono", soxr_of(mono, "LQ")),
        ("", "our own, by FFT", lambda: [resample_by_fft(samples, rate) for samples, rate in mono]),
    ]


def analysing(windows, spectra, parameters):
    """Variants of the Fourier transform and of the mel bands."""
    shape = (parameters["n_mels"], parameters["fft_size"], parameters["samplerate"])
    sparse = melspec.sparse_bands(*shape)

    def twenty(function, blocks):
        return lambda: [function(block) for block in blocks for _ in range(20)]

    return [
        ("FFT of 64 frames, x 20", "SciPy", twenty(partial(rfft, axis=1), windows)),
        ("", "NumPy", twenty(partial(np.fft.rfft, axis=1), windows)),
        ("bands of 64 frames, x 20", "sparse", twenty(lambda x: sparse @ np.abs(x).T, spectra)),
        ("", "dense", twenty(lambda x: dense_bands(x, parameters), spectra)),
    ]


def block_sizes(paths, config):
    """All but writing, with the sizes of blocks in use and with others."""
    values = decoders.BLOCK_VALUES
    frames = melspec.BLOCK_FRAMES
    others = [
        (16, values),
        (128, values),
        (512, values),
        (frames, values // 8),
        (frames, values * 8),
    ]

    def work():
        return [log_mel_of_file(path, config) for path in paths]

    return [
        ("all but writing", f"{frames} frames, {values} samples", work),
        *(("", f"{f} frames, {v} samples", partial(with_sizes, v, f, work)) for f, v in others),
    ]


def processor_seconds(function):
    """Processor time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(rows):
    """The best processor seconds of each row's function, (n_rows,);
    a round takes each once, so that a busy minute hits all.
    """
    best = np.full(len(rows), np.inf)
    with Progress(ROUNDS * len(rows), "variant", "measuring") as progress:
        for _ in range(ROUNDS):
            for row, (_, _, function) in enumerate(rows):
                best[row] = min(best[row], processor_seconds(function))
                progress.update(1)
    return best


def main(argv=None):
    """Measure every variant and print the table."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "audio_dir", metavar="AUDIO_DIR", help="folder of music that libsndfile reads"
    )
    parser.add_argument(
        "--files",
        type=positive_int,
        default=15,
        metavar="N",
        help="so many files, evenly spread (default: 15)",
    )
    arguments = parser.parse_args(argv)
    config = read_config()
    names = [
        source.name for source in AudioFolder(arguments.audio_dir, config.AUDIO_SUFFIXES).sources
    ]
    if not names:
        raise InputError(f"{arguments.audio_dir}: holds no audio file")
    paths = [
        Path(arguments.audio_dir) / name for name in names[:: max(1, len(names) // arguments.files)]
    ]
    rows = steps(paths, config)
    cells = [
        (step, variant, f"{1000 * seconds / len(paths):.2f}")
        for (step, variant, _), seconds in zip(rows, measure(rows), strict=True)
    ]
    print_markdown(["step", "variant", "ms a file"], cells)
    return 0


if __name__ == "__main__":
    run_main(main)
