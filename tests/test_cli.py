"""What scripts show at the terminal while they work."""

import argparse
import io
import json
import os
import re
import time

import pytest

from sound_eval.cli import positive_int, positive_number, run_main, seed_number
from sound_eval.terminal import PROGRESS_FD, Asked, Monitor, Progress


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("delay", "seconds", "shown"), [(0, 0, True), (2, 0, False), (0.1, 0.6, True)]
)
def test_a_bar_with_a_delay_shows_only_what_takes_longer_and_goes_again(delay, seconds, shown):
    terminal = Terminal()
    with Progress(3, "song", "reading", terminal, delay) as progress:
        for _ in range(3):
            time.sleep(seconds / 3)
            progress.update(1)
    written = terminal.getvalue()
    assert ("reading" in written) == shown
    assert written.endswith("\n" if shown and not delay else "\r" if shown else "")


@pytest.fixture
def told(monkeypatch):
    """What scripts tell the program that runs them: a function that gives the lines so far."""
    reading, writing = os.pipe()
    monkeypatch.setenv(PROGRESS_FD, str(writing))
    yield lambda: [json.loads(line) for line in os.read(reading, 1 << 16).splitlines()]
    os.close(reading)
    os.close(writing)


def test_the_program_that_runs_a_script_is_told_how_far_it_is(told):
    with Progress(1000, "song", "reading", io.StringIO()) as progress:
        for _ in range(1000):
            progress.update(1, "a note")
    lines = told()
    assert lines[0] == {"what": "reading", "done": 0, "total": 1000, "note": ""}
    assert lines[-1] == {"what": "reading", "done": 1000, "total": 1000, "note": "a note"}
    assert len(lines) < 20  # little is sent where much is told


def monitor_after(asked, seconds, rows, monkeypatch):
    """The line of a Monitor in its third epoch, `rows` of 100 of it done, so many
    seconds after the training began.
    """
    stream = io.StringIO()
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    monitor = Monitor(100, 1, asked, stream)
    monitor.start_epoch(3)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + seconds)
    monitor.chunk(rows, 0.25)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (Asked(), "epoch 3: cost 0.2500, 2 rows/s, save in 20 s\n"),
        (
            Asked(minutes=10, began=910.0),
            "epoch 3: cost 0.2500, 2 rows/s, save in 20 s; 2.0 of 10 minutes\n",
        ),
        (
            Asked(minutes=0.5, began=1015.0),
            "epoch 3: cost 0.2500, 2 rows/s, save in 20 s; 0.25 of 0.5 minutes\n",
        ),
        (Asked(epochs=5, first=1), "epoch 3: cost 0.2500, 2 rows/s, save in 20 s; 1 of 5 epochs\n"),
        (
            Asked(10, 5, 910.0, 1),
            "epoch 3: cost 0.2500, 2 rows/s, save in 20 s; 2.0 of 10 minutes, 1 of 5 epochs\n",
        ),
    ],
)
def test_a_training_shows_what_is_done_of_what_was_asked(asked, shown, monkeypatch):
    assert monitor_after(asked, 30, 60, monkeypatch) == shown


@pytest.mark.parametrize(
    ("asked", "share"),
    [
        (Asked(10, began=910.0), 0.2),
        (Asked(epochs=5, first=1), 0.32),
        (Asked(10, 5, 910.0, 1), 0.32),
    ],
)
def test_a_training_tells_its_share(asked, share, monkeypatch, told):
    monitor_after(asked, 30, 60, monkeypatch)
    (line,) = told()
    assert (line["what"], line["done"], line["total"]) == ("training", share, 1)


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.5", "x", "", "²", "--1"])
def test_a_seed_that_generators_refuse_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 0"):
        seed_number(text)
    assert (seed_number("0"), seed_number("4294967295")) == (0, 4294967295)


def test_a_count_is_at_least_one_and_a_length_above_zero():
    assert (positive_int("1"), positive_int("250")) == (1, 250)
    for text in ("0", "-1", "1.5", "", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"expected a whole number of at"):
            positive_int(text)
    assert (positive_number("0.25"), positive_number("1e3")) == (0.25, 1000.0)
    for text in ("0", "-1", "inf", "nan", "", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a number above 0"):
            positive_number(text)


@pytest.mark.parametrize(
    "script", ["logistic_regress.py", "vecwise_regress.py", "sphere_kmeans.py", "export_vectors.py"]
)
def test_scripts_refuse_such_a_seed(run_script, script):
    done = run_script(f"process_results/{script}", "--seed=-1", "a", "b", check=False)
    assert done.returncode == 2 and "argument --seed: '-1': expected a whole number" in done.stderr


def without_tensorflow():
    raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")


def test_where_tensorflow_is_missing_one_line_says_what_to_install():
    with pytest.raises(SystemExit) as end:
        run_main(without_tensorflow)
    assert re.fullmatch(r"error: TensorFlow is not installed; .*'\.\[cpu\]'.*", end.value.code)


def test_another_missing_module_is_a_defect():
    def main():
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")

    with pytest.raises(ModuleNotFoundError):
        run_main(main)
