"""Making the map: new songs on an old map, clusters, sound that must be encoded or must
not be touched, what is counted, serving.
"""

import csv
import http.client
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import REPO, encode, planted_sound, run_script, write_run_folder
from map_browser import SCRIPT, click_song, data_of, opened, style_of
from PIL import Image

FAST = ("--projection", "pca")
WITHOUT_SOUND = (*FAST, "--audio", "none")


def places(out_dir):
    """Positions (n, 2) of a map and the names of its songs."""
    data = data_of(out_dir)
    return np.load(data / "positions.npy", allow_pickle=False), (data / "songs.txt").read_text(
        encoding="utf-8"
    ).splitlines()


def test_update_keeps_old_songs_and_places_new_ones(
    tmp_path, map_vectors, map_songs, audio_folder, map_labels
):
    old = [row for row in range(24) if row % 5 != 2]
    npy = [f"{name}.npy" for name in map_songs]
    run = write_run_folder(tmp_path / "old", map_vectors[old], [npy[row] for row in old]).path
    out = tmp_path / "map"
    assert (
        "no map to update"
        in run_script(SCRIPT, run, audio_folder, map_labels[1], out, "--update", check=False).stderr
    )
    run_script(SCRIPT, run, audio_folder, map_labels[1], out, "--audio", "none")
    before, names = places(out)
    run = write_run_folder(tmp_path / "new", map_vectors[1:], npy[1:]).path
    done = run_script(SCRIPT, run, audio_folder, map_labels[1], out, "--audio", "none", "--update")
    assert "18 songs keep their places, 5 are new, 1 are gone" in done.stdout
    after, all_names = places(out)
    kept = [name for name in names if name != map_songs[0]]
    np.testing.assert_array_equal(
        after[[all_names.index(name) for name in kept]],
        before[[names.index(name) for name in kept]],
    )
    for name in set(all_names) - set(names):
        gaps = np.linalg.norm(
            after[[all_names.index(one) for one in kept]] - after[all_names.index(name)], axis=1
        )
        assert style_of(kept[gaps.argmin()]) == style_of(name)


def test_update_says_where_a_pca_would_be_truer_and_refuses_a_map_on_one_spot(
    tmp_path, map_vectors, map_songs, audio_folder, map_labels
):
    run = write_run_folder(
        tmp_path / "run", map_vectors, [f"{name}.npy" for name in map_songs]
    ).path
    out = tmp_path / "map"
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).standard_normal((24, 2)))
    arguments = (run, audio_folder, map_labels[1], out, "--audio", "none")
    run_script(SCRIPT, *arguments, "--projection", tmp_path / "noise.npy")
    assert (
        "a PCA would be truer than the places kept"
        in run_script(SCRIPT, *arguments, "--update").stderr
    )
    data = data_of(out)
    np.save(data / "positions.npy", np.full((24, 2), 1e-38, np.float32))
    spoiled = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = run_script(SCRIPT, *arguments, "--update", check=False)
    assert done.returncode == 1 and done.stderr.strip().endswith(
        "all songs of the old map lie on one spot; make the map anew"
    )
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert after == spoiled and len(spoiled) > 3  # nothing was written


def test_perplexity_that_the_songs_do_not_allow_is_lowered_and_named(
    tmp_path, map_run, audio_folder, map_labels
):
    arguments = (
        map_run,
        audio_folder,
        map_labels[1],
        tmp_path / "map",
        "--audio",
        "none",
        "--perplexity",
    )
    done = run_script(SCRIPT, *arguments, 50)
    assert "warning: --perplexity 50 is more than 24 songs allow; it is 7.67 here" in done.stderr
    assert re.search(
        r"^t-SNE: \d+\.\d % of the neighbours on the map are neighbours in truth \(PCA: "
        r"\d+\.\d %\)$",
        done.stdout,
        re.MULTILINE,
    )
    for bad in ("nan", "inf", "0.5"):
        assert (
            f"{bad}: expected a number of neighbours, at least 1"
            in run_script(SCRIPT, *arguments, bad, check=False).stderr
        )


def test_no_title_names_a_cluster(tmp_path, map_run, map_songs, audio_folder):
    """Eight songs of one cluster have one title, and it is the only column there is."""
    rows = [
        "filename,title",
        *(
            f"{name},{'Untitled' if style_of(name) == 'chord' else row}"
            for row, name in enumerate(map_songs)
        ),
    ]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run_script(
        SCRIPT,
        map_run,
        audio_folder,
        tmp_path / "labels.csv",
        tmp_path / "map",
        *WITHOUT_SOUND,
        "--centers",
        "3",
    )
    text = (data_of(tmp_path / "map") / "songs.js").read_text(encoding="utf-8")
    assert re.findall(r'"name":"([^"]*)","x"', text) == ["0", "1", "2"]


def test_clusters_of_a_file(tmp_path, map_run, map_songs, audio_folder, map_labels, map_context):
    with open(tmp_path / "clusters.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("filename", "cluster"), *((name, style_of(name)[0]) for name in map_songs[:-1])]
        )
    run_script(
        SCRIPT,
        map_run,
        audio_folder,
        map_labels[1],
        tmp_path / "map",
        *WITHOUT_SOUND,
        "--clusters",
        tmp_path / "clusters.csv",
    )
    with opened(map_context, (tmp_path / "map" / "index.html").as_uri()) as (page, watched):
        names = page.evaluate("soundEval.data.songs.clusters.map(({ name }) => name)")
        assert sorted(names) == ["c · chord", "n · noise", "p · pulse"]
        assert page.evaluate("soundEval.songs.text(23, 'cluster')") == ""
        assert watched.errors == []


def test_a_cluster_has_its_name_where_the_labels_in_it_are(tmp_path):
    """Cluster 0 is mostly rock, spread out;
    its few songs of jazz lie closer together than any of these.
    """
    random, kinds = (
        np.random.default_rng(0),
        [("rock", "0", (0, 0), 3)] * 16
        + [("jazz", "0", (50, 0), 0.1)] * 14
        + [("jazz", "1", (50, 50), 1)] * 40,
    )
    names = [f"{row:02d}.wav" for row in range(len(kinds))]
    rows = [
        ("filename", "genre", "cluster"),
        *(
            (name, genre, cluster)
            for name, (genre, cluster, _, _) in zip(names, kinds, strict=True)
        ),
    ]
    (tmp_path / "labels.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    np.save(
        tmp_path / "places.npy",
        np.array([random.normal(centre, spread) for _, _, centre, spread in kinds], np.float32),
    )
    (tmp_path / "audio").mkdir()
    run = write_run_folder(
        tmp_path / "run", random.standard_normal((len(names), 8)), [f"{name}.npy" for name in names]
    ).path
    options = (
        "--projection",
        tmp_path / "places.npy",
        "--audio",
        "none",
        "--clusters",
        tmp_path / "labels.csv",
    )
    run_script(SCRIPT, run, tmp_path / "audio", tmp_path / "labels.csv", tmp_path / "map", *options)
    clusters = json.loads(
        re.search(
            r"\"clusters\":\s*(\[.*?\}\])",
            (data_of(tmp_path / "map") / "songs.js").read_text(encoding="utf-8"),
        )[1]
    )
    positions = np.load(data_of(tmp_path / "map") / "positions.npy")
    assert clusters[0]["name"] == "0 · rock"
    nearest = np.linalg.norm(positions - [clusters[0]["x"], clusters[0]["y"]], axis=1).argmin()
    assert kinds[nearest][0] == "rock"


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory):
    """Twelve songs, one of them in a form that browsers do not play, one in pieces, one
    missing, one a link, two outside the folder.
    """
    root = tmp_path_factory.mktemp("odd")
    for row in range(6):
        encode(planted_sound("chord", row, 6), root / "audio" / f"{row}.wav")
    encode(planted_sound("pulse", 9, 6), root / "audio" / "old.wma")
    (root / "audio" / "broken.wma").write_bytes(b"not sound")
    encode(planted_sound("noise", 1, 1), root / "secret.wav")
    (root / "audio" / "link.wav").symlink_to(root / "secret.wav")
    names = [
        *(f"{row}.wav" for row in range(6)),
        "old.wma",
        "broken.wma",
        "gone.mp3",
        "link.wav",
        "../secret.wav",
        str(root / "secret.wav"),
    ]
    vectors = np.random.default_rng(0).standard_normal((len(names), 8))
    return root, write_run_folder(root / "run", vectors, [f"{name}.npy" for name in names]).path


def test_trouble_is_counted_in_one_line_each_and_the_map_comes(odd_run, map_context):
    root, run = odd_run
    rows = [
        ("filename", "genre"),
        ("0.wav", "a"),
        ("1.wav", "b"),
        ("1.wav", "c"),
        ("unknown.wav", "a"),
    ]
    (root / "labels.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    done = run_script(SCRIPT, run, root / "audio", root / "labels.csv", root / "map", *FAST)
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    for words in (
        "10 of 12 songs have no row",
        "1 rows name no song",
        "1 rows name a song for the second time",
        "1 songs have no file",
        "2 songs lie outside",
        "1 songs could not be encoded",
    ):
        assert sum(words in line for line in warnings) == 1, (words, warnings)
    assert len(warnings) == 6
    assert "12 songs, 8 to be heard" in done.stdout
    written = sorted(
        path.relative_to(root / "map").as_posix()
        for path in (root / "map").rglob("*")
        if path.is_file()
    )
    sounds = [name for name in written if name.startswith(("audio/", "encoded/", "renamed/"))]
    assert sounds == [
        *(f"audio/{row}.wav" for row in range(6)),
        "audio/link.wav",
        "encoded/old.wma.mp3",
    ]
    with opened(map_context, (root / "map" / "index.html").as_uri()) as (page, watched):
        click_song(page, 6)
        page.wait_for_function("document.getElementById('player').currentTime > 0")
        page.evaluate("soundEval.select(8)")
        assert "No sound" in page.inner_text("#audio-note")
        assert watched.errors == [] and watched.remote() == []


def test_clips_are_short_and_from_the_middle_and_made_once(odd_run):
    root, run = odd_run
    silence = np.zeros(16000 * 6)
    # sound in the middle second alone
    silence[16000 * 5 // 2 : 16000 * 7 // 2] = 0.5 * np.sin(np.arange(16000))
    encode(silence, root / "audio" / "0.wav")
    for _ in range(2):
        done = run_script(SCRIPT, run, root / "audio", "-", root / "clips", *FAST, "--clip", "1")
        assert "8 to be heard" in done.stdout
    clip = root / "clips" / "encoded" / "0.wav.1s.mp3"
    samples, rate = soundfile.read(clip)
    assert 0.9 < len(samples) / rate < 1.2
    assert np.abs(samples).mean() > 0.2  # a sine of height .5 is .32 in the mean
    before = clip.stat().st_ino
    run_script(SCRIPT, run, root / "audio", "-", root / "clips", *FAST, "--clip", "1")
    assert clip.stat().st_ino == before
    os.utime(root / "audio" / "0.wav")
    run_script(SCRIPT, run, root / "audio", "-", root / "clips", *FAST, "--clip", "1")
    assert clip.stat().st_ino != before


def test_spectrograms_show_low_tones_below(tmp_path, map_run, map_songs, audio_folder, map_context):
    log_mel = np.full((300, 80), -10, np.float32)
    log_mel[:150, 10] = 0  # a low tone in the first half
    for name in map_songs[:-1]:
        path = tmp_path / "vectors" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, log_mel)
    out = tmp_path / "map"
    done = run_script(
        SCRIPT,
        map_run,
        audio_folder,
        "-",
        out,
        *WITHOUT_SOUND,
        "--log-mel-dir",
        tmp_path / "vectors",
    )
    assert "1 of 24 songs have no log-mel" in done.stderr
    loud = np.asarray(Image.open(out / "thumbnails" / f"{map_songs[0]}.png"))[..., 1]
    height, width = loud.shape
    assert loud[: height // 2].max() == 0 and loud[height // 2 :, : width // 2 - 2].max() > 100
    assert loud[:, width // 2 + 2 :].max() == 0
    with opened(map_context, (out / "index.html").as_uri()) as (page, watched):
        page.evaluate("soundEval.select(0)")
        page.wait_for_function("document.getElementById('spectrogram').naturalWidth > 0")
        page.evaluate("soundEval.select(23)")
        page.wait_for_function("document.getElementById('spectrogram').hidden")
        assert [
            error
            for error in watched.errors
            if "thumbnails" not in error and "ERR_FILE_NOT_FOUND" not in error
        ] == []


def test_max_points_is_said_on_the_page(tmp_path, map_run, audio_folder, map_labels, map_context):
    done = run_script(
        SCRIPT,
        map_run,
        audio_folder,
        map_labels[1],
        tmp_path / "map",
        *WITHOUT_SOUND,
        "--max-points",
        "10",
    )
    assert "10 songs" in done.stdout and len(places(tmp_path / "map")[1]) == 10
    with opened(map_context, (tmp_path / "map" / "index.html").as_uri()) as (page, _):
        assert page.inner_text("#count") == "10 songs, drawn at random from 24"


def test_own_positions_are_taken_as_they_are(tmp_path, map_run, audio_folder, map_labels):
    own = np.random.default_rng(0).standard_normal((24, 2))
    np.save(tmp_path / "own.npy", own)
    run_script(
        SCRIPT,
        map_run,
        audio_folder,
        map_labels[1],
        tmp_path / "map",
        "--audio",
        "none",
        "--projection",
        tmp_path / "own.npy",
    )
    np.testing.assert_array_equal(places(tmp_path / "map")[0], own.astype(np.float32))


def test_quantised_vectors_keep_cosines_to_a_hundredth(monkeypatch):
    from sound_eval.map import data

    random = np.random.default_rng(0)
    for vectors in (
        random.standard_normal((400, 80)),
        random.standard_cauchy((400, 80)),  # a few huge values in every dimension
        random.standard_normal((400, 80)) * np.geomspace(1, 1e-4, 80),
        random.standard_normal((400, 3)) + 5,
    ):
        steps, scale = data.quantise(vectors)
        assert steps.dtype == np.int8
        cosines = [
            (unit @ unit.T)
            for unit in (
                v / np.linalg.norm(v, axis=1, keepdims=True)
                for v in (vectors, steps * scale.astype(float))
            )
        ]
        assert np.abs(cosines[0] - cosines[1]).max() < 0.01


@pytest.fixture(scope="module")
def server(tmp_path_factory, map_run, audio_folder, map_labels):
    """The port of a map that is being served; at the end Ctrl-C stops it cleanly."""
    out = tmp_path_factory.mktemp("served") / "map"
    command = [
        sys.executable,
        REPO / SCRIPT,
        map_run,
        audio_folder,
        map_labels[1],
        out,
        *FAST,
        "--serve",
        "0",
    ]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd="/"
    ) as process:
        lines = iter(process.stdout.readline, "")
        port = next(
            int(found[1])
            for line in lines
            if (found := re.search(r"http://127\.0\.0\.1:(\d+)/", line))
        )
        yield port, out
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def ask(port, path, **headers):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def test_served_map_plays_and_gives_ranges(server, map_songs, map_context):
    port, out = server
    whole = (out / "audio" / map_songs[0]).read_bytes()
    path = "/audio/" + map_songs[0].replace(" ", "%20")
    assert ask(port, path)[2] == whole
    for header, part in (
        ("bytes=10-19", whole[10:20]),
        ("bytes=100-", whole[100:]),
        ("bytes=-7", whole[-7:]),
        ("bytes=5-99999999", whole[5:]),
    ):
        status, headers, body = ask(port, path, Range=header)
        assert (status, body) == (206, part) and headers["Content-Range"].endswith(f"/{len(whole)}")
    assert ask(port, path, Range="bytes=99999999-")[0] == 416
    assert ask(port, path, Range="lines=1-2")[0] == 200
    assert ask(port, "/../../../etc/passwd")[0] == 404
    assert ask(port, "/", Host="evil.example")[0] == 403
    with opened(map_context, f"http://127.0.0.1:{port}/") as (page, watched):
        click_song(page, 4)
        page.wait_for_function("document.getElementById('player').currentTime > 0")
        assert watched.errors == []
        assert not [
            url for url in watched.remote() if not url.startswith(f"http://127.0.0.1:{port}/")
        ]
