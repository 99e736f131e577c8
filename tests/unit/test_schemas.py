"""Keys and values with a schema, by confluent-kafka's own serializers on either side, and what comes of a registry that
is away."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from confluent_kafka.serialization import SerializationContext
from django.utils.module_loading import import_string

from kafka_integration import BatchProduceError, ProduceError, produce, produce_batch, produce_sync, publish
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.codecs import load_codec
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.failing.outages import is_setback
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.errors import InvalidMessageError, SchemaUnavailableError, SerializationUnavailableError
from kafka_integration.models import DeadLetter, OutboxMessage
from kafka_integration.testing import KafkaTestMixin, captured_messages, deliver
from tests.guides import FILE, blocks_of, files_of
from tests.prices.sinks import Prices
from tests.processes import PROJECT
from tests.services.schema_registry import schema_registry
from tests.unit import codecs, coroutines, schemas, scripted
from tests.unit.consumers import HANDLER, TOPIC, committed, consume, consumer_settings, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport", "registry")]

ORDER = {"sku": "a", "count": 3}
FORMATS = pytest.mark.parametrize("form", ["avro", "json", "protobuf"])
PARKING: dict[str, Any] = {"on_failure": "dead_letter", "retry": {"attempts": 2, "backoff_seconds": 0.01}}
UNKNOWN_ID = b"\0\0\0\0\x63" + b"abc"


@pytest.fixture
def registry(monkeypatch):
    with schema_registry() as registry:
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", registry.url)
        load_codec.cache_clear()
        coroutines.reset()
        yield registry


def path(name: str) -> str:
    return f"tests.unit.schemas.{name}"


def order(form: str) -> Any:
    return schemas.Order(**ORDER) if form == "protobuf" else ORDER


def written(form: str, value: Any = None) -> bytes:
    """By confluent's own serializer."""
    context = SerializationContext(TOPIC, "value", [])
    data = getattr(schemas, f"{form}_serializer")()(order(form) if value is None else value, context)
    assert data is not None
    return data


def producing(settings: Any, **serializers: str) -> None:
    settings.KAFKA = consumer_settings() | {"producer": {key: path(name) for key, name in serializers.items()}}


@FORMATS
def test_a_handler_gets_what_another_client_wrote_by_a_schema(form):
    write(written(form))

    consume(value_deserializer=path(f"{form}_deserializer"))

    assert [message.value for message in scripted.seen] == [order(form)]


@FORMATS
def test_another_client_reads_by_its_schema_what_was_produced(form, settings):
    producing(settings, value_serializer=f"{form}_serializer")

    produce_sync(TOPIC, order(form))

    (message,) = memory_broker().records(TOPIC)
    reader = getattr(schemas, f"{form}_deserializer")()
    assert reader(message.value, SerializationContext(TOPIC, "value", [])) == order(form)


def test_a_key_has_a_schema_of_its_own(settings, registry):
    producing(settings, key_serializer="avro_key_serializer", value_serializer="avro_serializer")

    produce_sync(TOPIC, ORDER, key={"id": 7})
    consume(key_deserializer=path("avro_deserializer"), value_deserializer=path("avro_deserializer"))

    assert [(message.key, message.value) for message in scripted.seen] == [({"id": 7}, ORDER)]
    assert set(registry.schemas.versions) == {f"{TOPIC}-key", f"{TOPIC}-value"}


def test_null_stays_null(settings):
    producing(settings, key_serializer="avro_key_serializer", value_serializer="avro_serializer")

    produce_sync(TOPIC, None)
    consume(key_deserializer=path("avro_deserializer"), value_deserializer=path("avro_deserializer"))

    assert [(message.key, message.value) for message in scripted.seen] == [(None, None)]


def test_each_message_of_a_batch_has_its_schema(settings):
    producing(settings, value_serializer="avro_serializer")

    produce_batch(TOPIC, [(None, ORDER), {"value": {"sku": "b", "count": 1}, "headers": {"a": "1"}}])
    consume(message_handler="tests.unit.scripted.Columns", value_deserializer=path("avro_deserializer"))

    assert sorted(each["sku"] for each in scripted.Columns.values) == ["a", "b"]


def test_what_is_published_has_its_schema_when_it_is_written(settings, registry):
    producing(settings, key_serializer="avro_key_serializer", value_serializer="avro_serializer")

    publish(TOPIC, ORDER, key={"id": 7})

    row = OutboxMessage.objects.get()
    assert bytes(row.value) == written("avro")
    assert "content-type" not in dict(row.headers)


def test_what_a_serializer_adds_to_the_headers_goes_out_with_the_message(settings):
    adds = "tests.unit.codecs.adds_a_header"
    settings.KAFKA = consumer_settings() | {"producer": {"key_serializer": adds, "value_serializer": adds}}

    produce_sync(TOPIC, 1, key=2, headers={"a": "1"})
    publish(TOPIC, 1, key=2)

    (message,) = memory_broker().records(TOPIC)
    ours = [("key-schema", b"7"), ("value-schema", b"7")]
    assert [*message.headers] == [("a", b"1"), *ours]
    assert OutboxMessage.objects.get().headers[-2:] == [[name, value.decode()] for name, value in ours]


def test_a_test_delivers_what_has_a_schema(settings):
    settings.KAFKA = consumer_settings(value_deserializer=path("avro_deserializer"))

    outcome = deliver("c", written("avro"))

    assert outcome.status == "handled"
    assert [message.value for message in scripted.seen] == [ORDER]


def test_a_value_that_does_not_fit_its_schema_is_refused_at_the_call(settings):
    producing(settings, value_serializer="avro_serializer")

    with pytest.raises(InvalidMessageError, match=r"The value was refused by value_serializer .* was raised") as caught:
        produce(TOPIC, {"sku": "secret", "count": "secret"})

    assert "secret" not in str(caught.value)


def test_a_schema_that_the_registry_does_not_take_is_no_outage(settings, registry):
    producing(settings, value_serializer="avro_serializer")
    registry.schemas.register(f"{TOPIC}-value", {"schema": '{"type": "record", "name": "Order", "fields": []}'})

    with pytest.raises(InvalidMessageError, match=r"SchemaRegistryError \(HTTP 409, code 409\)"):
        produce(TOPIC, ORDER)


# A registry that is away

AWAY = {
    "stopped": lambda registry: registry.stop(),
    "silent": lambda registry: setattr(registry, "is_silent", True),
    **{str(status): lambda registry, status=status: setattr(registry, "status", status) for status in (503, 429, 401)},
    # As an ingress answers for a service that is gone.
    "404 by another": lambda registry: setattr(registry, "status", 404),
}


def bring_back(registry: Any) -> None:
    registry.stop()
    registry.status, registry.is_silent = None, False
    registry.start()


@pytest.mark.parametrize("away", AWAY)
def test_a_message_waits_for_a_registry_that_is_away_and_loses_no_attempt(registry, away, caplog):
    write(written("avro"), written("avro"))
    AWAY[away](registry)
    # The handler asks for the value.
    scripted.script.append(lambda message: message.value)

    with running(value_deserializer=path("avro_deserializer"), **PARKING) as loop:
        wait_for(lambda: caplog.text.count("waits") >= 1 and len(scripted.seen) >= 2)
        assert not committed()
        bring_back(registry)
        wait_for(lambda: committed() == 2)
        tally = loop.counts.read()

    assert (tally.handled, tally.failed, tally.parked) == (2, 0, 0)
    assert {message.attempt for message in scripted.seen} == {1}
    assert "for what its handler needs: the value of events[0]@0 can't be read now, because its schema" in caplog.text


@pytest.mark.parametrize("handler", ["tests.unit.coroutines.handle", "tests.unit.coroutines.Batch"])
def test_an_async_handler_gets_its_message_once_the_registry_is_back(registry, handler, caplog):
    write(written("avro"))
    registry.stop()

    with running(message_handler=handler, value_deserializer=path("avro_deserializer"), **PARKING):
        wait_for(lambda: "can't be read now" in caplog.text)
        registry.start()
        wait_for(lambda: committed() == 1)

    assert coroutines.ended in ([ORDER], [[ORDER]])
    assert not DeadLetter.objects.exists()


def test_reading_keeps_no_event_loop_from_its_other_handlers():
    """The first handler goes on, on the loop, while a value of another partition is being read."""
    write("first", partition=0)
    write("second", partition=1)
    codecs.may_read.clear()

    async def let_the_other_be_read(message):
        if message.partition == 0:
            for _ in range(3):
                await asyncio.sleep(0.01)
            codecs.may_read.set()

    coroutines.script.append(let_the_other_be_read)
    with running(
        message_handler="tests.unit.coroutines.handle",
        key_deserializer="tests.unit.codecs.factory",
        value_deserializer="tests.unit.codecs.read_the_second_when_allowed",
        concurrency=2,
    ):
        wait_for(lambda: len(coroutines.ended) == 2)

    assert sorted(coroutines.ended) == ["first", "second"]


@pytest.mark.parametrize("handler", [HANDLER, "tests.unit.coroutines.handle"])
def test_a_dead_letter_is_replayed_once_its_schema_is_there(registry, handler, caplog):
    write(b"\0\0\0\0\2" + written("avro")[5:])
    scripted.script.append(lambda message: message.value)
    options = {"message_handler": handler, "value_deserializer": path("avro_deserializer"), **PARKING}
    consume(**options)
    assert DeadLetter.objects.get().exception.endswith("DecodeError")
    assert "the value of events[0]@0: SchemaRegistryError (HTTP 404, code 40403) in its deserializer" in caplog.text

    registry.schemas.register("another", {"schema": schemas.AVRO.replace("Order", "Other")})
    DeadLetter.objects.update(state=DeadLetter.State.REPLAY)
    with running(**options):
        wait_for(lambda: DeadLetter.objects.get().state == DeadLetter.State.HANDLED)


@pytest.mark.parametrize(
    "data",
    [UNKNOWN_ID, b"xx", b"\1\0\0\0\1abcdef", b"\0\0\0\0\1\xff\xff\xff"],
    ids=["an unknown id", "too short", "no such framing", "cut off"],
)
def test_what_no_schema_explains_is_a_bad_message(data):
    good = written("avro")
    write(data, good)
    scripted.script.append(lambda message: message.value)

    loop = consume(value_deserializer=path("avro_deserializer"), **PARKING)

    assert (loop.counts.read().handled, loop.counts.read().parked) == (1, 1)
    letter = DeadLetter.objects.get()
    assert letter.exception.endswith("DecodeError")
    assert letter.attempts == 2


def test_a_sink_does_not_ask_once_for_each_message(registry):
    write(*[written("avro")] * 20)
    registry.requests.clear()
    registry.status = 503
    sink, caught = Prices(), []

    def handle(messages):
        try:
            sink.handle_messages(messages)
        except SchemaUnavailableError as error:
            caught.append(error)
            raise

    scripted.script.append(handle)
    with running(message_handler="tests.unit.scripted.Batch", value_deserializer=path("avro_deserializer"), **PARKING):
        wait_for(lambda: len(caught) >= 2)

    assert len(registry.requests) <= len(caught) + 1


@pytest.mark.parametrize("send", [produce, publish, lambda *message: produce_batch(TOPIC, [(None, ORDER)])])
def test_who_sends_while_the_registry_is_away_is_told_that_nothing_was_sent(registry, settings, send):
    producing(settings, value_serializer="avro_serializer")
    registry.stop()

    with pytest.raises(ProduceError) as caught:
        send(TOPIC, ORDER)

    error = caught.value.failed[0] if isinstance(caught.value, BatchProduceError) else caught.value
    assert isinstance(error, SerializationUnavailableError)
    assert "The value can't be written now by value_serializer" in str(error)
    assert "Nothing was sent" in str(error)
    assert not caught.value.may_still_arrive
    assert not memory_broker().records(TOPIC)
    assert not OutboxMessage.objects.exists()


def test_a_handler_that_sends_while_the_registry_is_away_waits_for_it(registry, settings):
    write("a")
    registry.stop()
    scripted.script.append(lambda _: publish("orders", ORDER))
    settings.KAFKA = consumer_settings(**PARKING) | {"producer": {"value_serializer": path("avro_serializer")}}

    assert is_setback(failure_of(lambda: publish("orders", ORDER)))
    loop = ConsumerLoop(assemble(get_settings().consumers["c"]), until_caught_up=True)
    thread = threading.Thread(target=loop.run)
    thread.start()
    wait_for(lambda: len(scripted.seen) >= 2)
    registry.start()
    thread.join(20)

    assert OutboxMessage.objects.count() == 1
    assert {message.attempt for message in scripted.seen} == {1}


def failure_of(call: Any) -> Exception:
    with pytest.raises(SchemaUnavailableError) as caught:
        call()
    return caught.value


@pytest.fixture
def guide(memory_transport, registry, settings, tmp_path, monkeypatch) -> str:
    """The guide, whose project is there to be imported."""
    text = (PROJECT / "docs" / "how-to" / "schemas.md").read_text()
    for name, content in files_of(text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    settings.KAFKA = import_string("stock.settings.KAFKA") | {"endpoints": "memory"}
    return text


@pytest.mark.usefixtures("guide")
def test_the_guide_is_a_program(registry, capsys):
    produce_sync("movements", {"sku": "pen", "count": 3})
    consumer = get_settings().consumers["stock"]
    ConsumerLoop(assemble(consumer), until_caught_up=True).run()

    assert capsys.readouterr().out == "pen 3\n"
    assert list(registry.schemas.versions) == ["movements-value"]


def test_the_other_examples_of_the_guide_work_with_its_files(registry, guide):
    names = {"publish": publish}
    with captured_messages() as messages:
        for language, body in blocks_of(guide):
            if language == "python" and not FILE.match(body):
                exec(body, names)  # noqa: S102 - our own page

    context = SerializationContext("movements", "value")
    assert messages["movements"][0].value_bytes == names["by_topic"]({"sku": "pen", "count": 3}, context)
    assert names["by_topic"](7, SerializationContext("others", "value")) == "7"


def test_a_registry_in_memory_is_enough_for_tests(settings):
    producing(settings, value_serializer="mock_serializer")

    with captured_messages() as messages:
        produce(TOPIC, ORDER)

    settings.KAFKA = consumer_settings(value_deserializer=path("mock_deserializer"))
    assert deliver("c", messages[TOPIC][0].value_bytes).status == "handled"
    assert [message.value for message in scripted.seen] == [ORDER]


def test_what_was_sent_is_compared_as_its_serializer_writes_it(settings):
    producing(settings, value_serializer="avro_serializer")

    with KafkaTestMixin().assertPublishes(TOPIC, ORDER):
        produce(TOPIC, ORDER)
    with pytest.raises(AssertionError), KafkaTestMixin().assertPublishes(TOPIC, ORDER | {"count": 4}):
        produce(TOPIC, ORDER)
