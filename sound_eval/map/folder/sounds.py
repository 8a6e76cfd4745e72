"""The songs beside the map: linked or copied from the audio folder, or made into what a
browser can play.

Conventions
-----------
A song `a/b.flac` lies at `audio/a/b.flac` in the map's folder; one that was encoded
anew at `encoded/a/b.wma.mp3`, a preview at `encoded/a/b.wma.30s.mp3`; one that cannot
lie there at a name in `renamed/`. What was made of a file that has not changed since is
kept. Links that lie in the audio folder are followed; a name that leaves it by `..`, or
is absolute, is not.
"""

import filecmp
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sound_eval.files.writing import NO_ROOM, place_file, temporary_beside
from sound_eval.log_mel.processes import usable_cores
from sound_eval.map.folder.encoding import encode
from sound_eval.map.folder.map_folder import taken_error
from sound_eval.map.folder.places import NO_SUCH_NAME, Beside, Tree
from sound_eval.map.folder.playable import plays_in_browsers
from sound_eval.map.folder.record import AUDIO
from sound_eval.map.folder.record import ENCODED as ENCODED_TREE
from sound_eval.terminal import Progress, warn

# how the page finds a song
ABSENT = 0
AS_NAMED = 1
ENCODED = 2
# why a song is ABSENT
TROUBLE = {
    "missing": "songs have no file in {audio_dir}; they are on the map without sound",
    "outside": "songs lie outside {audio_dir}; they are on the map without sound",
    "unreadable": "songs cannot be read; they are on the map without sound",
    "undecodable": "songs could not be encoded by ffmpeg; they are on the map without sound",
    "blocked": (
        "songs have no place in the map, where files lie that it did not make; "
        "they are without sound"
    ),
}


@dataclass(frozen=True)
class AudioPlan:
    """How the songs get beside the map: `mode` is copy, link or none;
    `clip_seconds` > 0 makes previews of that length.
    """

    mode: str
    clip_seconds: float = 0.0

    @property
    def suffix(self):
        """What is put behind the name of a song that is encoded anew."""
        return f".{self.clip_seconds:g}s.mp3" if self.clip_seconds else ".mp3"


@dataclass(frozen=True)
class Sound:
    """How the page finds a song: its kind and where it lies, or a key of TROUBLE."""

    kind: int
    place: str = ""
    trouble: str = ""


def _absent(trouble):
    """The Sound of a song that is not to be heard."""
    return Sound(ABSENT, trouble=trouble)


def place_audio(audio_dir, names, folder, plan):
    """Bring the songs beside the map, and print one line per kind of trouble; returns
    how the page finds them, a `places.Beside` of ABSENT, AS_NAMED and ENCODED.
    """
    if plan.mode == "none":
        return Beside(np.zeros(len(names), np.uint8), plan.suffix, {})
    placer = Placer(audio_dir, names, folder, plan)
    sounds = _place_all(placer, names)
    renamed = {
        row: sound.place
        for row, sound in enumerate(sounds)
        if sound.kind != ABSENT and not placer.trees[sound.kind].is_usual(names[row], sound.place)
    }
    _warn_of_trouble(sounds, names, audio_dir)
    _warn_of_renamed(renamed, names)
    kinds = np.array([sound.kind for sound in sounds], np.uint8)
    return Beside(kinds, plan.suffix, renamed)


def source_of(folder, name):
    """The path of a song's file in `folder`;
    None where there is no such file, or the name leaves the folder.
    """
    if not _lies_inside(name):
        return None
    path = Path(folder) / name
    # Path.is_file raises where the name is too long.
    return path if os.path.isfile(path) else None


def _lies_inside(name):
    """Whether a name stays in its folder: it is not absolute and has no `..`.

    Links in the folder are their owner's wish.
    """
    parts = PurePosixPath(name)
    return not parts.is_absolute() and ".." not in parts.parts


class Placer:
    """Brings songs of `audio_dir` into the map's folder, several at a time."""

    def __init__(self, audio_dir, names, folder, plan):
        self.audio_dir = Path(audio_dir)
        self.folder = folder
        self.record = folder.record
        self.plan = plan
        self.names = set(names)
        self.trees = {AS_NAMED: Tree(AUDIO, names), ENCODED: Tree(ENCODED_TREE, names, plan.suffix)}

    def place(self, name):
        """Bring one song beside the map; returns its Sound."""
        source = source_of(self.audio_dir, name)
        if source is None:
            return _absent("missing" if _lies_inside(name) else "outside")
        of_the_song = (None, str(source), str(source.resolve()))
        try:
            return self._kept(name, source) or self._made(name, source)
        except OSError as error:
            if error.errno in NO_ROOM or error.filename not in of_the_song:
                raise
            return _absent("unreadable")

    def _kept(self, name, source):
        """The Sound that an earlier build made of the file as it is now, None
        where there is none.
        """
        stamp = _stamp_of(source)
        for kind in [ENCODED] if self.plan.clip_seconds else [AS_NAMED, ENCODED]:
            for place in self.trees[kind].places(name):
                if self.record.is_made_of(place, stamp) and self._is_as_wanted(source, kind, place):
                    return Sound(kind, place)
        return None

    def _is_as_wanted(self, source, kind, place):
        """Whether the file at `place` may be a link to the song, if it is one."""
        if kind == ENCODED or self.plan.mode == "link":
            return True
        return not os.path.samefile(source, self.folder.path / place)

    def _made(self, name, source):
        """The Sound made now."""
        as_it_is = not self.plan.clip_seconds and plays_in_browsers(source, name)
        make = self._put if as_it_is else self._encode
        for place in self.trees[AS_NAMED if as_it_is else ENCODED].places(name):
            try:
                return make(name, source, place)
            except OSError as error:
                if error.errno not in NO_SUCH_NAME:
                    raise
        return _absent("blocked")

    # ---- a song as it is ----

    def _put(self, name, source, place):
        """Link or copy a song as it is, unless it is there already."""
        if self._is_there(source, place):
            self.folder.adopt(place, source=_stamp_of(source))
        else:
            self.folder.place(place, source, self.plan.mode == "link")
        return Sound(AS_NAMED, place)

    def _is_there(self, source, place):
        """Whether at `place` lies the song as it is, put there by a map, whose record
        does not know its time.

        It has none, or the folder was copied, or the song was edited through its link.
        """
        status = self.record.status(place)
        lines = self.record.lines.get(place, [])
        may_be_ours = bool(lines) or self.folder.is_former
        if status is None or not stat.S_ISREG(status.st_mode) or not may_be_ours:
            return False
        target = self.folder.path / place
        if target.samefile(source):
            return self.plan.mode == "link"
        stamp = _stamp_of(source)
        if self.folder.is_former and _stamp_of(target) == stamp:
            return True
        was_made_of_it = any(line.get("source") == stamp for line in lines)
        return was_made_of_it and filecmp.cmp(source, target, shallow=False)

    # ---- a song encoded ----

    def _encode(self, name, source, place):
        """Encode a song as mp3, or take over what a map without a record made."""
        if self.folder.is_former and self._take_over(name, source, place):
            return Sound(ENCODED, place)
        if not self.record.is_free(place):
            raise taken_error(self.folder.path / place)
        return self._encode_anew(source, place)

    def _take_over(self, name, source, place):
        """Make the song that a map without a record encoded the one at `place`;
        returns whether there is one.
        """
        former = self._former_encoding(name, source)
        if former and self.record.status(place) is None:
            place_file(self.folder.path / former, self.folder.path / place)
            self.folder.adopt(former)
            self.folder.obsolete.add(former)
        elif not _has_time_of(self.folder.path / place, source):
            return False
        self.folder.adopt(place, source=_stamp_of(source))
        return True

    def _former_encoding(self, name, source):
        """Where the former version of the map put an encoded song, if it is there and
        no song of this name has the place.
        """
        song = f"{name}{self.plan.suffix}"
        if song in self.names or os.path.lexists(self.audio_dir / song):
            return None
        place = f"{AUDIO}/{song}"
        return place if _has_time_of(self.folder.path / place, source) else None

    def _encode_anew(self, source, place):
        """Encode a song as mp3, the middle `clip_seconds` of it if positive."""
        target = self.folder.path / place
        stamp = _stamp_of(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            if not encode(source, temporary, target, self.plan.clip_seconds):
                return _absent("undecodable")
            # It tells a build without a record what this was made of.
            os.utime(temporary, ns=(stamp[1], stamp[1]))
            self.folder.install(temporary, place, source=stamp)
        finally:
            temporary.unlink(missing_ok=True)
        return Sound(ENCODED, place)


def _stamp_of(path):
    """[size, mtime_ns] of a file."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def _has_time_of(target, source):
    """Whether `target` is a file with the time of `source`, as an encoded song has."""
    if not target.is_file() or target.is_symlink():
        return False
    return target.stat().st_mtime_ns == source.stat().st_mtime_ns


def _place_all(placer, names):
    """The Sound of each song. Where one raises, or Ctrl-C comes, no further ones are begun."""
    sounds = []
    with (
        Progress(len(names), "song", "audio") as progress,
        ThreadPoolExecutor(usable_cores()) as pool,
    ):
        try:
            for sound in pool.map(placer.place, names):
                sounds.append(sound)
                progress.update(1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return sounds


def _warn_of_trouble(sounds, names, audio_dir):
    """One line for each kind of trouble, with the first song it befell."""
    for kind, message in TROUBLE.items():
        rows = [row for row, sound in enumerate(sounds) if sound.trouble == kind]
        if rows:
            what = f"{len(rows)} {message.format(audio_dir=audio_dir)}"
            warn(f"{what} (the first is {names[rows[0]]})")


def _warn_of_renamed(renamed, names):
    """A line for the songs that do not lie where the page looks of itself."""
    if renamed:
        why = (
            "another's name, a name too long for the disk, or a file that the "
            "map did not make was in the way"
        )
        first = names[min(renamed)]
        warn(f"the sound of {len(renamed)} songs lies in renamed/: {why} (the first is {first})")
