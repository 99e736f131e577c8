"""Part of `instructions_of_the_hot_path`: what a message costs with all who are told of it, monitored and not.

In chunks of many messages, and by key, where a chunk is one message.
"""

from __future__ import annotations

from confluent_kafka import Message as RawMessage

from kafka_integration.conf import get_settings
from kafka_integration.consuming.fetching.weighing import Weighing
from kafka_integration.consuming.lanes.turns import Turns
from kafka_integration.observing.measures import Measures

MESSAGES = 1_000
WAYS = tuple((ordering, is_monitored) for ordering in ("partition", "key") for is_monitored in (False, True))


def consumer(ordering: str) -> dict[str, object]:
    return {
        "topics": ["bench"],
        "consumer_group": "bench",
        "message_handler": "tests.unit.instructions_of_the_hot_path.handle",
        "value_deserializer": "bytes",
        "ordering": ordering,
        **({} if ordering == "partition" else {"concurrency": 64}),
    }


def consume(ordering: str, is_monitored: bool, fetches: list[list[RawMessage]]) -> None:
    """As the loop takes fetches, and one thread of a consumer handles them."""
    # Models are there only once Django was told its settings.
    from kafka_integration.consuming.assembly import assemble
    from kafka_integration.consuming.partition import Partition

    parts = assemble(get_settings().consumers[ordering], Measures(ordering) if is_monitored else None)
    partition, weighing, turns = Partition("bench", 0, parts.settings.ordering), Weighing(), Turns()
    partition.ledger = type(partition.ledger)(0)
    partition.place()
    for fetch in fetches:
        wanted = partition.ledger.unfinished(fetch)
        partition.ledger.take(fetch[-1].offset() + 1, wanted)
        messages, size = parts.messages_of(wanted), weighing.weigh(wanted)
        if ordering == "partition":
            partition.line.put(messages, size)
            chunk = partition.line.take(len(fetch))
            parts.work.handle(partition, chunk)
            partition.line.end(len(chunk.messages))
        else:
            turns.put(partition, messages, size)
            while (hand := turns.take()) is not None:
                _, shard, chunk = hand
                turns.give_back(hand, parts.work.handle(shard, chunk))
    handled = sum(map(len, fetches))
    assert parts.counts.read().handled == partition.ledger.finished == handled
