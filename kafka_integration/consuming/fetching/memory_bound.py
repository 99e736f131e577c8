"""How much memory a consumer may take: the formula of docs/guarantees.md, which tests hold against a real worker."""

from __future__ import annotations

from ...client.properties.build import DEFAULT_QUEUED_KBYTES, DEFAULT_QUEUED_MESSAGES
from ...conf.consumers import ConsumerSettings
from .backpressure import LEAST_FETCHED_MESSAGES, MAX_HELD_BYTES
from .weighing import MOST_FETCHED_BYTES

DEFAULT_MAX_BYTES = 1024 * 1024
"""librdkafka's ``fetch.message.max.bytes``."""
CLIENT_MESSAGE_BYTES = 500
"""What librdkafka keeps around each message."""
TAKEN_OFFSET_BYTES = 125
"""What a ledger without an order keeps of each message that is taken beyond its floor."""


def memory_bound_bytes(
    consumer: ConsumerSettings,
    *,
    partitions: int,
    record_bytes: int,
    value_bytes: int,
    compression_ratio: float = 1.0,
) -> int:
    """The most beyond an idle process and what handlers use, for records that are all alike.

    ``record_bytes`` is all of one, uncompressed; ``value_bytes`` the part that librdkafka counts.
    """
    prefetch_bytes = consumer.prefetch_bytes or DEFAULT_QUEUED_KBYTES * 1024
    prefetched = min(consumer.prefetch_count or DEFAULT_QUEUED_MESSAGES, prefetch_bytes // max(1, value_bytes))
    # One answer that came when the queue was nearly full, and one that is kept whole until its last record was taken.
    answer_bytes = int(partitions * (consumer.max_bytes or DEFAULT_MAX_BYTES) * compression_ratio)
    records = prefetched + 2 * (answer_bytes // record_bytes)
    # What is taken at once is there twice: the client copies it, and fetches on into the room that it left.
    fetched = records * (record_bytes + CLIENT_MESSAGE_BYTES) + MAX_HELD_BYTES + 2 * MOST_FETCHED_BYTES
    if consumer.ordering == "partition":
        return fetched
    return fetched + partitions * (consumer.max_ahead + LEAST_FETCHED_MESSAGES) * TAKEN_OFFSET_BYTES
