"""``deliver()``: one message through a consumer's real pipeline, in the test's own thread and transaction."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from confluent_kafka import TIMESTAMP_CREATE_TIME
from confluent_kafka import Message as RawMessage
from django.db import DatabaseError, connections, transaction

from ..conf import get_settings
from ..conf.consumers import ConsumerSettings
from ..consuming.assembly import decoding_of, make_work, offset_store_of
from ..consuming.committing.store import OffsetStore
from ..consuming.handling.loading import Handler, load_handler
from ..consuming.ordering.chunk import Chunk
from ..consuming.ordering.stream import Claim
from ..consuming.partition import Partition
from ..errors import ConsumerStoppedError
from ..headers import GivenHeaders, normalize_headers
from ..message import Message
from ..observing.facts import Fact, LeftOut, Parked, Skipped
from ..observing.log import Log
from ..observing.observers import Observers
from ..observing.receivers import Receivers
from ..outcomes import Reject
from ..placed_message import message_of
from ..serialization import serialize_key, serialize_value
from ..topic_names import cover, is_pattern
from .redirecting import producer_transport, producing_in_memory

Status = Literal["handled", "failed", "rejected", "dead_letter", "skipped", "stopped", "repeated"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a message.

    ``status`` is "handled"; "failed": it is to be tried again, in ``retry_in_seconds``; "rejected": a dead letter
    because the handler raised ``Reject``; "dead_letter": one because its attempts are used up; "skipped";
    "stopped": the consumer would stop there; or "repeated": ``deduplicate`` recognised it. ``exception`` is what
    the handler, or decoding for it, raised; of a "handled" one, what an ``on_commit`` hook raised after the COMMIT.
    """

    status: Status
    exception: Exception | None
    message: Message
    retry_in_seconds: float | None = None


def deliver(  # noqa: PLR0913 - one argument for each part of a message
    consumer_name: str,
    value: Any,
    key: Any = None,
    headers: GivenHeaders | None = None,
    *,
    topic: str | None = None,
    partition: int = 0,
    offset: int | None = None,
    timestamp: datetime | None = None,
    attempt: int = 1,
) -> Outcome:
    """Hands a message to a consumer of the settings as if Kafka had delivered it, and says what became of it.

    Value and key are written as ``produce`` writes them, and read by the consumer's deserializers. It makes one
    attempt, number ``attempt``, and never sleeps. Each call is another message unless ``offset`` says otherwise.
    What the handler raises is in the outcome; LookupError and ValueError are for a consumer that the settings don't
    have, or a ``topic`` that it doesn't read.
    """
    delivery = prepare(
        consumer_name,
        value=value,
        key=key,
        headers=headers,
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        attempt=attempt,
    )
    return delivery.run(guard=_guarded)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message on its way to a consumer, which owns its partition."""

    settings: ConsumerSettings
    store: OffsetStore | None
    place: Partition
    message: Message

    def run(self, *, guard: Callable[[Handler], Handler]) -> Outcome:
        """What becomes of it; ``guard`` wraps a handler that runs in no transaction of ours."""
        with _copies_of_dead_letters_in_memory(self.settings):
            return self._run(guard)

    def _run(self, guard: Callable[[Handler], Handler]) -> Outcome:
        settings, store, place, message = self.settings, self.store, self.place, self.message
        handler = load_handler(settings.message_handler)
        if store is None and not settings.deduplicate:
            handler = guard(handler)
        facts: list[Fact] = []
        observers = Observers(facts.append, Receivers(settings.name), Log(settings.name, settings.consumer_group))
        work = make_work(settings, handler=handler, store=store, observers=observers)
        try:
            remainder = work.handle(place, Chunk(messages=[message]))
            # A batch handler's verdict on one message is carried out on the next turn.
            while remainder.chunks and remainder.chunks[0].failure is not None and not remainder.delay_seconds:
                remainder = work.handle(place, remainder.chunks[0])
        except ConsumerStoppedError as stopped:
            return Outcome(status="stopped", exception=_exception(stopped.__cause__), message=message)
        exception = _exception(*(getattr(fact, "error", None) for fact in facts))
        if remainder.chunks or remainder.reclaim:
            delay = remainder.delay_seconds
            return Outcome(status="failed", exception=exception, message=message, retry_in_seconds=delay)
        return Outcome(status=_status(facts), exception=exception, message=message)


def prepare(  # noqa: PLR0913 - one argument for each part of a message
    consumer_name: str,
    *,
    value: Any,
    key: Any = None,
    headers: GivenHeaders | None = None,
    topic: str | None = None,
    partition: int = 0,
    offset: int | None = None,
    timestamp: datetime | None = None,
    attempt: int = 1,
) -> Delivery:
    """The delivery of such a message; without an ``offset`` it comes where the consumer goes on."""
    settings = consumer_settings(consumer_name)
    place = Partition(_topic(settings, topic), partition)
    store, offset = _claimed(settings, place, offset)
    raw = RawMessage(
        topic=place.topic,
        partition=partition,
        offset=next(_offsets()) if offset is None else offset,
        key=serialize_key(key),
        value=serialize_value(value),
        headers=[*normalize_headers(headers)] or None,
        timestamp=(TIMESTAMP_CREATE_TIME, int((timestamp or datetime.now(UTC)).timestamp() * 1000)),
    )
    message = message_of(raw, decoding_of(settings), attempt)
    return Delivery(settings=settings, store=store, place=place, message=message)


def _exception(*errors: BaseException | None) -> Exception | None:
    """The last of them that a test can be told of."""
    return next((error for error in reversed(errors) if isinstance(error, Exception)), None)


def _status(facts: list[Fact]) -> Status:
    for fact in facts:
        match fact:
            case Parked(error=Reject()):
                return "rejected"
            case Parked():
                return "dead_letter"
            case Skipped():
                return "skipped"
            case LeftOut():
                return "repeated"
    return "handled"


def _copies_of_dead_letters_in_memory(settings: ConsumerSettings) -> AbstractContextManager[None]:
    """A ``dead_letter_topic`` must not make a test wait for a cluster."""
    is_needed = settings.dead_letter_topic is not None and producer_transport() == "kafka"
    return producing_in_memory() if is_needed else nullcontext()


def _guarded(handler: Handler) -> Handler:
    """The handler, whose database errors leave the test's own transaction usable.

    In production it runs in autocommit: after an error the next statement starts afresh.
    """

    def call(argument: Any) -> Any:
        in_test = [
            connection.alias for connection in connections.all(initialized_only=True) if connection.in_atomic_block
        ]
        savepoints: dict[str, Any] = {alias: connections[alias].savepoint() for alias in in_test}
        error: Exception | None = None
        try:
            return handler.call(argument)
        except DatabaseError as raised:
            error = raised
            raise
        finally:
            for alias, savepoint in savepoints.items():
                if error is not None or not _is_released(alias, savepoint):
                    transaction.set_rollback(False, using=alias)
                    connections[alias].savepoint_rollback(savepoint)

    return replace(handler, call=call)


def _is_released(alias: str, savepoint: str) -> bool:
    """False where the handler swallowed a database error, so that only going back helps."""
    if transaction.get_rollback(using=alias):
        return False
    try:
        connections[alias].savepoint_commit(savepoint)
    except DatabaseError:
        return False
    return True


def _claimed(settings: ConsumerSettings, place: Partition, offset: int | None) -> tuple[OffsetStore | None, int | None]:
    """Under "database" the message comes at the stored offset, which a claim finds out, as in production."""
    if settings.offset_storage != "database":
        return None, offset
    store = offset_store_of(settings)
    found = store.claim(topic=place.topic, topic_id="", partition=place.number, fallback=offset or 0)
    stored = found.next_offset if offset is None else offset
    place.grant(Claim(topic_id=found.topic_id, epoch=found.epoch), stored)
    if offset is not None:
        store.reset(place, place.claim, offset)
    return store, stored


def consumer_settings(name: str) -> ConsumerSettings:
    consumers = get_settings().consumers
    if name not in consumers:
        known = ", ".join(sorted(consumers)) or "none"
        raise LookupError(f'KAFKA["consumers"] has no {name!r}: known consumers are {known}.')
    settings = consumers[name]
    # One message at a time comes in the order of its partition, and moves the offset by itself.
    return replace(settings, ordering="partition") if settings.offset_storage == "database" else settings


def _topic(settings: ConsumerSettings, topic: str | None) -> str:
    if topic is None:
        topic = settings.topics[0]
        if is_pattern(topic):
            raise ValueError(f"consumer {settings.name} reads a pattern, {topic}: give topic= a name that it matches.")
    elif not cover(settings.topics, topic):
        read = ", ".join(settings.topics)
        raise ValueError(f"consumer {settings.name} doesn't read {topic!r}, only {read}: a message of it never comes.")
    return topic


@cache
def _offsets() -> Iterator[int]:
    """Of this process: each message has an offset of its own."""
    return itertools.count()
