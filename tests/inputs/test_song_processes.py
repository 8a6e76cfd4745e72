"""Processes over the files of songs: Ctrl-C is the parent's, a kill is one line."""

import os
import signal

import pytest

from sound_eval.errors import InputError
from sound_eval.inputs.song_processes import in_processes


def on_interrupt(_item):
    return signal.getsignal(signal.SIGINT)


def ends_its_process(item):
    if item == 50:
        os.kill(os.getpid(), signal.SIGKILL)


def test_processes_leave_ctrl_c_to_the_parent():
    assert set(in_processes(on_interrupt, range(50), "asking")) == {signal.SIG_IGN}


def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(InputError, match="reading: a process was ended from outside"):
        list(in_processes(ends_its_process, range(100), "reading"))
