"""Spans of a message's whole way, in one trace; by OpenTelemetry's SDK, which keeps them in memory."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import transaction
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from kafka_integration import Skip, produce_batch, produce_sync, publish
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.errors import InvalidMessageError
from kafka_integration.models import DeadLetter, OutboxMessage
from kafka_integration.tracing import tracing_of
from tests.embedded.relaying import relay_all
from tests.processes import PROJECT
from tests.unit import coroutines, scripted
from tests.unit.consumers import HANDLER, TOPIC, consume, consumer_settings, write
from tests.unit.spans import named, names, parent_of, spans, trace_of  # noqa: F401 - a fixture among them
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

PARKING: dict[str, Any] = {"on_failure": "dead_letter", "retry": {"attempts": 2, "backoff_seconds": 0.01}}
ASYNC = "tests.unit.coroutines.handle"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def traced(settings, memory_transport, spans):  # noqa: F811 - the fixture
    coroutines.reset()
    tracing_of.cache_clear()
    configure(settings)
    return spans


def configure(settings: Any, *, tracing: bool = True, **options: Any) -> None:
    settings.KAFKA = consumer_settings(**options) | {"tracing": tracing, "producer": {}}


def run(settings: Any, **options: Any) -> None:
    """A consumer of these settings, until it has caught up."""
    configure(settings, **options)
    loop = ConsumerLoop(assemble(get_settings().consumers["c"]), until_caught_up=True)
    loop.run()
    assert loop.fault is None


@contextmanager
def working(settings: Any, **options: Any) -> Iterator[None]:
    """The same, until the block ends."""
    configure(settings, **options)
    loop = ConsumerLoop(assemble(get_settings().consumers["c"]))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join(20)


@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_a_message_is_in_one_trace_from_the_request_to_the_replay_of_its_dead_letter(settings, traced, storage):
    options = {**PARKING, "offset_storage": storage}
    scripted.fail_on("order")
    with trace.get_tracer("tests").start_as_current_span("GET /buy") as request, transaction.atomic():
        publish(TOPIC, "order", key="7")
    relay_all()
    run(settings, **options)
    letter = DeadLetter.objects.get()
    assert dict(letter.headers)["traceparent"].startswith(f"00-{request.context.trace_id:032x}-")

    scripted.script.clear()
    DeadLetter.objects.update(state=DeadLetter.State.REPLAY)
    with working(settings, **options):
        wait_for(lambda: DeadLetter.objects.get().state == DeadLetter.State.HANDLED)

    found = traced.get_finished_spans()
    assert [span.name for span in found] == [
        *(f"create {TOPIC}", "GET /buy", f"send {TOPIC}"),
        *(f"process {TOPIC}", f"process {TOPIC}", f"dead_letter {TOPIC}", f"process {TOPIC}"),
    ]
    assert {trace_of(span) for span in found} == {f"{request.context.trace_id:032x}"}
    created, of_request = found[0], found[1]
    assert parent_of(created) == of_request.context.span_id
    assert {parent_of(span) for span in found[2:]} == {created.context.span_id}
    attempts = [span.attributes["kafka_integration.attempt"] for span in named(traced, f"process {TOPIC}")]
    assert attempts == [1, 2, 3]
    statuses = [span.status.status_code for span in named(traced, f"process {TOPIC}")]
    assert statuses == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]


def test_a_span_says_what_the_conventions_ask_for_and_nothing_of_what_a_message_says(settings, traced):
    scripted.fail_on("secret", error=ValueError)
    publish(TOPIC, "secret", key="secret-key")
    relay_all()

    run(settings, **PARKING)

    created, sent, processed = (named(traced, f"{word} {TOPIC}")[0] for word in ("create", "send", "process"))
    assert [span.kind for span in (created, sent, processed)] == [
        *(SpanKind.PRODUCER, SpanKind.CLIENT, SpanKind.CONSUMER),
    ]
    for span, name, kind in ((created, "create", "create"), (sent, "send", "send"), (processed, "process", "process")):
        assert span.attributes["messaging.system"] == "kafka"
        assert span.attributes["messaging.destination.name"] == TOPIC
        assert span.attributes["messaging.operation.name"] == name
        assert span.attributes["messaging.operation.type"] == kind
        assert span.attributes["messaging.message.id"]
    assert processed.attributes["messaging.consumer.group.name"] == "group"
    assert processed.attributes["messaging.kafka.offset"] == sent.attributes["messaging.kafka.offset"] == 0
    assert processed.attributes["error.type"] == "builtins.ValueError"
    for span in traced.get_finished_spans():
        assert "secret" not in span.to_json()


def test_what_a_handler_publishes_is_below_its_own_span(settings, traced):
    write("a")
    scripted.script.append(lambda _: publish("next", "b"))

    run(settings)

    (processed,), (created,) = named(traced, f"process {TOPIC}"), named(traced, "create next")
    assert parent_of(created) == processed.context.span_id


@pytest.mark.parametrize(
    "send",
    [lambda: produce_sync(TOPIC, "a"), lambda: produce_batch(TOPIC, [("k", "a")])],
    ids=["one", "a batch"],
)
def test_what_is_produced_has_a_span_until_it_arrived_and_carries_its_context(traced, send):
    send()

    wait_for(lambda: named(traced, f"send {TOPIC}"))
    (sent,) = named(traced, f"send {TOPIC}")
    (record,) = memory_broker().records(TOPIC)
    parent = dict(record.headers)["traceparent"].decode()
    assert parent.startswith(f"00-{trace_of(sent)}-{sent.context.span_id:016x}-")
    assert sent.attributes["messaging.kafka.offset"] == 0
    assert sent.attributes["messaging.destination.partition.id"] == str(record.partition)


def test_what_was_refused_ends_its_span_with_the_reason(traced):
    with pytest.raises(InvalidMessageError):
        produce_sync(TOPIC, float("nan"))
    with pytest.raises(InvalidMessageError):
        publish(TOPIC, "x" * 2_000_000)

    sent, created = traced.get_finished_spans()
    assert (sent.name, created.name) == (f"send {TOPIC}", f"create {TOPIC}")
    assert all(span.status.status_code is StatusCode.ERROR for span in (sent, created))
    assert "over message.max.bytes" in created.status.description


def test_a_context_that_was_given_is_kept(settings, traced):
    publish(TOPIC, "a", headers={"traceparent": PARENT})
    produce_sync(TOPIC, "b", headers={"traceparent": PARENT})
    relay_all()

    run(settings)

    assert [dict(record.headers)["traceparent"].decode() for record in memory_broker().records(TOPIC)] == [PARENT] * 2
    assert {trace_of(span) for span in named(traced, f"process {TOPIC}")} == {PARENT.split("-")[1]}


@pytest.mark.parametrize("header", [b"", b"nonsense", b"\xff", None])
def test_a_context_that_cannot_be_read_is_none(settings, traced, header):
    memory_broker().produce(TOPIC, "a", headers=[("traceparent", header)])

    run(settings)

    (processed,) = named(traced, f"process {TOPIC}")
    assert processed.parent is None


def test_a_batch_has_a_span_with_links_to_its_messages(settings, traced):
    produce_batch(TOPIC, [("k", "a"), ("k", "b")])

    run(settings, message_handler="tests.unit.scripted.Batch")

    (processed,) = named(traced, f"process {TOPIC}")
    sent = [span.context.span_id for span in named(traced, f"send {TOPIC}")]
    assert [link.context.span_id for link in processed.links] == sent
    assert processed.attributes["messaging.batch.message_count"] == 2
    assert processed.parent is None


def test_an_async_handler_runs_in_the_span_of_its_message(settings, traced):
    produce_sync(TOPIC, "a", partition=0)
    produce_sync(TOPIC, "b", partition=1)
    current = {}

    async def note(message):
        current[message.value] = trace.get_current_span().get_span_context().span_id

    coroutines.script.append(note)
    run(settings, message_handler=ASYNC, concurrency=2)

    processed = named(traced, f"process {TOPIC}")
    assert sorted(current.values()) == sorted(span.context.span_id for span in processed)
    assert {trace_of(span) for span in processed} == {trace_of(span) for span in named(traced, f"send {TOPIC}")}


def test_what_a_handler_skips_is_no_error(settings, traced):
    write("a")
    scripted.script.append(lambda _: (_ for _ in ()).throw(Skip("not ours")))

    run(settings)

    (processed,), (skipped,) = named(traced, f"process {TOPIC}"), named(traced, f"skip {TOPIC}")
    assert processed.status.status_code is StatusCode.UNSET
    assert skipped.attributes["messaging.operation.type"] == "settle"


class Broken:
    """A project's tracing that fails at each span: where it begins, or where it ends."""

    def __init__(self, fails_at: str) -> None:
        self._fails_at = fails_at

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._fail("start")

    def on_end(self, span: Any) -> None:
        self._fail("end")

    def _on_ending(self, span: Any) -> None: ...

    def _fail(self, at: str) -> None:
        if at == self._fails_at:
            raise RuntimeError("secret")


@pytest.mark.parametrize("fails_at", ["start", "end"])
@pytest.mark.parametrize("handler", [HANDLER, ASYNC])
def test_a_tracer_that_fails_costs_its_spans_and_no_message(settings, monkeypatch, caplog, fails_at, handler):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken(fails_at))
    monkeypatch.setattr(tracing_of(wanted=True), "_tracer", provider.get_tracer("tests"))

    publish(TOPIC, "a")
    produce_sync(TOPIC, "b")
    relay_all()
    run(settings, message_handler=handler)

    assert len(scripted.seen) + len(coroutines.ended) == 2
    assert not OutboxMessage.objects.exists()
    assert "a span is lost, its tracer failed: RuntimeError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("handler", [HANDLER, ASYNC])
def test_without_the_setting_nothing_is_traced(settings, traced, handler):
    configure(settings, tracing=False)
    publish(TOPIC, "a")
    produce_sync(TOPIC, "b")
    assert "traceparent" not in dict(OutboxMessage.objects.get().headers)
    relay_all()

    consume(message_handler=handler)

    assert names(traced) == []


def test_without_the_setting_nothing_of_it_is_loaded():
    script = """
import sys, django
from django.conf import settings
settings.configure(KAFKA={"endpoints": "memory"}, USE_TZ=True, DATABASES={})
django.setup()
from kafka_integration import produce_sync
produce_sync("t", "v")
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_setting_without_opentelemetry_is_a_check_error(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)

    (found,) = [each for each in run_checks() if "tracing" in each.msg]

    assert found.id == "kafka_integration.E013"
    assert 'KAFKA["tracing"] is True, and there is no OpenTelemetry: pip install' in found.msg
