"""The map's folder: what it did not write stays as it is, and a kill at any moment
leaves the former map whole.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO, encode, planted_sound, run_script, write_run_folder
from map_browser import SCRIPT, data_of, opened

FAST = ("--projection", "pca")


def contents(folder):
    """Names below a folder -> bytes, links -> where they lead."""
    paths = sorted(path for path in Path(folder).rglob("*") if not path.is_dir())
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in paths
    }


def make_run(root, names, audio=None):
    """A folder of short songs, each of its own pitch, and a run of them."""
    for row, name in enumerate(names):
        encode(planted_sound("chord", row, 1), (audio or root / "music") / name)
    vectors = np.random.default_rng(0).standard_normal((len(names), 8))
    return write_run_folder(root / "run", vectors, [f"{name}.npy" for name in names]).path


def place(audio_dir, names, out_dir, mode="link", clip=0.0):
    """Bring songs beside a map in this process; returns how the page finds them."""
    from sound_eval.map.folder.map_folder import MapFolder
    from sound_eval.map.folder.sounds import AudioPlan, place_audio

    folder = MapFolder(out_dir)
    folder.check()
    with folder.building():
        return place_audio(audio_dir, names, folder, AudioPlan(mode, clip))


def test_songs_that_begin_alike_are_neither_mixed_nor_written_to(tmp_path):
    music, names = tmp_path / "music", [f"{'n' * 191}{row:02d}.flac" for row in range(40)]
    music.mkdir()
    for row, name in enumerate(names):
        (music / name).write_bytes(b"fLaC" + bytes([row]) * 1000)
    before = contents(music)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for turn in range(40):
            sounds = place(music, names, tmp_path / f"map {turn}")
            assert (sounds.found == 1).all() and not sounds.renamed
            assert contents(music) == before
            assert all(
                (tmp_path / f"map {turn}" / "audio" / name).samefile(music / name) for name in names
            )
    finally:
        sys.setswitchinterval(interval)


# ---- folders that are no place for a map ----


def own(name):
    """A folder in which somebody has a file of this name."""

    def make(root):
        path = root / "out" / name
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        return root / "out"

    return make


def tree(root):
    (root / "tree").mkdir()
    (root / "tree" / ".spectrify.jsonl").write_text("{}\n")
    return root / "tree" / "map"


PLACES = {
    "the audio folder": lambda root: root / "m" / "audio",
    "inside the audio folder": lambda root: root / "m" / "audio" / "map",
    "around it, under the map's own name": lambda root: root / "m",
    "a run folder": lambda root: root / "run",
    "a log-mel tree": tree,
    "a page": own("index.html"),
    "data": own("data/mine.csv"),
    "audio": own("audio/b.wav"),
    "thumbnails": own("thumbnails/b.png"),
    "encoded": own("encoded/b.mp3"),
    "a file": lambda root: root / "run" / "config.yaml",
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_folder_that_is_somebody_elses_is_refused(tmp_path, kind):
    run = make_run(tmp_path, ["a.wav", "b.wav"], tmp_path / "m" / "audio")
    (tmp_path / "m" / "b.wav").write_text("another b")
    out = PLACES[kind](tmp_path)
    before = contents(tmp_path)
    done = run_script(SCRIPT, run, tmp_path / "m" / "audio", "-", out, *FAST, check=False)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith(f"error: {tmp_path}")
    assert contents(tmp_path) == before


def test_a_folder_with_other_things_in_it_may_hold_a_map(tmp_path):
    run = make_run(tmp_path, ["a.wav", "b.wav"], tmp_path / "music")
    (tmp_path / "README").write_text("mine")
    before = contents(tmp_path)
    for _ in range(2):
        run_script(SCRIPT, run, tmp_path / "music", "-", tmp_path, *FAST)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert (tmp_path / "audio" / "a.wav").samefile(tmp_path / "music" / "a.wav")


@pytest.fixture
def small(tmp_path):
    """A run of three songs, one of them to be encoded, and its map."""
    run = make_run(tmp_path, ["a.wav", "b/b.wav", "c.wma"])
    run_script(SCRIPT, run, tmp_path / "music", "-", tmp_path / "map", *FAST)
    return tmp_path


def rebuild(root, *options, check=True):
    return run_script(
        SCRIPT, root / "run", root / "music", "-", root / "map", *FAST, *options, check=check
    )


def test_a_page_that_was_edited_stays(small):
    page = small / "map" / "index.html"
    page.write_text(
        page.read_text(encoding="utf-8").replace("What am I looking at?", "My own words"),
        encoding="utf-8",
    )
    before = contents(small)
    done = rebuild(small, check=False)
    assert done.returncode == 1
    assert f"{page}: is there, and the map did not make it or it was changed since" in done.stderr
    assert contents(small) == before


def told(root):
    """What the page is told of the songs."""
    text = (data_of(root / "map") / "songs.js").read_text(encoding="ascii")
    return json.loads(text.split(", ", 1)[1].rsplit(");", 1)[0])


@pytest.mark.parametrize("kind", ["file", "link", "folder", "copy edited"])
def test_what_stands_at_a_songs_place_stays_and_the_song_lies_elsewhere(small, kind):
    target = small / "map" / "audio" / "a.wav"
    target.unlink()
    if kind == "file":
        target.write_text("mine")
    elif kind == "link":
        target.symlink_to(small / "music" / "a.wav")
    elif kind == "folder":
        target.mkdir()
        (target / "x").write_text("mine")
    else:
        target.write_bytes((small / "music" / "a.wav").read_bytes() + b"tagged by hand")
    before, music = contents(small / "map" / "audio"), contents(small / "music")
    for _ in range(2):
        done = rebuild(small, "--audio", "copy" if kind == "copy edited" else "link")
        assert contents(small / "map" / "audio") | {"b/b.wav": before["b/b.wav"]} == before
        assert contents(small / "music") == music
        assert (
            "the sound of 1 songs lies in renamed/" in done.stderr
            and "(the first is a.wav)" in done.stderr
        )
        (place,) = told(small)["renamed"].values()
        assert (small / "map" / place).read_bytes() == music["a.wav"]


def test_links_follow_a_change_of_the_song_and_copies_become_copies(small):
    song = small / "music" / "a.wav"
    placed = small / "map" / "audio" / "a.wav"
    with open(song, "ab") as file:
        file.write(b"a tag, written into the file itself")
    rebuild(small)
    assert placed.samefile(song)
    whole = song.read_bytes()
    song.unlink()
    encode(planted_sound("noise", 5, 1), song)
    assert placed.read_bytes() == whole
    rebuild(small)
    assert placed.samefile(song)
    rebuild(small, "--audio", "copy")
    assert not placed.samefile(song) and placed.read_bytes() == song.read_bytes()
    assert told(small)["renamed"] == {}


def test_a_map_copied_elsewhere_is_still_its_own(small):
    shutil.copytree(small / "map", small / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(small / "map")
    (small / "copy").rename(small / "map")
    encoded = (small / "map" / "encoded" / "c.wma.mp3").stat().st_ino
    done = rebuild(small)
    assert "warning" not in done.stderr
    assert (small / "map" / "encoded" / "c.wma.mp3").stat().st_ino == encoded
    assert told(small)["renamed"] == {}


def as_former(root):
    """Make a map what the version before wrote:
    no record, data without a folder of the build, encoded songs among the others.
    """
    out = root / "map"
    data = data_of(out)
    page = (out / "index.html").read_text(encoding="utf-8")
    (out / "index.html").write_text(
        page.replace(str(data.relative_to(out)), "data"), encoding="utf-8"
    )
    for path in data.iterdir():
        path.rename(out / "data" / path.name)
    data.rmdir()
    (out / "encoded" / "c.wma.mp3").rename(out / "audio" / "c.wma.mp3")
    (out / "encoded").rmdir()
    shutil.rmtree(out / ".sound-eval-map")


def test_a_map_of_the_former_version_is_gone_on_with(small):
    places = np.load(data_of(small / "map") / "positions.npy")
    as_former(small)
    (small / "map" / "data" / "mine.txt").write_text("mine")
    (small / "map" / "audio" / "mine.mp3").write_text("mine")
    encoded = (small / "map" / "audio" / "c.wma.mp3").stat().st_ino
    done = run_script(SCRIPT, small / "run", small / "music", "-", small / "map", "--update")
    assert "3 songs keep their places" in done.stdout and "warning" not in done.stderr
    np.testing.assert_array_equal(np.load(data_of(small / "map") / "positions.npy"), places)
    written = {name for name in contents(small / "map") if not name.startswith(".")}
    data = data_of(small / "map").relative_to(small / "map")
    assert written == {
        *(
            "index.html",
            "data/mine.txt",
            "audio/mine.mp3",
            "audio/a.wav",
            "audio/b/b.wav",
            "encoded/c.wma.mp3",
        ),
        *(f"{data}/{name}" for name in ("songs.js", "vectors.js", "positions.npy", "songs.txt")),
    }
    assert (small / "map" / "encoded" / "c.wma.mp3").stat().st_ino == encoded
    assert told(small)["renamed"] == {}


def test_a_former_map_with_a_page_of_somebodys_own_is_refused(small):
    as_former(small)
    page = small / "map" / "index.html"
    page.write_text(
        page.read_text(encoding="utf-8").replace("</body>", "<script>count()</script></body>"),
        encoding="utf-8",
    )
    before = contents(small)
    assert rebuild(small, check=False).returncode == 1
    assert contents(small) == before


def test_places_that_do_not_fit_are_said(small):
    np.save(data_of(small / "map") / "positions.npy", np.zeros((7, 2), np.float32))
    done = run_script(
        SCRIPT, small / "run", small / "music", "-", small / "map", "--update", check=False
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert (
        "positions.npy: shape (7, 2) does not fit the 3 songs of songs.txt beside it" in done.stderr
    )


def test_one_build_at_a_time(small):
    from sound_eval.map.folder.map_folder import MapFolder

    with MapFolder(small / "map").building():
        done = rebuild(small, check=False)
    assert done.returncode == 1 and "another build is writing this map" in done.stderr
    rebuild(small)


def test_the_copy_for_which_there_is_no_room_is_named(tmp_path):
    run = make_run(tmp_path, ["a.wav", "b.wav"])

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    command = [
        sys.executable,
        REPO / SCRIPT,
        run,
        tmp_path / "music",
        "-",
        tmp_path / "map",
        *FAST,
        "--audio",
        "copy",
    ]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1]
        == f"error: {tmp_path / 'map' / 'audio' / 'a.wav'}: File too large"
    )
    assert not list((tmp_path / "map").rglob(".writing-*"))


# ---- a kill at every write ----

KILLED = """
import itertools, os, runpy, shutil, signal, sys, threading
from pathlib import Path
root, script, before = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.path[:0] = [os.path.dirname(script), os.path.dirname(os.path.dirname(script))]
import pandas, scipy.spatial
from sound_eval.map import build, figure
figure.figure_json()  # once for all builds
CHANGES = ("replace", "link", "unlink", "rmdir", "write", "mkdir", "fsync")

def die_at(turn):
    turns, lock = itertools.count(1), threading.Lock()
    def spoilt(change):
        def call(*args, **kwargs):
            with lock:
                if turn and (str(args[-1]).endswith(before) if before else next(turns) == turn):
                    os.kill(os.getpid(), signal.SIGKILL)
            return change(*args, **kwargs)
        return call
    for name in CHANGES:
        setattr(os, name, spoilt(getattr(os, name)))

def build(turn, labels):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        die_at(turn)
        where = [root / name for name in ("run", "music", labels, "map")]
        options = ["--projection", "pca", "--log-mel-dir", root / "vectors"]
        sys.argv = list(map(str, (script, *where, *options)))
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            os._exit(bool(end.code))
    return os.waitpid(child, 0)[1]

for turn in itertools.count(1):
    shutil.rmtree(root / "map", ignore_errors=True)
    shutil.copytree(root / "former", root / "map", copy_function=shutil.copy2)
    status = build(turn, "new.csv")
    print(turn, status, flush=True)
    sys.stdin.readline()
    if status == 0 or before:
        break
    if turn % 3 == 1:  # the next build
        print(build(0, "new.csv"), flush=True)
        sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def killed_root(tmp_path_factory):
    """A map of three songs by old.csv, to be built anew by new.csv with one song
    changed since and one new.
    """
    root = tmp_path_factory.mktemp("killed")
    names = ["a.wav", "b/b.wav"]
    make_run(root, names)
    for name in [*names, "c.wav"]:
        (root / "vectors" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(
            root / "vectors" / f"{name}.npy",
            np.random.default_rng(0).standard_normal((50, 80)).astype(np.float32),
        )
    for word in ("old", "new"):
        (root / f"{word}.csv").write_text(
            "filename,genre\n" + "".join(f"{name},{word}\n" for name in names)
        )
    run_script(
        SCRIPT,
        root / "run",
        root / "music",
        root / "old.csv",
        root / "former",
        *FAST,
        "--log-mel-dir",
        root / "vectors",
    )
    shutil.rmtree(root / "run")
    encode(planted_sound("noise", 7, 1), root / "new.wav")
    for name in ("b/b.wav", "c.wav"):
        shutil.copy(root / "new.wav", root / "beside.wav")
        os.replace(root / "beside.wav", root / "music" / name)
    write_run_folder(
        root / "run",
        np.random.default_rng(1).standard_normal((3, 8)),
        [f"{name}.npy" for name in [*names, "c.wav"]],
    )
    return root


class Killer:
    """The process that builds and kills builds, a step at a time."""

    def __init__(self, root, before=""):
        command = [sys.executable, "-c", KILLED, str(root), str(REPO / SCRIPT), before]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def step(self):
        """The numbers of the next line."""
        return [int(word) for word in self.process.stdout.readline().split()]

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def state(out):
    """What a map shows: its label, its names, and whether all that its page needs is there."""
    data = data_of(out)
    text = (data / "songs.js").read_text(encoding="ascii")
    songs = json.loads(text.split(", ", 1)[1].rsplit(");", 1)[0])
    assert (data / "songs.txt").read_text().split() == songs["names"]
    assert np.load(data / "positions.npy").shape == (len(songs["names"]), 2)
    assert (data / "vectors.js").read_text().startswith('soundEval.receive("vectors", ')
    for name in songs["names"]:
        assert (out / "audio" / name).stat().st_size > 1000
        assert (out / "thumbnails" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return songs["columns"][0]["values"][1:], songs["names"]


def test_a_kill_before_any_write_leaves_one_map_whole_and_the_next_build_cleans_up(killed_root):
    former, new = state(killed_root / "former"), (["new"], ["a.wav", "b/b.wav", "c.wav"])
    assert former == (["old"], ["a.wav", "b/b.wav"])
    where = [killed_root / name for name in ("run", "music", "new.csv", "map")]
    run_script(SCRIPT, *where, *FAST, "--log-mel-dir", killed_root / "vectors")
    wanted = set(contents(killed_root / "map"))
    killer, seen = Killer(killed_root), []
    try:
        while True:
            turn, status = killer.step()
            seen.append(state(killed_root / "map"))
            assert seen[-1] in (former, new)
            if status == 0:
                break
            assert status == 9
            killer.go_on()
            if turn % 3 == 1:
                assert killer.step() == [0]
                assert state(killed_root / "map") == new
                assert set(contents(killed_root / "map")) == wanted, turn
                killer.go_on()
    finally:
        killer.end()
    assert len(seen) > 40 and seen[20] == former and seen.index(new) > 20
    assert set(contents(killed_root / "map")) == wanted


@pytest.mark.browser
def test_the_page_after_a_kill_just_before_the_new_one_is_the_former_map(killed_root, map_context):
    killer = Killer(killed_root, before="/index.html")
    try:
        assert killer.step()[1] == 9
    finally:
        killer.end()
    # the new data are all there, and not shown
    assert len(list((killed_root / "map" / "data").iterdir())) == 2
    with opened(map_context, (killed_root / "map" / "index.html").as_uri()) as (page, watched):
        assert page.evaluate("soundEval.songs.names") == ["a.wav", "b/b.wav"]
        assert page.evaluate("soundEval.songs.text(1, 'genre')") == "old"
        page.evaluate("soundEval.select(1)")
        page.wait_for_function("document.getElementById('player').currentTime > 0")
        page.wait_for_function("document.getElementById('spectrogram').naturalWidth > 0")
        assert len(page.evaluate("Array.from(soundEval.distances(0))")) == 2
        assert watched.errors == []
