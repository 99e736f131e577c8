"""``kafkatail``: the messages of a topic, of one of its partitions, or the one at an offset."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.client.transports.memory import MemoryBroker
from kafka_integration.management.arguments import WRONG_USAGE


@pytest.fixture(autouse=True)
def broker(memory_transport: MemoryBroker) -> MemoryBroker:
    memory_transport.create_topic("orders", partitions=4)
    for number in range(3):
        memory_transport.produce("orders", f"v{number}", partition=3)
        memory_transport.produce("orders", f"other{number}", partition=1)
    return memory_transport


def shown(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("kafkatail", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_one_partition_is_shown_alone() -> None:
    lines = shown("orders:3", "--from", "earliest", "--max-messages", "3")

    assert lines == [f"orders[3]@{number} (null) v{number}" for number in range(3)]


def test_the_message_at_an_offset_is_shown() -> None:
    assert shown("orders:3", "--from", "1", "--max-messages", "1") == ["orders[3]@1 (null) v1"]


@pytest.mark.parametrize("offset", ["0", "9"])
def test_where_the_offset_is_not_there_no_other_message_is_shown(broker: MemoryBroker, offset: str) -> None:
    broker.delete_records("orders", 3, 1)
    there = "any more: its oldest message has 1. Begin" if offset == "0" else "yet: its next message gets 3. Begin"

    with pytest.raises(CommandError, match=rf"orders\[3\] has no offset {offset} {there}") as raised:
        shown("orders:3", "--from", offset, "--max-messages", "1")

    assert raised.value.returncode == 1


def test_a_partition_that_the_topic_lacks_is_not_waited_for() -> None:
    with pytest.raises(CommandError, match="topic orders has no partition 4: it has 4, and the first is 0"):
        shown("orders:4", "--from", "earliest", "--max-messages", "1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["orders:x"], "'x' is no number of a partition: give TOPIC or TOPIC:PARTITION"),
        (["orders:3", "--from", "soon"], 'neither "earliest" nor "latest" nor a time .* nor an offset like 12'),
    ],
)
def test_what_names_no_place_is_wrong_usage(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        shown(*arguments)


def test_an_offset_without_its_partition_is_wrong_usage() -> None:
    with pytest.raises(CommandError, match=r"--from 5 is an offset, .*give orders:PARTITION") as raised:
        shown("orders", "--from", "5")

    assert raised.value.returncode == WRONG_USAGE
