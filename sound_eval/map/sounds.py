"""The songs beside the map: linked or copied from the audio folder, or made into what a
browser can play.

Conventions
-----------
A song `a/b.flac` lies at `audio/a/b.flac` in the map's folder; one that was encoded
anew at `encoded/a/b.wma.mp3`, a preview at `encoded/a/b.wma.30s.mp3`; one that cannot
lie there at a name in `renamed/`. Of each song the page is told how to find it: ABSENT,
AS_NAMED or ENCODED, and where it lies if it was renamed. What was made of a file that
has not changed since is kept. Links that lie in the audio folder are followed; a name
that leaves it by `..`, or is absolute, is not.
"""

import errno
import filecmp
import os
import re
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sound_eval import programs
from sound_eval.audio.durations import UnknownLengthError, seconds_of_file
from sound_eval.errors import InputError
from sound_eval.files.trees import NO_ROOM, place_file, temporary_beside
from sound_eval.map.folder import AUDIO, taken_error
from sound_eval.map.folder import ENCODED as ENCODED_TREE
from sound_eval.map.places import NO_SUCH_NAME, Tree
from sound_eval.map.playable import plays_in_browsers
from sound_eval.terminal import Progress, warn

ABSENT, AS_NAMED, ENCODED = 0, 1, 2
CLIP_BITRATE, FULL_BITRATE = "96k", "160k"


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
    """How the page finds a song: its kind, and where it lies."""

    kind: int
    place: str


def source_of(folder, name):
    """The path of a song's file in `folder`;
    None where there is no such file, or the name leaves the folder.
    """
    if not lies_inside(name):
        return None
    path = Path(folder) / name
    return path if os.path.isfile(path) else None  # Path.is_file raises where the name is too long


def lies_inside(name):
    """Whether a name stays in its folder: it is not absolute and has no `..`.

    Links in the folder are its owner's wish.
    """
    parts = PurePosixPath(name)
    return not parts.is_absolute() and ".." not in parts.parts


class Placer:
    """Brings songs of `audio_dir` into the map's folder, several at a time."""

    def __init__(self, audio_dir, names, folder, plan):
        self.audio_dir, self.folder, self.plan = Path(audio_dir), folder, plan
        self.names = set(names)
        self.trees = {AS_NAMED: Tree(AUDIO, names), ENCODED: Tree(ENCODED_TREE, names, plan.suffix)}

    def place(self, name):
        """Bring one song beside the map; returns its Sound, or in words why it is not there."""
        source = source_of(self.audio_dir, name)
        if source is None:
            return "missing" if lies_inside(name) else "outside"
        try:
            return self.kept(name, source) or self.made(name, source)
        except OSError as error:
            if error.errno in NO_ROOM or error.filename not in (
                None,
                str(source),
                str(source.resolve()),
            ):
                raise
            return "unreadable"

    def kinds(self):
        """The kinds that a song may be of by the plan."""
        return [ENCODED] if self.plan.clip_seconds else [AS_NAMED, ENCODED]

    def kept(self, name, source):
        """The Sound that an earlier build made of the file as it is now, None
        where there is none.
        """
        stamp = stamp_of(source)
        for kind in self.kinds():
            for place in self.trees[kind].places(name):
                if self.folder.is_made_of(place, stamp) and (
                    kind == ENCODED or self.is_as_wanted(source, place)
                ):
                    return Sound(kind, place)
        return None

    def is_as_wanted(self, source, place):
        """Whether a file that lies at `place` as it is may be a link, if it is one."""
        return self.plan.mode == "link" or not os.path.samefile(source, self.folder.path / place)

    def made(self, name, source):
        """The Sound made now, or in words why not."""
        kind = (
            AS_NAMED if not self.plan.clip_seconds and plays_in_browsers(source, name) else ENCODED
        )
        make = self.put if kind == AS_NAMED else self.encode
        for place in self.trees[kind].places(name):
            try:
                return make(name, source, place)
            except OSError as error:
                if error.errno not in NO_SUCH_NAME:
                    raise
        return "blocked"

    def put(self, name, source, place):
        """Link or copy a song as it is, unless it is there already."""
        if self.is_as_wanted_there(source, place):
            self.folder.adopt(place, source=stamp_of(source))
        else:
            self.folder.place(place, source, self.plan.mode == "link")
        return Sound(AS_NAMED, place)

    def is_as_wanted_there(self, source, place):
        """Whether at `place` lies the song as it is, put there by a map, whose record
        does not know its time.

        It has none, or the folder was copied, or the song was edited through its link.
        """
        status, lines = self.folder.status(place), self.folder.lines.get(place, [])
        if (
            status is None
            or not stat.S_ISREG(status.st_mode)
            or not (lines or self.folder.is_former)
        ):
            return False
        target, stamp = self.folder.path / place, stamp_of(source)
        if target.samefile(source):
            return self.plan.mode == "link"
        if self.folder.is_former and stamp_of(target) == stamp:
            return True
        return any(line.get("source") == stamp for line in lines) and filecmp.cmp(
            source, target, shallow=False
        )

    def encode(self, name, source, place):
        """Encode a song as mp3, or take over what a map without a record made;
        returns its Sound or in words why not.
        """
        if self.folder.is_former and self.take_over(name, source, place):
            return Sound(ENCODED, place)
        if not self.folder.is_free(place):
            raise taken_error(self.folder.path / place)
        return self.encode_anew(source, place)

    def take_over(self, name, source, place):
        """Make the song that a map without a record encoded the one at `place`;
        returns whether there is one.
        """
        former = self.former_encoding(name, source)
        if former and self.folder.status(place) is None:
            place_file(self.folder.path / former, self.folder.path / place)
            self.folder.adopt(former)
            self.folder.obsolete.add(former)
        elif not has_time_of(self.folder.path / place, source):
            return False
        self.folder.adopt(place, source=stamp_of(source))
        return True

    def former_encoding(self, name, source):
        """Where the former version of the map put an encoded song, if it is there and
        no song of this name has the place.
        """
        song = f"{name}{self.plan.suffix}"
        is_song = song in self.names or os.path.lexists(self.audio_dir / song)
        return (
            None
            if is_song or not has_time_of(self.folder.path / AUDIO / song, source)
            else f"{AUDIO}/{song}"
        )

    def encode_anew(self, source, place):
        """Encode a song as mp3, the middle `clip_seconds` of it if positive;
        returns its Sound or in words why not.
        """
        target, stamp = self.folder.path / place, stamp_of(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            if not encode(source, temporary, target, self.plan.clip_seconds):
                return "undecodable"
            # it tells a build without a record what this was made of
            os.utime(temporary, ns=(stamp[1], stamp[1]))
            self.folder.install(temporary, place, source=stamp)
        finally:
            temporary.unlink(missing_ok=True)
        return Sound(ENCODED, place)


def stamp_of(path):
    """[size, mtime_ns] of a file."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def has_time_of(target, source):
    """Whether `target` is a file with the time of `source`, as an encoded song has."""
    return (
        target.is_file()
        and not target.is_symlink()
        and target.stat().st_mtime_ns == source.stat().st_mtime_ns
    )


def encode(source, temporary, target, clip_seconds):
    """Write an mp3, the middle `clip_seconds` of the song if positive;
    returns whether ffmpeg could. `target` is named in errors.
    """
    if not clip_seconds:
        return run_ffmpeg(source, temporary, target, [], FULL_BITRATE)
    length = ["-t", f"{clip_seconds:g}"]
    start = max(0.0, (seconds_of(source) - clip_seconds) / 2)
    middle = start and run_ffmpeg(
        source, temporary, target, ["-ss", f"{start:.3f}", *length], CLIP_BITRATE
    )
    # a length may be a guess, or a lie
    return middle or run_ffmpeg(source, temporary, target, length, CLIP_BITRATE)


def seconds_of(path):
    """The length of a file in seconds, 0 where nothing tells."""
    try:
        return seconds_of_file(path)
    except UnknownLengthError:
        return 0.0


def run_ffmpeg(source, temporary, target, part, bitrate):
    """Encode a part of a song; returns whether there is sound in the file.

    Raises OSError where there is no room.
    """
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-threads",
        "1",
        "-abort_on",
        "empty_output",
        *part,
    ]
    command += [
        *programs.input_of(source),
        "-map",
        "0:a:0",
        "-map_metadata",
        "-1",
        "-b:a",
        bitrate,
        "-f",
        "mp3",
    ]
    try:
        status, _, messages = programs.run([*command, f"file:{temporary}"], watch=temporary)
    except programs.StalledError:
        return False
    except programs.MissingProgramError as error:
        raise InputError(
            f"{error}; songs that browsers do not play need it: install ffmpeg, "
            "or choose --audio none"
        ) from error
    if status == -signal.SIGXFSZ:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(target))
    for number in NO_ROOM:
        if re.search(rf": {os.strerror(number)}\s*$", messages, re.M):
            raise OSError(number, os.strerror(number), str(target))
    return not status


def place_audio(audio_dir, names, folder, plan):
    """Bring the songs beside the map, and print one line per kind of trouble.

    Returns how the page finds each, (n,) uint8, and where those lie, row -> name, that
    are not where it looks.
    """
    if plan.mode == "none":
        return np.zeros(len(names), np.uint8), {}
    placer = Placer(audio_dir, names, folder, plan)
    outcomes = place_all(placer, names)
    warn_of(outcomes, names, placer)
    kinds = np.array(
        [outcome.kind if isinstance(outcome, Sound) else ABSENT for outcome in outcomes], np.uint8
    )
    return kinds, {row: outcomes[row].place for row in renamed_rows(outcomes, names, placer)}


def place_all(placer, names):
    """The outcome for each song. Where one raises, or Ctrl-C comes, no further ones are begun."""
    outcomes = []
    with (
        Progress(len(names), "song", "audio") as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        try:
            for outcome in pool.map(placer.place, names):
                outcomes.append(outcome)
                progress.update(1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return outcomes


def renamed_rows(outcomes, names, placer):
    """Rows of the songs that do not lie where the page looks of itself."""
    rows = [row for row, outcome in enumerate(outcomes) if isinstance(outcome, Sound)]
    return [
        row
        for row in rows
        if not placer.trees[outcomes[row].kind].is_usual(names[row], outcomes[row].place)
    ]


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


def warn_of(outcomes, names, placer):
    """One line for each kind of trouble, with the first song it befell."""
    for kind, message in TROUBLE.items():
        troubled = [name for name, outcome in zip(names, outcomes, strict=True) if outcome == kind]
        if troubled:
            warn(
                f"{len(troubled)} {message.format(audio_dir=placer.audio_dir)} "
                f"(the first is {troubled[0]})"
            )
    moved = renamed_rows(outcomes, names, placer)
    if moved:
        why = (
            "another's name, a name too long for the disk, or a file that the "
            "map did not make was in the way"
        )
        warn(
            f"the sound of {len(moved)} songs lies in renamed/: "
            f"{why} (the first is {names[moved[0]]})"
        )
