"""Producers and the life of a process: forks, an ordinary end, an end without a broker."""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kafka_integration import Message
from kafka_integration.client.embedded import EmbeddedBroker
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.processes import PROJECT, ChildProcess

numbers = itertools.count()
PREAMBLE = """
    import logging, multiprocessing, os, sys
    import django
    from django.conf import settings
    logging.basicConfig()
    producer = {"shutdown_grace_seconds": 2}
    settings.configure(KAFKA={"endpoints": [sys.argv[1]], "producer": producer}, USE_TZ=True, DATABASES={})
    django.setup()
    from kafka_integration import produce, produce_sync
    topic = sys.argv[2]
"""


@pytest.fixture
def topic(shared_broker: EmbeddedBroker) -> str:
    name = f"process-{next(numbers)}"
    shared_broker.create_topics([name])
    return name


@pytest.fixture
def run(tmp_path: Path, topic: str, shared_broker: EmbeddedBroker) -> Iterator[Callable[..., ChildProcess]]:
    children: list[ChildProcess] = []

    def run(program: str, *, servers: str = shared_broker.servers, warnings: str = "error") -> ChildProcess:
        code = textwrap.dedent(PREAMBLE) + textwrap.dedent(program)
        command = [sys.executable, "-W", warnings, "-c", code, servers, topic]
        children.append(ChildProcess(command, log=tmp_path / f"{len(children)}.log", env=dict(os.environ), cwd=PROJECT))
        return children[-1]

    yield run
    for child in children:
        child.close()


@pytest.fixture
def values(topic: str, shared_broker: EmbeddedBroker) -> Callable[[int], list[str]]:
    def values(count: int) -> list[str]:
        messages: list[Message] = EmbeddedKafka(shared_broker).consume(topic, count)
        return sorted(message.value for message in messages)

    return values


def test_what_is_queued_leaves_when_the_process_ends(run: Callable[..., ChildProcess], values: Callable) -> None:
    child = run("""
        for number in range(2000):
            produce(topic, f"{number:04}")
    """)

    assert child.wait() == 0, child.tail()
    assert values(2000) == [f"{number:04}" for number in range(2000)]
    assert child.output() == ""


def test_without_a_broker_the_process_ends_in_time_and_says_how_many_are_left(run: Callable[..., ChildProcess]) -> None:
    started = time.monotonic()
    child = run(
        """
        for number in range(7):
            produce(topic, "s3cret-payload")
        """,
        servers="127.0.0.1:1",
    )

    assert child.wait(20) == 0
    assert time.monotonic() - started < 15
    assert "7 message(s) were not confirmed within 2 s and may be lost" in child.output()
    assert "Connection refused" in child.output()
    assert "s3cret" not in child.output()


def test_a_child_forked_after_the_first_message_delivers_its_own(
    run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(
        """
        produce_sync(topic, "1 parent, before")
        pid = os.fork()
        if pid == 0:
            produce_sync(topic, "2 child")
            produce(topic, "3 child, at its end")
            sys.exit(0)
        status = os.waitpid(pid, 0)[1]
        produce_sync(topic, "4 parent, after")
        sys.exit(os.waitstatus_to_exitcode(status))
        """,
        warnings="default",
    )

    assert child.wait(30) == 0, child.tail()
    assert values(4) == ["1 parent, before", "2 child", "3 child, at its end", "4 parent, after"]


def test_a_child_forked_with_messages_under_way_does_not_send_them_again(
    run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(
        """
        produce_sync(topic, "first")
        for number in range(500):
            produce(topic, f"parent {number:03}")
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        warnings="default",
    )

    assert child.wait(30) == 0, child.tail()
    assert values(501) == ["first", *(f"parent {number:03}" for number in range(500))]


def test_a_child_of_multiprocessing_sends_what_it_queued(run: Callable[..., ChildProcess], values: Callable) -> None:
    child = run(
        """
        def work(number):
            produce(topic, f"child {number}")

        produce_sync(topic, "parent")
        children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        sys.exit(max(child.exitcode for child in children))
        """,
        warnings="default",
    )

    assert child.wait(30) == 0, child.tail()
    assert values(4) == ["child 0", "child 1", "child 2", "parent"]
