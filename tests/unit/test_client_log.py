"""What an operator reads when Kafka is away or refuses us: a line, not a flood."""

from __future__ import annotations

import json
import logging

import pytest
from confluent_kafka import KafkaError

from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.errors import AccessDeniedError, BrokerUnavailableError

REFUSED = "127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock, caplog: pytest.LogCaptureFixture) -> ClientLog:
    caplog.set_level(logging.INFO, "kafka_integration.client")
    return ClientLog("producer", {}, clock=clock)


def fail(log: ClientLog, code: str, reason: str = "") -> None:
    log.on_error(KafkaError(getattr(KafkaError, code), reason or None))


def broker_away(log: ClientLog) -> None:
    fail(log, "_TRANSPORT", REFUSED)
    fail(log, "_ALL_BROKERS_DOWN", "1/1 brokers are down")


def statistics(state: str, up_for_microseconds: int = 5_000_000) -> str:
    broker = {"nodename": "127.0.0.1:9092", "state": state, "stateage": up_for_microseconds}
    return json.dumps({"brokers": {"127.0.0.1:9092/1": broker}})


def test_an_outage_costs_one_line_with_address_and_reason(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    broker_away(log)
    for _ in range(100):
        fail(log, "_TRANSPORT", REFUSED)

    (line,) = caplog.messages
    assert "producer" in line
    assert "127.0.0.1:9092" in line
    assert "Connection refused" in line
    assert line.endswith('Check that Kafka runs and that KAFKA["endpoints"] names it. It is tried again by itself.')


def test_an_error_promises_no_other_try_as_it_may_be_a_commands_last(log: ClientLog) -> None:
    broker_away(log)

    assert str(log.unreachable).endswith('Check that Kafka runs and that KAFKA["endpoints"] names it.')


def test_a_long_outage_is_said_again_each_minute(
    log: ClientLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    broker_away(log)
    for _ in range(150):
        clock.now += 1
        fail(log, "_TRANSPORT", REFUSED)

    assert len(caplog.messages) == 3
    assert "for 120 s now" in caplog.messages[-1]


def test_an_outage_that_turns_out_to_have_another_reason_is_said_again(
    log: ClientLog, caplog: pytest.LogCaptureFixture
) -> None:
    closed = "127.0.0.1:9092/1: Disconnected: connection closed by peer (after 574ms in state UP)"
    log.log(logging.INFO, "%s [%s] %s", "FAIL", "rdkafka#producer-1", f"[thrd:{closed}]: {closed}")
    fail(log, "_ALL_BROKERS_DOWN", "1/1 brokers are down")
    for _ in range(100):
        fail(log, "_TRANSPORT", REFUSED)

    assert ["TLS or SASL" in line for line in caplog.messages] == [True, False]
    assert "Connection refused" in caplog.messages[-1]


def test_the_end_of_an_outage_is_one_line(log: ClientLog, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    broker_away(log)
    clock.now += 30
    log.reached()
    log.reached()

    assert caplog.messages[1:] == ["producer: Kafka is back after 30 s"]
    assert log.trouble is None


def test_a_second_outage_is_news_again(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    broker_away(log)
    log.reached()
    broker_away(log)

    assert len(caplog.messages) == 3


def test_an_idle_client_sees_in_the_statistics_that_kafka_is_back(
    log: ClientLog, caplog: pytest.LogCaptureFixture
) -> None:
    broker_away(log)
    log.on_statistics(statistics("CONNECT"))
    log.on_statistics(statistics("UP", up_for_microseconds=900))
    assert isinstance(log.trouble, BrokerUnavailableError)

    log.on_statistics(statistics("UP"))

    assert log.trouble is None
    assert "back" in caplog.messages[-1]


def waiting(idle_seconds: float, source: str = "learned", state: str = "UP", requests: int = 1) -> str:
    facts = {"state": state, "stateage": 5_000_000, "source": source, "waitresp_cnt": requests}
    broker = {"nodename": "127.0.0.1:9092", "rxidle": int(idle_seconds * 1_000_000), **facts}
    return json.dumps({"brokers": {"127.0.0.1:9092/1": broker}})


def test_a_broker_that_answers_nothing_is_said_once_and_so_is_its_return(
    log: ClientLog, caplog: pytest.LogCaptureFixture
) -> None:
    for seconds in (1, 9, 12, 17, 22):
        log.on_statistics(waiting(seconds))
    (line,) = caplog.messages
    assert "127.0.0.1:9092 has answered nothing for 12 s" in line

    log.on_statistics(waiting(0.1))

    assert caplog.messages[1:] == ["producer: 127.0.0.1:9092 answers again"]


@pytest.mark.parametrize("facts", [{"requests": 0}, {"source": "logical"}, {"state": "CONNECT"}])
def test_a_broker_that_owes_no_answer_is_not_silent(
    log: ClientLog, caplog: pytest.LogCaptureFixture, facts: dict
) -> None:
    log.on_statistics(waiting(600, **facts))

    assert caplog.messages == []


def test_a_fetch_may_wait_as_long_as_it_was_told_to(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = ClientLog("consumer", {"fetch.wait.max.ms": 30_000}, clock=clock)

    log.on_statistics(waiting(35))
    assert caplog.messages == []

    log.on_statistics(waiting(45))
    assert len(caplog.messages) == 1


def test_a_refusal_has_its_own_line_and_is_kept_as_the_reason(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        fail(log, "_AUTHENTICATION", "sasl_plaintext://127.0.0.1:9092/bootstrap: Invalid username or password")
        fail(log, "_ALL_BROKERS_DOWN", "1/1 brokers are down")

    (line,) = caplog.messages
    assert 'KAFKA["sasl"]' in line
    assert isinstance(log.trouble, AccessDeniedError)


def test_one_broker_of_several_is_news_only_if_it_stays_away(
    log: ClientLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(log, "_TRANSPORT", REFUSED)
    clock.now += 4
    fail(log, "_TRANSPORT", REFUSED)
    assert caplog.messages == []

    clock.now += 2
    fail(log, "_TRANSPORT", REFUSED)
    fail(log, "_TRANSPORT", REFUSED)

    (line,) = caplog.messages
    assert "other brokers" in line
    assert log.trouble is None


@pytest.mark.parametrize("state", ["1ms in state APIVERSION_QUERY", "2ms in state UP"])
def test_a_broker_that_hangs_up_at_once_may_want_tls_or_sasl(
    log: ClientLog, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    hung_up = f"127.0.0.1:9093/bootstrap: Disconnected: connection closed by peer (after {state})"
    log.log(logging.INFO, "%s [%s] %s", "FAIL", "rdkafka#producer-1", f"[thrd:{hung_up}]: {hung_up}")
    fail(log, "_ALL_BROKERS_DOWN", "1/1 brokers are down")

    (line,) = caplog.messages
    assert "TLS or SASL" in line


def test_librdkafkas_own_lines_come_once_a_minute_of_a_kind(
    log: ClientLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        log.log(logging.WARNING, "%s [%s] %s", "REQTMOUT", "rdkafka#producer-1", "[thrd:x]: 1 request timed out")
    clock.now += 61
    log.log(logging.WARNING, "%s [%s] %s", "REQTMOUT", "rdkafka#producer-1", "[thrd:x]: 2 requests timed out")

    assert caplog.messages == ["producer: 1 request timed out", "producer: 2 requests timed out"]


def test_other_errors_come_once_a_minute_of_a_kind(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    fail(log, "GROUP_MAX_SIZE_REACHED")
    fail(log, "GROUP_MAX_SIZE_REACHED")

    (line,) = caplog.messages
    assert "group.max.size" in line


def test_a_callback_of_the_client_never_raises(
    log: ClientLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_note", None)

    log.on_error(KafkaError(KafkaError._TRANSPORT))

    assert "could not be reported" in caplog.text
