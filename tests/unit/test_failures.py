"""librdkafka's errors in clear words: whose, what, and what to do about it."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_integration.client.errors.causes import CAUSES
from kafka_integration.client.errors.translate import is_retriable, translate, without_secrets
from kafka_integration.errors import AccessDeniedError, BrokerError, BrokerUnavailableError


def kafka_error(code: str, reason: str | None = None, *, fatal: bool = False) -> KafkaError:
    return KafkaError(getattr(KafkaError, code), reason, fatal)


@pytest.mark.parametrize(
    ("code", "kind", "retriable", "said"),
    [
        ("UNKNOWN_TOPIC_OR_PART", BrokerError, True, "does not exist"),
        ("_UNKNOWN_TOPIC", BrokerError, True, "does not exist"),
        ("LEADER_NOT_AVAILABLE", BrokerError, True, "no leader"),
        ("TOPIC_EXCEPTION", BrokerError, False, "topic name"),
        ("TOPIC_AUTHORIZATION_FAILED", AccessDeniedError, False, "WRITE on the topic"),
        ("GROUP_AUTHORIZATION_FAILED", AccessDeniedError, False, "READ on the group"),
        ("CLUSTER_AUTHORIZATION_FAILED", AccessDeniedError, False, "IDEMPOTENT_WRITE"),
        ("_AUTHENTICATION", AccessDeniedError, False, 'KAFKA["sasl"]'),
        ("_SSL", AccessDeniedError, False, 'KAFKA["ssl"]'),
        ("_ALL_BROKERS_DOWN", BrokerUnavailableError, True, 'KAFKA["endpoints"]'),
        ("_TRANSPORT", BrokerUnavailableError, True, "no broker can be reached"),
        ("_RESOLVE", BrokerUnavailableError, True, "host name"),
        ("_TIMED_OUT", BrokerError, True, "did not answer in time"),
        ("_MSG_TIMED_OUT", BrokerError, True, "not confirmed in time"),
        ("MSG_SIZE_TOO_LARGE", BrokerError, False, "max.message.bytes"),
        ("_QUEUE_FULL", BrokerError, True, "queue.buffering.max.messages"),
        ("NOT_ENOUGH_REPLICAS", BrokerError, True, "min.insync.replicas"),
        ("INVALID_RECORD", BrokerError, False, "compacted"),
        ("FENCED_INSTANCE_ID", BrokerError, False, "group.instance.id"),
        ("UNRELEASED_INSTANCE_ID", BrokerError, False, "group.instance.id"),
        ("INCONSISTENT_GROUP_PROTOCOL", BrokerError, False, "partition.assignment.strategy"),
        ("_AUTO_OFFSET_RESET", BrokerError, False, "offset_reset_policy"),
    ],
)
def test_an_error_says_whose_it_is_what_it_means_and_what_to_do(
    code: str, kind: type[BrokerError], retriable: bool, said: str
) -> None:
    error = translate(kafka_error(code), place="topic login")

    assert type(error) is kind
    assert (error.code, error.retriable, error.fatal) == (code, retriable, False)
    assert str(error).startswith("topic login: ")
    assert code in str(error)
    assert said in str(error)


def test_an_exception_is_translated_like_the_error_it_carries() -> None:
    error = kafka_error("_TRANSPORT", "127.0.0.1:9092/1: Connection refused")

    assert str(translate(KafkaException(error))) == str(translate(error))
    assert "127.0.0.1:9092/1: Connection refused" in str(translate(error))


def test_a_code_without_words_keeps_the_brokers_own() -> None:
    error = translate(kafka_error("INVALID_TXN_STATE", "odd state"))

    assert (error.code, error.retriable) == ("INVALID_TXN_STATE", False)
    assert "odd state" in str(error)


def test_an_exception_that_carries_no_error_is_still_translated() -> None:
    assert "odd" in str(translate(KafkaException("odd")))


def test_a_fatal_error_is_never_worth_waiting_for() -> None:
    error = kafka_error("_TRANSPORT", "gone", fatal=True)

    assert translate(error).fatal
    assert not translate(error).retriable
    assert not is_retriable(error)


@pytest.mark.parametrize(
    ("code", "reason", "kind", "said"),
    [
        ("_SSL", "certificate verify failed: Hostname mismatch, not valid for 'kafka'", AccessDeniedError, "host name"),
        ("_SSL", "certificate verify failed: certificate has expired", AccessDeniedError, "out of date"),
        ("_SSL", "error:0A000086:SSL routines::certificate verify failed", AccessDeniedError, '"ca"'),
        ("_SSL", "error:0A00010B:SSL routines::wrong version number", AccessDeniedError, "does not speak TLS"),
        ("_TRANSPORT", "tlsv13 alert certificate required", AccessDeniedError, '"cert" and "key"'),
        ("_TRANSPORT", "Disconnected (after 1ms in state APIVERSION_QUERY)", BrokerUnavailableError, "TLS or SASL"),
        ("_TRANSPORT", "broker might require SASL authentication", BrokerUnavailableError, "TLS or SASL"),
        ("_TRANSPORT", "connecting to a PLAINTEXT broker listener?", BrokerUnavailableError, "no TLS listener"),
    ],
)
def test_a_handshake_that_fails_names_the_reason(code: str, reason: str, kind: type[BrokerError], said: str) -> None:
    error = translate(kafka_error(code, reason))

    assert type(error) is kind
    assert said in str(error)


@pytest.mark.parametrize(
    "detail",
    [
        'Invalid value "s3cret" for configuration property "sasl.password"',
        'Invalid value "s3cret" for configuration property "ssl.key.pem"',
        "Failed to connect to sasl_ssl://login:s3cret@kafka:9093",
    ],
)
def test_secrets_are_taken_out_of_what_librdkafka_quotes(detail: str) -> None:
    assert "s3cret" not in without_secrets(detail)
    assert "s3cret" not in str(translate(kafka_error("_INVALID_ARG", detail)))


def test_every_code_with_words_is_one_that_librdkafka_has() -> None:
    assert [code for code in CAUSES if not hasattr(KafkaError, code)] == []
