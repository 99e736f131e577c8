"""`manage.py demo`: everything in one terminal, nothing lost on SQLite, and nothing left when it ends."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import ChildProcess, is_running
from tests.running_demo import RunningDemo
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(240)

StartDemo = Callable[..., RunningDemo]

PUBLISHED = """
SELECT (SELECT count(*) FROM activitylog_searchquery) + (SELECT count(*) FROM activitylog_bannerclick)
"""
# Search trends may add up no more than there were searches, marketing no more than there were clicks.
COUNTED = """
SELECT (SELECT coalesce(sum(searches), 0) FROM trends_termcount)
     + (SELECT coalesce(sum(clicks), 0) FROM activitylog_bannertally)
"""
SEEN_BY_ACTIVE_USERS = "SELECT count(*) FROM activitylog_arrival WHERE service = 'active-users' AND topic != 'login'"
LEFT = "SELECT count(*) FROM kafka_integration_outboxmessage"


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    demos: list[RunningDemo] = []

    def start(*arguments: str) -> RunningDemo:
        demos.append(RunningDemo(tmp_path, *arguments))
        return demos[-1]

    yield start
    for demo in demos:
        demo.close()


def ask(demo: RunningDemo, query: str) -> int:
    with closing(sqlite3.connect(demo.database, timeout=20)) as connection:
        return int(connection.execute(query).fetchone()[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_process_and_that_is_no_failure(start_demo: StartDemo, number: signal.Signals) -> None:
    demo = start_demo()
    pids = demo.process.descendants()
    assert len(pids) >= 4

    demo.process.signal(number)

    assert demo.process.wait(60) == 0, demo.process.tail()
    assert not any(is_running(pid) for pid in pids)
    assert "Everything has stopped" in demo.process.output()
    assert "Traceback" not in demo.process.output()
    assert "did not stop in time" not in demo.process.output()


@pytest.mark.parametrize("command", ["runbroker", "runrelay", "runconsumer", "runserver"])
def test_a_process_that_dies_is_named_and_takes_the_demo_with_it(start_demo: StartDemo, command: str) -> None:
    demo = start_demo()
    pids = demo.process.descendants()
    name = {"runbroker": "broker", "runrelay": "relay", "runconsumer": "consumers", "runserver": "web"}[command]

    os.kill(demo.pid_of(command), signal.SIGKILL)

    assert demo.process.wait(90) == 1, demo.process.tail()
    assert f"{name} was killed by SIGKILL" in demo.process.output()
    assert not any(is_running(pid) for pid in pids)


def test_nothing_stays_behind_when_the_demo_itself_is_killed(start_demo: StartDemo) -> None:
    demo = start_demo()
    pids = demo.process.descendants()

    demo.process.signal(signal.SIGKILL)

    wait_for(lambda: not any(is_running(pid) for pid in pids), 60, "all of its processes to end")


def test_under_traffic_every_act_is_counted_once_and_sqlite_is_never_locked(start_demo: StartDemo) -> None:
    demo = start_demo("--traffic", "20")

    wait_for(lambda: ask(demo, PUBLISHED) >= 150, 90, demo.process.tail)
    os.kill(demo.pid_of("simulatevisitors"), signal.SIGSTOP)

    def is_even() -> bool:
        published = ask(demo, PUBLISHED)
        return ask(demo, LEFT) == 0 and ask(demo, COUNTED) == published == ask(demo, SEEN_BY_ACTIVE_USERS)

    wait_for(is_even, 60, lambda: f"{ask(demo, PUBLISHED)} published, {ask(demo, COUNTED)} counted")
    os.kill(demo.pid_of("simulatevisitors"), signal.SIGCONT)
    assert demo.process.terminate(60) == 0
    assert "locked" not in demo.process.output()
    assert "Traceback" not in demo.process.output()
    assert "failed (" not in demo.process.output()


def test_what_was_published_while_nothing_ran_is_counted_by_the_next_demo(
    start_demo: StartDemo, manage: Callable[..., ChildProcess]
) -> None:
    def search(times: int) -> None:
        code = f"[SearchQuery.objects.create(term='snow') for _ in range({times})]"
        env = {"DATABASE_URL": f"sqlite:///{demo.database}"}
        assert manage("shell", "-v0", "-c", code, env=env).wait() == 0

    demo = start_demo()
    search(60)
    # Both of them: what a service has not read when it is stopped, the embedded broker takes with it.
    wait_for(lambda: ask(demo, COUNTED) == ask(demo, SEEN_BY_ACTIVE_USERS) == 60, 60, demo.process.tail)
    assert demo.process.terminate(60) == 0

    # The next embedded broker begins at offset 0 again, below what is stored of the former one.
    search(30)
    demo = start_demo()

    wait_for(lambda: ask(demo, COUNTED) >= 90 and ask(demo, SEEN_BY_ACTIVE_USERS) >= 90, 60, demo.process.tail)
    assert (ask(demo, COUNTED), ask(demo, SEEN_BY_ACTIVE_USERS)) == (90, 90)
