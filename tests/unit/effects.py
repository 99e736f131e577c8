"""A worker without a loop, whose handlers write effects: what the tests of transactions share."""

from __future__ import annotations

from confluent_kafka import Message as RawMessage
from django.contrib.auth.models import Group

from kafka_integration import Message
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import make_work
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.handling.loading import load_handler
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.consuming.ordering.stream import Claim
from kafka_integration.consuming.partition import Partition
from kafka_integration.message import Decoding
from kafka_integration.models import StoredOffset
from kafka_integration.observing.counts import Counts
from kafka_integration.observing.log import Log
from kafka_integration.observing.observers import Observers
from tests.unit.consumers import TOPIC, consumer_settings

BATCH = "tests.unit.scripted.Batch"
TEXT = Decoding(key=bytes.decode, value=bytes.decode)


class Worker:
    """One member of the group, with the partition it claimed."""

    def __init__(self, settings, **options):
        settings.KAFKA = consumer_settings(**{"offset_storage": "database", **options})
        consumer = get_settings().consumers["c"]
        self.store = OffsetStore(database="default", group="group") if consumer.offset_storage == "database" else None
        self.counts = Counts()
        self.work = make_work(
            consumer,
            handler=load_handler(consumer.message_handler),
            store=self.store,
            observers=Observers(self.counts, Log("c", "group")),
        )
        self.partition = Partition(TOPIC, 0)
        self.partition.start.place()
        if self.store is not None:
            self.claim()

    def claim(self, topic_id=""):
        claim = self.store.claim(topic=TOPIC, topic_id=topic_id, partition=0, fallback=0)
        self.partition.grant(Claim(topic_id=claim.topic_id, epoch=claim.epoch), claim.next_offset)
        return claim.next_offset

    def handle(self, *values, first=0):
        """Work through the messages until nothing of them is left or the partition has to be claimed anew."""
        chunks = [Chunk(messages=[message(value, offset) for offset, value in enumerate(values, first)])]
        while chunks:
            remainder = self.work.handle(self.partition, chunks.pop(0))
            if remainder.reclaim:
                return remainder
            chunks[:0] = remainder.chunks
        return remainder


def message(value, offset=0, headers=None):
    raw = RawMessage(
        topic=TOPIC, partition=0, offset=offset, key=b"k", value=value.encode(), headers=headers, timestamp=(1, 5)
    )
    return Message(raw, TEXT)


def write_effect(argument):
    for each in argument if isinstance(argument, list) else [argument]:
        Group.objects.create(name=f"{each.offset}:{each.value}")


def effects():
    return list(Group.objects.order_by("id").values_list("name", flat=True))


def stored():
    return StoredOffset.objects.get().next_offset
