"""The properties that librdkafka gets: our defaults, then the settings, then ``"config"``, which has the last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from ...conf.connection import Connection, Sasl, Tls
from ...conf.consumers import ConsumerSettings
from ...conf.contradictions import CLASSIC_GROUP_PROPERTIES
from ...conf.producers import ProducerSettings
from ...conf.security import OAUTHBEARER, is_pem
from ..opening import Properties, TokenSource
from ..transports.choosing import transport_of
from . import names as property_names

DEFAULT_QUEUED_MESSAGES = 20_000
DEFAULT_QUEUED_KBYTES = 16_384
EMBEDDED_FETCH_WAIT_MS = 50
METADATA_REFRESH = "topic.metadata.refresh.interval.ms"
METADATA_REFRESH_MS = 10_000
# With more, the first messages to a new partition can be lost although Kafka acknowledged them (KAFKA-15591).
REQUESTS_IN_FLIGHT = 1
# A cluster that comes back may say for a moment that it has no brokers: librdkafka believes it, forgets all that it
# knew, and goes back to the bootstrap servers only after this; five minutes by default.
BOOTSTRAP_AGAIN_MS = 10_000
# The longest pause between two attempts to connect; ten seconds by default, for which one broker of several may be back
# unnoticed. The first one stays at 100 ms for whoever goes on for long.
RECONNECT_LONGEST_MS = 1_000
# Who asks for a moment begins sooner. A client that starts waits for half of it, and 50 ms are a third of what somebody
# waits for a page: after the first answer it knows which broker is which, and connects once more.
RECONNECT_FIRST_MS = 20
RESET_POLICIES = {"earliest": "earliest", "latest": "latest", "none": "error"}
COMMON = {
    "socket.keepalive.enable": True,
    METADATA_REFRESH: METADATA_REFRESH_MS,
    "metadata.recovery.rebootstrap.trigger.ms": BOOTSTRAP_AGAIN_MS,
    "log.connection.close": False,
}


def consumer_properties(consumer: ConsumerSettings, *, refresh_ms: int = METADATA_REFRESH_MS) -> Properties:
    """Return the properties of the librdkafka consumer that runs ``consumer``.

    With a longer ``refresh_ms`` it asks less often what its topics are like, unless the settings say how often.
    """
    embedded = consumer.connection.transport == "embedded"
    properties = Properties(
        {
            **_connection_properties(consumer.connection),
            METADATA_REFRESH: refresh_ms,
            "client.id": consumer.name,
            "group.id": consumer.consumer_group,
            "group.protocol": consumer.group_protocol,
            "auto.offset.reset": RESET_POLICIES[consumer.offset_reset_policy],
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 10,
            "queued.min.messages": consumer.prefetch_count or DEFAULT_QUEUED_MESSAGES,
            "queued.max.messages.kbytes": _kbytes(consumer.prefetch_bytes) or DEFAULT_QUEUED_KBYTES,
            "allow.auto.create.topics": embedded or consumer.allow_topic_auto_creation,
            # The mock cluster answers a fetch that finds nothing when its time is over, not when something arrives.
            **({"fetch.wait.max.ms": EMBEDDED_FETCH_WAIT_MS} if embedded else {}),
            **_fetch_properties(consumer),
        }
    )
    properties = _overridden(properties, _config(consumer.connection, without=property_names.PRODUCER))
    if embedded:
        properties["group.protocol"] = transport_of(consumer.connection).group_protocol
    if properties["group.protocol"] == "consumer":
        # Given for the embedded broker or with "auto"; elsewhere they are refused with the settings.
        for name in CLASSIC_GROUP_PROPERTIES:
            properties.pop(name, None)
    # The ledger decides what is committed: these stay as they are, whatever "config" says.
    ours = {"enable.auto.commit": False, "enable.auto.offset.store": False, "enable.partition.eof": True}
    return Properties({**properties, **ours})


def producer_properties(producer: ProducerSettings) -> Properties:
    """Return the properties of the librdkafka producer."""
    embedded = producer.connection.transport == "embedded"
    config = _config(producer.connection, without=property_names.CONSUMER)
    properties = Properties(
        {
            **_connection_properties(producer.connection),
            "acks": producer.required_acks,
            "compression.type": producer.compression,
            "linger.ms": producer.linger_ms,
            "max.in.flight.requests.per.connection": REQUESTS_IN_FLIGHT,
            # For md5 and a function of the project the producer gives the partition itself.
            "partitioner": "random" if producer.partition_strategy == "random" else "murmur2_random",
            "allow.auto.create.topics": embedded or producer.allow_topic_auto_creation,
        }
    )
    if producer.client_name:
        properties["client.id"] = producer.client_name
    if producer.max_retries is not None:
        properties["retries"] = producer.max_retries
    if producer.max_batch_size is not None:
        properties["batch.size"] = producer.max_batch_size
    if producer.ack_timeout_ms is not None:
        properties["request.timeout.ms"] = producer.ack_timeout_ms
    if producer.retry_backoff_ms is not None:
        properties["retry.backoff.ms"] = producer.retry_backoff_ms
        properties["retry.backoff.max.ms"] = max(1000, producer.retry_backoff_ms)
    properties = _overridden(properties, config)
    properties.setdefault("enable.idempotence", _can_be_idempotent(properties))
    return properties


def admin_properties(connection: Connection) -> Properties:
    """Return the properties of an admin client, or of another one that asks for a moment."""
    config = _config(connection, without=property_names.CONSUMER | property_names.PRODUCER)
    return _overridden({**_connection_properties(connection), "reconnect.backoff.ms": RECONNECT_FIRST_MS}, config)


def _connection_properties(connection: Connection) -> Properties:
    servers = transport_of(connection).servers(connection)
    properties = Properties({"bootstrap.servers": servers, **COMMON, **_longest_pause(connection.config)})
    if connection.tls is not None:
        properties.update(_tls_properties(connection.tls))
    if connection.sasl is not None:
        properties.update(_sasl_properties(connection.sasl))
    properties["security.protocol"] = _security_protocol(connection)
    return properties


def _longest_pause(config: Mapping[str, Any]) -> dict[str, int]:
    """Of connecting; no shorter than the first one, if ``config`` has that, which librdkafka would refuse."""
    first = str(config.get("reconnect.backoff.ms", ""))
    return {"reconnect.backoff.max.ms": max(RECONNECT_LONGEST_MS, int(first) if first.isdecimal() else 0)}


def _security_protocol(connection: Connection) -> str:
    tls, sasl = connection.tls is not None, connection.sasl is not None
    return {(False, False): "plaintext", (True, False): "ssl", (False, True): "sasl_plaintext"}.get(
        (tls, sasl), "sasl_ssl"
    )


def _tls_properties(tls: Tls) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "enable.ssl.certificate.verification": tls.verify,
        "ssl.endpoint.identification.algorithm": "https" if tls.verify and tls.verify_hostname else "none",
    }
    for name, value in (("ssl.ca", tls.ca), ("ssl.certificate", tls.cert), ("ssl.key", tls.key)):
        if value is not None:
            properties[f"{name}.{'pem' if is_pem(value) else 'location'}"] = value
    return properties


def _sasl_properties(sasl: Sasl) -> dict[str, Any]:
    if sasl.mechanism == OAUTHBEARER:
        # Without login and password the token comes from "oauth_cb", or from another method in "config".
        credentials = {"sasl.oauthbearer.client.id": sasl.login, "sasl.oauthbearer.client.secret": sasl.password}
        oidc = {"sasl.oauthbearer.method": "oidc", **credentials} if sasl.login else {}
        return {"sasl.mechanism": sasl.mechanism, **oidc}
    return {"sasl.mechanism": sasl.mechanism, "sasl.username": sasl.login, "sasl.password": sasl.password}


def _fetch_properties(consumer: ConsumerSettings) -> dict[str, Any]:
    properties = {
        "fetch.message.max.bytes": consumer.max_bytes,
        # librdkafka has no 0: it answers as soon as there is a byte, which is what Kaffe's 0 means.
        "fetch.min.bytes": None if consumer.min_bytes is None else max(1, consumer.min_bytes),
        "fetch.wait.max.ms": consumer.max_wait_time_ms,
    }
    return {name: value for name, value in properties.items() if value is not None}


def _kbytes(size: int | None) -> int | None:
    return None if size is None else -(-size // 1024)


def _config(connection: Connection, *, without: frozenset[str]) -> Properties:
    """Return the raw properties that suit the client: those at the top are for all of them."""
    config = Properties({name: value for name, value in connection.config.items() if name not in without})
    callback = config.get("oauth_cb")
    if callback is not None:
        config["oauth_cb"] = TokenSource(import_string(callback) if isinstance(callback, str) else callback)
    return config


def _overridden(properties: dict[str, Any], config: dict[str, Any]) -> Properties:
    """Return ``config`` over ``properties``, where a property and its alias are one."""
    given = {property_names.ALIASES.get(name, name): value for name, value in config.items()}
    kept = {name: value for name, value in properties.items() if property_names.ALIASES.get(name, name) not in given}
    return Properties({**kept, **config})


def _can_be_idempotent(properties: dict[str, Any]) -> bool:
    named = {property_names.ALIASES.get(name, name): value for name, value in properties.items()}
    acks = str(named.get("request.required.acks", -1))
    retries = int(named.get("message.send.max.retries", 1))
    return acks in {"-1", "all"} and retries >= 1
