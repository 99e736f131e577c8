"""Where a partition begins: librdkafka is told a number, once, and never looks for one by itself."""

from __future__ import annotations

import pytest

from kafka_integration.client import consumer as client_consumer
from tests.unit import scripted
from tests.unit.consumers import consume, write

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture
def calls(monkeypatch):
    """What the client's consumer is asked to assign and where to seek."""
    noted = []

    class Noting(client_consumer.MemoryConsumer):
        def assign(self, partitions):
            partitions = list(partitions)
            noted.extend(("assign", p.offset) for p in partitions)
            super().assign(partitions)

        def seek(self, partition):
            noted.append(("seek", partition.offset))
            super().seek(partition)

    monkeypatch.setattr(client_consumer, "MemoryConsumer", Noting)
    return noted


@pytest.mark.parametrize("earliest", [True, False])
def test_every_place_is_a_number_and_nothing_is_sought(calls, earliest):
    write("a", "b")

    consume(start_with_earliest_message=earliest)

    assert {kind for kind, _ in calls} == {"assign"}
    # Logical offsets (the end, the beginning, the stored one) are negative.
    assert all(offset >= 0 for _, offset in calls)
    assert [message.value for message in scripted.seen] == (["a", "b"] if earliest else [])
