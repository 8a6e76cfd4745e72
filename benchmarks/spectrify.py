"""How fast is preprocessing? spectrify_all.py beside ffmpeg alone, librosa, and
decoding alone, one after another on one folder.

ffmpeg alone: one `ffmpeg -ar RATE -ac 1 -f f32le` process after another on each core,
whose samples no one reads.
librosa: `librosa.load` and `librosa.feature.melspectrogram` with the same frames and
bands, in as many processes, which find it imported and compiled.
decoding alone: libsndfile reads every file in blocks, in as many processes; nothing is
resampled, analysed or written.
Files that a route cannot read are left out of its work and counted. Prints a table in
Markdown, with wall seconds and with the processor seconds of all its processes, which
other programs on the machine disturb less.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

# One thread for each process of librosa's, as for ours: with two they take turns on the
# cores. Read when NumPy is imported.
os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1"
)

import numpy as np

from sound_eval import programs
from sound_eval.audio.folder import AudioFolder
from sound_eval.cli import positive_int, run_main, script_parser
from sound_eval.config import read_config
from sound_eval.files.tables import print_markdown
from sound_eval.log_mel.log_mel_file import log_mel_of_file
from sound_eval.log_mel.melspec import HIGH_HZ, LOG_FLOOR, LOW_HZ
from sound_eval.terminal import Progress

FORK = multiprocessing.get_context("fork")
SCRIPT = Path(__file__).resolve().parent.parent / "spectrify_all.py"
HEADER = (
    "route",
    "seconds",
    "times real time",
    "processor seconds",
    "not read",
    "ours / it, seconds",
    "ours / it, processor",
)
EXAMPLE = """example:
  python benchmarks/spectrify.py example_input/ --processes 2"""


def run_ours(links, out, processes, config_path):
    """Run spectrify_all.py as a person does, start-up and writing included;
    returns how many files failed.
    """
    config = [f"--config={config_path}"] if config_path else []
    done = subprocess.run(
        [sys.executable, SCRIPT, links, out, "--processes", str(processes), *config],
        capture_output=True,
        text=True,
        check=False,
    )
    return int(done.stdout.split()[-1])


def startup_seconds(path, out):
    """Wall seconds from the command to the log-mel of a first file of a tenth of a second."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, SCRIPT, path, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list(out.glob("*.npy")) and process.poll() is None:
        time.sleep(0.002)
    seconds = time.perf_counter() - start
    process.wait()
    return seconds


def decode_with_ffmpeg(samplerate, path):
    """Whether ffmpeg decodes a file."""
    output = ["-ar", str(samplerate), "-ac", "1", "-f", "f32le", "pipe:1"]
    command = ["ffmpeg", "-nostdin", "-v", "quiet", *programs.input_of(path), *output]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def librosa_log_mel(config, path):
    """The log-mel (n_frames, n_mels) as a user of librosa computes it, or None."""
    import librosa

    try:
        samples, rate = librosa.load(path, sr=config.SAMPLERATE, mono=True)
    except Exception:  # whatever it raises: the file is counted as one that it cannot read
        return None
    bands = {
        "n_mels": config.NUM_MEL_BINS,
        "fmin": LOW_HZ,
        "fmax": HIGH_HZ,
        "htk": True,
        "norm": None,
    }
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=rate,
        n_fft=config.FFT_SIZE,
        hop_length=config.hop,
        center=False,
        power=1.0,
        **bands,
    )
    return np.log(mel.T + LOG_FLOOR)


def work_with_librosa(config, path):
    """Whether librosa reads a file; its log-mel is thrown away."""
    return librosa_log_mel(config, path) is not None


def decode_alone(path):
    """Whether libsndfile reads a file to its end."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            buffer = np.empty((1 << 16, file.channels), np.float32)
            while file.buffer_read_into(buffer, dtype="float32"):
                pass
    except soundfile.SoundFileError:
        return False
    return True


def in_pool(pool, function, paths, what):
    """Call `function` for all paths in a fresh pool; returns how many it could not read."""
    failed = 0
    with pool as executor, Progress(len(paths), "file", what) as progress:
        for good in executor.map(function, paths):
            failed += not good
            progress.update(1)
    return failed


def timed(function, *args):
    """(wall seconds, processor seconds of the processes it started, what it returned)."""
    start = time.perf_counter()
    used = processor_seconds()
    failed = function(*args)
    return time.perf_counter() - start, processor_seconds() - used, failed


def processor_seconds():
    """What the processes that this one started and that have ended have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(argv=None):
    """Measure every route in turn and print the table."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("audio_dir", metavar="AUDIO_DIR", help="folder of music")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="YAML file of settings (default: configs/default_config.yaml)",
    )
    parser.add_argument(
        "--processes",
        type=positive_int,
        default=2,
        metavar="N",
        help="processes of every route (default: 2)",
    )
    parser.add_argument(
        "--every",
        type=positive_int,
        default=1,
        metavar="N",
        help="only every N-th file, for a quick look (default: 1)",
    )
    arguments = parser.parse_args(argv)
    config = read_config(arguments.config)
    names = [
        source.name for source in AudioFolder(arguments.audio_dir, config.AUDIO_SUFFIXES).sources
    ][:: arguments.every]
    with tempfile.TemporaryDirectory() as folder:
        links = link_files(arguments.audio_dir, names, Path(folder))
        print_table(measure(links, Path(folder), arguments, config), len(names))
    return 0


def link_files(audio_dir, names, folder):
    """A folder of links to the files that are measured, all read once, so that no route
    pays for the disk. Returns it.
    """
    for number, name in enumerate(names):
        path = Path(audio_dir).resolve() / name
        path.read_bytes()
        (folder / "music").mkdir(exist_ok=True)
        (folder / "music" / f"{number:06d}{path.suffix}").symlink_to(path)
    return folder / "music"


def measure(links, folder, arguments, config):
    """Route -> (wall seconds, processor seconds, files not read), and what is told
    below the table.
    """
    paths, n = sorted(links.iterdir()), arguments.processes
    librosa_log_mel(config, paths[0])  # its processes are forked from this one
    rows = {
        "spectrify_all.py": timed(run_ours, links, folder / "out", n, arguments.config),
        "ffmpeg alone": timed(
            in_pool,
            ThreadPoolExecutor(n),
            partial(decode_with_ffmpeg, config.SAMPLERATE),
            paths,
            "ffmpeg",
        ),
        "librosa": timed(
            in_pool,
            ProcessPoolExecutor(n, FORK),
            partial(work_with_librosa, config),
            paths,
            "librosa",
        ),
        "decoding alone": timed(
            in_pool, ProcessPoolExecutor(n, FORK), decode_alone, paths, "decoding"
        ),
    }
    frames = sum(len(np.load(path, mmap_mode="r")) for path in (folder / "out").glob("*.npy"))
    return rows, frames * config.seconds_per_frame, startup(folder), deviation(paths[:20], config)


def startup(folder):
    """The median of five start-ups on one tiny file."""
    import soundfile

    (folder / "tiny").mkdir()
    soundfile.write(folder / "tiny" / "a.wav", np.zeros(1600), 16000)
    seconds = []
    for _ in range(5):
        shutil.rmtree(folder / "tiny out", ignore_errors=True)
        seconds.append(startup_seconds(folder / "tiny", folder / "tiny out"))
    return float(np.median(seconds))


def deviation(paths, config):
    """The median difference between our log-mel and librosa's over some files, where
    they are above the floor.
    """
    differences = []
    for path in paths:
        ours, theirs = log_mel_of_file(path, config), librosa_log_mel(config, path)
        if theirs is not None and abs(len(ours) - len(theirs)) <= 1:
            n = min(len(ours), len(theirs))
            differences.append(np.abs(ours[:n] - theirs[:n])[theirs[:n] > np.log(1e-3)])
    return float(np.median(np.concatenate(differences)))


def print_table(measured, n_files):
    """The table, ours first and as a share of the others."""
    rows, audio_seconds, first_file, median = measured
    our_wall, our_processor, _ = rows["spectrify_all.py"]
    print(f"{n_files} files, {audio_seconds / 3600:.2f} h of audio\n")
    cells = []
    for name, (wall, processor, failed) in rows.items():
        times = [f"{wall:.1f}", f"{audio_seconds / wall:.0f}", f"{processor:.1f}"]
        shares = [f"{our_wall / wall:.2f}", f"{our_processor / processor:.2f}"]
        cells.append([name, *times, failed, *shares])
    print_markdown(HEADER, cells)
    print(
        f"\nFrom the command to the first log-mel: {first_file:.2f} s. "
        f"Median difference from librosa's log-mel: {median:.4f}."
    )


if __name__ == "__main__":
    run_main(main)
