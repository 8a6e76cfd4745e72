"""What TensorBoard shows of a training: scalars by TensorFlow's own summary writer, and song vectors for its projector.

    events.out.tfevents.*       scalars `cost` and `rows per second`, one point a chunk of steps, by the number of steps done
    vectors.tsv, songs.tsv      document vectors and names of the songs after the last save, at most PROJECTOR_SONGS of them
    projector_config.pbtxt      what tells the projector of the two

Format: the projector's configuration is the text form of tensorboard/plugins/projector/projector_config.proto.
"""
from pathlib import Path

import numpy as np
import tensorflow as tf

from sound_eval.infer import evenly
from sound_eval.trees import save_text

PROJECTOR_SONGS = 10_000  # a browser draws no more at ease
SCALARS = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class="DATA_CLASS_SCALAR",
)  # what makes a tensor a point of a curve; TensorFlow's own shorthand for it asks for the tensorboard package
CONFIGURATION = """embeddings {
  tensor_name: "song vectors"
  tensor_path: "vectors.tsv"
  metadata_path: "songs.tsv"
}
"""


class Board:
    """The folder that `tensorboard --logdir` is given."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def scalars(self, step, values):
        """Note the numbers of a dict, name -> number, as those after `step` steps."""
        with self.writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=SCALARS)

    def vectors(self, vectors, names):
        """Show the vectors (n_songs, dim) of the songs `names`, evenly spaced ones where there are too many."""
        self.writer.flush()  # as often as there are saves: what a kill loses belongs to no save
        rows = evenly(len(names), PROJECTOR_SONGS)
        save_text(self.folder / "vectors.tsv", "".join("\t".join(f"{value:.6g}" for value in vector) + "\n" for vector in np.asarray(vectors)[rows]))
        save_text(self.folder / "songs.tsv", "".join(names[row].replace("\t", " ") + "\n" for row in rows))
        save_text(self.folder / "projector_config.pbtxt", CONFIGURATION)
