"""``captured_messages()``: what was produced, and what was published and not rolled back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from django.db import connections, router
from django.db.models import Max

from ..client.transports.memory import MemoryRecord, memory_broker
from ..headers import load_headers
from ..models import OutboxMessage
from ..serialization import decode_json
from .redirecting import producing_in_memory

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CapturedMessage:
    """A message as Kafka would have got it. ``partition`` is None where publishing left it open."""

    topic: str
    key_bytes: bytes | None = field(repr=False)
    value_bytes: bytes | None = field(repr=False)
    headers: list[tuple[str, bytes | None]] = field(repr=False)
    partition: int | None

    def __repr__(self) -> str:
        return f"<CapturedMessage {self.topic} key={self.key!r} value={self.value!r}>"

    @property
    def key(self) -> str | bytes | None:
        """Text; bytes where it isn't UTF-8."""
        return _text(self.key_bytes)

    @property
    def value(self) -> str | bytes | None:
        """Text; bytes where it isn't UTF-8; None for a tombstone."""
        return _text(self.value_bytes)

    def json(self) -> Any:
        """The value read as JSON; None for a tombstone."""
        return None if self.value_bytes is None else decode_json(self.value_bytes)

    def header(self, name: str) -> bytes | None:
        """The value of the last header of that name, None if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)


class CapturedMessages(Mapping[str, list[CapturedMessage]]):
    """Messages by topic, each topic in the order of sending: first what was produced, then what was published.

    A topic without messages is an empty list. Inside the context it is as new as the moment it is asked.
    """

    def __init__(self) -> None:
        self._produced: list[CapturedMessage] = []
        self._published: list[CapturedMessage] | None = None
        self._last_ids = {alias: _last_outbox_id(alias) for alias in _outbox_databases()}

    def __getitem__(self, topic: str) -> list[CapturedMessage]:
        return [message for message in self.all() if message.topic == topic]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(message.topic for message in self.all()))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, topic: object) -> bool:
        return any(message.topic == topic for message in self.all())

    def __repr__(self) -> str:
        return f"<CapturedMessages {dict(self)!r}>"

    def all(self) -> list[CapturedMessage]:
        """The messages of all topics."""
        return self._produced + (self._read_published() if self._published is None else self._published)

    def note_produced(self, record: MemoryRecord) -> None:
        self._produced.append(
            CapturedMessage(
                topic=record.topic,
                key_bytes=record.key,
                value_bytes=record.value,
                headers=list(record.headers),
                partition=record.partition,
            )
        )

    def freeze(self) -> None:
        """What comes later is not this context's."""
        self._published = self._read_published()

    def _read_published(self) -> list[CapturedMessage]:
        found: dict[Hashable, CapturedMessage] = {}
        for alias, last_id in self._last_ids.items():
            rows = OutboxMessage.objects.using(alias).filter(id__gt=last_id).order_by("id")
            there: list[OutboxMessage] = if_allowed(partial(list, rows), otherwise=[])
            for row in there:
                # Two aliases may lead to one database, past a pooler for example. Events have ids of their own.
                found.setdefault((row.pk, row.created_at, str(row.headers)), _published(row))
        return list(found.values())


@contextmanager
def captured_messages() -> Iterator[CapturedMessages]:
    """Collects what is sent inside the context, from any thread, without a broker.

    ``produce`` and its kin run for real, up to an in-process broker. ``publish`` writes its rows as ever: what
    was rolled back is not there, in a ``TestCase`` too.
    """
    with capturing() as captured:
        yield captured
        # Not after an error: a broken transaction answers no question, and the error says more.
        captured.freeze()


@contextmanager
def capturing() -> Iterator[CapturedMessages]:
    """The same, for a context that nobody looks back on."""
    captured = CapturedMessages()
    with producing_in_memory(), memory_broker().watched(captured.note_produced):
        yield captured


def _published(row: OutboxMessage) -> CapturedMessage:
    return CapturedMessage(
        topic=row.topic,
        key_bytes=None if row.key is None else bytes(row.key),
        value_bytes=None if row.value is None else bytes(row.value),
        headers=load_headers(row.headers),
        partition=row.partition,
    )


def _outbox_databases() -> list[str]:
    # Asked of the routers: a query for a table that isn't there would break the test's transaction.
    return [alias for alias in connections if router.allow_migrate_model(alias, OutboxMessage)]


def _last_outbox_id(alias: str) -> int:
    query = OutboxMessage.objects.using(alias)
    return if_allowed(lambda: query.aggregate(last=Max("id"))["last"], otherwise=None) or 0


def if_allowed(query: Callable[[], T], *, otherwise: T) -> T:
    """``otherwise`` where the test may not use the database: then nothing can be published in it either."""
    try:
        return query()
    except AssertionError:
        # Django's TestCase, of a database that isn't among its ``databases``.
        return otherwise
    except RuntimeError as error:
        # pytest-django, where the test isn't marked with django_db.
        if "Database access not allowed" in str(error):
            return otherwise
        raise


def _text(data: bytes | None) -> str | bytes | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
