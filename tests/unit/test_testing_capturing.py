"""`captured_messages()`: what was produced, and what was published and not rolled back."""

import threading

import pytest
from django.db import connection, connections, transaction
from django.test import TestCase, TransactionTestCase

from kafka_integration import InvalidMessageError, produce, produce_batch, produce_sync, publish
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage
from kafka_integration.testing import captured_messages


@pytest.fixture(autouse=True)
def project(settings):
    """Settings that lead to a cluster which must not be reached."""
    settings.KAFKA = {"endpoints": ["kafka.invalid:9092"], "producer": {"topics": ["a", "b"]}, "topics": {}}


def test_what_is_produced_is_there_by_topic():
    with captured_messages() as messages:
        produce("a", {"q": "kafka"}, key=17, headers={"trace": "abc"})
        produce_sync("b", "text", key="k")
        produce_batch("a", [("k1", "v1"), ("k2", None)])

    first, second, third = messages["a"]
    assert (first.topic, first.key, first.value, first.json()) == ("a", "17", '{"q": "kafka"}', {"q": "kafka"})
    assert (first.headers, first.header("trace"), first.header("other")) == ([("trace", b"abc")], b"abc", None)
    assert (second.key, second.value) == ("k1", "v1")
    assert (third.key, third.value, third.json()) == ("k2", None, None)
    assert [message.value for message in messages["b"]] == ["text"]


def test_a_topic_without_messages_is_empty():
    with captured_messages() as messages:
        produce("a", "v")

    assert messages["b"] == []
    assert "b" not in messages
    assert (list(messages), len(messages), "a" in messages) == (["a"], 1, True)


def test_bytes_that_are_no_text_stay_bytes():
    with captured_messages() as messages:
        produce("a", b"\xff", key=b"\xfe")

    (message,) = messages["a"]
    assert (message.key, message.value) == (b"\xfe", b"\xff")
    assert (message.key_bytes, message.value_bytes) == (b"\xfe", b"\xff")


def test_a_partition_can_be_looked_at():
    with captured_messages() as messages:
        produce("a", "v", partition=3)

    assert messages["a"][0].partition == 3


def test_a_topic_of_the_settings_has_its_partitions(settings):
    settings.KAFKA = {**settings.KAFKA, "topics": {"a": {"partitions": 12}}}

    with captured_messages() as messages:
        produce("a", "v", partition=11)

    assert messages["a"][0].partition == 11


def test_what_production_refuses_is_refused_here():
    with captured_messages() as messages:
        with pytest.raises(InvalidMessageError):
            produce("elsewhere", "v")
        with pytest.raises(InvalidMessageError):
            produce("a", "v", partition=99)

    assert not messages


def test_messages_of_other_threads_are_there():
    with captured_messages() as messages:
        thread = threading.Thread(target=produce, args=("a", "v"))
        thread.start()
        thread.join()

    assert len(messages["a"]) == 1


def test_contexts_nest_and_see_only_their_own():
    with captured_messages() as outer:
        produce("a", "1")
        with captured_messages() as inner:
            produce("a", "2")
        produce("a", "3")
    with captured_messages() as later:
        pass

    assert [message.value for message in outer["a"]] == ["1", "2", "3"]
    assert [message.value for message in inner["a"]] == ["2"]
    assert not later


def test_afterwards_the_settings_are_as_before_and_nothing_is_left():
    with captured_messages():
        produce("a", "v")

    assert get_settings().producer.connection.servers == ("kafka.invalid:9092",)
    assert memory_broker().topics == {}


def test_after_an_error_too():
    with pytest.raises(ZeroDivisionError), captured_messages():
        raise ZeroDivisionError

    assert get_settings().producer.connection.transport == "kafka"


def test_a_memory_transport_of_the_project_keeps_its_records(settings):
    settings.KAFKA = {"endpoints": "memory"}
    memory_broker().reset()
    produce("a", "before")

    with captured_messages() as messages:
        produce("a", "during")

    assert [message.value for message in messages["a"]] == ["during"]
    assert {record.value for record in memory_broker().records("a")} == {b"before", b"during"}
    memory_broker().reset()


@pytest.mark.parametrize("kafka", [{}, {"producer": {"topics": ["a"]}}, {"heroku_kafka_env": True}])
def test_a_test_needs_no_endpoints(settings, monkeypatch, kafka):
    for name in ("KAFKA_URL", "KAFKA_CLIENT_CERT", "KAFKA_CLIENT_CERT_KEY", "KAFKA_TRUSTED_CERT"):
        monkeypatch.delenv(name, raising=False)
    settings.KAFKA = kafka

    with captured_messages() as messages:
        produce("a", "v")

    assert len(messages["a"]) == 1


@pytest.mark.parametrize("own", [{"endpoints": ["other.invalid:9092"]}, {"ssl": True}])
def test_a_producer_with_a_connection_of_its_own_is_captured(settings, own):
    settings.KAFKA = {**settings.KAFKA, "producer": own}

    with captured_messages() as messages:
        produce("a", "v")

    assert len(messages["a"]) == 1


def test_the_repr_shows_what_a_failed_assertion_needs():
    with captured_messages() as messages:
        produce("a", "v", key="k")

    assert repr(messages) == "<CapturedMessages {'a': [<CapturedMessage a key='k' value='v'>]}>"


@pytest.mark.django_db
def test_what_is_published_is_there_with_its_headers():
    with captured_messages() as messages:
        publish("a", {"id": 1}, key=7)

    (message,) = messages["a"]
    assert (message.key, message.json(), message.partition) == ("7", {"id": 1}, None)
    assert message.header("ce_specversion") == b"1.0"


@pytest.mark.django_db
def test_two_aliases_of_one_database_count_once(monkeypatch):
    monkeypatch.setitem(connections.settings, "pooled", connections.settings["default"])
    monkeypatch.setattr(connections._connections, "pooled", connections["default"], raising=False)

    with captured_messages() as messages:
        publish("a", "v", headers={"ce_id": "own"})
        publish("a", "v", headers={"ce_id": "own"})

    assert [message.value for message in messages["a"]] == ["v", "v"]


@pytest.mark.django_db
def test_what_was_rolled_back_is_not_there():
    with captured_messages() as messages:
        with transaction.atomic():
            publish("a", "rolled back")
            transaction.set_rollback(True)
        with transaction.atomic():
            publish("a", "kept")

    assert [message.value for message in messages["a"]] == ["kept"]


@pytest.mark.django_db
def test_what_was_published_before_is_not_there():
    publish("a", "before")

    with captured_messages() as messages:
        publish("a", "during")
    publish("a", "after")

    assert [message.value for message in messages["a"]] == ["during"]


@pytest.mark.django_db
def test_messages_can_be_looked_at_on_the_way():
    with captured_messages() as messages:
        publish("a", "1")
        on_the_way = [message.value for message in messages["a"]]
        publish("a", "2")

    assert on_the_way == ["1"]
    assert [message.value for message in messages["a"]] == ["1", "2"]


@pytest.mark.django_db
def test_what_was_captured_outlives_its_rows():
    with captured_messages() as messages:
        publish("a", "v")
    OutboxMessage.objects.all().delete()

    assert [message.value for message in messages["a"]] == ["v"]


@pytest.mark.django_db
def test_an_error_inside_is_not_hidden_by_a_broken_transaction():
    def break_the_transaction():
        with transaction.atomic(), captured_messages():
            connection.set_rollback(True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_the_transaction()


def test_the_database_is_not_needed_for_what_is_produced(kafka_messages):
    produce("a", "v")

    assert [message.value for message in kafka_messages["a"]] == ["v"]


@pytest.mark.django_db
def test_the_fixture_has_both_kinds(kafka_messages):
    produce("a", "1")
    publish("a", "2")

    assert [message.value for message in kafka_messages["a"]] == ["1", "2"]


def test_the_fixture_waits_for_the_database(kafka_messages, db):
    publish("a", "v")

    assert [message.value for message in kafka_messages["a"]] == ["v"]


@pytest.mark.django_db
def test_the_fixture_does_not_mind_a_broken_transaction(kafka_messages):
    # Were it to look into the database at its end, that would be an error of this test.
    connection.set_rollback(True)


class InATestCase(TestCase):
    databases = {"default"}

    def test_published_rows_are_read_inside_the_transaction(self):
        with captured_messages() as messages:
            publish("a", "v")

        assert [message.value for message in messages["a"]] == ["v"]


class InATransactionTestCase(TransactionTestCase):
    def test_published_rows_are_read_after_the_commit(self):
        with captured_messages() as messages:
            publish("a", "v")

        assert [message.value for message in messages["a"]] == ["v"]
