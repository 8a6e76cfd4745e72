"""What TensorBoard shows of a training: scalars by TensorFlow's own summary writer, and
song vectors for its projector.

    events.out.tfevents.*       scalars `cost` and `rows per second`, one point a chunk of steps, by
                                the number of steps done
    vectors.tsv, songs.tsv      vectors and names of the songs after the last save, at most
                                PROJECTOR_SONGS of them
    projector_config.pbtxt      what tells the projector of the two

Format: the projector's configuration is the text form of
tensorboard/plugins/projector/projector_config.proto.
"""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from sound_eval.errors import InputError
from sound_eval.files.reading import read_text
from sound_eval.files.writing import save_text
from sound_eval.model.song_vectors import evenly

VECTORS_NAME = "vectors.tsv"
SONGS_NAME = "songs.tsv"
CONFIGURATION_NAME = "projector_config.pbtxt"
PROJECTOR_SONGS = 10_000  # a browser draws no more at ease
# what makes a tensor a point of a curve; TensorFlow's own shorthand for it asks for the
# tensorboard package
SCALARS = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class="DATA_CLASS_SCALAR",
)
CONFIGURATION = """embeddings {
  tensor_name: "song vectors"
  tensor_path: "vectors.tsv"
  metadata_path: "songs.tsv"
}
"""


def check(folder):
    """Raise InputError where files in the folder would be replaced that a Board did not
    write: without its configuration none is its.
    """
    folder = Path(folder)
    standing = [
        folder / name
        for name in (CONFIGURATION_NAME, VECTORS_NAME, SONGS_NAME)
        if os.path.lexists(folder / name)
    ]
    if standing and not is_own(folder / CONFIGURATION_NAME):
        raise InputError(
            f"{standing[0]}: is there, and no training made it; "
            "it would be replaced: move it away, or train into another folder"
        )


def is_own(path):
    """Whether `path` is a configuration as a Board writes it."""
    try:
        return read_text(path, len(CONFIGURATION)) == CONFIGURATION
    except (FileNotFoundError, InputError):
        return False


class Board:
    """The folder that `tensorboard --logdir` is given."""

    def __init__(self, folder):
        self.folder = Path(folder)
        check(self.folder)
        # first: it is the mark that the others are ours
        save_text(self.folder / CONFIGURATION_NAME, CONFIGURATION)
        self.writer = tf.summary.create_file_writer(str(self.folder))

    @contextmanager
    def disk_errors(self):
        """Turn what TensorFlow says of a disk that takes no more into an InputError
        that names the folder.
        """
        try:
            yield
        except tf.errors.OpError as error:
            reason = error.message.splitlines()[0].rpartition("; ")[2]
            raise InputError(f"{self.folder}: cannot be written ({reason})") from error

    def scalars(self, step, values):
        """Note the numbers of a dict, name -> number, as those after `step` steps."""
        with self.disk_errors(), self.writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=SCALARS)

    def vectors(self, vectors, names):
        """Show the vectors (n_songs, dim) of the songs `names`, evenly spaced ones
        where there are too many.

        Raises InputError where the disk does not take what there is to show.
        """
        with self.disk_errors():
            self.writer.flush()  # as often as there are saves: what a kill loses belongs to no save
        rows = evenly(len(names), PROJECTOR_SONGS)
        save_text(
            self.folder / VECTORS_NAME,
            "".join(
                "\t".join(f"{value:.6g}" for value in vector) + "\n"
                for vector in np.asarray(vectors)[rows]
            ),
        )
        save_text(
            self.folder / SONGS_NAME, "".join(names[row].replace("\t", " ") + "\n" for row in rows)
        )
