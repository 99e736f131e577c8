"""What a consumer does with messages that go well: shapes of handlers, order, commits."""

from __future__ import annotations

import pytest

from kafka_integration import NO_COMMIT, CommitThrough
from kafka_integration.client.transports.memory import MemoryConsumer, memory_broker
from kafka_integration.consuming.handling.loading import load_handler
from kafka_integration.errors import HandlerError
from kafka_integration.models import DeadLetter
from tests.owned import owned
from tests.unit import scripted
from tests.unit.consumers import TOPIC, committed, consume, running, write
from tests.unit.scripted_transport import broken, script_consumers
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("memory_transport")


def values():
    return [message.value for message in scripted.seen]


@pytest.mark.parametrize("handler", ["handle", "handle_async", "One", "Batch"])
def test_every_shape_of_handler_gets_all_messages_in_order(handler):
    write("a", "b", "c")

    loop = consume(message_handler=f"tests.unit.scripted.{handler}")

    assert values() == ["a", "b", "c"]
    assert committed() == 3
    assert loop.counts.read().handled == 3
    assert loop.fault is None


def test_a_module_with_handle_messages_is_a_handler():
    write("a")

    assert consume(message_handler="tests.unit.batch_module").fault is None
    assert len(scripted.batches) == 1


def test_an_async_batch_handler_gets_a_batch():
    write("a", "b")

    consume(message_handler="tests.unit.scripted.AsyncBatch")

    assert [len(batch) for batch in scripted.batches] == [2]


@pytest.mark.parametrize("storage", ["kafka", "database"])
@pytest.mark.django_db(transaction=True)
def test_a_batch_handler_may_use_up_its_list(storage):
    write(*"abc")

    def use_up(messages):
        while messages:
            messages.pop()

    scripted.script.append(use_up)

    loop = consume(message_handler="tests.unit.scripted.Batch", offset_storage=storage)

    assert loop.fault is None
    assert committed() == 3


@pytest.mark.parametrize("options", [{}, {"offset_storage": "database"}, {"deduplicate": True}], ids=str)
@pytest.mark.django_db(transaction=True)
def test_a_batch_handler_may_read_columns(options):
    write(*"abcde")

    loop = consume(message_handler="tests.unit.scripted.Columns", batch_size=2, **options)

    assert loop.fault is None
    assert scripted.Columns.values == list("abcde")
    assert committed() == 5
    assert loop.counts.read().handled == 5


@pytest.mark.parametrize("storage", ["kafka", "database"])
@pytest.mark.django_db(transaction=True)
def test_of_a_column_with_a_value_that_cannot_be_read_that_message_alone_is_a_dead_letter(storage):
    write(b"1", b"2", b"{", b"4", b"5")

    consume(
        message_handler="tests.unit.scripted.Columns",
        value_deserializer="json",
        on_failure="dead_letter",
        offset_storage=storage,
    )

    assert scripted.Columns.values == [1, 2, 4, 5]
    assert [(letter.offset, letter.exception) for letter in DeadLetter.objects.all()] == [
        (2, "kafka_integration.errors.DecodeError")
    ]
    assert committed() == 5


def test_a_batch_has_at_most_batch_size_messages_of_one_partition():
    write(*"abcde")
    write(*"xyz", partition=1)

    consume(message_handler="tests.unit.scripted.Batch", batch_size=2)

    assert all(len(batch) <= 2 for batch in scripted.batches)
    assert all(len({message.partition for message in batch}) == 1 for batch in scripted.batches)
    assert sorted(values()) == sorted("abcdexyz")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tests.unit.scripted.missing", "can't be imported"),
        ("no.such.module", "can't be imported"),
        ("tests.unit.scripted.not_callable", "is no handler"),
        ("tests.unit.scripted", "is no handler"),
        ("tests.unit.scripted.Both", "has both"),
        ("tests.unit.scripted.NeedsArguments", "without arguments"),
        ("tests.unit.scripted.takes_nothing", "exactly one argument"),
        ("tests.unit.scripted.takes_two", "exactly one argument"),
        ("tests.unit.scripted.generate", "is a generator"),
        ("tests.unit.broken_module.handle", "ZeroDivisionError"),
        ("tests.unit.importing_module.handle", "no_such_dependency"),
    ],
)
def test_a_path_that_is_no_handler_says_why(path, reason):
    with pytest.raises(HandlerError, match=reason):
        load_handler(path)


def test_a_second_run_of_a_group_gets_nothing_again_and_another_group_everything():
    write("a", "b")
    consume()
    scripted.reset()

    consume()
    again = values()
    consume(consumer_group="other")

    assert again == []
    assert values() == ["a", "b"]
    assert committed(group="other") == 2


def test_a_group_without_offsets_may_begin_with_what_comes_next():
    write("old")
    with running(start_with_earliest_message=False):
        wait_for(lambda: committed() == 1, message="the beginning is committed")
        write("new")
        wait_for(lambda: values() == ["new"])

    assert committed() == 2


def test_max_messages_are_handled_and_no_more():
    write(*"abcdef")

    loop = consume(max_messages=4)

    assert values() == list("abcd")
    assert committed() == 4
    assert loop.counts.read().handled == 4


def test_a_slow_handler_is_not_run_over_by_a_backlog():
    write(*(str(number) for number in range(3000)))
    most_held = []

    with running(batch_size=10) as loop:
        scripted.script.append(lambda message: most_held.append(max(p.line.held for p in owned(loop))))
        wait_for(lambda: len(scripted.seen) == 3000, timeout=30)

    assert values() == [str(number) for number in range(3000)]
    assert max(most_held) <= 1000 + 500
    assert committed() == 3000


def test_lanes_serve_partitions_side_by_side():
    for partition in range(4):
        write("a", partition=partition)
    inside = set()

    def meet(message):
        inside.add(message.partition)
        wait_for(lambda: len(inside) == 4, message="four handlers at once")

    scripted.script.append(meet)

    consume(concurrency=4)

    assert inside == {0, 1, 2, 3}


def test_messages_bring_key_headers_and_time():
    memory_broker().produce(
        TOPIC, b'{"a": 1}', key=b"k", partition=2, headers=[("h", b"1"), ("h", None), ("h", b"2")], timestamp_ms=1500
    )

    consume(value_deserializer="json")

    (message,) = scripted.seen
    assert (message.key, message.value, message.json()) == ("k", {"a": 1}, {"a": 1})
    assert (message.topic, message.partition, message.offset) == (TOPIC, 2, 0)
    assert message.headers == [("h", b"1"), ("h", None), ("h", b"2")]
    assert message.header("h") == b"2"
    assert (message.ts, message.ts_type, message.timestamp.timestamp()) == (1500, "create", 1.5)
    assert "1" not in repr(message).replace("@", "").replace("[2]", "").replace("0", "")


def test_a_tombstone_is_none_and_an_empty_value_is_not():
    write(None)
    write(b"")

    consume()

    assert values() == [None, ""]


def test_no_commit_is_committed_with_a_later_message():
    write("a", "b")
    scripted.script.append(lambda message: NO_COMMIT)
    consume()
    after_no_commit = committed()
    scripted.script[:] = [lambda message: None]
    consume()

    assert after_no_commit in (None, 0)
    assert values() == ["a", "b", "a", "b"]
    assert committed() == 2


@pytest.mark.parametrize("on_failure", ["skip", "dead_letter"])
@pytest.mark.django_db(transaction=True)
def test_what_ends_a_failing_message_commits_nothing_that_its_handler_holds_back(on_failure):
    write("a", "bad")
    scripted.script.append(lambda message: NO_COMMIT if message.value == "a" else 1 / 0)

    loop = consume(on_failure=on_failure)

    assert loop.fault is None
    assert committed() in (None, 0)


def test_a_fetch_that_fails_commits_nothing_that_a_handler_holds_back(monkeypatch):
    write("a", "b")
    failed = []

    def lose_what_was_fetched(consumer, count, timeout):
        raws = MemoryConsumer.consume(consumer, count, timeout)
        if len(scripted.seen) == 2 and not failed:
            failed.append(True)
            raise broken()
        return raws

    script_consumers(monkeypatch, consume=lose_what_was_fetched)
    scripted.script.append(lambda message: NO_COMMIT)
    with running():
        wait_for(lambda: failed)
        write("c")
        wait_for(lambda: values() == ["a", "b", "c"])

    assert committed() in (None, 0)


def test_commit_through_commits_that_far_and_goes_on():
    write("a", "b", "c")
    scripted.script.append(lambda messages: CommitThrough(messages[0]))

    consume(message_handler="tests.unit.scripted.Batch")

    assert values() == ["a", "b", "c"]
    assert committed() == 1


def test_what_a_handler_returns_otherwise_is_ignored():
    write("a", "b")
    scripted.script.append(lambda message: "anything")

    consume()

    assert committed() == 2


def test_a_coroutine_that_nobody_awaits_is_no_handled_message():
    write("a")

    loop = consume(message_handler="tests.unit.scripted.hidden_async")

    assert "returned a coroutine, and nothing of it has run" in str(loop.fault)
    assert committed() in (None, 0)


def test_an_offset_beyond_the_end_starts_at_the_beginning_by_the_reset_policy(caplog):
    write("a", "b")
    memory_broker().commit("group", TOPIC, 0, 7)

    consume(offset_reset_policy="earliest")

    assert values() == ["a", "b"]
    assert "offset 7 of events[0] is out of range (0 to 2)" in caplog.text


def test_records_deleted_past_the_committed_offset_are_counted_out_loud(caplog):
    write(*"abcd")
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().delete_records(TOPIC, 0, 3)

    consume(offset_reset_policy="earliest")

    assert values() == ["d"]
    assert "2 message(s) are left out" in caplog.text


def test_policy_none_stops_at_an_offset_out_of_range():
    write("a")
    memory_broker().commit("group", TOPIC, 0, 7)

    loop = consume(offset_reset_policy="none")

    assert "offset 7 of events[0] is out of range" in str(loop.fault)
    assert values() == []
    assert committed() == 7
