"""Make a corpus of 14 free game soundtracks: clips of 30 s of their songs, each with its
song and its album.

Each soundtrack is a Debian package. It is downloaded by apt-get and unpacked by dpkg, not
installed, as OUT_DIR/packages/NAME; one that lies there is not downloaded again. Up to
four evenly spaced clips are cut of each song of 45 s or more, as stereo MP3 of 128
kbit/s; fewer of each where the soundtrack would have more than 60. Numbered in shuffled
order they are OUT_DIR/audio/NNN/NNNNNN.mp3. OUT_DIR/metadata.csv holds filename, album,
song, title and citation. The same packages give the same corpus, and a second run makes
only what is missing.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sound_eval import programs
from sound_eval.audio.durations import UnknownLengthError, seconds_of_file
from sound_eval.cli import print_next, run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.names import AUDIO_SUFFIXES
from sound_eval.files.outputs import digest
from sound_eval.files.tables import csv_text
from sound_eval.files.writing import TEMPORARY_PREFIX
from sound_eval.songs.collection import claim, make_all, whole_file
from sound_eval.terminal import Progress, warn

# Debian package -> where below usr/share its music lies: no effects, no speech, and of a
# song no second mix.
SOUNDTRACKS = {
    "colobot-common-sounds": "games/colobot/music/*",
    "drascula-music": "scummvm/drascula/audio/*",
    "extremetuxracer-data": "games/etr/music/*",
    "fillets-ng-data": "games/fillets-ng/music/*",
    "flare-game": "games/flare/mods/*/music/*_theme.*",
    "freedroidrpg-data": "freedroidrpg/data/sound/music/*",
    "fretsonfire-songs-muldjord": "games/fretsonfire/data/songs/muldjord/*/song.*",
    "hyperrogue-music": "hyperrogue/music/*",
    "marsshooter-data": "games/marsshooter/audio/**/*.ogg",
    "megaglest-data": "games/megaglest/**/music/*",
    "openclonk-data": "games/openclonk/Music.ocg/*",
    "unknown-horizons": "unknown-horizons/content/audio/music/**/*",
    "warzone2100-music": "games/warzone2100/music/albums/*/track*[0-9].*",
    "xmoto-data": "games/xmoto/Textures/Musics/*",
}
CLIP_SECONDS = 30
SHORTEST_SECONDS = 45.0  # what is shorter is a jingle
CLIPS_OF_SONG = 4  # at most
CLIPS_OF_ALBUM = 60  # at most, but for one clip of each song
SEED = 0  # of the order of the clips
DOWNLOAD_IDLE_SECONDS = 600.0  # apt-get says nothing while a package comes
AUDIO, PACKAGES, METADATA = "audio", "packages", "metadata.csv"
COLUMNS = ("filename", "album", "song", "title", "citation")
KIND = "labels of the soundtracks"
ANOTHER = (
    "corpus (other versions of the packages?); give another folder, or remove this file and "
    "the folder of clips"
)
EXAMPLE = """example:
  python benchmarks/soundtracks.py soundtracks/"""


@dataclass(frozen=True)
class Song:
    """A song of the package `album`: its file, and how many seconds it lasts."""

    album: str
    path: Path
    seconds: float


@dataclass(frozen=True)
class Clip:
    """CLIP_SECONDS of a song from `start` seconds on, as the file `name` of the corpus."""

    name: str
    song: Song
    start: float


def check_programs(*names):
    """Raise InputError where one of the programs is not installed."""
    for name in names:
        if shutil.which(name) is None:
            hint = "" if name in ("ffmpeg", "ffprobe") else "; the packages are Debian's"
            raise InputError(f"{name} is not installed{hint}")


def fetch(album, packages):
    """Download a Debian package and unpack it as `packages`/`album`, whole or not at all.

    Raises InputError where there is none of that name, or it does not come.
    """
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=packages) as work:
        # apt-get downloads to the folder that it is started in
        call(album, ["env", f"--chdir={work}", "apt-get", "download", album])
        (archive,) = Path(work).glob("*.deb")
        call(album, ["dpkg", "-x", str(archive), f"{work}/unpacked"])
        os.rename(f"{work}/unpacked", packages / album)


def call(album, command):
    """Run a program for a package; raises InputError with its last words where it fails."""
    status, _, messages = programs.run(command, DOWNLOAD_IDLE_SECONDS)
    if status:
        last = messages.strip().rpartition("\n")[2]
        raise InputError(
            f"{album}: the Debian package could not be fetched ({last}); "
            "what is unpacked stays: start again later, perhaps after `apt-get update`"
        )


def fetch_missing(packages):
    """Fetch the packages that are not unpacked yet."""
    missing = [album for album in SOUNDTRACKS if not (packages / album).is_dir()]
    if not missing:
        return
    check_programs("apt-get", "dpkg")
    with Progress(len(missing), "package", "downloading") as progress:
        for album in missing:
            fetch(album, packages)
            progress.update(1, album)


def music_of(album, packages):
    """The music files of an unpacked package, sorted.

    Raises InputError where there are none.
    """
    share = packages / album / "usr" / "share"
    found = sorted(share.glob(SOUNDTRACKS[album]))
    music = [path for path in found if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()]
    if not music:
        raise InputError(
            f"{packages / album}: no music as usr/share/{SOUNDTRACKS[album]}; is it unpacked "
            "whole? Remove the folder, and it is downloaded again"
        )
    return music


def read_songs(packages):
    """The songs of all soundtracks, in the order of their names.

    What is there twice, by a link or by its content, counts once.
    """
    files = [(album, path) for album in SOUNDTRACKS for path in music_of(album, packages)]
    songs = {}
    with Progress(len(files), "file", "reading") as progress:
        for album, path in files:
            content = digest(path)
            if content not in songs:
                songs[content] = song_in(album, path)
            progress.update(1)
    return [song for song in songs.values() if song]


def song_in(album, path):
    """The Song in a file; None where it is too short, or with a warning not readable."""
    try:
        seconds = seconds_of_file(path)
    except UnknownLengthError as error:
        warn(f"{error} It is left out")
        return None
    if seconds < SHORTEST_SECONDS:
        return None
    status, _, _ = programs.run(["ffprobe", "-v", "error", *programs.input_of(path)])
    if status:
        warn(f"{path}: ffmpeg cannot read it; it is left out")
        return None
    return Song(album, path, seconds)


def starts_in(song, most):
    """Where at most `most` clips of a song start, in seconds: each in the middle of its
    share of the song, so that they do not overlap.
    """
    n_clips = min(most, int(song.seconds // CLIP_SECONDS))
    share = song.seconds / n_clips
    return [(clip + 0.5) * share - CLIP_SECONDS / 2 for clip in range(n_clips)]


def pieces_of(songs):
    """(song, start) of the clips of one soundtrack: as many of each song as the album
    has room for.
    """
    for most in range(CLIPS_OF_SONG, 0, -1):
        pieces = [(song, start) for song in songs for start in starts_in(song, most)]
        if len(pieces) <= CLIPS_OF_ALBUM:
            break
    return pieces


def plan(songs):
    """The clips of the corpus, by number."""
    pieces = []
    for album in SOUNDTRACKS:
        pieces += pieces_of([song for song in songs if song.album == album])
    random.Random(SEED).shuffle(pieces)
    return [
        Clip(f"{number // 1000:03d}/{number:06d}.mp3", *piece)
        for number, piece in enumerate(pieces, 1)
    ]


def titles_of(songs):
    """Song -> title: the name of its file, behind that of its folder where another song
    of the album has the same.
    """
    counts = Counter((song.album, song.path.stem) for song in songs)
    titles = {}
    for song in songs:
        stem = song.path.stem
        is_shared = counts[song.album, stem] > 1
        titles[song] = f"{song.path.parent.name}/{stem}" if is_shared else stem
    return titles


def metadata_text(clips, titles):
    """The labels as CSV text."""
    rows = []
    for clip in clips:
        album, title = clip.song.album, titles[clip.song]
        source = f"{clip.song.path.name} from Debian package {album}, from {clip.start:.1f} s on"
        rows.append([clip.name, album, f"{album}/{title}", title, source])
    return csv_text(COLUMNS, rows)


def cut(audio, clip):
    """Cut one clip by ffmpeg; it gets its name when it is whole. Returns that."""
    path = audio / clip.name
    with whole_file(path) as work:
        source = ["-ss", f"{clip.start:.3f}", *programs.input_of(clip.song.path)]
        # a cover would be a second stream, and a title would tell the song
        sound = ["-t", str(CLIP_SECONDS), "-map", "0:a:0", "-map_metadata", "-1"]
        output = ["-ac", "2", "-b:a", "128k", f"file:{work}"]
        command = ["ffmpeg", "-nostdin", "-v", "error", *source, *sound, *output]
        status, _, messages = programs.run(command, watch=work)
        if status:
            raise InputError(f"{clip.song.path}: ffmpeg could not cut it: {messages.strip()}")
    return clip.name


def main(argv=None):
    """Fetch the packages, plan the clips, then cut what is missing."""
    parser = script_parser(__doc__, EXAMPLE)
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="where the corpus goes")
    out_dir = parser.parse_args(argv).out_dir
    check_programs("ffmpeg", "ffprobe")
    fetch_missing(out_dir / PACKAGES)
    songs = read_songs(out_dir / PACKAGES)
    clips = plan(songs)
    audio = out_dir / AUDIO
    labels = out_dir / METADATA
    places = (audio / clip.name for clip in clips)
    claim(labels, KIND, metadata_text(clips, titles_of(songs)), places, ANOTHER)
    missing = [clip for clip in clips if not (audio / clip.name).exists()]
    make_all(partial(cut, audio), audio, missing, "clip", "cutting", "cut")
    print(
        f"wrote {out_dir}: {len(missing)} clips of {len(songs)} songs, "
        f"{len(clips) - len(missing)} were there; labels in {labels}"
    )
    print_next("python", "spectrify_all.py", audio, out_dir / "vectors")
    return 0


if __name__ == "__main__":
    run_main(main)
