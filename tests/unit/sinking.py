"""Handing messages to a sink as a lane does, and one by one as they are to end the same."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Message as RawMessage

from kafka_integration.message import Decoding
from kafka_integration.messages import Messages, RawMessages, for_handler
from kafka_integration.serialization import decode_json
from kafka_integration.sinks import ModelSink

DECODING = Decoding(key=bytes.decode, value=decode_json)
Record = tuple[str | None, Any]
"""Key and value; None is a tombstone, bytes go as they are."""

_offsets = itertools.count()


def messages(records: Iterable[Record]) -> Messages:
    """What a batch handler is given of them."""
    raws: list[Any] = [
        RawMessage(
            topic="t",
            partition=0,
            offset=next(_offsets),
            key=None if key is None else key.encode(),
            value=value if value is None or isinstance(value, bytes) else json.dumps(value).encode(),
        )
        for key, value in records
    ]
    return for_handler(RawMessages(raws, DECODING))


def sink(handler: type[ModelSink], *records: Record) -> None:
    """Hand the records to a sink of this class, in one batch."""
    handler().handle_messages(messages(records))
