"""Plain messages, without headers and timestamp, which the client takes many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from confluent_kafka import KafkaError

from ...errors import BrokerError
from ..errors.translate import translate
from .raw import DeliveryCallback


class PlainMessage(TypedDict):
    """As the client's ``produce_batch`` takes it: headers it would leave out, and timestamps refuse."""

    value: bytes | None
    key: bytes | None
    callback: DeliveryCallback


def hand_over(
    produce_batch: Callable[[str, list[PlainMessage]], int], topic: str, messages: list[PlainMessage]
) -> tuple[dict[int, BrokerError], int]:
    """Gives messages to the client by one call: which it refused, by index, and how many there was room for."""
    try:
        if produce_batch(topic, messages) == len(messages):
            return {}, len(messages)
    except Exception as error:  # noqa: BLE001 - told as ours
        # It raises before it takes the first.
        return dict.fromkeys(range(len(messages)), translate(error, place=f"topic {topic}")), len(messages)
    refused: dict[int, BrokerError] = {}
    room = len(messages)
    for index, message in enumerate(messages):
        # Taken out: the client leaves it there when it takes the message at the next call.
        reason: KafkaError | None = message.pop("_error", None)  # type: ignore[typeddict-item]  # what the client adds
        if reason is None:
            continue
        if reason.code() == KafkaError._QUEUE_FULL:
            # It takes none behind this one, so that their order stays.
            room = min(room, index)
        else:
            refused[index] = translate(reason, place=f"topic {topic}")
    return refused, room
