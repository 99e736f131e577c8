"""`deliver()`: what a consumer would do with a message, seen from a test."""

import threading
from contextlib import suppress

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test import TestCase, override_settings

from kafka_integration import NO_COMMIT, BatchError, CommitThrough, Reject, Retry, Skip
from kafka_integration.errors import BrokerUnavailableError, DecodeError, HandlerError
from kafka_integration.models import DeadLetter, HandledMessage, StoredOffset
from kafka_integration.testing import captured_messages, deliver

HERE = __name__


def save_group(message):
    Group.objects.create(name=message.json()["name"])


def save_group_and_fail(message):
    save_group(message)
    raise ValueError("after the write")


def save_the_same_twice(message):
    save_group(message)
    save_group(message)


def save_and_swallow_the_error(message):
    save_group(message)
    with suppress(IntegrityError):
        save_group(message)


def raise_what_the_value_names(message):
    raise {
        "retry": Retry(7),
        "skip": Skip("not ours"),
        "reject": Reject("never"),
        "error": ValueError("bad"),
        "outage": BrokerUnavailableError("gone", retriable=True),
        "exit": SystemExit(3),
    }[message.value]


def read_value(message):
    return message.value and None


async def save_group_async(message):
    await Group.objects.acreate(name=message.json()["name"])


def hold_back(message):
    return NO_COMMIT


class Batches:
    def handle_messages(self, messages):
        assert isinstance(messages, list)
        if messages[0].value == "all":
            raise ValueError("all of them")
        if messages[0].value == "one":
            raise BatchError({messages[0]: Reject("this one")})
        if messages[0].value == "again":
            raise BatchError({messages[0]: ValueError("this time")})
        return CommitThrough(messages[-1])


seen = []


def note(message):
    seen.append((message, threading.get_ident()))


@pytest.fixture(autouse=True)
def forget_seen():
    seen.clear()


@pytest.fixture
def consumer(settings):
    """Defines the consumer "it" with a handler of this module."""

    def define(handler="note", **options):
        it = {"topics": ["t"], "consumer_group": "g", "message_handler": f"{HERE}.{handler}"}
        settings.KAFKA = {"endpoints": "memory", "consumers": {"it": it | options}}

    return define


def test_a_message_reaches_the_handler_in_the_thread_of_the_test(consumer):
    consumer(key_deserializer="text", value_deserializer="json")

    outcome = deliver("it", {"q": "kafka"}, key=17, headers={"trace": "abc"})

    ((message, thread),) = seen
    assert (outcome.status, outcome.exception, outcome.message) == ("handled", None, message)
    assert thread == threading.get_ident()
    assert (message.topic, message.partition, message.key, message.value) == ("t", 0, "17", {"q": "kafka"})
    assert message.headers == [("trace", b"abc")]
    assert message.ts_type == "create"
    assert message.attempt == 1


def test_a_tombstone_is_delivered_as_none(consumer):
    consumer(value_deserializer="json")

    deliver("it", None, key="gone")

    assert seen[0][0].value is None


def test_each_delivery_is_another_message(consumer):
    consumer()

    offsets = [deliver("it", "v").message.offset for _ in range(3)]

    assert len(set(offsets)) == 3


def test_partition_offset_and_attempt_can_be_chosen(consumer):
    consumer()

    message = deliver("it", "v", partition=3, offset=40, attempt=2).message

    assert (message.partition, message.offset, message.attempt) == (3, 40, 2)


@pytest.mark.parametrize(
    ("value", "status", "exception"),
    [
        ("error", "failed", ValueError),
        ("retry", "failed", Retry),
        ("skip", "skipped", Skip),
        ("outage", "failed", BrokerUnavailableError),
    ],
)
def test_the_outcome_says_what_would_happen_next(consumer, value, status, exception):
    consumer("raise_what_the_value_names")

    outcome = deliver("it", value)

    assert outcome.status == status
    assert type(outcome.exception) is exception


def test_a_retry_says_when(consumer):
    consumer("raise_what_the_value_names")

    assert deliver("it", "retry").retry_in_seconds == 7


@pytest.mark.parametrize(("value", "status"), [("reject", "rejected"), ("error", "dead_letter")])
@pytest.mark.django_db
def test_a_dead_letter_is_written(consumer, value, status):
    consumer("raise_what_the_value_names", retry={"attempts": 1})

    outcome = deliver("it", value, key="k")

    letter = DeadLetter.objects.get()
    assert outcome.status == status
    assert (letter.consumer, letter.group, letter.topic, letter.offset) == ("it", "g", "t", outcome.message.offset)
    assert (bytes(letter.key), bytes(letter.value)) == (b"k", value.encode())


@pytest.mark.django_db
def test_the_last_attempt_makes_a_dead_letter(consumer):
    consumer("raise_what_the_value_names", retry={"attempts": 3})

    statuses = [deliver("it", "error", attempt=attempt).status for attempt in (2, 3)]

    assert statuses == ["failed", "dead_letter"]
    assert DeadLetter.objects.get().attempts == 3


@pytest.mark.django_db
def test_a_dead_letter_topic_needs_no_cluster(consumer, settings):
    consumer("raise_what_the_value_names", dead_letter_topic="t.dead")
    settings.KAFKA = {**settings.KAFKA, "endpoints": ["kafka.invalid:9092"]}

    alone = deliver("it", "reject")
    with captured_messages() as messages:
        captured = deliver("it", "reject", key="k")

    assert (alone.status, captured.status) == ("rejected", "rejected")
    (copy,) = messages["t.dead"]
    assert (copy.key, copy.value) == ("k", "reject")
    assert copy.header("kafka_integration_exception").endswith(b"Reject")


@pytest.mark.django_db
def test_too_many_dead_letters_stop_the_consumer(consumer):
    consumer("raise_what_the_value_names", max_dead_letters_per_minute=1)

    statuses = [deliver("it", "reject").status for _ in range(2)]

    assert statuses == ["rejected", "stopped"]


def test_the_policies_skip_and_stop_are_followed(consumer):
    consumer("raise_what_the_value_names", retry={"attempts": 1}, on_failure="skip")
    skipped = deliver("it", "error")
    consumer("raise_what_the_value_names", failure_rules={"builtins.ValueError": "stop"})
    stopped = deliver("it", "error")

    assert (skipped.status, stopped.status) == ("skipped", "stopped")
    assert isinstance(stopped.exception, ValueError)


def test_what_cannot_be_decoded_follows_the_policy(consumer):
    consumer("read_value", value_deserializer="json", on_failure="skip", retry={"attempts": 1})

    outcome = deliver("it", b"{")

    assert outcome.status == "skipped"
    assert isinstance(outcome.exception, DecodeError)


def test_the_end_of_the_process_is_not_caught(consumer):
    consumer("raise_what_the_value_names")

    with pytest.raises(SystemExit):
        deliver("it", "exit")


def test_steering_values_count_as_handled(consumer):
    consumer("hold_back")

    assert deliver("it", "v").status == "handled"


@pytest.mark.django_db
def test_a_batch_handler_gets_a_batch_of_one(consumer):
    consumer("Batches", retry={"attempts": 1})

    outcomes = [deliver("it", value) for value in ("fine", "all", "one")]

    assert [outcome.status for outcome in outcomes] == ["handled", "dead_letter", "rejected"]
    assert [type(outcome.exception) for outcome in outcomes] == [type(None), ValueError, Reject]
    assert DeadLetter.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_what_a_batch_error_says_of_the_message_is_the_outcomes_exception(consumer, storage):
    consumer("Batches", offset_storage=storage)

    outcome = deliver("it", "again")

    assert (outcome.status, type(outcome.exception)) == ("failed", ValueError)
    assert outcome.retry_in_seconds > 0


@pytest.mark.django_db
def test_an_async_handler_runs_in_the_transaction_of_the_test(consumer):
    consumer("save_group_async")

    outcome = deliver("it", {"name": "a"})

    assert outcome.exception is None
    assert Group.objects.filter(name="a").exists()


@pytest.mark.django_db
def test_writes_before_a_failure_stay_as_they_do_in_production(consumer):
    consumer("save_group_and_fail")

    deliver("it", {"name": "a"})

    assert Group.objects.filter(name="a").exists()


@pytest.mark.django_db
def test_a_database_error_leaves_the_tests_transaction_usable(consumer):
    consumer("save_the_same_twice", retry={"attempts": 1})
    Group.objects.create(name="earlier")

    outcome = deliver("it", {"name": "a"})

    assert isinstance(outcome.exception, IntegrityError)
    assert outcome.status == "dead_letter"
    assert Group.objects.filter(name="earlier").exists()
    assert not connection.needs_rollback


@pytest.mark.parametrize("status", ["handled", "failed"])
@pytest.mark.django_db
def test_with_offsets_in_the_database_effects_and_offset_go_together(consumer, status):
    handler = {"handled": "save_group", "failed": "save_group_and_fail"}[status]
    consumer(handler, offset_storage="database")

    outcome = deliver("it", {"name": "a"})

    assert outcome.status == status
    assert Group.objects.filter(name="a").exists() is (status == "handled")
    stored = StoredOffset.objects.get(group="g", topic="t", partition=0)
    assert stored.next_offset == outcome.message.offset + (status == "handled")


@pytest.mark.django_db
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_with_offsets_in_the_database_messages_follow_each_other(consumer, ordering):
    consumer(offset_storage="database", ordering=ordering)

    offsets = [deliver("it", "v").message.offset for _ in range(3)]

    assert offsets == [0, 1, 2]


@pytest.mark.django_db
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_with_offsets_in_the_database_an_offset_can_be_delivered_again(consumer, ordering):
    consumer(offset_storage="database", ordering=ordering)

    statuses = [deliver("it", "v", offset=5).status for _ in range(2)]

    assert statuses == ["handled", "handled"]


@pytest.mark.django_db
def test_a_swallowed_database_error_fails_the_message_there(consumer):
    consumer("save_and_swallow_the_error", offset_storage="database")

    outcome = deliver("it", {"name": "a"})

    assert outcome.status == "failed"
    assert not Group.objects.exists()


@pytest.mark.django_db
def test_a_swallowed_database_error_costs_the_handlers_writes_elsewhere(consumer):
    consumer("save_and_swallow_the_error")
    Group.objects.create(name="earlier")

    outcome = deliver("it", {"name": "a"})

    assert outcome.status == "handled"
    assert [group.name for group in Group.objects.all()] == ["earlier"]


@pytest.mark.django_db
def test_steering_values_are_refused_where_offsets_are_in_the_database(consumer):
    consumer("hold_back", offset_storage="database")

    outcome = deliver("it", "v")

    assert (outcome.status, type(outcome.exception)) == ("failed", HandlerError)


@pytest.mark.django_db
def test_a_repeat_is_recognised(consumer):
    consumer("save_group", deduplicate=True)

    first = deliver("it", {"name": "a"}, offset=7)
    second = deliver("it", {"name": "a"}, offset=7)
    third = deliver("it", {"name": "b"}, offset=8)

    assert [outcome.status for outcome in (first, second, third)] == ["handled", "repeated", "handled"]
    assert HandledMessage.objects.count() == 2


@pytest.mark.django_db
def test_on_commit_callbacks_wait_for_the_commit(consumer, django_capture_on_commit_callbacks):
    consumer("later")

    with django_capture_on_commit_callbacks() as callbacks:
        deliver("it", "v")

    assert len(callbacks) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{"offset_storage": "database"}, {"deduplicate": True}], ids=str)
def test_no_callback_is_added_to_the_handlers_own(consumer, options, django_capture_on_commit_callbacks):
    consumer("later", **options)

    with django_capture_on_commit_callbacks() as callbacks:
        deliver("it", "v")

    assert len(callbacks) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("options", [{"offset_storage": "database"}, {"deduplicate": True}], ids=str)
def test_what_a_callback_raises_after_the_commit_is_said_of_a_message_that_is_handled(consumer, options):
    consumer("save_group_and_fail_later", **options)

    outcome = deliver("it", {"name": "a"})

    assert (outcome.status, type(outcome.exception)) == ("handled", ValueError)
    assert Group.objects.get().name == "a"


def later(message):
    transaction.on_commit(lambda: None)


def save_group_and_fail_later(message):
    save_group(message)
    transaction.on_commit(lambda: (_ for _ in ()).throw(ValueError("too late")))


def test_an_unknown_consumer_is_named_with_the_known_ones(consumer):
    consumer()

    with pytest.raises(LookupError, match=r"has no 'other': known consumers are it"):
        deliver("other", "v")


def test_a_topic_that_the_consumer_does_not_read_is_refused(consumer):
    consumer(topics=["t", "^p_.*"])

    assert deliver("it", "v", topic="p_1").message.topic == "p_1"
    with pytest.raises(ValueError, match="doesn't read 'elsewhere'"):
        deliver("it", "v", topic="elsewhere")


def test_a_pattern_needs_a_topic(consumer):
    consumer(topics=["^p_.*"])

    with pytest.raises(ValueError, match="give topic="):
        deliver("it", "v")


def test_a_handler_that_does_not_load_is_said_so(consumer):
    consumer("nowhere")

    with pytest.raises(HandlerError, match="nowhere"):
        deliver("it", "v")


@override_settings(
    KAFKA={
        "endpoints": "memory",
        "consumers": {"it": {"topics": ["t"], "consumer_group": "g", "message_handler": f"{HERE}.save_the_same_twice"}},
    }
)
class DjangosOwnTestCase(TestCase):
    """The same from a class of Django's, whose transaction is not pytest's."""

    def test_a_database_error_leaves_the_transaction_usable(self):
        outcome = deliver("it", {"name": "a"})

        assert isinstance(outcome.exception, IntegrityError)
        assert not Group.objects.exists()
