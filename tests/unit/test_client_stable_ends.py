"""What an open transaction holds up, as librdkafka's statistics show it."""

from __future__ import annotations

import threading

import pytest

from kafka_integration.client.log.stable_ends import HeldUp, StableEnds
from kafka_integration.consuming.group import report
from tests.unit import scripted
from tests.unit.consumers import TOPIC, running, write
from tests.waiting import wait_for


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def topics(stable: int, end: int) -> dict:
    return {TOPIC: {"partitions": {"0": {"ls_offset": stable, "hi_offset": end}}}}


def test_what_an_open_transaction_holds_up_is_known_since_it_stands_there():
    clock = Clock()
    ends = StableEnds(clock=clock)
    ends.note(topics(5, 8))
    clock.now += 30

    ends.note(topics(5, 20))

    assert ends.get((TOPIC, 0)) == HeldUp(offset=5, end=20, since=1000.0)


def test_transactions_that_come_and_go_hold_up_nothing_for_long():
    clock = Clock()
    ends = StableEnds(clock=clock)
    ends.note(topics(5, 8))
    clock.now += 30

    ends.note(topics(8, 20))

    assert ends.get((TOPIC, 0)) == HeldUp(offset=8, end=20, since=1030.0)


@pytest.mark.parametrize("later", [topics(8, 8), topics(-1001, 8), {}])
def test_where_nothing_is_held_up_any_more_or_nobody_knows_nothing_is_said(later):
    ends = StableEnds()
    ends.note(topics(5, 8))

    ends.note(later)

    assert ends.get((TOPIC, 0)) is None


@pytest.fixture
def quick(monkeypatch):
    """Lines that come every half minute come every tenth of a second."""
    monkeypatch.setattr(report, "INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(report, "STUCK_SECONDS", 0.3)


@pytest.mark.usefixtures("memory_transport", "quick")
def test_a_partition_that_is_held_up_is_named_and_no_handler_is_called_stuck(caplog):
    write("a")

    with running() as loop:
        wait_for(lambda: scripted.seen)
        loop.session.client.log.stable_ends.note(topics(1, 4))
        wait_for(lambda: f"{TOPIC}[0] can't be read beyond offset 1, its end is 4" in caplog.text)

    assert "in the handler's hands" not in caplog.text


@pytest.mark.usefixtures("memory_transport", "quick")
def test_where_there_is_something_to_read_no_transaction_is_blamed(caplog):
    write("a")
    goes_on = threading.Event()
    scripted.script.append(lambda message: goes_on.wait(10))

    with running() as loop:
        wait_for(lambda: scripted.seen)
        loop.session.client.log.stable_ends.note(topics(1, 4))
        wait_for(lambda: "in the handler's hands" in caplog.text)
        said = caplog.text
        goes_on.set()

    assert "can't be read beyond" not in said
