"""Every kind of sound on the map: real files of ffmpeg's making are clicked in a real browser, and heard."""
import subprocess
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from conftest import SAMPLERATE, planted_sound, run_script, write_run_folder
from map_browser import SCRIPT, click_song, opened

pytestmark = pytest.mark.browser

SECONDS = 4
AS_IT_IS = {  # file name: the codec and what else ffmpeg is told; browsers play these
    "a.mp3": ["libmp3lame"],
    "UPPER CASE.MP3": ["libmp3lame"],
    "a.flac": ["flac"],
    "24 bits.flac": ["flac", "-sample_fmt", "s32", "-ar", "96000"],
    "vorbis.ogg": ["libvorbis"],
    "vorbis.oga": ["libvorbis"],
    "opus.ogg": ["libopus"],
    "flac.ogg": ["flac"],
    "a.opus": ["libopus"],
    "opus.webm": ["libopus"],
    "a.aac": ["aac"],
    "aac.m4a": ["aac"],
    "aac.mp4": ["aac"],
    "16 bits.wav": ["pcm_s16le"],
    "8 bits.wav": ["pcm_u8"],
    "surround.wav": ["pcm_s24le", "-ac", "6", "-ar", "96000"],
    "32 bits.wav": ["pcm_s32le"],
    "floats.wav": ["pcm_f32le"],
    "mu-law.wav": ["pcm_mulaw"],
    "a-law.wav": ["pcm_alaw"],
}
ENCODED = {  # and these they do not
    "alac.m4a": ["alac"],
    "a.wma": ["wmav2"],
    "a.aiff": ["pcm_s16be"],
    "doubles.wav": ["pcm_f64le"],
    "adpcm.wav": ["adpcm_ms"],
    "a.wv": ["wavpack"],
}
KINDS = AS_IT_IS | ENCODED


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder with a file of every kind, and the map of it."""
    root = tmp_path_factory.mktemp("sounds")
    (root / "audio").mkdir()
    soundfile.write(root / "source.wav", planted_sound("chord", 0, SECONDS), SAMPLERATE)
    for name, codec in KINDS.items():
        command = ["ffmpeg", "-nostdin", "-v", "error", "-i", root / "source.wav", "-c:a", *codec, root / "audio" / name]
        subprocess.run(list(map(str, command)), check=True)
    vectors = np.random.default_rng(0).standard_normal((len(KINDS), 8))
    run = write_run_folder(root / "run", vectors, [f"{name}.npy" for name in KINDS]).path
    done = run_script(SCRIPT, run, root / "audio", "-", root / "map", "--projection", "pca")
    assert f"{len(KINDS)} songs, {len(KINDS)} to be heard" in done.stdout and "warning" not in done.stderr
    return root


def test_what_browsers_play_lies_beside_the_map_as_it_is_and_all_else_as_mp3(sounds):
    written = {path.name for path in (sounds / "map" / "audio").iterdir()}
    assert written == {*AS_IT_IS, *(f"{name}.mp3" for name in ENCODED)}
    for name in AS_IT_IS:
        assert (sounds / "map" / "audio" / name).samefile(sounds / "audio" / name)
    for name in ENCODED:
        about = soundfile.info(sounds / "map" / "audio" / f"{name}.mp3")
        assert about.format == "MP3" and about.duration == pytest.approx(SECONDS, abs=0.2)


def test_a_click_plays_every_kind(sounds, map_context):
    with opened(map_context, (sounds / "map" / "index.html").as_uri()) as (page, watched):
        for row, name in enumerate(KINDS):
            click_song(page, row)
            page.wait_for_function("document.getElementById('player').currentTime > 0.1")
            assert unquote(page.evaluate("document.getElementById('player').currentSrc")).endswith(f"/{name}" if name in AS_IT_IS else f"/{name}.mp3")
            assert page.evaluate("document.getElementById('player').duration") == pytest.approx(SECONDS, abs=0.2)
            assert page.is_hidden("#audio-note")
        assert watched.errors == []
