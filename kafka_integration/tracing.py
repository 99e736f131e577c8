"""Spans by OpenTelemetry's messaging conventions, where ``KAFKA["tracing"]`` asks for them.

The context goes with a message in W3C's headers, ``traceparent`` and ``tracestate``: through the outbox, the topic, its
retries, its dead letter and its replay. No span has a payload, a key or the text of an exception that isn't ours.
A tracer that fails costs its span, and no message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ConfigurationError, KafkaIntegrationError
from .headers import Headers
from .message import Message
from .outcomes import Skip
from .retrying import Repeats
from .summaries import escaped, summarize

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span

logger = logging.getLogger(__name__)

T = TypeVar("T")

EXTRA = "django-kafka-integration[otel]"
PARENT, STATE = "traceparent", "tracestate"
MOST_LINKS = 128
"""Of a batch; as many as a span has by default."""


@lru_cache(maxsize=2)
def tracing_of(*, wanted: bool) -> Tracing | None:
    """What makes spans; None where the settings don't want any. ``ConfigurationError`` without OpenTelemetry's API."""
    if not wanted:
        return None
    if reason := why_untraceable():
        raise ConfigurationError([f'KAFKA["tracing"] is True, and {reason}.'])
    return Tracing()


def why_untraceable() -> str | None:
    """What is missing for spans, and what to do; None where nothing is."""
    try:
        import opentelemetry.trace  # noqa: F401
    except ImportError:
        return f'there is no OpenTelemetry: pip install "{EXTRA}", or remove it'
    return None


class Sending:
    """A message on its way: to be ended once, by whatever becomes of it."""

    def __init__(self, span: Span, quietly: Quietly) -> None:
        self._span = span
        self._quietly = quietly

    def arrived(self, partition: int | None = None, offset: int | None = None) -> None:
        if partition is not None:
            self._span.set_attribute("messaging.destination.partition.id", str(partition))
        if offset is not None:
            self._span.set_attribute("messaging.kafka.offset", offset)
        self._quietly(self._span.end)

    def failed(self, error: BaseException) -> None:
        _note_error(self._span, error)
        self._quietly(self._span.end)


class Quietly:
    """Calls what is a tracer's: what that raises is a line of the log, at most one a minute, and nothing else."""

    def __init__(self) -> None:
        self._repeats = Repeats()

    def __call__(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever the project's tracer raises, messages go on
            if self._repeats.is_due():
                logger.error("a span is lost, its tracer failed: %s", summarize(error))
            return None


class Tracing:
    """Makes spans with the project's tracer provider; any thread may ask."""

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        from . import __version__

        self._tracer = trace.get_tracer("kafka_integration", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._kinds = trace.SpanKind
        self._trace = trace
        self._quietly = Quietly()

    @contextmanager
    def creating(self, topic: str, headers: Headers) -> Iterator[None]:
        """The span of a message that is written into an outbox; its context is added to the headers."""
        attributes = {**_of(topic, "create", "create"), **_id_of(headers)}
        with self._around(f"create {topic}", kind=self._kinds.PRODUCER, attributes=attributes) as span:
            self._inject(span, headers)
            yield

    def sending(self, topic: str, headers: Headers) -> Sending:
        """The span of a message on its way; one that nobody has traced before gets the context among its headers."""
        parent = self._context_in(headers)
        kind = self._kinds.PRODUCER if parent is None else self._kinds.CLIENT
        attributes = {**_of(topic, "send", "send"), **_id_of(headers)}
        span = self._start(f"send {topic}", context=parent, kind=kind, attributes=attributes)
        self._inject(span, headers)
        return Sending(span, self._quietly)

    @contextmanager
    def processing(self, message: Message, consumer: str, group: str) -> Iterator[None]:
        """The span of one attempt at a message, in which its handler runs; in the trace of whoever sent it."""
        attributes = {**_of(message.topic, "process", "process"), **_reader(consumer, group), **_place_of(message)}
        name, parent = f"process {message.topic}", self._context_in(message.headers)
        with self._around(name, kind=self._kinds.CONSUMER, attributes=attributes, context=parent):
            yield

    @contextmanager
    def processing_batch(self, messages: Sequence[Message], consumer: str, group: str) -> Iterator[None]:
        """The same of a batch: a trace of its own, with links to those of its messages."""
        topic = messages[0].topic
        attributes = {
            **_of(topic, "process", "process"),
            **_reader(consumer, group),
            "messaging.batch.message_count": len(messages),
        }
        links = [link for message in messages[:MOST_LINKS] if (link := self._link_to(message)) is not None]
        with self._around(f"process {topic}", kind=self._kinds.CONSUMER, attributes=attributes, links=links):
            yield

    def settled(self, word: str, message: Message, consumer: str, group: str, error: BaseException) -> None:
        """The span of what became of a message that failed for good: it is a dead letter, or was skipped."""
        attributes = {**_of(message.topic, word, "settle"), **_reader(consumer, group), **_place_of(message)}
        span = self._start(
            f"{word} {message.topic}",
            context=self._context_in(message.headers),
            kind=self._kinds.CLIENT,
            attributes={**attributes, "error.type": _type_of(error)},
        )
        self._quietly(span.end)

    @contextmanager
    def _around(self, name: str, **options: Any) -> Iterator[Span]:
        span = self._start(name, **options)
        with self._trace.use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as error:
                if not isinstance(error, Skip):
                    _note_error(span, error)
                raise
            finally:
                self._quietly(span.end)

    def _start(self, name: str, **options: Any) -> Span:
        span = self._quietly(lambda: self._tracer.start_span(name, **options))
        return self._trace.INVALID_SPAN if span is None else span

    def _inject(self, span: Span, headers: Headers) -> None:
        if any(name == PARENT for name, _ in headers):
            return  # whoever gave it knows better, or it has been on its way for long
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context=self._trace.set_span_in_context(span))
        headers.extend((name, value.encode()) for name, value in carrier.items())

    def _context_in(self, headers: Headers) -> Context | None:
        """The context of whoever sent a message; None where it has none, or none that can be read."""
        carrier = {
            name: value.decode("ascii", "replace") for name, value in headers if name in (PARENT, STATE) and value
        }
        if PARENT not in carrier:
            return None
        context = self._propagator.extract(carrier)
        return context if self._trace.get_current_span(context).get_span_context().is_valid else None

    def _link_to(self, message: Message) -> Link | None:
        context = self._context_in(message.headers)
        if context is None:
            return None
        return self._trace.Link(self._trace.get_current_span(context).get_span_context())


def _of(topic: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
    }


def _reader(consumer: str, group: str) -> dict[str, Any]:
    return {"messaging.consumer.group.name": group, "kafka_integration.consumer": consumer}


def _place_of(message: Message) -> dict[str, Any]:
    place = {
        "messaging.destination.partition.id": str(message.partition),
        "messaging.kafka.offset": message.offset,
        "kafka_integration.attempt": message.attempt,
        **_id_of(message.headers),
    }
    return place if message.value_bytes is not None else {**place, "messaging.kafka.message.tombstone": True}


def _id_of(headers: Headers) -> dict[str, Any]:
    event_id = next((value for name, value in headers if name == "ce_id" and value), None)
    return {} if event_id is None else {"messaging.message.id": event_id.decode("utf-8", "replace")}


def _note_error(span: Span, error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", _type_of(error))
    description = summarize(error) if isinstance(error, KafkaIntegrationError) else None
    span.set_status(Status(StatusCode.ERROR, description))


def _type_of(error: BaseException) -> str:
    return escaped(f"{type(error).__module__}.{type(error).__qualname__}")
