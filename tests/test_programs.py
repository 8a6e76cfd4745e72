import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sound_eval import programs

REPO = Path(__file__).resolve().parent.parent
SUFFIXES = ("mp3 wav flac ogg opus m4a wma wv ac3 webm mka mp2 tta aiff caf w64 au mov dts").split()  # noqa: SIM905
PROBE = ["ffprobe", "-v", "error", "-show_entries", "format=format_name", "-of", "csv=p=0"]


def make(path, *options):
    sine = ["-f", "lavfi", "-i", "sine=440:duration=2"]
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", *sine, *options, str(path)], check=True
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_recordings_are_opened(tmp_path, suffix):
    path = tmp_path / f"-i a%03d b.{suffix}"  # a name that looks like an option and a pattern
    make(f"file:{path}", *(["-strict", "-2"] if suffix == "dts" else []))
    status, output, messages = programs.run([*PROBE, *programs.input_of(path)])
    assert (status, messages) == (0, "")
    assert output.strip()


def playlist(tmp_path, kind):
    """A file with the name of a song that leads elsewhere."""
    make(tmp_path / "secret.wav")
    path = tmp_path / "song.mp3"
    if kind == "hls":
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{tmp_path}/secret.wav\n")
    elif kind == "concat":
        path.write_text(f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n")
    else:
        path.write_text(
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
            "m=audio 5004 RTP/AVP 0\n"
        )
    return path


@pytest.mark.parametrize("kind", ["hls", "concat", "sdp"])
def test_lists_of_other_files_and_addresses_are_not_opened(tmp_path, kind):
    status, output, messages = programs.run(
        [*PROBE, *programs.input_of(playlist(tmp_path, kind))], idle_seconds=10
    )
    assert status != 0
    assert output == ""
    assert "which is no recording" in messages
    assert len(messages) < 300


def test_the_white_list_holds_only_formats_that_ffmpeg_has_or_had():
    names = subprocess.run(
        ["ffmpeg", "-hide_banner", "-demuxers"], capture_output=True, text=True, check=True
    ).stdout
    known = {
        name
        for line in names.splitlines()
        if line.startswith(" D")
        for name in line.split()[1].split(",")
    }
    assert len(known & set(programs.FORMATS)) > 60
    assert not {
        "hls",
        "concat",
        "dash",
        "sdp",
        "rtsp",
        "image2",
        "lavfi",
        "imf",
        "webm_dash_manifest",
    } & set(programs.FORMATS)


def test_a_program_that_stands_still_is_ended():
    start = time.monotonic()
    with pytest.raises(programs.StalledError, match=r"sleep .* for 0\.5 s"):
        programs.run(["sleep", "600"], idle_seconds=0.5)
    assert time.monotonic() - start < 20


def test_a_program_may_be_silent_while_its_file_grows(tmp_path):
    path = tmp_path / "grows"
    script = f"for i in 1 2 3 4 5; do echo x >> {path}; sleep 0.7; done; echo done"
    assert programs.run(["sh", "-c", script], idle_seconds=2, watch=path)[:2] == (0, "done\n")
    with pytest.raises(programs.StalledError):
        programs.run(["sleep", "600"], idle_seconds=1, watch=path)


def test_a_missing_program_is_an_error_of_its_own():
    with pytest.raises(programs.MissingProgramError, match="no-such-program is not installed"):
        programs.run(["no-such-program"])


def test_output_status_and_messages():
    assert programs.run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\n", "err\n")


def gone(pid, seconds=20):
    """Whether a process ends within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no parent-death signal")
def test_a_program_ends_with_us_however_that_happens():
    command = ["sh", "-c", "echo $$ >&2; exec sleep 600"]
    code = (
        f"import sys; from sound_eval import programs; programs.start({command}, sys.stderr).wait()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPO, stderr=subprocess.PIPE, text=True
    )
    child = int(parent.stderr.readline())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(child)


@pytest.mark.parametrize("name", ["a.m3u", "a.PLS", "a.alsa", "a.null", "a.txt", "a"])
def test_sox_is_not_given_what_it_takes_for_a_playlist_or_a_device(tmp_path, name):
    with pytest.raises(programs.RefusedError, match="none of the recordings that it reads"):
        programs.sox_input_of(str(tmp_path / name))


def test_sox_gets_any_name_as_a_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("-n.wav", "|touch x.wav", "http:a.VOX"):
        assert programs.sox_input_of(name) == f"{tmp_path}/{name}"


def test_all_that_a_program_said_is_there_to_be_read():
    lines = "for i in $(seq 30000); do echo line $i >&2; done"
    with programs.running(["sh", "-c", lines]) as program:
        assert program.wait() == 0
        assert list(program.lines()) == [f"line {number}" for number in range(1, 30001)]
        assert len(program.messages()) <= programs.MOST_MESSAGES
