"""Every kind of sound on the map:
real files of ffmpeg's making are clicked in a real browser, and heard.
"""

import subprocess
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from conftest import SAMPLERATE, planted_sound, run_script, write_run_folder
from map_browser import SCRIPT, click_song, opened

pytestmark = pytest.mark.browser

SECONDS = 2
HEARD = "player.currentTime > 0.1 && player.duration > 0"
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
    "24 bits 192 kHz.wav": ["pcm_s24le", "-ar", "192000"],
    "no header of length.mp3": [
        "libmp3lame",
        "-q:a",
        "4",
        "-write_xing",
        "0",
        "-id3v2_version",
        "0",
    ],
    "half rate.mp3": ["libmp3lame", "-ar", "11025"],
}
ENCODED = {  # and these they do not
    "alac.m4a": ["alac"],
    "a.wma": ["wmav2"],
    "a.aiff": ["pcm_s16be"],
    "doubles.wav": ["pcm_f64le"],
    "adpcm.wav": ["adpcm_ms"],
    "a.wv": ["wavpack"],
    "mp3 inside.wav": ["libmp3lame"],
    "layer 2.mp2": ["mp2"],
    "a.tta": ["tta"],
    "a.w64": ["pcm_s16le"],
    "a.spx": ["libspeex"],
    "a.dts": ["dca", "-strict", "-2"],
    "a.mka": ["libopus"],
    "a.mkv": ["flac"],
    "alac.mov": ["alac"],
    "a.m4r": ["aac", "-f", "ipod"],
    "a.mpga": ["libmp3lame", "-f", "mp3"],
    "a.bwf": ["pcm_s24le", "-f", "wav"],
    "a.ogx": ["libvorbis", "-f", "ogg"],
    "a.rf64": ["pcm_s16le", "-rf64", "always", "-f", "wav"],
    "a.wave": ["pcm_s16le", "-f", "wav"],
    "a.g722": ["g722"],
    "a.ac3": ["ac3"],
    "a.au": ["pcm_s16be"],
    "a.caf": ["pcm_s16le"],
    "opus.mp4": ["libopus", "-strict", "-2"],
    # A suffix that says something else than the file holds.
    "is mp3.wav": ["libmp3lame", "-f", "mp3"],
    "is mp3.m4a": ["libmp3lame", "-f", "mp3"],
    "is wma.mp3": ["wmav2", "-f", "asf"],
    "is layer 2.mp3": ["mp2", "-f", "mp2"],
    "is flac.mp3": ["flac", "-f", "flac"],
    "is opus.flac": ["libopus", "-f", "ogg"],
    "is wav.ogg": ["pcm_s16le", "-f", "wav"],
}
FILM = {
    "a film.mp4": ["-c:v", "mpeg4", "-c:a", "aac"],
    "a film.webm": ["-c:v", "libvpx", "-c:a", "libopus"],
}
ENCODED |= FILM
KINDS = AS_IT_IS | ENCODED


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder with a file of every kind, and the map of it."""
    root = tmp_path_factory.mktemp("sounds")
    (root / "audio").mkdir()
    soundfile.write(root / "source.wav", planted_sound("chord", 0, SECONDS), SAMPLERATE)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", root / "source.wav"]
    command += ["-f", "lavfi", "-i", f"testsrc=size=64x64:duration={SECONDS}"]
    for name, codec in KINDS.items():
        options = ["-map", "1:v", *codec] if name in FILM else ["-c:a", *codec]
        command += ["-map", "0:a", *options, root / "audio" / name]
    subprocess.run(list(map(str, command)), check=True)
    vectors = np.random.default_rng(0).standard_normal((len(KINDS), 8))
    run = write_run_folder(root / "run", vectors, [f"{name}.npy" for name in KINDS]).path
    done = run_script(SCRIPT, run, root / "audio", "-", root / "map", "--projection", "pca")
    assert (
        f"{len(KINDS)} songs, {len(KINDS)} to be heard" in done.stdout
        and "warning" not in done.stderr
    )
    return root


def test_what_browsers_play_lies_beside_the_map_as_it_is_and_all_else_as_mp3(sounds):
    assert {path.name for path in (sounds / "map" / "audio").iterdir()} == {*AS_IT_IS}
    assert {path.name for path in (sounds / "map" / "encoded").iterdir()} == {
        f"{name}.mp3" for name in ENCODED
    }
    for name in AS_IT_IS:
        assert (sounds / "map" / "audio" / name).samefile(sounds / "audio" / name)
    for name in ENCODED:
        about = soundfile.info(sounds / "map" / "encoded" / f"{name}.mp3")
        assert about.format == "MP3" and about.duration == pytest.approx(SECONDS, abs=0.2)


def test_a_click_plays_every_kind(sounds, map_context):
    with opened(map_context, (sounds / "map" / "index.html").as_uri()) as (page, watched):
        for row, name in enumerate(KINDS):
            click_song(page, row)
            page.wait_for_function(HEARD)
            address, seconds = page.evaluate("[player.currentSrc, player.duration]")
            place = f"/audio/{name}" if name in AS_IT_IS else f"/encoded/{name}.mp3"
            assert unquote(address).endswith(place)
            assert seconds == pytest.approx(SECONDS, abs=0.2)
            assert page.is_hidden("#audio-note")
        assert watched.errors == []
