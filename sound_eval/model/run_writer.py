"""The writing side of a run folder: what a training does in it, under its lock.

A save writes the weights and the vectors under names that carry the epoch, flushes
their folders, then sets the commit mark, and only then removes the weights of the epoch
before. A kill or a power cut between any two writes leaves the last complete save in
place.

A training replaces and removes only what a training wrote: what it writes before the
first complete save, and every vector file, is in the folder's record (`outputs`); the
rest of a complete run folder is read as its own, so it is.
"""

import csv
import io
import os
from contextlib import suppress

import numpy as np

from sound_eval.config import read_config, to_yaml
from sound_eval.errors import InputError
from sound_eval.files import outputs
from sound_eval.files.locks import Lock
from sound_eval.files.marks import (
    CONFIG_NAME,
    COSTS_NAME,
    LOCK_NAME,
    MUSIC_LIST_NAME,
    RUN_FOLDERS,
    RUN_MARK,
    RUN_TEXTS,
)
from sound_eval.files.trees import music_list_text
from sound_eval.files.writing import atomic_write, remove_temporaries, sync_folder, write_array
from sound_eval.inputs.cache import ARRAY_NAMES, STATE_NAME
from sound_eval.model.run_folder import CONFIG_ARRAY, KIND, VECTORS, RunFolder

PREFIX = ".writing-run-"  # of temporary files: others may be writing to the folder as well


class RunWriter(RunFolder):
    """A run folder that one training writes: `start`, then as many times `save` as it likes.

    As a context manager it holds the folder's lock, which is the operating system's and
    goes with the process however that ends. Where what is done inside fails before
    `start` is through, what it made here is removed, and folders where nothing else is in
    them. Entering raises InputError where another process trains in the folder, or it holds
    what a training would replace and none wrote.
    """

    def __init__(self, path):
        super().__init__(path)
        self.lock = Lock(
            self.path / LOCK_NAME,
            f"{self.path}: another training is writing to this folder; "
            "stop it or give another folder",
        )
        # the songs of the rows that `save` writes, and the configuration beside them
        self.names = None
        self.config_text = None
        self.is_started = False
        # the text of the music list as `save` wrote it last
        self.written_list = None

    def __enter__(self):
        self.made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        is_new = not os.path.lexists(self.path / LOCK_NAME)
        self.lock.take()
        self.before = {path for path in self.first_paths() if os.path.lexists(path)}
        if is_new:
            self.before.remove(self.path / LOCK_NAME)
        try:
            self.check_nothing_in_the_way()
            self.remove_leavings()
        except BaseException:
            self.undo()
            self.lock.release()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind and not self.is_started:
            self.undo()
        self.lock.release()

    def first_paths(self):
        """Everything that a training makes before its first save, folders last."""
        files = [self.path / name for name in (CONFIG_NAME, LOCK_NAME)]
        files += [self.cache_path / name for name in (*ARRAY_NAMES, STATE_NAME)]
        return [*files, self.cache_path, self.weights_path]

    def undo(self):
        """Remove what a beginning made that failed:
        of `first_paths` those that were not there before, and the folders that it made.
        """
        self.remove_temporaries()
        for path in self.first_paths():
            if path in self.before or not os.path.lexists(path):
                continue
            if not path.is_dir():
                # What came here meanwhile under the name of a file that was yet to be
                # written is not ours.
                if path.name == CONFIG_NAME and not outputs.is_output(path, KIND):
                    continue
                path.unlink()
            elif not os.listdir(path):
                path.rmdir()
        record = self.path / outputs.RECORD_NAME
        if not self.exists() and outputs.speaks_of_nothing(record, KIND):
            record.unlink()
        for folder in self.made:
            with suppress(OSError):  # something came into it
                folder.rmdir()

    def remove_leavings(self):
        """Remove what trainings that were killed have left:
        temporary files, and the weights that the last save replaced.
        """
        self.remove_temporaries()
        if self.exists():
            self.remove_weights(self.epoch() - 1)

    def remove_temporaries(self):
        """Remove what is half-written. Only under the lock."""
        if self.path.is_dir():
            remove_temporaries(self.path, PREFIX)
        for name in RUN_FOLDERS:
            if (self.path / name).is_dir():
                remove_temporaries(self.path / name)

    def check_nothing_in_the_way(self):
        """Raise InputError that names a file which a training here would
        replace, and none wrote.
        """
        if not self.exists():
            for path in [self.path / name for name in RUN_TEXTS] + sorted(
                self.weights_path.glob("weights_at_*.npz")
            ):
                self.check_own(path)
        epoch = self.epoch() if self.exists() else -1
        for name in sorted(os.listdir(self.path)):
            found = VECTORS.fullmatch(name)
            if found and int(found[1]) > epoch and not self.is_leftover(self.path / name):
                self.check_own(self.path / name)

    def check_own(self, path):
        """Raise InputError where something stands at `path` that no training wrote."""
        if os.path.lexists(path) and not outputs.is_output(path, KIND):
            message = (
                "is there, and no training wrote it or it was changed since; it would be replaced"
            )
            raise InputError(f"{path}: {message}: move it away, or train into another folder")

    def check_config(self, config):
        """Raise InputError where config.yaml differs from `config`, which would replace
        it, and was edited since a training wrote it.
        """
        path = self.path / CONFIG_NAME
        if (
            self.exists()
            and outputs.lines_for(path, KIND)
            and not outputs.is_output(path, KIND)
            and read_config(path) != config
        ):
            message = "was edited since, and would be replaced by another configuration"
            raise InputError(
                f"{path}: {message}: leave out --config to use it as it is, or move it away"
            )

    def start(self, config, names):
        """Make the folder, write the configuration, and note the names of the songs
        that the next saves hold, in the order of rows.

        A config.yaml that says the same stays as it is.
        """
        self.weights_path.mkdir(parents=True, exist_ok=True)
        self.names = list(names)
        self.config_text = to_yaml(config)
        path = self.path / CONFIG_NAME
        if not (self.exists() and path.exists() and read_config(path) == config):
            self.write_text(CONFIG_NAME, self.config_text)
        self.is_started = True

    def save(self, epoch, vectors, weights, cost):
        """Write the state after `epoch`:
        vectors (n_songs, dim), weights name -> array, the epoch's mean cost, None for the
        epoch 0 before any training.
        """
        before = self.epoch() if self.exists() else None
        costs = self.costs()
        if cost is not None:
            costs.append((epoch, cost))
        is_leftover = self.is_leftover(self.vectors_path(epoch))
        if not is_leftover:
            self.check_own(self.vectors_path(epoch))
        config = np.frombuffer(self.config_text.encode(), np.uint8)
        with self.write(self.weights_path / f"weights_at_{epoch}.npz") as file:
            np.savez(file, **weights, **{CONFIG_ARRAY: config})
        # After the weights: vectors that have these beside them are known for what a
        # killed save left.
        with self.write_vectors(epoch, is_leftover) as file:
            write_array(file, np.ascontiguousarray(vectors, np.float32))
        self.save_costs(costs)
        self.save_music_list()
        sync_folder(self.weights_path)
        sync_folder(self.path)
        self.write_text(RUN_MARK, f"{epoch}\n")
        sync_folder(self.path)
        if before is not None:
            self.remove_weights(before)

    def write(self, path):
        """Open one of the folder's files for writing; before the first complete
        save it is recorded.

        Raises InputError where somebody else's stands there then.
        """
        if self.exists():
            return atomic_write(path, prefix=PREFIX)
        return outputs.write_output(path, KIND, prefix=PREFIX)

    def write_vectors(self, epoch, is_leftover):
        """Open the vectors of `epoch` for writing; they are recorded always. What
        `is_leftover` may be replaced.

        Raises InputError where somebody else's file stands there.
        """
        path = self.vectors_path(epoch)

        def claim(written):
            if not is_leftover:
                self.check_own(path)
            outputs.add_line(path.with_name(outputs.RECORD_NAME), path.name, KIND, written)

        return atomic_write(path, prefix=PREFIX, before_replace=claim)

    def write_text(self, name, text):
        """Write one of the folder's text files."""
        with self.write(self.path / name) as file:
            file.write(text.encode())

    def save_costs(self, rows):
        """Write cost_list.csv."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoc", "cost"])
        writer.writerows((epoch, f"{cost:.6f}") for epoch, cost in rows)
        self.write_text(COSTS_NAME, text.getvalue())

    def save_music_list(self):
        """Write music_list.txt, where it is not what the save before wrote."""
        text = music_list_text(self.names)
        if text != self.written_list:
            self.write_text(MUSIC_LIST_NAME, text)
            self.written_list = text

    def remove_weights(self, epoch):
        """Remove the weights of `epoch`, which a later save has replaced."""
        (self.weights_path / f"weights_at_{epoch}.npz").unlink(missing_ok=True)

    def keep_last(self, count):
        """Remove all but the last `count` vector files, of those that trainings wrote here."""
        listed = {epoch for epoch, _ in self.costs()}
        if outputs.is_output(self.vectors_path(0), KIND):
            listed.add(0)
        epochs = sorted(
            int(found[1]) for name in os.listdir(self.path) if (found := VECTORS.fullmatch(name))
        )
        for epoch in epochs[:-count]:
            path = self.vectors_path(epoch)
            if epoch in listed and self.is_own_vectors(path):
                path.unlink()

    def is_own_vectors(self, path):
        """Whether a training wrote the vectors at `path` as they are now.

        A former version recorded none.
        """
        return outputs.is_output(path, KIND) or (
            path.is_file() and not outputs.lines_for(path, KIND)
        )

    def is_leftover(self, path):
        """Whether `path` are the vectors of a save that was cut short:
        not complete, but with weights, which are written before.
        """
        found = VECTORS.fullmatch(path.name)
        if not found or not self.exists() or int(found[1]) <= self.epoch():
            return False
        return (self.weights_path / f"weights_at_{found[1]}.npz").is_file()
