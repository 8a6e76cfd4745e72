"""What scripts show at the terminal while they work."""
import io
import time

import pytest

from sound_eval.cli import Progress


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
