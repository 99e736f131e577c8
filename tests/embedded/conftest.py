"""A broker inside the test process for everything in this folder: librdkafka's mock cluster."""

from collections.abc import Iterator

import pytest

from kafka_integration.client.embedded import SERVERS_VARIABLE, EmbeddedBroker


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
