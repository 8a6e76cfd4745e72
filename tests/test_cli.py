"""What scripts show at the terminal while they work."""
import argparse
import io
import time

import pytest

from sound_eval.cli import Progress, seed_number


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("delay", "seconds", "shown"), [(0, 0, True), (2, 0, False), (0.1, 0.6, True)])
def test_a_bar_with_a_delay_shows_only_what_takes_longer_and_goes_again(delay, seconds, shown):
    terminal = Terminal()
    with Progress(3, "song", "reading", terminal, delay) as progress:
        for _ in range(3):
            time.sleep(seconds / 3)
            progress.update(1)
    written = terminal.getvalue()
    assert ("reading" in written) == shown
    assert written.endswith("\n" if shown and not delay else "\r" if shown else "")


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.5", "x", "", "²"])
def test_a_seed_that_generators_refuse_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 0"):
        seed_number(text)
    assert (seed_number("0"), seed_number("4294967295")) == (0, 4294967295)


@pytest.mark.parametrize("script", ["logistic_regress.py", "vecwise_regress.py", "sphere_kmeans.py", "export_vectors.py"])
def test_scripts_refuse_such_a_seed(run_script, script):
    done = run_script(f"process_results/{script}", "--seed=-1", "a", "b", check=False)
    assert done.returncode == 2 and "argument --seed: '-1': expected a whole number" in done.stderr
