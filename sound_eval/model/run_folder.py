"""The run folder of a training: song vectors by epoch, the music list, weights, config
and costs. Arrays in, arrays out.

    vector_at_{x}.npy   (n_songs, dim) float32   the song vectors after epoch x; those of epoch 0
                                                 are the closed form
    music_list.txt      n_songs lines            line i is the song of row i, a path relative to
                                                 the log-mel tree; in memory the name of its audio
    weights/            everything that a resumed training needs, by epoch, and the configuration it
                        was trained with
    epoc_num.txt        the last epoch that is whole; written last, so it is the mark that a
                        save is complete
    config.yaml         the configuration that was used
    cost_list.csv       epoc,cost                from epoch 1 on

A reader takes a `Snapshot`, all of whose parts are of one epoch however many
saves come meanwhile.
"""

import csv
import io
import math
import os
import re
from functools import cached_property
from pathlib import Path

import numpy as np

from sound_eval.config import config_in, read_config
from sound_eval.errors import InputError, one_line
from sound_eval.files import npz, outputs
from sound_eval.files.marks import (
    CONFIG_NAME,
    COSTS_NAME,
    MUSIC_LIST_NAME,
    RUN_FOLDERS,
    RUN_MARK,
)
from sound_eval.files.reading import (
    array_header,
    array_in,
    load_array,
    open_file,
    read_text,
    text_in,
)
from sound_eval.files.trees import music_list_in

KIND = "run folder"  # of what a training writes, in the record of outputs
MOST_EPOCH_BYTES = 32
VECTORS = re.compile(r"vector_at_([0-9]{1,15})\.npy")
CONFIG_ARRAY = "config"  # in the weights: the configuration as UTF-8 text
MOVED_ON = "its training went on too fast to be read; try again"
MOST_TRIES = 1000  # a try takes less than a millisecond, a save some


class Snapshot:
    """A run after one epoch: `epoch`, `names`, `vectors` (n_songs, dim) float32,
    `config`, `weights` name -> array.

    Its files are opened together, so it stays what it is while a training goes on, and
    is read as parts are asked for. A part that is missing or unusable raises InputError
    when it is asked for.
    """

    def __init__(self, folder):
        self.path, self.run = folder.path, folder
        for _ in range(MOST_TRIES):
            self.epoch = folder.epoch()
            self.files = self.open_files()
            if folder.epoch() == self.epoch:
                return
        raise InputError(f"{self.path}: {MOVED_ON}")

    def open_files(self):
        """The parts as open files, path -> file; an exception in place of what cannot be opened."""
        files = {}
        for path in (
            self.vectors_path,
            self.weights_path,
            self.path / MUSIC_LIST_NAME,
            self.path / CONFIG_NAME,
        ):
            try:
                files[path] = open_file(path)
            except (InputError, OSError) as error:
                files[path] = error
        return files

    def file(self, path):
        """The open file that was at `path`, at its beginning; raises what opening it did."""
        file = self.files[path]
        if isinstance(file, Exception):
            raise file
        file.seek(0)
        return file

    @property
    def vectors_path(self):
        """The file of the vectors."""
        return self.run.vectors_path(self.epoch)

    @property
    def weights_path(self):
        """The file of the weights."""
        return self.run.weights_path / f"weights_at_{self.epoch}.npz"

    @cached_property
    def names(self):
        """Names of the songs, in the order of rows; raises InputError where they do not
        fit the vectors.

        A save appends new songs just before it sets the commit mark: where the list is
        longer by these, they do not count yet.
        """
        path = self.path / MUSIC_LIST_NAME
        names = music_list_in(text_in(self.file(path), path), path)
        if len(set(names)) < len(names):
            twice = next(name for row, name in enumerate(names) if name in names[:row])
            raise InputError(f"{path}: holds {twice!r} twice; put back what was there")
        if isinstance(self.files[self.vectors_path], FileNotFoundError):
            return names  # a training goes on without them
        shape = array_header(self.file(self.vectors_path), self.vectors_path).shape
        if len(shape) == 2 and len(names) > shape[0] and self.unfinished_songs() == len(names):
            names = names[: shape[0]]
        if len(shape) != 2 or len(names) != shape[0]:
            message = (
                f"shape {shape} does not fit the {len(names)} songs of music_list.txt; "
                "is one of the two from another run?"
            )
            raise InputError(f"{self.vectors_path}: {message}")
        return names

    def unfinished_songs(self):
        """Songs in the vectors of the next epoch, whose save is under way, was cut
        short or is done by now; None without any.
        """
        path = self.run.vectors_path(self.epoch + 1)
        try:
            with open_file(path) as file:
                return array_header(file, path).shape[0]
        except (InputError, OSError, IndexError):
            return None  # whatever it is, it is not of this epoch

    @cached_property
    def vectors(self):
        """Song vectors (n_songs, dim) float32."""
        self.names  # noqa: B018 - holds the two against each other
        vectors = array_in(self.file(self.vectors_path), self.vectors_path)
        if vectors.dtype.kind != "f":
            raise InputError(
                f"{self.vectors_path}: dtype {vectors.dtype}, expected float32; "
                "it is not a file of vectors"
            )
        return vectors

    @cached_property
    def weights(self):
        """The arrays of the save as a dict, name -> array, without the configuration."""
        try:
            file = self.file(self.weights_path)
        except FileNotFoundError as error:
            raise InputError(
                f"{self.weights_path}: missing; the run folder was copied without its weights"
            ) from error
        with npz.opened(file, self.weights_path) as archive:
            return npz.read_arrays(archive, os.fstat(file.fileno()).st_size, leave_out=CONFIG_ARRAY)

    @cached_property
    def config(self):
        """The configuration that the epoch was trained with;
        the one in config.yaml where there are no weights, or of a former version.
        """
        path = self.path / CONFIG_NAME
        if not isinstance(self.files[self.weights_path], Exception):
            file = self.file(self.weights_path)
            with npz.opened(file, self.weights_path) as archive:
                if f"{CONFIG_ARRAY}.npy" in archive.namelist():
                    text = (
                        npz.read_member(archive, f"{CONFIG_ARRAY}.npy").astype(np.uint8).tobytes()
                    )
                    return config_in(text.decode("utf-8"), self.weights_path)
        return config_in(text_in(self.file(path), path), path)


class RunFolder:
    """One run folder by its path.

    Reading raises InputError where the folder is no run folder or its parts do not fit.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.weights_path = self.path / "weights"
        self.cache_path = self.path / "cache"

    def exists(self):
        """Whether a save was completed here."""
        return (self.path / RUN_MARK).is_file()

    def is_begun(self):
        """Whether a training has written here, a complete save or not."""
        return (
            self.exists()
            or bool(outputs.lines_of_kind(self.path, KIND))
            or (self.cache_path / "inputs.json").is_file()
        )

    def epoch(self):
        """The last complete epoch."""
        path = self.path / RUN_MARK
        if not path.is_file():
            raise InputError(
                f"{self.path}: no epoc_num.txt; a run folder is what spectrogram_doc2vec.py writes"
            )
        text = read_text(path, MOST_EPOCH_BYTES).strip()
        if not re.fullmatch("[0-9]{1,15}", text):
            raise InputError(f"{path}: holds {text[:40]!r}, expected the number of an epoch")
        return int(text)

    def snapshot(self):
        """The Snapshot of the last complete epoch."""
        return Snapshot(self)

    def music_list(self):
        """Names of the songs after the last complete epoch, in the order of the vectors' rows."""
        return self.snapshot().names

    def config(self):
        """The configuration in config.yaml:
        that of the training under way, else of the last one.
        """
        self.epoch()
        return read_config(self.path / CONFIG_NAME)

    def vectors_path(self, epoch=None):
        """Path of the song vectors after `epoch`, by default the last complete one."""
        return self.path / f"vector_at_{self.epoch() if epoch is None else epoch}.npy"

    def vectors(self, epoch=None):
        """Song vectors (n_songs, dim) float32 of the last complete epoch, or of `epoch`."""
        return self.snapshot().vectors if epoch is None else load_array(self.vectors_path(epoch))

    def weights(self):
        """The arrays of the last complete save as a dict, name -> array."""
        return self.snapshot().weights

    def costs(self):
        """Rows (epoch, cost) of the complete epochs;
        a save that was cut short may have written one more.
        """
        if not self.exists():
            return []
        path = self.path / COSTS_NAME
        try:
            rows = [
                (int(row["epoc"]), float(row["cost"]))
                for row in csv.DictReader(io.StringIO(read_text(path)))
            ]
            if not all(math.isfinite(cost) for _, cost in rows):
                raise ValueError("a cost that is not finite")
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise InputError(
                f"{path}: not a list of costs ({one_line(error)}); "
                "put back what was there, or only its header `epoc,cost`"
            ) from error
        last = self.epoch()
        return [(epoch, cost) for epoch, cost in rows if epoch <= last]


def check_no_run_folder(path, what):
    """Raise InputError where the folder `path`, for `what`, is a run folder, or lies in
    what belongs to one.
    """
    path = Path(path).resolve()
    for folder in (path, *path.parents):
        if folder.name in RUN_FOLDERS and RunFolder(folder.parent).is_begun():
            raise InputError(f"{path}: {folder} belongs to a run folder; give another folder")
    if RunFolder(path).is_begun():
        raise InputError(
            f"{path}: a run folder, whose files {what} would mix with; give another folder"
        )
