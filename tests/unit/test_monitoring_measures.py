"""What monitoring is told of a consumer: counted once, by topic and class, with how long handlers took."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from kafka_integration import Reject, Skip
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.handling import invoking
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.observing import handler_times, measures
from kafka_integration.observing.facts import Assigned, Failed, Handled, Revoked
from kafka_integration.observing.handler_times import BOUNDS, HandlerSeconds, HandlerTimes
from kafka_integration.observing.measures import OTHERS, Measures
from kafka_integration.observing.pulse import Pulse
from kafka_integration.observing.time_spent import TimeSpent
from tests.unit import scripted
from tests.unit.consumers import consumer_settings, write

pytestmark = pytest.mark.usefixtures("memory_transport")


def measured(settings, **options) -> Measures:
    """What a consumer did until it had caught up."""
    settings.KAFKA = consumer_settings(**options)
    found = Measures("c")
    loop = ConsumerLoop(assemble(get_settings().consumers["c"], found), until_caught_up=True)
    loop.run()
    assert loop.fault is None
    return found


def values(found: Measures, name: str) -> dict[tuple[str, ...], float]:
    """By the labels, but for the consumer's."""
    return {
        tuple(text for label, text in sample.labels if label != "consumer"): sample.value
        for sample in found.samples()
        if sample.family + sample.suffix == f"kafka_integration_{name}"
    }


def buckets(times: HandlerTimes) -> dict[str, float]:
    """How many calls are in each bucket, without those that have none."""
    counts = [(dict(s.labels)["le"], s.value) for s in times.samples("c") if s.suffix == "_bucket"]
    before = [0.0, *(count for _, count in counts)]
    return {bound: count - less for (bound, count), less in zip(counts, before, strict=False) if count != less}


def test_each_message_comes_to_one_end(settings, db_of_consumers):
    write(*"abcde")

    def decide(message):
        if message.value == "b":
            raise Skip("not for us")
        if message.value == "c":
            raise Reject("never")
        if message.value == "d":
            raise ValueError(message.value)

    scripted.script.append(decide)

    found = measured(settings, on_failure="dead_letter", retry={"attempts": 3, "backoff_seconds": 0})

    assert values(found, "messages_total") == {
        ("events", "handled"): 2,
        ("events", "skipped"): 1,
        ("events", "dead_letter"): 2,
    }


def test_every_failed_attempt_counts_the_last_too_and_a_decision_to_skip_is_none(settings, db_of_consumers):
    write(*"abcd")

    def decide(message):
        if message.value == "b":
            raise Skip("not for us")
        if message.value == "c":
            raise Reject("never")
        if message.value == "d":
            raise ValueError(message.value)

    scripted.script.append(decide)

    found = measured(settings, on_failure="dead_letter", retry={"attempts": 3, "backoff_seconds": 0})

    assert values(found, "attempts_failed_total") == {
        ("builtins.ValueError",): 3,
        ("kafka_integration.outcomes.Reject",): 1,
    }


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_a_repeat_is_a_repeat_and_not_handled_as_well(settings, db_of_consumers, offset_storage, memory_transport):
    for partition in (0, 1):
        memory_transport.produce("events", "a", partition=partition, headers=[("ce_source", b"shop"), ("ce_id", b"1")])

    found = measured(settings, deduplicate=True, offset_storage=offset_storage)

    assert values(found, "messages_total") == {("events", "handled"): 1, ("events", "repeat"): 1}


def test_messages_of_two_topics_are_counted_apart(settings):
    write(*"abc")
    write("d", topic="others")

    found = measured(settings, topics=["events", "others"])

    assert values(found, "messages_total") == {("events", "handled"): 3, ("others", "handled"): 1}


@pytest.mark.parametrize("ordering", ["partition", "key", "none"])
@pytest.mark.parametrize("handler", ["tests.unit.scripted.handle", "tests.unit.scripted.handle_async"])
def test_calls_of_a_handler_are_counted_however_they_run(settings, ordering, handler):
    write(*(str(number) for number in range(50)), key="one")

    found = measured(settings, ordering=ordering, concurrency=3, message_handler=handler)

    assert values(found, "handler_seconds_count") == {(): 50}
    assert values(found, "messages_total") == {("events", "handled"): 50}
    assert values(found, "time_seconds_total")[("handle",)] == values(found, "handler_seconds_sum")[()]


def test_a_slow_call_is_in_its_own_bucket_beside_many_quick_ones(settings):
    write(*(str(number) for number in range(100)))
    wait = threading.Event()
    scripted.script.append(lambda message: wait.wait(0.06) if message.value in ("0", "1") else None)

    found = measured(settings)

    assert buckets(found.handler_times)["0.1"] == 2


def test_a_batch_is_one_call(settings):
    write(*"abcdef")

    found = measured(settings, message_handler="tests.unit.batch_module")

    assert values(found, "handler_seconds_count") == {(): 1}
    assert values(found, "messages_total") == {("events", "handled"): 6}


def test_what_a_transaction_takes_besides_its_handler_is_the_databases(settings, db_of_consumers):
    write(*"abc")
    wait = threading.Event()
    scripted.script.append(lambda message: wait.wait(0.05))

    found = measured(settings, offset_storage="database")

    seconds = values(found, "time_seconds_total")
    assert seconds["handle",] >= 0.15
    assert 0 < seconds["database",] < 0.15


class Idle:
    is_idle = True


@pytest.mark.parametrize(
    ("raws", "had_read_all", "phase"), [([1], False, "fetch"), ([1], True, "idle"), ([], False, "idle")]
)
def test_waiting_for_a_message_that_does_not_exist_yet_is_no_fetch(raws, had_read_all, phase):
    found = TimeSpent()

    Pulse(found).fetched(raws, Idle(), had_read_all=had_read_all)

    assert [name for name, seconds in found.read().items() if seconds] == [phase]


def test_each_thread_adds_to_how_long_handlers_were_at_work(monkeypatch):
    monkeypatch.setattr(handler_times, "monotonic", lambda: 10.0)
    times = HandlerSeconds()
    threads = [threading.Thread(target=times.note, args=(9.5, 1, (), 0, 9.5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert times.seconds == 2.0
    assert times.seconds_of_this_thread == 0.0


def test_where_nobody_monitors_no_call_is_put_into_a_bucket_and_no_fact_counted(settings, monkeypatch):
    settings.KAFKA = consumer_settings()
    monkeypatch.setattr(HandlerTimes, "note", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(Measures, "__call__", lambda *_: pytest.fail("measured"))
    write("a")

    loop = ConsumerLoop(assemble(get_settings().consumers["c"]), until_caught_up=True)
    loop.run()

    assert loop.fault is None
    assert loop.counts.read().handled == 1


def test_calls_are_counted_in_bulk_where_all_of_them_took_less_than_the_first_bucket(monkeypatch):
    monkeypatch.setattr(handler_times, "monotonic", lambda: 10.0005)
    times = HandlerTimes()

    times.note(10.0, 500, [], 496, 10.0001)

    assert buckets(times) == {"0.001": 500}
    assert times.seconds == pytest.approx(0.0005)


def test_calls_between_two_looks_share_the_time_between_them(monkeypatch):
    monkeypatch.setattr(handler_times, "monotonic", lambda: 13.0)
    times = HandlerTimes()

    times.note(10.0, 100, [(1, 2.0), (8, 0.39)], 99, 12.39)

    assert buckets(times) == {"2.5": 1, "0.05": 8, "1.0": 1, "0.001": 90}
    assert times.seconds == pytest.approx(3)


def test_calls_that_were_all_looked_at_ask_for_no_time_of_their_own(monkeypatch):
    monkeypatch.setattr(handler_times, "monotonic", lambda: pytest.fail("asked"))
    times = HandlerTimes()

    times.note(10.0, 1, [], 1, 10.0004)
    times.note(20.0, 1, [(1, 0.002)], 1, 20.002)

    assert buckets(times) == {"0.001": 1, "0.0025": 1}
    assert times.seconds == pytest.approx(0.0024)


def test_many_threads_lose_no_call_and_each_knows_its_own_time():
    times, own = HandlerTimes(), []

    def call():
        for number in range(2000):
            times.note(1.0, 1, [(1, 0.5)] if number % 100 == 0 else [], 1, 1.5 if number % 100 == 0 else 1.0)
        own.append(times.seconds_of_this_thread)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert buckets(times) == {"0.001": 4 * 1980, "0.5": 4 * 20}
    assert own == [10.0] * 4
    assert times.seconds == 40.0


def test_what_takes_longer_than_the_last_bound_is_counted_too(monkeypatch):
    monkeypatch.setattr(handler_times, "monotonic", lambda: 10.0 + 2 * BOUNDS[-1])
    times = HandlerTimes()

    times.note(10.0, 1, [], 0, 10.0)

    assert buckets(times) == {"+Inf": 1}


def test_classes_of_exceptions_that_a_handler_makes_up_fill_no_memory(monkeypatch):
    monkeypatch.setattr(measures, "MOST_CLASSES", 3)
    found = Measures("c")

    for number in range(10):
        found(Failed(None, type(f"Made{number}", (Exception,), {})()))

    failed = values(found, "attempts_failed_total")
    assert len(failed) == 4
    assert failed[OTHERS,] == 7


def test_what_is_taken_away_and_given_back_is_one_rebalance():
    found = Measures("c")

    found(Assigned([("events", 0)], 1))
    found(Revoked([("events", 0)], is_lost=False))
    found(Assigned([("events", 0)], 1))

    assert values(found, "rebalances_total") == {(): 2}


def test_many_threads_lose_no_count():
    found = Measures("c")
    threads = [
        threading.Thread(target=lambda: [found.counts(Handled(1, "events")) for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert values(found, "messages_total") == {("events", "handled"): 8000}


def test_the_first_bucket_holds_what_is_not_looked_at_one_by_one():
    assert BOUNDS[0] >= invoking.QUICK_SECONDS


@pytest.fixture
def db_of_consumers(transactional_db):
    """Lanes see what is committed."""
    return connection
