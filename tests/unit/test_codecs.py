"""What may stand at the dotted path of a serializer or deserializer."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from django.test import override_settings

from kafka_integration.codecs import PlacedCodec, SerializationContext, load_codec, why_no_codec
from kafka_integration.errors import ConfigurationError
from kafka_integration.unavailability import description_of, unavailability_of
from tests.unit import codecs

CONTEXT = SerializationContext("orders", "value", [("a", b"1")])


@pytest.fixture(autouse=True)
def nothing_made():
    codecs.reset()
    load_codec.cache_clear()


def called(name: str, data: Any = b"x") -> Any:
    codec = load_codec(f"tests.unit.codecs.{name}")
    return codec(data, CONTEXT) if isinstance(codec, PlacedCodec) else codec(data)


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("plain", "plain x"),
        ("placed", "orders value x"),
        ("instance", "orders value x"),
        ("Made", "orders value x"),
        ("factory", "orders value x"),
        ("factory_of_plain", "plain x"),
    ],
)
def test_functions_objects_classes_and_what_makes_one_can_be_named(name, result):
    assert called(name) == result


def test_one_that_is_told_where_gets_topic_field_and_headers():
    called("placed")

    assert codecs.contexts == [("orders", "value", [("a", b"1")])]


def test_what_makes_one_is_called_once_and_not_before_it_is_needed():
    codec = load_codec("tests.unit.codecs.factory")
    assert codecs.made == []

    called("factory")
    called("factory")

    assert codecs.made == ["factory"]
    assert load_codec("tests.unit.codecs.factory") is codec


def test_a_process_does_not_use_what_its_parent_made(monkeypatch):
    called("factory")
    monkeypatch.setattr(os, "getpid", lambda: 1)

    called("factory")

    assert codecs.made == ["factory", "factory"]


def test_what_could_not_be_made_is_made_at_the_next_try():
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            called("factory_that_fails")

    assert called("factory_that_fails") == "plain x"


def test_changed_settings_have_them_made_anew():
    called("factory")

    with override_settings(SCHEMA_REGISTRY_URL="elsewhere"):
        called("factory")

    assert codecs.made == ["factory", "factory"]


@pytest.mark.parametrize("path", ["zlib.decompress", "json.loads", "codecs.decode", "builtins.str", "uuid.UUID"])
def test_a_second_argument_of_something_else_is_no_context(path):
    assert not isinstance(load_codec(path), PlacedCodec)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not_callable", "it is int, no function"),
        ("asynchronous", "it is async: give the one that isn't"),
        ("asynchronous_instance", "it is async"),
        ("NeedsArguments", "its class needs arguments: give the path of an object made of it"),
        ("takes_three", "it can't be called with 1 argument (data), nor with 2 (data, context)"),
        ("nothing", "can't be imported"),
    ],
)
def test_what_cannot_be_one_is_refused_with_the_reason(name, reason):
    with pytest.raises(ConfigurationError) as caught:
        load_codec(f"tests.unit.codecs.{name}")

    assert reason in str(caught.value)


def test_what_makes_something_else_is_refused_when_it_does():
    with pytest.raises(ConfigurationError, match=r"what 'tests.unit.codecs.factory_of_nothing' makes is no serializer"):
        called("factory_of_nothing")


def test_looking_makes_nothing():
    assert why_no_codec(codecs.factory) is None
    assert codecs.made == []


class RegistryError(Exception):
    """As confluent's."""

    def __init__(self, status: int, code: int) -> None:
        super().__init__(f"https://user:password@registry said {status}")
        self.http_status_code, self.error_code = status, code


def caused(error: Exception) -> Exception:
    outer = ValueError("payload")
    outer.__cause__ = error
    return outer


def met_while_handling(outage: Exception) -> Exception:
    """A bad value, which somebody looked at while dealing with an outage of something else."""
    try:
        try:
            raise outage
        except ConnectionRefusedError:
            raise ValueError("no Avro")  # noqa: B904 - as it happens
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        *(RegistryError(status, status * 100 + 1) for status in (500, 503, 429, 408, 401, 403)),
        # The word of a proxy, not of the registry.
        RegistryError(404, -1),
        RegistryError(404, 404),
        ConnectionRefusedError(),
        TimeoutError(),
        caused(RegistryError(503, 50301)),
        type("ConnectError", (type("TransportError", (Exception,), {"__module__": "httpx"}),), {})(),
        URLError(ConnectionRefusedError()),
        type("ReadTimeout", (type("Timeout", (OSError,), {"__module__": "requests.exceptions"}),), {})(),
    ],
    ids=repr,
)
def test_what_time_heals_is_told_from_what_it_does_not(error):
    assert unavailability_of(error)


@pytest.mark.parametrize(
    "error",
    [
        RegistryError(404, 40403),
        RegistryError(404, 40401),
        RegistryError(409, 409),
        RegistryError(422, 42201),
        caused(RegistryError(404, 40403)),
        ValueError("no Avro"),
        FileNotFoundError(),
        HTTPError("http://registry", 404, "no", {}, None),
        met_while_handling(ConnectionRefusedError()),
    ],
    ids=repr,
)
def test_what_a_registry_says_of_a_schema_is_final(error):
    assert unavailability_of(error) is None


def test_an_error_is_described_without_its_text():
    assert description_of(caused(RegistryError(404, 40403))) == "RegistryError (HTTP 404, code 40403)"
    assert description_of(socket.gaierror("secret")) == "gaierror"
