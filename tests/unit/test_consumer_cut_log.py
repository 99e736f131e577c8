"""The log of a partition was cut before the position: what is behind the cut is handled, nothing before it."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Message
from django.db import OperationalError

from kafka_integration.client.consumer import ConsumerClient
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.errors import OffsetOutOfRangeError
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

TEXT = "Partition log truncation detected at offset 5 (leader epoch 2): broker end offset is 3 (offset leader epoch 1)."


@pytest.fixture
def cut(monkeypatch):
    """Has the next fetch say that the log was cut at 3, before offset 5."""
    said = []
    fetch = ConsumerClient.fetch
    monkeypatch.setattr(
        ConsumerClient, "fetch", lambda client, *arguments: [said.pop()] if said else fetch(client, *arguments)
    )
    error = KafkaError(KafkaError._AUTO_OFFSET_RESET, TEXT)
    return lambda: said.append(Message(topic=TOPIC, partition=0, offset=5, error=error))


@pytest.mark.parametrize("policy", ["earliest", "latest"])
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_it_goes_on_at_the_cut_though_its_position_is_in_range(cut, storage, policy, caplog):
    write(*"abcde")

    with running(offset_storage=storage, offset_reset_policy=policy):
        wait_for(lambda: committed() == 5)
        cut()
        wait_for(lambda: len(scripted.seen) == 7)

    assert [message.offset for message in scripted.seen] == [0, 1, 2, 3, 4, 3, 4]
    assert f"the log of {TOPIC}[0] was cut at 3, before offset 5, by an unclean leader election" in caplog.text


@pytest.mark.parametrize("name", ["claim", "reset"])
def test_it_goes_on_at_the_cut_though_its_first_claim_fails(cut, monkeypatch, name):
    write(*"abcde")
    statement, failures = getattr(OffsetStore, name), [OperationalError("the row is locked")]

    def fail_once(store, *arguments, **places):
        if failures and (name == "reset" or places["partition"] == 0):
            raise failures.pop()
        return statement(store, *arguments, **places)

    with running(offset_storage="database"):
        wait_for(lambda: committed() == 5)
        monkeypatch.setattr(OffsetStore, name, fail_once)
        cut()
        wait_for(lambda: len(scripted.seen) == 7)

    assert not failures
    assert [message.offset for message in scripted.seen] == [0, 1, 2, 3, 4, 3, 4]


def test_with_none_it_stops_there(cut):
    write(*"abcde")

    with running(offset_reset_policy="none") as loop:
        wait_for(lambda: committed() == 5)
        cut()
        wait_for(lambda: loop.fault is not None)

    assert isinstance(loop.fault, OffsetOutOfRangeError)
    assert "was cut at 3, before offset 5" in str(loop.fault)
    assert len(scripted.seen) == 5
