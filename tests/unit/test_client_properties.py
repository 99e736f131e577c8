"""What librdkafka is told: our defaults, the settings over them, raw properties over both."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaException, Producer
from django.test import RequestFactory
from django.views.debug import technical_500_response

from kafka_integration.client.metadata.topic_sizes import TopicSizes
from kafka_integration.client.producers.ordered import OrderedProducer
from kafka_integration.client.properties.build import admin_properties, consumer_properties, producer_properties
from kafka_integration.client.properties.problems import consumer_problem, producer_problem, property_problem
from kafka_integration.client.topic_reader import TopicReader
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerError, ConfigurationError
from kafka_integration.producing.produce import produce_sync
from tests.services.certificates import CertificateAuthority
from tests.unit.kafka_settings import CONSUMER, read_consumer, read_producer

pytestmark = pytest.mark.usefixtures("project_alone")

SECRET = "s3cret-of-ann"


def test_a_consumer_fetches_fast_and_leaves_commits_to_us(settings: Any) -> None:
    properties = consumer_properties(read_consumer(settings))

    assert properties["bootstrap.servers"] == "localhost:9092"
    assert properties["group.id"] == "shop"
    assert properties["client.id"] == "audit"
    assert properties["group.protocol"] == "classic"
    assert properties["security.protocol"] == "plaintext"
    assert properties["isolation.level"] == "read_committed"
    assert properties["enable.auto.commit"] is False
    assert properties["enable.auto.offset.store"] is False
    assert properties["enable.partition.eof"] is True
    assert properties["fetch.queue.backoff.ms"] == 10
    assert properties["queued.min.messages"] == 20_000
    assert properties["queued.max.messages.kbytes"] == 16_384
    assert properties["allow.auto.create.topics"] is False
    assert consumer_problem(get_settings().consumers["audit"]) is None


def test_every_client_goes_back_to_the_bootstrap_servers_soon(settings: Any) -> None:
    # Of a broker that was frozen a cluster says for a moment that it has none, and librdkafka forgets it.
    consumer, producer = read_consumer(settings), read_producer(settings)

    for properties in (
        consumer_properties(consumer),
        producer_properties(producer),
        admin_properties(producer.connection),
    ):
        assert properties["metadata.recovery.rebootstrap.trigger.ms"] == 10_000


@pytest.mark.parametrize(
    ("config", "longest_ms"),
    [
        ({}, 1_000),
        ({"reconnect.backoff.max.ms": "60000"}, "60000"),
        ({"reconnect.backoff.ms": 5_000}, 5_000),
        ({"reconnect.backoff.ms": "5000", "reconnect.backoff.max.ms": "20000"}, "20000"),
    ],
)
def test_every_client_tries_a_broker_that_is_away_once_a_second_at_least(
    config: dict[str, Any], longest_ms: object, settings: Any
) -> None:
    consumer, producer = read_consumer(settings, config=config), read_producer(settings, config=config)

    lasting, asking = (
        (consumer_properties(consumer), producer_properties(producer)),
        admin_properties(producer.connection),
    )
    for properties in (*lasting, asking):
        assert properties["reconnect.backoff.max.ms"] == longest_ms
    assert {each.get("reconnect.backoff.ms") for each in lasting} == {config.get("reconnect.backoff.ms")}
    # It waits for half of this when it starts.
    assert asking["reconnect.backoff.ms"] == config.get("reconnect.backoff.ms", 20)
    assert consumer_problem(consumer) is None
    assert producer_problem(producer) is None


def test_a_first_pause_that_is_no_number_is_refused_by_name(settings: Any) -> None:
    problem = consumer_problem(read_consumer(settings, config={"reconnect.backoff.ms": "soon"}))

    assert problem is not None
    assert "reconnect.backoff.ms" in str(problem)


@pytest.mark.parametrize(
    ("keys", "name", "value"),
    [
        ({"offset_reset_policy": "none"}, "auto.offset.reset", "error"),
        ({"offset_reset_policy": "latest"}, "auto.offset.reset", "latest"),
        ({"start_with_earliest_message": False}, "auto.offset.reset", "earliest"),
        ({"max_bytes": 100_000}, "fetch.message.max.bytes", 100_000),
        ({"min_bytes": 10_000}, "fetch.min.bytes", 10_000),
        ({"min_bytes": 0}, "fetch.min.bytes", 1),
        ({"max_wait_time": 1_000}, "fetch.wait.max.ms", 1_000),
        ({"prefetch_count": 10}, "queued.min.messages", 10),
        ({"prefetch_bytes": 102_400}, "queued.max.messages.kbytes", 100),
        ({"prefetch_bytes": 1}, "queued.max.messages.kbytes", 1),
        ({"allow_topic_auto_creation": True}, "allow.auto.create.topics", True),
        ({"group_protocol": "consumer"}, "group.protocol", "consumer"),
        ({"config": {"fetch.queue.backoff.ms": 50}}, "fetch.queue.backoff.ms", 50),
        (
            {"config": {"partition.assignment.strategy": "cooperative-sticky"}},
            "partition.assignment.strategy",
            "cooperative-sticky",
        ),
    ],
)
def test_a_key_of_a_consumer_becomes_a_property(keys: dict[str, Any], name: str, value: Any, settings: Any) -> None:
    assert consumer_properties(read_consumer(settings, **keys))[name] == value
    assert consumer_problem(get_settings().consumers["audit"]) is None


def test_a_property_and_its_alias_are_one(settings: Any) -> None:
    properties = consumer_properties(
        read_consumer(settings, max_bytes=100_000, config={"max.partition.fetch.bytes": 200_000})
    )

    assert properties["max.partition.fetch.bytes"] == 200_000
    assert "fetch.message.max.bytes" not in properties


def test_a_producer_is_idempotent_and_places_keys_as_java_does(settings: Any) -> None:
    properties = producer_properties(read_producer(settings))

    assert properties["acks"] == -1
    assert properties["enable.idempotence"] is True
    assert properties["partitioner"] == "murmur2_random"
    assert properties["compression.type"] == "none"
    assert properties["linger.ms"] == 5
    assert producer_problem(get_settings().producer) is None


@pytest.mark.parametrize(
    ("keys", "name", "value"),
    [
        ({"required_acks": 1}, "acks", 1),
        ({"max_retries": 3}, "retries", 3),
        ({"compression": "zstd"}, "compression.type", "zstd"),
        ({"linger_ms": 0}, "linger.ms", 0),
        ({"max_batch_size": 1_048_576}, "batch.size", 1_048_576),
        ({"retry_backoff_ms": 500}, "retry.backoff.ms", 500),
        ({"retry_backoff_ms": 5_000}, "retry.backoff.max.ms", 5_000),
        ({"ack_timeout": 1_000}, "request.timeout.ms", 1_000),
        ({"client_name": "shop"}, "client.id", "shop"),
        ({"partition_strategy": "random"}, "partitioner", "random"),
        ({"partition_strategy": "md5"}, "partitioner", "murmur2_random"),
        ({"allow_topic_auto_creation": True}, "allow.auto.create.topics", True),
        ({"config": {"message.timeout.ms": 5_000}}, "message.timeout.ms", 5_000),
    ],
)
def test_a_key_of_the_producer_becomes_a_property(keys: dict[str, Any], name: str, value: Any, settings: Any) -> None:
    assert producer_properties(read_producer(settings, **keys))[name] == value
    assert producer_problem(get_settings().producer) is None


@pytest.mark.parametrize(
    ("keys", "idempotent"),
    [
        ({"required_acks": 1}, False),
        ({"required_acks": 0}, False),
        ({"max_retries": 0}, False),
        ({"max_retries": 1}, True),
        ({"config": {"acks": "1"}}, False),
        ({"config": {"request.required.acks": "all"}}, True),
        ({"config": {"message.send.max.retries": 0}}, False),
        ({"config": {"enable.idempotence": False}}, False),
    ],
)
def test_a_producer_is_idempotent_unless_acks_or_retries_forbid_it(
    keys: dict[str, Any], idempotent: bool, settings: Any
) -> None:
    assert producer_properties(read_producer(settings, **keys))["enable.idempotence"] is idempotent
    assert producer_problem(get_settings().producer) is None


@pytest.mark.parametrize("careful", [False, True])
def test_the_relays_producer_is_safe_whatever_the_settings_say(
    careful: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    daring = {"message.timeout.ms": 5_000, "max.in.flight": 5, "retries": 2, "enable.idempotence": False}
    opened: list[dict[str, Any]] = []
    monkeypatch.setattr(confluent_kafka, "Producer", opened.append)

    OrderedProducer(read_producer(settings, required_acks=1, config=daring), name="relay", careful=careful)

    (properties,) = opened
    assert properties["request.required.acks"] == -1
    assert properties["enable.idempotence"] is True
    assert properties["enable.gapless.guarantee"] is not careful
    assert properties["max.in.flight.requests.per.connection"] == 1
    assert properties["message.send.max.retries"] == 2**31 - 1
    assert properties["message.timeout.ms"] == 0
    assert not {"acks", "max.in.flight", "retries"} & properties.keys(), "an alias could win over ours"


def test_each_client_gets_the_raw_properties_that_are_for_it(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "config": {"client.rack": "eu-1", "session.timeout.ms": 30_000, "batch.num.messages": 7},
        "consumers": {"audit": CONSUMER},
    }
    kafka = get_settings()

    consumer = consumer_properties(kafka.consumers["audit"])
    producer = producer_properties(kafka.producer)
    admin = admin_properties(kafka.connection)

    assert {"client.rack", "session.timeout.ms"} <= set(consumer)
    assert "batch.num.messages" not in consumer
    assert {"client.rack", "batch.num.messages"} <= set(producer)
    assert "session.timeout.ms" not in producer
    assert "client.rack" in admin
    assert not {"session.timeout.ms", "batch.num.messages"} & set(admin)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"ssl": True}, {"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "https"}),
        ({"ssl": {"ca": "/etc/ca.pem"}}, {"ssl.ca.location": "/etc/ca.pem"}),
        (
            {"ssl": {"ca": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"}},
            {"ssl.ca.pem": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"},
        ),
        (
            {"ssl": {"cert": "/etc/c.pem", "key": "/etc/k.pem"}},
            {"ssl.certificate.location": "/etc/c.pem", "ssl.key.location": "/etc/k.pem"},
        ),
        (
            {"ssl": {"verify": False}},
            {"enable.ssl.certificate.verification": False, "ssl.endpoint.identification.algorithm": "none"},
        ),
        (
            {"ssl": {"verify_hostname": False}},
            {"enable.ssl.certificate.verification": True, "ssl.endpoint.identification.algorithm": "none"},
        ),
        (
            {"sasl": {"mechanism": "plain", "login": "ann", "password": SECRET}},
            {
                "security.protocol": "sasl_plaintext",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "ann",
                "sasl.password": SECRET,
            },
        ),
        (
            {"ssl": True, "sasl": {"mechanism": "scram_sha_512", "login": "ann", "password": SECRET}},
            {"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512"},
        ),
        (
            {
                "sasl": {"mechanism": "oauthbearer", "login": "ann", "password": SECRET},
                "config": {"sasl.oauthbearer.token.endpoint.url": "https://x"},
            },
            {
                "sasl.mechanism": "OAUTHBEARER",
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.client.id": "ann",
                "sasl.oauthbearer.client.secret": SECRET,
            },
        ),
        (
            {"sasl": {"mechanism": "oauthbearer"}, "config": {"oauth_cb": "tests.unit.handlers_for_checks.decode"}},
            {"sasl.mechanism": "OAUTHBEARER"},
        ),
    ],
)
def test_security_becomes_properties_of_every_client(
    keys: dict[str, Any], expected: dict[str, Any], settings: Any
) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], **keys, "consumers": {"audit": CONSUMER}}
    kafka = get_settings()

    for properties in (
        consumer_properties(kafka.consumers["audit"]),
        producer_properties(kafka.producer),
        admin_properties(kafka.connection),
    ):
        assert {name: properties.get(name) for name in expected} == expected


@pytest.mark.parametrize("as_text", [False, True], ids=["files", "PEM text"])
def test_librdkafka_loads_certificates_from_files_and_from_text(as_text: bool, settings: Any, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl isn't installed")
    authority = CertificateAuthority(tmp_path)
    pair = authority.issue("client")
    files = {"ca": authority.certificate, "cert": pair.certificate, "key": pair.key}
    settings.KAFKA = {
        "endpoints": ["127.0.0.1:1"],
        "ssl": {name: file.read_text() if as_text else file for name, file in files.items()},
        "config": {"log_level": 0},
    }

    properties = producer_properties(get_settings().producer)

    # Loaded when the client is made: what can't be read, or doesn't fit, raises here.
    Producer(properties)
    other_key = authority.issue("other").key
    wrong_key = {"ssl.key.pem": other_key.read_text()} if as_text else {"ssl.key.location": str(other_key)}
    with pytest.raises(KafkaException):
        Producer({**properties, **wrong_key})


def test_a_function_for_tokens_is_imported(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "sasl": {"mechanism": "oauthbearer"},
        "config": {"oauth_cb": "tests.unit.handlers_for_checks.decode"},
    }

    assert callable(admin_properties(get_settings().connection)["oauth_cb"])


def test_the_embedded_broker_is_found_and_its_groups_use_the_consumer_protocol(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kafka_integration.client.transports.embedded.embedded_servers", lambda: "127.0.0.1:5555")
    settings.KAFKA = {
        "endpoints": "embedded",
        "config": {"session.timeout.ms": 30_000, "partition.assignment.strategy": "range"},
        "consumers": {"audit": CONSUMER},
    }
    kafka = get_settings()

    consumer, producer = consumer_properties(kafka.consumers["audit"]), producer_properties(kafka.producer)

    assert consumer["bootstrap.servers"] == producer["bootstrap.servers"] == "127.0.0.1:5555"
    assert consumer["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "partition.assignment.strategy"} & set(consumer)
    # Topics appear there on first use; nobody creates them.
    assert consumer["allow.auto.create.topics"] is producer["allow.auto.create.topics"] is True


def test_a_connection_without_servers_is_refused_before_a_client_is_made(settings: Any) -> None:
    settings.KAFKA = {"consumers": {"audit": {**CONSUMER, "endpoints": ["h1:9092"]}}}

    with pytest.raises(ConfigurationError, match="is missing: say where Kafka is"):
        producer_properties(get_settings().producer)


@pytest.mark.parametrize(
    ("name", "value", "client", "expected"),
    [
        ("lingerms", 5, "producer", 'is no property of librdkafka: did you mean "linger.ms"?'),
        ("zzz", 5, "any", "is no property of librdkafka: its documentation lists them"),
        ("session.timeout.ms", 30_000, "producer", "is a property of consumers"),
        ("linger.ms", 5, "consumer", "is a property of the producer"),
        ("session.timeout.ms", 0, "consumer", "value 0 is outside allowed range 1..3600000"),
        ("session.timeout.ms", -1, "consumer", "outside allowed range"),
        ("session.timeout.ms", True, "consumer", "is refused by librdkafka"),
        ("session.timeout.ms", float("nan"), "consumer", "has a float that librdkafka can't take"),
        ("isolation.level", "dirty", "consumer", 'Invalid value "dirty"'),
        ("client.rack", None, "any", "has a NoneType that librdkafka can't take"),
        ("client.rack", ["a"], "any", "has a list that librdkafka can't take"),
        ("ssl.key.location", ["a"], "any", "has a list that librdkafka can't take"),
    ],
)
def test_librdkafka_says_what_is_wrong_with_a_property(
    name: str, value: Any, client: Any, expected: str | None
) -> None:
    problem = property_problem(name, value, client)

    assert problem == expected if expected is None else expected in str(problem)


def test_a_refused_secret_is_not_shown() -> None:
    problem = property_problem("sasl.oauthbearer.method", SECRET, "any")

    assert problem == "has a value that librdkafka refuses"


def test_properties_that_librdkafka_refuses_together_are_found_without_a_client(settings: Any) -> None:
    consumer = read_consumer(settings, config={"fetch.max.bytes": 5})

    assert consumer_problem(consumer) == "`fetch.max.bytes` must be >= `message.max.bytes`"


def test_looking_at_properties_starts_no_thread_and_opens_no_file() -> None:
    code = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "activitylog.settings"
django.setup()
from kafka_integration.client.properties.problems import consumer_problem, producer_problem, property_problem
from kafka_integration.conf.connection import Connection, Tls
from kafka_integration.conf.consumers import ConsumerSettings
from kafka_integration.conf.producers import ProducerSettings
connection = Connection(servers=("h:1",), tls=Tls(ca="/nowhere"))
consumer = ConsumerSettings(name="a", connection=connection, topics=("t",), consumer_group="g", message_handler="a.b")
assert consumer_problem(consumer) is None
assert producer_problem(ProducerSettings(connection=connection)) is None
assert property_problem("linger.ms", 5, "any") is None
print(len(os.listdir("/proc/self/task")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.stderr) == ("1\n", "")


def produce_one() -> None:
    produce_sync("t", "v", timeout=1)


def read_one() -> None:
    TopicReader(get_settings().connection, "t", "earliest")


def count_all() -> None:
    TopicSizes(get_settings().connection).read()


@pytest.mark.parametrize("use", [produce_one, read_one, count_all])
def test_a_debug_page_shows_no_secrets(use: Callable[[], None], settings: Any, rf: RequestFactory) -> None:
    settings.KAFKA = {
        "endpoints": ["127.0.0.1:1"],
        "ssl": {"ca": "/nowhere/ca.pem"},
        "sasl": {"mechanism": "plain", "login": "ann", "password": SECRET},
        "config": {"ssl.key.password": SECRET},
    }

    with pytest.raises(BrokerError) as raised:
        use()

    page = technical_500_response(rf.get("/"), raised.type, raised.value, raised.value.__traceback__)
    shown = page.content.decode()
    assert "&lt;Properties" in shown
    assert SECRET not in shown
