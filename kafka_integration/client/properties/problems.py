"""What librdkafka thinks of raw properties, asked without making a client: no thread, no file, no connection."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from ...conf.connection import Connection
from ...conf.consumers import ConsumerSettings
from ...conf.frozen import RawProperties
from ...conf.parse import Client
from ...conf.producers import ProducerSettings
from ...conf.security import SECURITY_PREFIXES
from .build import consumer_properties, producer_properties
from .names import COMMON, CONSUMER, PRODUCER

# librdkafka looks at properties in order and stops at the first bad one: if that is this one, the others are good.
_NO_SUCH_PROPERTY = "kafka_integration.no.such.property"
# Chosen after all properties were looked at together, and before anything is started.
_NO_SUCH_MECHANISM = "KAFKA-INTEGRATION-NO-SUCH"
_SECRET = re.compile(r"^sasl\.|password|passphrase|secret|token|key|jaas|pem|config|username|userinfo", re.IGNORECASE)
_CALLBACKS = ("oauth_cb",)


def property_problem(name: str, value: Any, client: Client) -> str | None:
    """Return what is wrong with a raw property, and what to do; None where nothing is. Secrets are not shown."""
    other = {"consumer": PRODUCER, "producer": CONSUMER}.get(client, frozenset[str]())
    if name in _CALLBACKS:
        return None
    if name in other:
        owner, place = ("consumers", "their") if client == "producer" else ("the producer", "its")
        return f'is a property of {owner}: put it into {place} "config"'
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        return f"has a {type(value).__name__} that librdkafka can't take: use a str, a number, True or False"
    refusal = _refusal(name, value)
    if refusal is None:
        return None
    if refusal.startswith("No such configuration property"):
        return f"is no property of librdkafka: {_nearest(name)}"
    return "has a value that librdkafka refuses" if _SECRET.search(name) else f"is refused by librdkafka: {refusal}"


def consumer_problem(consumer: ConsumerSettings) -> str | None:
    """Return why librdkafka would refuse the properties of ``consumer`` together; None where it wouldn't."""
    if consumer.connection.transport != "kafka":
        return None
    # Of the protocols the classic one takes every property: under "auto" the other is given fewer of them.
    protocol = "classic" if consumer.group_protocol == "auto" else consumer.group_protocol
    tried = replace(consumer, connection=_without_security(consumer.connection), group_protocol=protocol)
    return _refusal_together(Consumer, consumer_properties(tried))


def producer_problem(producer: ProducerSettings) -> str | None:
    """Return why librdkafka would refuse the properties of ``producer`` together; None where it wouldn't."""
    if producer.connection.transport != "kafka":
        return None
    return _refusal_together(
        Producer, producer_properties(replace(producer, connection=_without_security(producer.connection)))
    )


def _refusal(name: str, value: Any) -> str | None:
    try:
        Producer({name: value, _NO_SUCH_PROPERTY: ""})
    except KafkaException as error:
        text = str(error.args[0].str()).strip()
        return None if _NO_SUCH_PROPERTY in text else text
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _refusal_together(client: Any, properties: dict[str, Any]) -> str | None:
    try:
        client({**properties, "security.protocol": "sasl_plaintext", "sasl.mechanism": _NO_SUCH_MECHANISM})
    except KafkaException as error:
        text = str(error.args[0].str()).strip()
        return None if _NO_SUCH_MECHANISM in text else text.partition(": ")[2] or text
    return None


def _without_security(connection: Connection) -> Connection:
    config = {name: value for name, value in connection.config.items() if not name.startswith(SECURITY_PREFIXES)}
    return Connection(servers=("localhost:9092",), config=RawProperties(config))


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, sorted(COMMON | CONSUMER | PRODUCER), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else "its documentation lists them in CONFIGURATION.md"
