"""``produce_batch``: many messages, given to the client many at a time and waited for once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from ..client.producers.plain_messages import PlainMessage
from ..errors import BatchProduceError, ProduceError
from .arguments import BatchMessage, arguments_of, check_batch
from .delivery import Delivery, RecordMetadata
from .produce import deadline_of
from .sender import Sender, default_sender

__all__ = ["produce_batch"]

# More gains nothing, and deliveries are served only in between.
TAKEN_AT_ONCE = 128
SHOWN_FAILURES = 3


def produce_batch(topic: str, messages: Iterable[BatchMessage], *, timeout: float = 30) -> list[RecordMetadata]:
    """Sends many messages, waits once, and returns where each went.

    A message is a ``(key, value)`` pair or a dict with ``value`` and perhaps ``key``, ``headers``, ``partition``,
    ``timestamp``. A batch is not atomic: BatchProduceError's ``failed`` says by index which were not delivered,
    or not confirmed within ``timeout`` seconds; all others were.
    """
    check_batch(topic, messages)
    sender = default_sender()
    sender.check_topic(topic, key=messages)
    deadline = deadline_of(topic, timeout)
    outcomes = _Batch(sender, topic, deadline).send(messages)
    results, failed = _wait_for_all(outcomes, timeout, deadline)
    if failed:
        raise BatchProduceError(_batch_text(topic, failed, len(outcomes)), failed)
    return results


class _Batch:
    """A batch on its way into the client's queue, in its order: plain messages many by one call, others one by one."""

    def __init__(self, sender: Sender, topic: str, deadline: float) -> None:
        self._sender = sender
        self._topic = topic
        self._deadline = deadline
        self._plain: list[PlainMessage] = []
        self._refused: dict[object, ProduceError] = {}

    def send(self, messages: Iterable[BatchMessage]) -> list[Delivery | ProduceError]:
        """What is to be waited for, or why it was refused."""
        outcomes: list[Delivery | ProduceError] = []
        topic, sender = self._topic, self._sender
        for message in messages:
            try:
                value, key, headers, partition, timestamp = arguments_of(topic, message)
                if headers is None and partition is None and timestamp is None:
                    delivery = sender.make_plain(topic, value, key, self._plain)
                    if delivery is not None:
                        outcomes.append(delivery)
                        if len(self._plain) >= TAKEN_AT_ONCE:
                            self._send_plain()
                        continue
                # Those before it go first.
                self._send_plain()
                outcomes.append(sender.send(topic, value, key, headers, partition, timestamp, self._left()))
            except ProduceError as error:
                outcomes.append(error)
        self._send_plain()
        if self._refused:
            return [self._refused.get(outcome, outcome) for outcome in outcomes]
        return outcomes

    def _send_plain(self) -> None:
        plain, self._plain = self._plain, []
        if plain:
            for index, error in self._sender.send_many(self._topic, plain, self._left()).items():
                self._refused[plain[index]["callback"]] = error

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def _wait_for_all(
    outcomes: list[Delivery | ProduceError], timeout: float, deadline: float
) -> tuple[list[RecordMetadata], dict[int, ProduceError]]:
    """Where they went, and by index which failed."""
    results: list[RecordMetadata] = []
    failed: dict[int, ProduceError] = {}
    late: ProduceError | None = None
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, ProduceError):
            failed[index] = outcome
        elif late is not None and not outcome.done():
            # The reason was looked for once; it is the same for all that are late.
            failed[index] = late
        else:
            try:
                results.append(outcome.result_of_call(timeout, deadline))
            except ProduceError as error:
                failed[index] = error
                late = error if error.may_still_arrive else late
    return results, failed


def _batch_text(topic: str, failed: Mapping[int, ProduceError], count: int) -> str:
    shown = "; ".join(f"[{index}] {error}" for index, error in list(failed.items())[:SHOWN_FAILURES])
    return f"topic {topic}: {len(failed)} of {count} messages were not delivered: {shown}"
