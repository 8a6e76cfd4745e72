"""The map of a run, from song vectors to a folder: places, clusters, labels, sound, the page.

What was found on the way is printed, a line for each thing.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sound_eval.errors import InputError
from sound_eval.evaluation.clustering import spherical_kmeans
from sound_eval.files.marks import log_mel_tree_of
from sound_eval.files.reading import load_array
from sound_eval.files.trees import is_inside, names_text
from sound_eval.files.writing import array_bytes
from sound_eval.map import clusters as map_clusters
from sound_eval.map import data, page, projection
from sound_eval.map.folder.former import read_places
from sound_eval.map.folder.map_folder import MapFolder
from sound_eval.map.folder.record import PARTS
from sound_eval.map.folder.sounds import AudioPlan, place_audio
from sound_eval.map.folder.thumbnails import no_thumbnails, write_thumbnails
from sound_eval.map.truth import Truth
from sound_eval.model.run_folder import RunFolder
from sound_eval.songs.labels import labels_from_folders, read_joined
from sound_eval.terminal import Progress, warn

TSNE = "tsne"
PCA = "pca"


@dataclass(frozen=True)
class MapPlan:
    """What is made into a map, and how.

    `metadata` is a CSV of labels, None takes each song's top folder; `audio` is link,
    copy or none; `clip_seconds` > 0 makes previews of that length; `log_mel_dir` is the
    tree that spectrograms are drawn from, None for none. `projection` is tsne, pca or a
    file of positions (n_songs, 2); `keep_places` takes them from the map that is there.
    `n_clusters` or `clusters_csv` says which clusters are shown, if any; `max_points`
    is the most songs that are.
    """

    run_dir: Path
    audio_dir: Path
    metadata: str | None = None
    audio: str = "link"
    clip_seconds: float = 0.0
    log_mel_dir: Path | None = None
    projection: str = TSNE
    perplexity: float | None = None
    keep_places: bool = False
    n_clusters: int | None = None
    clusters_csv: Path | None = None
    max_points: int | None = None
    title: str = ""
    seed: int = 0


def open_folder(out_dir, plan):
    """The `MapFolder` at `out_dir`.

    Raises InputError where that is, holds or lies in a folder that the map's files do
    not belong in, or holds files of somebody else's under their names.
    """
    _check_apart_from_audio(out_dir, plan)
    if RunFolder(out_dir).exists():
        raise InputError(
            f"{out_dir}: is a run folder; the map needs a folder of its own, "
            f"such as {out_dir / 'map'}"
        )
    tree = log_mel_tree_of(out_dir)
    if tree is not None:
        raise InputError(
            f"{out_dir}: lies in the log-mel tree {tree}, which is for log-mels alone; "
            "give another folder"
        )
    folder = MapFolder(out_dir)
    folder.check()
    return folder


def _check_apart_from_audio(out_dir, plan):
    """Raise InputError where the map's files and the music would mix."""
    audio_dir = plan.audio_dir
    if out_dir.resolve() == audio_dir.resolve():
        raise InputError(f"{out_dir}: is AUDIO_DIR; the map needs a folder of its own")
    if is_inside(out_dir, audio_dir) and plan.audio != "none":
        raise InputError(
            f"{out_dir}: lies in AUDIO_DIR, where the map's songs would be taken for music; "
            "give a folder outside of it"
        )
    for part in PARTS:
        if is_inside(audio_dir, out_dir / part):
            raise InputError(
                f"{audio_dir}: lies in {out_dir / part}, which is the map's own; "
                "give another folder for the map"
            )


def build_map(folder, plan):
    """Make the map in an opened folder; returns how many songs are on it, and how many
    of them can be heard.

    Raises InputError for what cannot be read or does not fit; then the map that was
    there stays as it was.
    """
    names, vectors, n_in_run = _read_songs(plan)
    table = _read_labels(names, plan.metadata)
    plane = _plane_of(folder, names, vectors, plan)
    print(plane)
    clusters = _clusters_of(names, vectors, plan)
    table, described = map_clusters.with_clusters(table, vectors, plane.positions, clusters)
    title = plan.title or plan.audio_dir.resolve().name
    with folder.building():
        sounds = place_audio(
            plan.audio_dir, names, folder, AudioPlan(plan.audio, plan.clip_seconds)
        )
        thumbnails = _draw_thumbnails(folder, names, plan)
        songs = data.songs_data(title, table, plane, described, n_in_run, sounds, thumbnails)
        files = {
            "songs.js": data.script("songs", songs).encode(),
            "vectors.js": data.script("vectors", data.vectors_data(vectors)).encode(),
            "positions.npy": array_bytes(plane.positions),
            "songs.txt": names_text(names).encode(),
        }
        folder.publish(files, partial(page.make_page, title))
    return len(names), int((sounds.found > 0).sum())


def _read_songs(plan):
    """Names and vectors (n_songs, dim) of the songs to show, and how many the run has."""
    run = RunFolder(plan.run_dir).snapshot()
    names = run.names
    vectors = run.vectors
    if not plan.audio_dir.is_dir():
        raise InputError(
            f"{plan.audio_dir}: no such folder; AUDIO_DIR is the folder of "
            "music that the run was made from"
        )
    rows = np.arange(len(names))
    if plan.max_points and plan.max_points < len(names):
        random = np.random.default_rng(plan.seed)
        rows = np.sort(random.choice(rows, plan.max_points, replace=False))
    return [names[row] for row in rows], vectors[rows], len(names)


def _read_labels(names, metadata):
    """A table of labels with one row per song, from the CSV or from the folders."""
    return labels_from_folders(names) if metadata is None else read_joined(names, metadata)


def _clusters_of(names, vectors, plan):
    """The cluster of each song as text (n_songs,), None where none are wanted."""
    if plan.clusters_csv:
        return map_clusters.read_clusters(names, plan.clusters_csv)
    if plan.n_clusters is None:
        return None
    clustering = spherical_kmeans(vectors, plan.n_clusters, seed=plan.seed)
    return clustering.assignments.astype(str).astype(object)


def _draw_thumbnails(folder, names, plan):
    """Spectrograms beside the map if wanted; returns how the page finds them."""
    if plan.log_mel_dir is None:
        return no_thumbnails(names)
    seconds_per_frame = RunFolder(plan.run_dir).config().seconds_per_frame
    return write_thumbnails(plan.log_mel_dir, names, folder, plan.clip_seconds, seconds_per_frame)


# ---- places ----


def _plane_of(folder, names, vectors, plan):
    """The songs on a plane as the plan wants them, a `projection.Plane`."""
    with Progress(len(vectors), "song", "true neighbours") as progress:
        truth = Truth(vectors, report=progress.update)
    if plan.projection == PCA:
        return projection.pca_plane(truth)
    if plan.projection != TSNE:
        positions = _own_positions(plan.projection, len(vectors))
        return projection.held_against_pca(plan.projection, positions, truth)
    _warn_of_perplexity(len(vectors), plan.perplexity)
    if plan.keep_places:
        return _updated_plane(folder, names, truth, plan)
    return projection.best_plane(truth, plan.perplexity, plan.seed)


def _warn_of_perplexity(n_songs, wanted):
    """Say so where fewer neighbours count as near than were asked for."""
    used = projection.perplexity_for(n_songs, wanted)
    if wanted is not None and used < wanted:
        warn(f"--perplexity {wanted:g} is more than {n_songs} songs allow; it is {used:.3g} here")


def _own_positions(path, n_songs):
    """Positions (n_songs, 2) from a file; raises InputError where they do not fit."""
    positions = load_array(path)
    fits = positions.shape == (n_songs, 2) and positions.dtype.kind in "fiu"
    if not fits or not np.isfinite(positions).all():
        raise InputError(
            f"{path}: {positions.dtype} of shape {positions.shape}, "
            f"expected finite numbers of shape ({n_songs}, 2), one row per song"
        )
    return positions.astype(np.float32)


def _updated_plane(folder, names, truth, plan):
    """The Plane on which songs of the map that is there keep their places, with the
    others among them.
    """
    before = read_places(folder.path)
    is_old = np.array([name in before for name in names])
    old_places = [before[name] for name in names if name in before]
    old_positions = np.array(old_places, np.float32).reshape(-1, 2)
    gone = len(before) - is_old.sum()
    print(f"{is_old.sum()} songs keep their places, {(~is_old).sum()} are new, {gone} are gone")
    with Progress(projection.PLACE_STEPS, "step", "placing new songs") as progress:
        positions = projection.place(
            truth, is_old, old_positions, plan.perplexity, plan.seed, progress.update
        )
    plane = projection.held_against_pca("the map kept", positions, truth)
    if plane.trust.mean() < plane.pca_trust:
        warn("a PCA would be truer than the places kept; leave out --update to make the map anew")
    return plane
