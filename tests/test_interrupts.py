"""Ctrl-C at any moment: one line, status 130, no traceback."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from conftest import REPO

SLOW_MODULE = """
import time
try:
    print("loading", flush=True)
    for _ in range(12):
        time.sleep(0.05)
except BaseException:
    pass  # as C extensions do, which know no KeyboardInterrupt
print("loaded", flush=True)
"""
PROGRAM = """
import signal, sys, time
sys.path[:0] = [{repo!r}, {folder!r}]
from sound_eval import interrupts
from sound_eval.cli import run_main
signal.signal(signal.SIGINT, interrupts.on_signal)
signal.signal(signal.SIGTERM, interrupts.on_signal)

def main():
    try:
        {body}
        time.sleep(20)
    finally:
        print("put away", flush=True)

{at_top}
run_main(main)
"""


def start(*command, **options):
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    } | options
    return subprocess.Popen([sys.executable, *map(str, command)], start_new_session=True, **options)


@pytest.fixture
def program(tmp_path):
    """A program with `body` in its main() and `at_top` before; it has printed `loading`."""
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE)

    def run(body="pass", at_top=""):
        text = PROGRAM.format(repo=str(REPO), folder=str(tmp_path), body=body, at_top=at_top)
        process = start("-c", textwrap.dedent(text))
        assert process.stdout.readline() == "loading\n"
        return process

    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_an_import_comes_after_it(program, number):
    process = program(body="import slow_module")
    process.send_signal(number)
    output, messages = process.communicate(timeout=20)
    assert (process.returncode, output, messages) == (130, "loaded\nput away\n", "interrupted\n")


def test_a_second_signal_does_not_wait_for_the_import(program):
    process = program(body="import slow_module")
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    output, messages = process.communicate(timeout=20)
    assert (process.returncode, output, messages) == (130, "", "interrupted\n")


def test_before_the_work_begins_it_is_over_at_once(program):
    process = program(at_top="import slow_module")
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=20)
    assert (process.returncode, output, messages) == (130, "", "interrupted\n")


def test_a_library_leaves_signals_alone():
    code = """import signal, sound_eval.interrupts as i
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, i.is_script())"""
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True
        ).stdout
        == "True False\n"
    )


def test_a_signal_that_is_ignored_stays_ignored():
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    process = start("spectrify_all.py", "--help", cwd=REPO, preexec_fn=ignore)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert "usage" in process.communicate(timeout=60)[0] and process.returncode == 0


# a script, and when in its start the signal comes
SCRIPTS = {
    "spectrify_all.py": (0.3, 0.7),
    "process_results/sphere_kmeans.py": (0.5, 0.9),
    "static_web_viewer/display_vector_data.py": (0.4, 0.8),
    "spectrogram_doc2vec.py": (0.3, 0.6),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_ctrl_c_while_modules_load_is_one_line(script):
    began = time.monotonic()
    assert start(script, "--help", cwd=REPO, stdout=subprocess.DEVNULL).wait(60) == 0
    whole = time.monotonic() - began
    ended = []
    # What was slow to load once may be quick the next time: then it is over before the
    # signal comes, and that comes the sooner after the next start.
    while (130, "interrupted\n") not in ended:
        for share in SCRIPTS[script]:
            ended.append(interrupted_after(whole * share, script))
        assert {*ended} <= {(130, "interrupted\n"), (0, "")}
        whole /= 2
        assert whole > 0.01


def interrupted_after(seconds, script):
    """Status and stderr of a script that gets Ctrl-C so long after its start."""
    process = start(script, "--help", cwd=REPO)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    messages = process.communicate(timeout=60)[1]
    return process.returncode, messages


def test_ctrl_c_while_music_is_composed_takes_away_what_is_half_done(tmp_path):
    process = start("make_example_music.py", tmp_path / "music", cwd=REPO)
    while not list((tmp_path / "music").glob("*/*.wav")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "interrupted\n" and process.returncode == 130
    assert not list((tmp_path / "music").glob("*/.*"))


def test_a_signal_in_the_last_import_does_not_kill_at_the_end(tmp_path):
    """The timer that looks again whether the import is over must not go off when Python
    has put its handler away.
    """
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE)
    text = PROGRAM.format(repo=str(REPO), folder=str(tmp_path), body="pass", at_top="")
    text = (
        text.partition("def main")[0]
        + """
import atexit
interrupts.State.working = True
atexit.register(lambda: print(signal.getitimer(signal.ITIMER_REAL)[0]))  # after the next one
atexit.register(interrupts.at_the_end)
import slow_module
"""
    )
    process = start("-c", text)
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=20)
    assert (process.returncode, output, messages) == (0, "loaded\n0.0\n", "")
