"""Whether a process of consumers is alive and ready, and how far behind it says that its partitions are."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from time import monotonic

import pytest
from django.test import override_settings

from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.group.lags import Lags
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.observing.measures import Measures
from kafka_integration.operating.monitoring import consumers
from kafka_integration.operating.monitoring.consumers import Consumers
from kafka_integration.operating.monitoring.partitions import Partitions
from kafka_integration.operating.presence import standing
from kafka_integration.operating.presence.watching import ConsumersWatch
from tests.unit import scripted
from tests.unit.consumers import consumer_settings, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def quick(monkeypatch):
    """What takes half a minute takes half a second."""
    monkeypatch.setattr(consumers, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr("kafka_integration.operating.monitoring.asking.LOOK_SECONDS", 0.05)
    monkeypatch.setattr(standing, "STUCK_SECONDS", 0.5)
    monkeypatch.setattr(standing, "HANDLER_SECONDS", 0.1)


@contextmanager
def monitored(**options):
    """A consumer that runs, as monitoring looks at it."""
    with override_settings(KAFKA=consumer_settings(**options)):
        measures = Measures("c")
        loop = ConsumerLoop(assemble(get_settings().consumers["c"], measures))
        thread = threading.Thread(target=loop.run)
        with closing(ConsumersWatch([loop])) as watch, (watched := Consumers([(loop, measures)], watch)).asking():
            thread.start()
            try:
                yield watched, loop
            finally:
                loop.stop()
                thread.join(20)


def values(watched, name):
    return {
        "/".join(text for label, text in sample.labels if label in ("topic", "partition")): sample.value
        for sample in watched.samples()
        if sample.family == name
    }


def test_a_consumer_is_ready_once_its_group_has_answered(memory_transport):
    settings = consumer_settings()
    with override_settings(KAFKA=settings):
        measures = Measures("c")
        loop = ConsumerLoop(assemble(get_settings().consumers["c"], measures))
        watched = Consumers([(loop, measures)], ConsumersWatch([loop]))
        assert watched.health().not_ready == ("consumer c: its group has assigned nothing since the start",)

    write("a")
    with monitored() as (watched, _):
        wait_for(lambda: watched.health().is_ready)
        assert watched.health().is_alive


def test_a_consumer_to_which_its_group_gives_nothing_stands_by_and_is_ready():
    with monitored() as (first, _), monitored() as (second, _):
        wait_for(lambda: first.health().is_ready and second.health().is_ready, 30)


def test_a_loop_that_does_not_turn_is_not_alive(monkeypatch):
    write("a")
    with monitored() as (watched, loop):
        wait_for(lambda: watched.health().is_ready)
        monkeypatch.setattr(loop.pulse, "beat", lambda: None)
        now = monotonic()
        monkeypatch.setattr(consumers, "monotonic", lambda: now + 31)

        assert watched.health().not_alive[0].startswith("consumer c: its loop has not turned for 3")


def test_a_handover_that_waits_for_a_handler_is_no_death(monkeypatch):
    write("a")
    with monitored(rebalance_drain_seconds=60) as (watched, loop):
        wait_for(lambda: watched.health().is_ready)
        monkeypatch.setattr(loop.pulse, "beat", lambda: None)
        now = monotonic()

        monkeypatch.setattr(consumers, "monotonic", lambda: now + 70)
        assert watched.health().is_alive
        monkeypatch.setattr(consumers, "monotonic", lambda: now + 80)
        assert not watched.health().is_alive


def test_a_consumer_that_has_done_what_it_was_asked_is_not_missed(monkeypatch):
    write("a")
    with monitored() as (watched, _):
        wait_for(lambda: scripted.seen)
    now = monotonic()
    monkeypatch.setattr(consumers, "monotonic", lambda: now + 600)

    assert watched.health().is_alive
    assert watched.health().is_ready


def test_lag_is_counted_in_messages_and_in_time(quick):
    goes_on = threading.Event()
    scripted.script.append(lambda message: goes_on.wait(10))
    write(*"abc")

    with monitored() as (watched, _):
        wait_for(lambda: values(watched, "kafka_consumergroup_group_lag").get("events/0") == 3)
        wait_for(lambda: values(watched, "kafka_consumergroup_group_lag_seconds").get("events/0", 0) > 0.2)
        assert values(watched, "kafka_consumergroup_group_lag_seconds")["events/1"] == 0
        goes_on.set()
        wait_for(lambda: values(watched, "kafka_consumergroup_group_lag").get("events/0") == 0)
        assert values(watched, "kafka_consumergroup_group_lag_seconds")["events/0"] == 0


def test_a_stuck_partition_makes_it_unready_until_it_goes_on(quick):
    goes_on = threading.Event()
    scripted.script.append(lambda message: goes_on.wait(20) if message.value == "b" else None)
    write(*"abc")

    with monitored() as (watched, _):
        wait_for(lambda: not watched.health().is_ready and scripted.seen)
        wait_for(
            lambda: watched.health().not_ready == ("consumer c: events[0] is stuck at offset 1",),
            message=lambda: str(watched.health()),
        )
        assert watched.health().is_alive
        assert sum(values(watched, "kafka_integration_stuck_partitions").values()) == 1
        goes_on.set()
        wait_for(lambda: watched.health().is_ready)
        wait_for(lambda: sum(values(watched, "kafka_integration_stuck_partitions").values()) == 0)


def test_an_outage_leaves_a_stuck_partition_stuck_and_makes_none(quick, monkeypatch):
    goes_on = threading.Event()
    scripted.script.append(lambda message: goes_on.wait(20))
    write("a")
    cut_off = []
    monkeypatch.setattr(ConsumerLoop, "is_cut_off", property(lambda loop: bool(cut_off)))

    with monitored() as (watched, _):
        wait_for(lambda: watched.health().not_ready == ("consumer c: events[0] is stuck at offset 0",))
        cut_off.append(True)
        wait_for(lambda: sum(values(watched, "kafka_integration_stuck_partitions").values()) == 0)
        assert watched.health().not_ready == ("consumer c: events[0] is stuck at offset 0",)
        goes_on.set()
        cut_off.clear()
        wait_for(lambda: watched.health().is_ready)


def test_a_lag_that_nobody_knows_is_not_there(quick, monkeypatch):
    write("a")
    with monitored() as (watched, _):
        wait_for(lambda: values(watched, "kafka_consumergroup_group_lag").get("events/0") == 0)

        monkeypatch.setattr(Lags, "_ask", lambda lags, places: None)

        wait_for(lambda: not values(watched, "kafka_consumergroup_group_lag"))
        assert not values(watched, "kafka_consumergroup_group_lag_seconds")


def test_what_the_row_of_the_process_has_asked_the_brokers_is_not_asked_again(monkeypatch):
    asked = []
    ask = Lags.ask
    monkeypatch.setattr(Lags, "ask", lambda lags, partitions: asked.append(lags) or ask(lags, partitions))
    write("a")
    with running() as loop:
        wait_for(lambda: scripted.seen and loop.partitions)
        watch = ConsumersWatch([loop])
        [of_the_loop] = watch._watches
        partitions = Partitions([loop], watch, every_seconds=30)

        watch.look()
        assert list(partitions.look())
        assert asked.count(of_the_loop._lags) == 1
        watch.look()
        assert asked.count(of_the_loop._lags) == 2
