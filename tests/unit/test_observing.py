"""Facts: told once to everybody who listens."""

import logging

import pytest

from kafka_integration.observing.facts import Handled, Revoked
from kafka_integration.observing.observers import Observers


def test_an_observer_that_raises_disturbs_neither_the_consumer_nor_the_others(caplog):
    heard = []

    def break_down(fact):
        raise ValueError("of a message")

    Observers(break_down, heard.append).tell(Handled(3, "events"))

    assert heard == [Handled(3, "events")]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ValueError" in record.getMessage()
    assert "of a message" not in record.getMessage()


def test_an_observer_is_not_told_of_what_it_ignores():
    heard = []

    class Deaf:
        ignores = frozenset({Handled})

        def __call__(self, fact):
            heard.append(fact)

    observers = Observers(Deaf())
    observers.tell(Handled(1, "events"))
    observers.tell(Revoked([("events", 0)], is_lost=True))

    assert heard == [Revoked([("events", 0)], is_lost=True)]


def test_what_ends_the_process_is_let_through():
    def leave(fact):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        Observers(leave).tell(Handled(1, "events"))
