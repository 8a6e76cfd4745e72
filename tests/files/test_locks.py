"""One process at a time has a lock, and no dead one keeps it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from sound_eval.errors import InputError
from sound_eval.files.locks import Lock

HOLD = """
import os, sys, time
from sound_eval.files.locks import Lock
Lock(sys.argv[1], "taken").take()
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(60)
"""


def test_a_second_one_is_told_and_let_in_when_the_first_is_gone(tmp_path):
    path = tmp_path / "a/b/.lock"
    with (
        Lock(path, "taken") as lock,
        pytest.raises(InputError, match=r"^the folder is taken$"),
        Lock(path, "the folder is taken"),
    ):
        raise AssertionError
    assert lock.descriptor is None
    with Lock(path, "taken"):
        pass
    with pytest.raises(KeyError), Lock(path, "taken"):
        raise KeyError
    with Lock(path, "taken"):
        pass


def test_what_stands_in_the_file_stays(tmp_path):
    (tmp_path / "record").write_text("a line\n")
    with Lock(tmp_path / "record", "taken"):
        pass
    assert (tmp_path / "record").read_text() == "a line\n"


def test_the_lock_ends_with_the_last_process_that_has_it(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        child = int(holder.stdout.readline())
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        start = time.monotonic()
        with pytest.raises(InputError, match="taken"):
            Lock(tmp_path / "lock", "taken", wait_seconds=0.25).take()
        assert time.monotonic() - start >= 0.25
        os.kill(child, signal.SIGKILL)
    assert (tmp_path / "lock").exists()
    with Lock(tmp_path / "lock", "taken", wait_seconds=5):
        pass


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"):
        Lock(tmp_path / "lock", "taken").take()
    assert not (tmp_path / "elsewhere").exists()
