"""A broker inside the test process for everything in this folder (librdkafka's mock cluster); programs that use it."""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from kafka_integration import Message
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.embedded import SERVERS_VARIABLE, EmbeddedBroker
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.processes import PROJECT, ChildProcess

numbers = itertools.count()
PREAMBLE = """
    import atexit, logging, os, sys
    import django
    from django.conf import settings
    logging.basicConfig()
    producer = {"shutdown_grace_seconds": 2}
    settings.configure(KAFKA={"endpoints": [sys.argv[1]], "producer": producer}, USE_TZ=True, DATABASES={})
    django.setup()
    topic = sys.argv[2]
"""
IMPORTS = "from kafka_integration import produce, produce_sync\n"


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[EmbeddedBroker]:
    """One broker for the whole run: give topics and groups names of their own."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def embedded_broker(shared_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> EmbeddedBroker:
    """The shared broker, found by every client of this process whose endpoints are "embedded"."""
    monkeypatch.setenv(SERVERS_VARIABLE, shared_broker.servers)
    return shared_broker


@pytest.fixture
def own_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own, for what needs empty topics or a broker that goes away."""
    with EmbeddedBroker() as broker:
        monkeypatch.setenv(SERVERS_VARIABLE, broker.servers)
        yield broker


@pytest.fixture
def topic(shared_broker: EmbeddedBroker) -> str:
    name = f"process-{next(numbers)}"
    shared_broker.create_topics([name])
    return name


@pytest.fixture
def kafka(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedKafka]:
    """The settings lead to the shared broker, and producers that were opened meanwhile are closed again."""
    with override_settings(KAFKA={"endpoints": "embedded"}):
        yield EmbeddedKafka(embedded_broker)
        producers.close(0)


@pytest.fixture
def run(tmp_path: Path, topic: str, shared_broker: EmbeddedBroker) -> Iterator[Callable[..., ChildProcess]]:
    """Starts a program that has `topic`, `produce` and `produce_sync`; `first` is what it does before all of that."""
    children: list[ChildProcess] = []

    def run(
        program: str,
        *,
        first: str = "",
        imports: str = IMPORTS,
        servers: str = shared_broker.servers,
        warnings: str = "error",
    ) -> ChildProcess:
        code = f"{first}\n{textwrap.dedent(PREAMBLE)}{imports}{textwrap.dedent(program)}"
        command = [sys.executable, "-W", warnings, "-c", code, servers, topic]
        children.append(ChildProcess(command, log=tmp_path / f"{len(children)}.log", env=dict(os.environ), cwd=PROJECT))
        return children[-1]

    yield run
    for child in children:
        child.close()


@pytest.fixture
def values(topic: str, shared_broker: EmbeddedBroker) -> Callable[[int], list[str]]:
    """The values of the topic's first messages, sorted, once there are so many."""

    def values(count: int) -> list[str]:
        messages: list[Message] = EmbeddedKafka(shared_broker).consume(topic, count)
        return sorted(message.value for message in messages)

    return values
