"""The run folder of a training: song vectors by epoch, the music list, weights, config and costs. Arrays in, arrays out.

    vector_at_{x}.npy   (n_songs, dim) float32   the song vectors after epoch x
    music_list.txt      n_songs lines            line i is the song of row i, a path relative to the log-mel tree
    weights/            everything that a resumed training needs, by epoch
    epoc_num.txt        the last epoch that is whole; written last, so it is the mark that a save is complete
    config.yaml         the configuration that was used
    cost_list.csv       epoc,cost

A save writes the weights and the vectors under names that carry the epoch, then the commit mark, and only then removes
the weights of the epoch before. A kill between any two writes leaves the last complete save in place.
"""
import csv
import fcntl
import io
import os
import re
import shutil
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sound_eval.cli import InputError, one_line
from sound_eval.config import read_config, save_config
from sound_eval.trees import atomic_write, load_array, read_music_list, read_text, save_array, save_music_list, save_text

LOCK_NAME = ".lock"


class RunFolder:
    """One run folder by its path. Reading raises InputError where the folder is no run folder or its parts do not fit."""

    def __init__(self, path):
        self.path = Path(path)
        self.weights_path = self.path / "weights"
        self.names = None  # of the songs that `save` writes, set by `start`
        self.lock_descriptor = None

    def exists(self):
        """Whether a save was completed here."""
        return (self.path / "epoc_num.txt").is_file()

    def epoch(self):
        """The last complete epoch."""
        path = self.path / "epoc_num.txt"
        if not path.is_file():
            raise InputError(f"{self.path}: no epoc_num.txt; a run folder is what spectrogram_doc2vec.py writes")
        text = read_text(path).strip()
        if not re.fullmatch(r"\d+", text):
            raise InputError(f"{path}: holds {text[:40]!r}, expected the number of an epoch")
        return int(text)

    def music_list(self):
        """Names of the songs, in the order of the vectors' rows.

        A save appends new songs just before it sets the commit mark; where it was cut short in between, they do not count yet.
        """
        vectors, unfinished = self.vectors_path(), self.vectors_path(self.epoch() + 1)
        names = read_music_list(self.path / "music_list.txt")
        if vectors.is_file() and unfinished.is_file() and len(load_array(unfinished, mmap_mode="r")) == len(names):
            return names[: len(load_array(vectors, mmap_mode="r"))]
        return names

    def config(self):
        """The configuration that the run was trained with."""
        self.epoch()
        return read_config(self.path / "config.yaml")

    def vectors_path(self, epoch=None):
        """Path of the song vectors after `epoch`, by default the last complete one."""
        return self.path / f"vector_at_{self.epoch() if epoch is None else epoch}.npy"

    def vectors(self, epoch=None):
        """Song vectors (n_songs, dim) float32, held against the length of the music list."""
        path = self.vectors_path(epoch)
        vectors, names = load_array(path), self.music_list()
        if vectors.ndim != 2 or (epoch is None and len(vectors) != len(names)):
            message = f"shape {vectors.shape} does not fit the {len(names)} songs of music_list.txt; is one of the two from another run?"
            raise InputError(f"{path}: {message}")
        return vectors

    def weights(self):
        """The arrays of the last complete save as a dict, name -> array."""
        path = self.weights_path / f"weights_at_{self.epoch()}.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except FileNotFoundError as error:
            raise InputError(f"{path}: missing; the run folder was copied without its weights") from error
        except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not readable ({error})") from error

    def costs(self):
        """Rows (epoch, cost) of the complete epochs; a save that was cut short may have written one more."""
        if not self.exists():
            return []
        path = self.path / "cost_list.csv"
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = [(int(row["epoc"]), float(row["cost"])) for row in csv.DictReader(file)]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a list of costs ({one_line(error)}); put back what was there, or only its header `epoc,cost`") from error
        return [row for row in rows if row[0] <= self.epoch()]

    def start(self, config, names):
        """Make the folder, write the configuration, and note the names of the songs that the next saves hold, in the order of rows."""
        self.weights_path.mkdir(parents=True, exist_ok=True)
        save_config(self.path / "config.yaml", config)
        self.names = list(names)

    def save(self, epoch, vectors, weights, cost):
        """Write the state after `epoch`: vectors (n_songs, dim), weights name -> array, the epoch's mean cost."""
        with atomic_write(self.weights_path / f"weights_at_{epoch}.npz") as file:
            np.savez(file, **weights)
        save_array(self.path / f"vector_at_{epoch}.npy", np.asarray(vectors, np.float32))
        self.save_costs([*self.costs(), (epoch, cost)])
        save_music_list(self.path / "music_list.txt", self.names)
        save_text(self.path / "epoc_num.txt", f"{epoch}\n")
        self.remove_weights_but(epoch)

    def save_costs(self, rows):
        """Write cost_list.csv."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoc", "cost"])
        writer.writerows((epoch, f"{cost:.6f}") for epoch, cost in rows)
        save_text(self.path / "cost_list.csv", text.getvalue())

    def remove_weights_but(self, epoch):
        """Remove the weights of other epochs, which the save of `epoch` has replaced."""
        for path in self.weights_path.glob("weights_at_*.npz"):
            if path.name != f"weights_at_{epoch}.npz":
                path.unlink()

    def keep_last(self, count):
        """Remove all but the last `count` vector files."""
        epochs = sorted(int(m[1]) for path in self.path.glob("vector_at_*.npy") if (m := re.fullmatch(r"vector_at_(\d+)\.npy", path.name)))
        for epoch in epochs[:-count]:
            self.vectors_path(epoch).unlink()

    def lock(self):
        """Take the folder for this process; raises InputError where another process trains in it.

        The lock is the operating system's, so it goes with the process however that ends.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(f"{self.path}: another training is writing to this folder; stop it or give another folder") from None
        self.lock_descriptor = descriptor

    @contextmanager
    def beginning(self):
        """Take the lock; where what is done inside fails, all that came into the folder since is removed, as are the folders made for it."""
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        before = set() if made else set(os.listdir(self.path))
        self.lock()
        try:
            yield
        except BaseException:
            for name in set(os.listdir(self.path)) - before:
                path = self.path / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for folder in made:
                folder.rmdir()
            raise
