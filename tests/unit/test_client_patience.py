"""How long a question to a broker may take."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from kafka_integration.client.metadata import patience as client_patience
from kafka_integration.client.metadata.patience import LEAST_SECONDS, MOST_SECONDS, NO_ANSWER, Patience
from kafka_integration.client.transports.memory import MemoryConsumer
from kafka_integration.errors import BrokerError
from tests.unit import scripted
from tests.unit.consumers import running, write
from tests.unit.scripted_transport import broken, script_consumers
from tests.waiting import wait_for


@pytest.fixture
def clock(monkeypatch):
    """The time, which only this test moves."""
    now = [1000.0]
    monkeypatch.setattr(client_patience, "monotonic", lambda: now[0])
    return now


def seconds_given(patience: Patience, *, code: str = "") -> float:
    """How long a question may take, which ends in this error or in an answer at once."""
    try:
        with patience.timeout() as seconds:
            if code:
                raise BrokerError("none", code=code)
    except BrokerError:
        pass
    return seconds


def test_it_grows_within_bounds_while_no_answer_comes():
    patience = Patience()

    given = [seconds_given(patience, code=NO_ANSWER) for _ in range(4)]

    assert given == [LEAST_SECONDS, 2 * LEAST_SECONDS, MOST_SECONDS, MOST_SECONDS]


def test_an_error_that_is_an_answer_changes_nothing():
    patience = Patience()

    assert [seconds_given(patience, code="_UNKNOWN_PARTITION") for _ in range(3)] == [LEAST_SECONDS] * 3


def test_it_remembers_how_slow_the_last_answer_was(clock):
    patience = Patience()
    with patience.timeout():
        clock[0] += 9

    assert seconds_given(patience) == 18
    assert seconds_given(patience) == LEAST_SECONDS


@pytest.mark.usefixtures("memory_transport")
def test_a_consumer_begins_though_the_broker_takes_nine_seconds_to_say_where(monkeypatch, clock):
    write("a")

    def slowly(ask):
        def asked(consumer, what, timeout=0, cached=False):
            if cached:
                return ask(consumer, what, cached=True)
            if timeout < 9:
                raise broken(KafkaError._TIMED_OUT)
            clock[0] += 9
            return ask(consumer, what, timeout)

        return asked

    questions = ("committed", "get_watermark_offsets")
    script_consumers(monkeypatch, **{question: slowly(getattr(MemoryConsumer, question)) for question in questions})

    with running():
        wait_for(lambda: scripted.seen)
