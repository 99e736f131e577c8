"""Kaffe's options that are refused: why, and what does the same here. The others work under their names."""

from __future__ import annotations

from .problems import Kind
from .section import Section

CONSUMER_OPTIONS = {
    "async_message_ack": (
        "a message is acknowledged when its handler returns, so that none is lost; "
        'return NO_COMMIT to commit it with a later batch, or raise "concurrency" to handle more at once'
    ),
    "rebalance_delay_ms": (
        "nothing waits blindly after a rebalance; "
        '"rebalance_drain_seconds" is how long a handover waits for handlers at work'
    ),
    "sleep_timeout": (
        'an empty fetch waits at the broker, not here; "max_wait_time" is how long, and "min_bytes" until when'
    ),
    "client_down_retry_expire": (
        "a broker that is down is waited for as long as it takes; "
        'the pause between attempts is "config": {"reconnect.backoff.max.ms": 10000}'
    ),
    "worker_allocation_strategy": (
        'each partition of each topic belongs to one worker already; "concurrency" is how many workers there are'
    ),
    "auto_start_producers": (
        "producers are made when something is first produced; remove it, and see the settings of the producer"
    ),
    "subscriber_name": "the name of a consumer is its key in the consumers; remove it",
}

PRODUCER_OPTIONS = {
    "auto_start_producers": (
        'the producer is made when something is first produced; remove it: "topics" says which topics may be used'
    ),
    "partition_buffer_limit": (
        "the buffer belongs to the producer, not to a partition; "
        '"config": {"queue.buffering.max.messages": 100000} bounds it'
    ),
    "partition_onwire_limit": (
        "one request at a time is under way to a broker, which keeps their order; remove it: "
        '"config": {"max.in.flight": …} allows more'
    ),
    "min_compression_batch_size": (
        "each batch is compressed, and sent so if that made it smaller; remove it: batches grow with "
        '"linger_ms" and "max_batch_size"'
    ),
}


def refuse_options(section: Section, options: dict[str, str]) -> list[str]:
    """Make a problem of each refused option of Kaffe in ``section``; return their names."""
    refused = [key for key in section.values if key in options]
    for key in refused:
        section.add(key, Kind.KAFFE_OPTION, f"is an option of Kaffe that has no place here: {options[key]}")
    return refused
