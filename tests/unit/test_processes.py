"""What tests start is gone afterwards, whatever becomes of the test run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PROJECT, ChildProcess, is_running
from tests.waiting import wait_for

_SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"

_RUN_THAT_IS_KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from tests import orphans
from tests.processes import ChildProcess

directory = Path(tempfile.mkdtemp(prefix="orphan-"))
orphans.adopt("directory", str(directory))
command = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"]
child = ChildProcess([*command, sys.argv[1]], log=directory / "log")
child.wait_for_output("ready")
print(directory, *child.members(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def sleeper(tmp_path: Path):
    child = ChildProcess([sys.executable, "-c", _SLEEPER], log=tmp_path / "log")
    child.wait_for_output("ready")
    yield child
    child.close()


def test_a_killed_run_leaves_neither_processes_nor_directories_behind():
    command = [sys.executable, "-c", _RUN_THAT_IS_KILLED, _SLEEPER]

    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)

    assert run.returncode == -signal.SIGKILL, run.stderr
    directory, *pids = run.stdout.split()
    assert len(pids) == 2, "the child and its own child"
    wait_for(lambda: not any(is_running(int(pid)) for pid in pids), 10, "its processes are gone")
    wait_for(lambda: not Path(directory).exists(), 10, "its directory is gone")


def test_closing_a_process_ends_it_even_while_it_is_frozen(sleeper):
    sleeper.freeze()

    sleeper.close()

    assert not is_running(sleeper.pid)
    assert sleeper.exit_status == -signal.SIGTERM


def test_output_that_never_comes_is_reported_with_what_did_come(tmp_path):
    child = ChildProcess([sys.executable, "-c", "print('only this')"], log=tmp_path / "log")

    with pytest.raises(AssertionError, match="only this"):
        child.wait_for_output("something else")

    child.close()


def test_waiting_for_what_never_comes_names_what_was_waited_for():
    with pytest.raises(AssertionError, match=r"after 0\.1 s still not: the moon is full"):
        wait_for(lambda: False, timeout=0.1, message="the moon is full")
