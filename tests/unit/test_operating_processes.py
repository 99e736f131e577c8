"""What the parent of `--processes` does with its workers, seen on a family that handles no messages."""

from __future__ import annotations

import os
import re
import signal
import sys

import pytest

from tests.processes import PROJECT, ChildProcess, environment, is_running, send_signal
from tests.waiting import wait_for


@pytest.fixture
def start(tmp_path):
    families = []

    def start(work, *arguments):
        family = ChildProcess(
            [sys.executable, "-m", "tests.unit.family", work, *arguments],
            log=tmp_path / f"{work}.log",
            env=environment({"DJANGO_SETTINGS_MODULE": "tests.workload.settings"}),
            cwd=PROJECT,
        )
        families.append(family)
        return family

    yield start
    for family in families:
        family.close()


def pids(family, word="up", count=2):
    """The workers that said this word, once there are so many."""
    found = wait_for(
        lambda: len(of(family, word)) >= count and of(family, word),
        15,
        lambda: f"{count} times {word}: {family.tail()}",
    )
    return [int(pid) for pid in found]


def of(family, word):
    return re.findall(rf"^{word} \d (\d+)$", family.output(), re.MULTILINE)


def test_a_stop_reaches_every_worker_and_the_family_ends_as_asked(start):
    family = start("waits")
    workers = pids(family)

    assert family.terminate() == 0

    assert len(of(family, "stopped")) == 2
    assert not any(map(is_running, workers))


def test_workers_that_are_done_end_the_family(start):
    assert start("is_done").wait() == 0


def test_a_signal_to_all_of_the_family_is_one_stop(start):
    family = start("drains")
    workers = pids(family)

    for pid in [*workers, family.pid]:
        send_signal(pid, signal.SIGINT)

    assert family.wait() == 0
    assert len(of(family, "drained")) == 2


def test_a_worker_that_fails_stops_the_others_and_the_family_fails(start):
    family = start("the_second_fails")

    assert family.wait() == 1

    assert len(of(family, "stopped")) == 1
    assert "worker 1 ended with status 1; the others are stopped as well" in family.output()


def test_a_worker_that_no_longer_waits_for_the_others_lets_them_finish_what_it_waited_for(start):
    family = start("the_second_gives_up")

    assert family.wait() == 0

    assert len(of(family, "done")) == 1
    assert "stopped as well" not in family.output()


def test_workers_that_all_give_up_have_left_something(start):
    assert start("all_give_up").wait() == 4


def test_a_worker_that_raises_says_why_and_the_family_fails(start):
    family = start("the_second_raises")

    assert family.wait() == 1

    assert "ValueError: what went wrong" in family.output()


def test_a_killed_worker_is_started_again_first_at_once_then_later(start):
    family = start("waits")
    first, other = pids(family)

    os.kill(first, signal.SIGKILL)
    second = pids(family, count=3)[-1]
    os.kill(second, signal.SIGKILL)
    third = pids(family, count=4)[-1]

    assert len({first, second, third, other}) == 4
    assert re.findall(r"killed by SIGKILL; it starts again in (\d+) s", family.output()) == ["0", "1"]
    assert is_running(other)
    assert family.terminate() == 0


def test_a_worker_killed_while_the_family_ends_is_not_started_again(start):
    family = start("drains")
    worker = pids(family)[0]
    family.signal(signal.SIGTERM)
    pids(family, "stopped", 1)

    os.kill(worker, signal.SIGKILL)

    assert family.wait() == 1
    assert len(of(family, "up")) == 2


def test_a_worker_past_the_grace_period_is_killed_and_the_status_says_so(start):
    family = start("hangs", "0.1")
    workers = pids(family)

    assert family.terminate() == 3

    assert not any(map(is_running, workers))
    assert "killing what did not end within the grace period: worker 0, 1" in family.output()


def test_a_second_signal_ends_all_of_the_family_at_once(start):
    family = start("drains", "60")
    workers = pids(family)
    family.signal(signal.SIGTERM)
    pids(family, "stopped")

    family.signal(signal.SIGTERM)

    assert family.wait(timeout=0.9) == 3
    assert not any(map(is_running, workers))
    assert not of(family, "drained")


def test_workers_stop_when_their_parent_is_killed(start):
    family = start("drains")
    workers = pids(family)

    os.kill(family.pid, signal.SIGKILL)

    wait_for(lambda: not any(map(is_running, workers)), 10, "no worker is left")
    assert len(of(family, "drained")) == 2


def test_a_forced_worker_makes_the_family_forced(start):
    family = start("overruns")
    pids(family)

    assert family.terminate() == 3


def test_a_worker_does_what_was_registered_for_its_end(start):
    family = start("ends_with_a_bow")
    pids(family)

    family.terminate()

    assert len(of(family, "bowed")) == 2


def test_a_worker_that_vanishes_with_status_0_is_missed_and_started_again(start, tmp_path):
    family = start("the_second_vanishes_once", "5", str(tmp_path / "vanished"))
    pids(family)

    assert family.terminate() == 0

    assert re.search(r"worker 1 ended in its middle with status 0, .* it starts again in 0 s", family.output())


def test_workers_that_vanish_instead_of_stopping_make_the_family_fail(start):
    family = start("vanishes_when_asked")
    pids(family)

    assert family.terminate() == 1

    assert family.output().count("ended in its middle with status 0") == 2


def test_a_pool_of_processes_in_a_handler_ends_when_it_is_told_to(start):
    family = start("forks_a_pool")

    pids(family, "pooled")

    assert family.terminate() == 0
    assert not family.descendants()


def test_a_child_that_a_handler_forks_has_the_default_signals(start):
    family = start("forks_a_child")

    pids(family, f"killed_by_{signal.SIGTERM}")

    assert family.terminate() == 0
