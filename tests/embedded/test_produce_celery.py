"""Producing in Celery's tasks, under its real workers: each pool, from the first task to the last before its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kafka_integration.client.transports.embedded import EmbeddedBroker
from tests.processes import PROJECT, ChildProcess, environment
from tests.waiting import wait_for

Start = Callable[..., ChildProcess]
CALLS = """
import sys
from tests.embedded.celery_tasks import app
for number in range(int(sys.argv[3])):
    app.send_task(sys.argv[1], [sys.argv[2], f"{number:03}"])
"""


@pytest.fixture
def start(tmp_path: Path, shared_broker: EmbeddedBroker) -> Iterator[Start]:
    workers: list[ChildProcess] = []
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()

    def start(*arguments: str, log: str, servers: str = shared_broker.servers) -> ChildProcess:
        env = environment({"TASKS_FOLDER": str(tmp_path), "TASKS_KAFKA": servers, "PYTHONWARNINGS": "ignore"})
        command = [sys.executable, *arguments]
        workers.append(ChildProcess(command, log=tmp_path / f"{log}.log", env=env, cwd=PROJECT))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def call(start: Start, topic: str) -> Callable[[str, int], None]:
    def call(task: str, count: int) -> None:
        child = start("-c", CALLS, task, topic, str(count), log="calls")
        assert child.wait() == 0, child.tail()

    return call


def start_worker(start: Start, *arguments: str, **options: str) -> ChildProcess:
    command = ("-m", "celery", "-A", "tests.embedded.celery_tasks", "worker", "--loglevel", "INFO")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return start(*command, *quiet, *arguments, log="worker", **options)


def succeeded(worker: ChildProcess) -> int:
    return worker.output().count("succeeded in")


@pytest.mark.parametrize(
    "pool", [("prefork", "--max-tasks-per-child", "5"), ("threads",), ("gevent",), ("eventlet",)], ids=" ".join
)
def test_what_tasks_produce_arrives_whether_they_wait_for_it_or_not(
    pool: tuple[str, ...], start: Start, call: Callable, values: Callable
) -> None:
    call("send", 20)
    call("send_and_wait", 20)

    worker = start_worker(start, "--concurrency", "4", "--pool", *pool)
    wait_for(lambda: succeeded(worker) == 40, 40, worker.tail)

    assert worker.terminate() == 0
    assert values(40) == [f"{number:03}" for number in range(20) for _ in "12"]


def test_a_child_that_ends_while_kafka_is_away_says_what_is_left(start: Start, call: Callable) -> None:
    call("send", 1)

    worker = start_worker(
        start, "--concurrency", "1", "--pool", "prefork", "--max-tasks-per-child", "1", servers="127.0.0.1:1"
    )

    worker.wait_for_output(r"1 message\(s\) were not confirmed within 5 s and may be lost\. They were for process-", 40)
