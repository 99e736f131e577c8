"""An embedded broker is started after its consumers, or again on another port: they find it by themselves."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from kafka_integration import produce_sync
from kafka_integration.client.transports.embedded import SERVERS_VARIABLE, announced_broker
from tests.embedded.members import Members, handled, values_of
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def own_announcement(monkeypatch, tmp_path):
    """Brokers that these processes' folders alone know of."""
    monkeypatch.delenv(SERVERS_VARIABLE, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def members(settings):
    members = Members(settings)
    yield members
    members.close()


def test_a_consumer_started_before_its_broker_waits_and_says_so_once(members, caplog):
    one = members.start("one")
    wait_for(lambda: "consumer one waits" in caplog.text)

    with announced_broker():
        one.wait_places(4)
        produce_sync(members.topic, "hello")
        wait_for(lambda: values_of("one") == ["hello"])
        one.stop()

    assert caplog.text.count("consumer one waits") == 1
    assert "manage.py runbroker" in caplog.text


def test_consumers_and_producers_follow_a_broker_that_was_started_again(members, caplog):
    with ExitStack() as first:
        first.enter_context(announced_broker())
        one = members.start("one")
        one.wait_places(4)
        for number in range(4):
            produce_sync(members.topic, f"before-{number}", partition=number)
        wait_for(lambda: len(handled) == 4)
    wait_for(lambda: one.loop.session.client.log.unreachable, 20, "the broker's end is noticed")

    with announced_broker():
        wait_for(lambda: "the embedded broker was started again" in caplog.text, 20)
        one.wait_places(4)
        produce_sync(members.topic, "after", partition=0)
        wait_for(lambda: "after" in values_of("one"))
        one.stop()

    assert one.loop.fault is None
    assert values_of("one")[4:] == ["after"]


def test_a_run_until_caught_up_notes_the_ends_of_the_new_broker(members, caplog):
    """Those of the old one are gone with it: nobody would ever reach them."""
    with ExitStack() as first:
        first.enter_context(announced_broker())
        produce_sync(members.topic, "before", partition=0)
        produce_sync(members.topic, "never", partition=0)
        is_started_again = threading.Event()
        one = members.start("one", before=lambda message: is_started_again.wait(40), until_caught_up=True)
        wait_for(lambda: one.places)
    wait_for(lambda: one.loop.session.client.log.unreachable, 20, "the broker's end is noticed")

    with announced_broker():
        is_started_again.set()
        one.join(40)

    assert one.loop.fault is None
    assert not one.loop.leaves_lag
