"""The run folder of a training: song vectors by epoch, the music list, weights, config
and costs. Arrays in, arrays out.

    vector_at_{x}.npy   (n_songs, dim) float32   the song vectors after epoch x
    music_list.txt      n_songs lines            line i is the song of row i, a path relative to
                                                 the log-mel tree; in memory the name of its audio
    weights/            everything that a resumed training needs, by epoch, and the configuration it
                        was trained with
    epoc_num.txt        the last epoch that is whole; written last, so it is the mark that a
                        save is complete
    config.yaml         the configuration that was used
    cost_list.csv       epoc,cost

A save writes the weights and the vectors under names that carry the epoch, flushes
their folders, then sets the commit mark, and only then removes the weights of the epoch
before. A kill or a power cut between any two writes leaves the last complete save in
place.

A reader takes a `Snapshot`, all of whose parts are of one epoch however many
saves come meanwhile.

A training replaces and removes only what a training wrote: what it writes before the
first complete save, and every vector file, is in the folder's record (`outputs`); the
rest of a complete run folder is read as its own, so it is.
"""

import csv
import fcntl
import io
import math
import os
import re
import zipfile
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from sound_eval.config import config_in, read_config, to_yaml
from sound_eval.errors import InputError, one_line
from sound_eval.files import npy, outputs
from sound_eval.files.trees import (
    array_header,
    array_in,
    atomic_write,
    load_array,
    music_list_in,
    music_list_text,
    open_file,
    read_text,
    remove_temporaries,
    sync_folder,
    text_in,
    write_array,
)

LOCK_NAME = ".lock"
KIND = "run folder"  # of what a training writes, in the record of outputs
PREFIX = ".writing-run-"  # of temporary files: others may be writing to the folder as well
MOST_EPOCH_BYTES = 32
VECTORS = re.compile(r"vector_at_([0-9]{1,15})\.npy")
WEIGHTS = re.compile(r"weights_at_([0-9]{1,15})\.npz")
TEXT_NAMES = ("config.yaml", "music_list.txt", "cost_list.csv", "epoc_num.txt")
OWN_FOLDERS = ("weights", "cache", "tensorboard")
CACHE_NAMES = ("inputs.npy", "starts.npy", "statistics.npy", "inputs.json")
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
            self.path / "music_list.txt",
            self.path / "config.yaml",
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
        path = self.path / "music_list.txt"
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
        with weights_errors(self.weights_path), zipfile.ZipFile(file) as archive:
            return read_arrays(archive, os.fstat(file.fileno()).st_size, leave_out=CONFIG_ARRAY)

    @cached_property
    def config(self):
        """The configuration that the epoch was trained with;
        the one in config.yaml where there are no weights, or of a former version.
        """
        path = self.path / "config.yaml"
        if not isinstance(self.files[self.weights_path], Exception):
            file = self.file(self.weights_path)
            with weights_errors(self.weights_path), zipfile.ZipFile(file) as archive:
                if f"{CONFIG_ARRAY}.npy" in archive.namelist():
                    text = read_member(archive, f"{CONFIG_ARRAY}.npy").astype(np.uint8).tobytes()
                    return config_in(text.decode("utf-8"), self.weights_path)
        return config_in(text_in(self.file(path), path), path)


@contextmanager
def weights_errors(path):
    """Turn what is wrong with a file of weights into an InputError that names it."""
    try:
        yield
    except InputError:
        raise
    except (
        ValueError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        KeyError,
        MemoryError,
    ) as error:
        raise InputError(f"{path}: not readable ({one_line(error)})") from error


def read_arrays(archive, size, leave_out):
    """The arrays of an open `.npz` file of `size` bytes as a dict, but the one named `leave_out`.

    Raises ValueError where it is compressed, or its arrays claim more than its size: a
    small file could then hold any amount.
    """
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed, which the weights of a training are not")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its arrays claim more bytes than the file has")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError("it holds an array twice")
    return {
        name.removesuffix(".npy"): read_member(archive, name)
        for name in names
        if name != f"{leave_out}.npy"
    }


def read_member(archive, name):
    """One array of an open `.npz` file; raises ValueError where it is none."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("compressed, which the weights of a training are not")
    try:
        with archive.open(member) as file:
            header = npy.read_header(file)
            npy.check_size(header, member.file_size)
            return npy.read_values(file, header)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


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
        return (self.path / "epoc_num.txt").is_file()

    def is_begun(self):
        """Whether a training has written here, a complete save or not."""
        return (
            self.exists()
            or bool(outputs.lines_of_kind(self.path, KIND))
            or (self.cache_path / "inputs.json").is_file()
        )

    def epoch(self):
        """The last complete epoch."""
        path = self.path / "epoc_num.txt"
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
        return read_config(self.path / "config.yaml")

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
        path = self.path / "cost_list.csv"
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
        self.descriptor = None  # of the lock
        # the songs of the rows that `save` writes, and the configuration beside them
        self.names = None
        self.config_text = None
        self.is_started = False
        # the text of the music list as `save` wrote it last
        self.written_list = None

    def __enter__(self):
        self.made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        is_new = not os.path.lexists(self.path / LOCK_NAME)
        self.lock()
        self.before = {path for path in self.first_paths() if os.path.lexists(path)}
        if is_new:
            self.before.remove(self.path / LOCK_NAME)
        try:
            self.check_nothing_in_the_way()
            self.remove_leavings()
        except BaseException:
            self.undo()
            self.unlock()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind and not self.is_started:
            self.undo()
        self.unlock()

    def lock(self):
        """Take the folder for this process; raises InputError where another trains in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(
                f"{self.path}: another training is writing to this folder; "
                "stop it or give another folder"
            ) from None
        self.descriptor = descriptor

    def unlock(self):
        """Let the folder go."""
        os.close(self.descriptor)
        self.descriptor = None

    def first_paths(self):
        """Everything that a training makes before its first save, folders last."""
        files = [self.path / name for name in ("config.yaml", LOCK_NAME)]
        files += [self.cache_path / name for name in CACHE_NAMES]
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
                if path.name == "config.yaml" and not outputs.is_output(path, KIND):
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
        for epoch, _ in self.costs()[-2:-1]:
            self.remove_weights(epoch)

    def remove_temporaries(self):
        """Remove what is half-written. Only under the lock."""
        if self.path.is_dir():
            remove_temporaries(self.path, PREFIX)
        for name in OWN_FOLDERS:
            if (self.path / name).is_dir():
                remove_temporaries(self.path / name)

    def check_nothing_in_the_way(self):
        """Raise InputError that names a file which a training here would
        replace, and none wrote.
        """
        if not self.exists():
            for path in [self.path / name for name in TEXT_NAMES] + sorted(
                self.weights_path.glob("weights_at_*.npz")
            ):
                self.check_own(path)
        epoch = self.epoch() if self.exists() else 0
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
        path = self.path / "config.yaml"
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
        path = self.path / "config.yaml"
        if not (self.exists() and path.exists() and read_config(path) == config):
            self.write_text("config.yaml", self.config_text)
        self.is_started = True

    def save(self, epoch, vectors, weights, cost):
        """Write the state after `epoch`:
        vectors (n_songs, dim), weights name -> array, the epoch's mean cost.
        """
        before = self.epoch() if self.exists() else None
        costs = [*self.costs(), (epoch, cost)]
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
        self.write_text("epoc_num.txt", f"{epoch}\n")
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
        self.write_text("cost_list.csv", text.getvalue())

    def save_music_list(self):
        """Write music_list.txt, where it is not what the save before wrote."""
        text = music_list_text(self.names)
        if text != self.written_list:
            self.write_text("music_list.txt", text)
            self.written_list = text

    def remove_weights(self, epoch):
        """Remove the weights of `epoch`, which a later save has replaced."""
        (self.weights_path / f"weights_at_{epoch}.npz").unlink(missing_ok=True)

    def keep_last(self, count):
        """Remove all but the last `count` vector files, of those that trainings wrote here."""
        listed = {epoch for epoch, _ in self.costs()}
        epochs = sorted(
            int(found[1]) for name in os.listdir(self.path) if (found := VECTORS.fullmatch(name))
        )
        for epoch in epochs[:-count]:
            if epoch in listed and self.is_own_vectors(self.vectors_path(epoch)):
                self.vectors_path(epoch).unlink()

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


def check_no_run_folder(path, what):
    """Raise InputError where the folder `path`, for `what`, is a run folder, or lies in
    what belongs to one.
    """
    path = Path(path).resolve()
    for folder in (path, *path.parents):
        if folder.name in OWN_FOLDERS and RunFolder(folder.parent).is_begun():
            raise InputError(f"{path}: {folder} belongs to a run folder; give another folder")
    if RunFolder(path).is_begun():
        raise InputError(
            f"{path}: a run folder, whose files {what} would mix with; give another folder"
        )
