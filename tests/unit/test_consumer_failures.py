"""What a consumer does with messages that fail: attempts, order, decisions, batches."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

import pytest

from kafka_integration import BatchError, HandlerError, Reject, Retry, Skip
from kafka_integration.conf.consumers import RetryPolicy
from kafka_integration.consuming.failing.failure_policy import FailurePolicy
from kafka_integration.consuming.ordering.chunk import Drop, Park, RetryLater, Stop
from kafka_integration.errors import BrokerUnavailableError, ConsumerStoppedError
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write
from tests.unit.scripted import fail_on

BATCH = "tests.unit.scripted.Batch"
THREE = {"attempts": 3, "backoff_seconds": 0.01, "max_backoff_seconds": 0.02}


pytestmark = pytest.mark.usefixtures("memory_transport")


def attempts():
    return [(message.value, message.attempt) for message in scripted.seen]


def test_a_failing_message_is_tried_again_before_its_followers():
    write("a", "b", "c")
    scripted.script.append(lambda message: 1 / 0 if message.value == "b" and message.attempt < 3 else None)

    loop = consume(retry=THREE)

    assert attempts() == [("a", 1), ("b", 1), ("b", 2), ("b", 3), ("c", 1)]
    assert committed() == 3
    assert loop.counts.read().failed == 2


def test_stop_leaves_the_message_uncommitted_and_says_which():
    write("a", "b", "c")
    fail_on("b")

    loop = consume(retry=THREE, on_failure="stop")

    assert isinstance(loop.fault, ConsumerStoppedError)
    assert "<Message events[0]@1>" in str(loop.fault)
    assert committed() == 1
    assert [value for value, _ in attempts()] == ["a", "b", "b", "b"]


def test_skip_goes_on_and_counts():
    write("a", "b", "c")
    fail_on("b")

    loop = consume(on_failure="skip")

    assert committed() == 3
    assert loop.counts.read().skipped == 1
    assert loop.counts.read().handled == 2


def test_a_handler_may_skip_by_itself():
    write("a", "b")
    fail_on("a", error=Skip)

    loop = consume()

    assert loop.fault is None
    assert loop.counts.read().skipped == 1


def test_a_handler_may_ask_for_a_retry_at_a_time_of_its_own():
    write("a")
    scripted.script.append(lambda message: (_ for _ in ()).throw(Retry(0.01)) if message.attempt == 1 else None)

    consume(retry={"attempts": 2, "backoff_seconds": 3600, "max_backoff_seconds": 3600})

    assert attempts() == [("a", 1), ("a", 2)]


def test_a_value_that_cannot_be_decoded_follows_the_failure_policy():
    write(b"\xff", "b")
    scripted.script.append(lambda message: message.value)

    loop = consume(on_failure="skip")

    assert loop.counts.read().skipped == 1
    assert committed() == 2


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_running_out_of_memory_or_stack_is_a_failure_of_the_message(error):
    write("a", "b")
    fail_on("a", error=error)

    loop = consume()

    assert isinstance(loop.fault, ConsumerStoppedError)
    assert committed() in (None, 0)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_handler_stops_the_consumer_and_commits_only_what_came_before(error):
    write("a", "b", "c")
    fail_on("b", error=error)

    loop = consume(on_failure="skip")

    assert isinstance(loop.fault, error)
    assert committed() == 1


class PanicError(BaseException):
    """As an extension written in Rust raises it."""


@pytest.mark.parametrize("error", [PanicError, lambda text: BaseExceptionGroup(text, [PanicError()])])
@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
@pytest.mark.django_db(transaction=True)
def test_what_is_no_exception_and_ends_no_process_is_a_failure_like_others(error, offset_storage):
    write("a", "b", "c")
    fail_on("b", error=error)

    loop = consume(retry=THREE, on_failure="dead_letter", offset_storage=offset_storage)

    letter = DeadLetter.objects.get()
    assert loop.fault is None
    assert loop.counts.read().handled == 2
    assert (letter.attempts, letter.offset) == (3, 1)
    assert "which is no Exception" in letter.reason
    assert "no b" not in letter.reason


def test_an_exit_among_others_ends_the_process():
    write("a", "b")
    inner = BaseExceptionGroup("", [SystemExit()])
    fail_on("b", error=lambda text: BaseExceptionGroup(text, [PanicError(), inner]))

    assert isinstance(consume(on_failure="skip").fault, BaseExceptionGroup)
    assert committed() == 1


def test_a_retried_message_is_decoded_anew():
    write(b'{"n": 1}')

    def spoil(message):
        message.value["n"] += 1
        if message.attempt == 1:
            raise ValueError

    scripted.script.append(spoil)

    consume(retry=THREE, value_deserializer="json")

    assert [message.value for message in scripted.seen] == [{"n": 2}, {"n": 2}]


def test_a_failing_partition_does_not_hold_up_the_others_of_its_lane():
    write("bad", partition=0)
    write("good", partition=1)
    scripted.script.append(lambda message: 1 / 0 if message.value == "bad" and message.attempt == 1 else None)

    consume(retry={"attempts": 2, "backoff_seconds": 0.5, "max_backoff_seconds": 0.5})

    assert attempts().index(("good", 1)) < attempts().index(("bad", 2))


def test_a_failed_batch_is_narrowed_down_to_the_message():
    write(*"abcdefgh")
    fail_on("f")

    loop = consume(message_handler=BATCH, on_failure="skip")

    handled = [[message.value for message in batch] for batch in scripted.batches]
    assert handled == [list("abcdefgh"), list("abcd"), list("efgh"), list("ef"), ["e"], ["f"], list("gh")]
    assert loop.counts.read().skipped == 1
    assert committed() == 8


def test_a_batch_error_leaves_only_what_it_names():
    write(*"abcd")

    def follow(messages):
        bad = {m: ValueError() for m in messages if m.value in "bc" and m.attempt == 1}
        if bad:
            raise BatchError(bad)

    scripted.script.append(follow)

    loop = consume(message_handler=BATCH, retry=THREE)

    assert attempts() == [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("b", 2), ("c", 2)]
    assert committed() == 4
    assert loop.counts.read().handled == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_an_outage_that_a_batch_error_reports_uses_no_attempt(storage):
    write(*"abcd")
    broker_is_down = [True] * 4

    def follow(messages):
        bad = {m: BrokerUnavailableError("gone", retriable=True) for m in messages if m.value in "bc"}
        if bad and broker_is_down:
            broker_is_down.pop()
            raise BatchError(bad)

    scripted.script.append(follow)

    loop = consume(message_handler=BATCH, retry=THREE, offset_storage=storage)

    assert loop.fault is None
    assert {attempt for _, attempt in attempts()} == {1}
    assert committed() == 4


@pytest.mark.django_db(transaction=True)
def test_an_outage_among_the_errors_of_a_group_of_tasks_uses_no_attempt():
    write("a")
    broker_is_down = [True] * 4

    def follow(message):
        if broker_is_down:
            broker_is_down.pop()
            raise ExceptionGroup("two tasks", [ValueError(), BrokerUnavailableError("gone", retriable=True)])

    scripted.script.append(follow)

    loop = consume(retry=THREE)

    assert loop.fault is None
    assert {attempt for _, attempt in attempts()} == {1}


def test_no_message_of_a_batch_error_is_tried_before_its_time():
    write("a", "b")
    tried_at = []

    def follow(messages):
        tried_at.append(monotonic())
        if len(messages) == 2:
            raise BatchError({messages[0]: Retry(0.5), messages[1]: Retry(0.01)})

    scripted.script.append(follow)

    consume(message_handler=BATCH, retry=THREE)

    assert attempts() == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert tried_at[1] - tried_at[0] >= 0.5


def test_a_batch_error_that_stays_stops_at_its_first_message():
    write(*"abcd")

    def follow(messages):
        raise BatchError({m: ValueError() for m in messages if m.value == "c"})

    scripted.script.append(follow)

    loop = consume(message_handler=BATCH, retry=THREE, on_failure="stop")

    assert "@2" in str(loop.fault)
    assert committed() in (None, 0, 2)


def test_each_of_a_batch_error_waits_as_long_as_it_asked_for():
    write(*"ab")
    began = {}

    def follow(messages):
        began.update({(message.value, message.attempt): monotonic() for message in messages})
        if again := {m: Retry(0.5 if m.value == "a" else 0.01) for m in messages if m.attempt == 1}:
            raise BatchError(again)

    scripted.script.append(follow)

    consume(message_handler=BATCH, retry=THREE)

    assert began["a", 2] - began["a", 1] >= 0.5


def test_a_batch_error_without_failures_means_that_all_are_handled():
    write(*"ab")
    scripted.script.append(lambda messages: (_ for _ in ()).throw(BatchError({})))

    loop = consume(message_handler=BATCH, retry=THREE)

    assert len(scripted.batches) == 1
    assert committed() == 2
    assert loop.counts.read().handled == 2


def test_a_batch_error_about_other_messages_is_narrowed_down_like_any_failure():
    write("a", "b")
    write("a", "b", partition=1)
    first = []

    def follow(messages):
        first.extend(messages)
        if messages[0].partition != first[0].partition:
            raise BatchError({first[0]: ValueError()})

    scripted.script.append(follow)

    loop = consume(message_handler=BATCH, on_failure="skip")

    assert loop.counts.read().skipped == 2
    assert loop.counts.read().handled == 2


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda message: BatchError({message.offset: ValueError()}), "{int: ValueError}"),
        (lambda message: BatchError({message: "wrong"}), "{Message: str}"),
        (lambda message: BatchError({message: ValueError}), "{Message: type}"),
        (lambda message: Retry("5"), "a str that is no number of seconds"),
        (lambda message: Retry(timedelta(seconds=5)), "a timedelta that is no number of seconds"),
        (lambda message: Retry(float("nan")), "a float that is no number of seconds"),
        (lambda message: Retry(float("inf")), "a float that is no number of seconds"),
    ],
)
@pytest.mark.parametrize("handler", ["tests.unit.scripted.handle", BATCH])
def test_a_decision_that_makes_no_sense_fails_its_message_and_says_so(handler, misuse, said):
    write("a", "b")

    def follow(argument):
        for message in argument if isinstance(argument, list) else [argument]:
            if message.value == "a":
                raise misuse(message)

    scripted.script.append(follow)

    loop = consume(message_handler=handler, on_failure="stop")

    assert isinstance(loop.fault, ConsumerStoppedError)
    assert isinstance(loop.fault.__cause__, HandlerError)
    assert said in str(loop.fault)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("decision", "said"), [(Skip, "skipped: "), (Reject, "dead letter after 1 attempt(s): ")])
def test_a_handlers_reason_is_in_the_log_and_cannot_forge_a_line_of_it(caplog, decision, said):
    write("a")
    scripted.script.append(lambda message: (_ for _ in ()).throw(decision("odd\r\nERROR \x1b[31m")))

    consume(on_failure="dead_letter")

    assert said + "odd\\r\\nERROR \\x1b[31m" in caplog.text


class NotYet(Retry):
    def __init__(self, why):
        self.why = why


class NotAtAll(Reject):
    def __init__(self, why):
        self.why = why


class NotMine(Skip):
    def __init__(self, why):
        self.why = why


class SomeOfThemError(BatchError):
    def __init__(self, why):
        self.why = why


class Secretive(Reject):
    @property
    def reason(self):
        raise RuntimeError("no comment")

    def __init__(self, why):
        pass


def retry_after(seconds):
    """A Retry whose class says when, in its own way."""
    return type("Odd", (Retry,), {"__init__": lambda self, why: None, "after_seconds": seconds})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("decision", "attempts_made", "ends"),
    [
        (NotYet, 3, (1, 0)),
        (NotAtAll, 1, (1, 0)),
        (Secretive, 1, (1, 0)),
        (NotMine, 1, (0, 1)),
        (SomeOfThemError, 3, (1, 0)),
        (retry_after("soon"), 3, (1, 0)),
        (retry_after(float("inf")), 3, (1, 0)),
        (retry_after(property(lambda self: 1 / 0)), 3, (1, 0)),
    ],
)
@pytest.mark.parametrize("handler", ["tests.unit.scripted.handle", BATCH])
def test_a_decision_with_an_init_of_its_own_decides_about_its_message(handler, decision, attempts_made, ends):
    write("a", "b")

    def decide(argument):
        for message in argument if isinstance(argument, list) else [argument]:
            if message.value == "a":
                raise decision("because")

    scripted.script.append(decide)

    loop = consume(message_handler=handler, retry=THREE, batch_size=1, on_failure="dead_letter")

    assert loop.fault is None
    assert attempts() == [*(("a", number + 1) for number in range(attempts_made)), ("b", 1)]
    assert (loop.counts.read().parked, loop.counts.read().skipped) == ends
    assert committed() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("decision", [Skip, Reject])
def test_of_a_long_reason_the_log_has_the_beginning(caplog, decision):
    write("a")
    scripted.script.append(lambda message: (_ for _ in ()).throw(decision("\x1b" * 10_000_000)))

    consume(on_failure="dead_letter")

    said = [record.getMessage() for record in caplog.records if "\\x1b" in record.getMessage()]
    assert len(said) == 1
    assert len(said[0]) < 5_000
    assert said[0].endswith("… (10000000 characters in all)")


def test_the_rule_of_the_nearest_class_decides():
    policy = FailurePolicy(
        retry=RetryPolicy(attempts=2),
        on_failure="dead_letter",
        rules={Exception: "retry", LookupError: "skip", KeyError: "stop"},
    )

    assert isinstance(policy.decide(KeyError(), 1), Stop)
    assert isinstance(policy.decide(IndexError(), 1), Drop)
    assert isinstance(policy.decide(ValueError(), 1), RetryLater)
    assert isinstance(policy.decide(ValueError(), 2), Park)
    assert isinstance(policy.decide(Reject("no"), 1), Park)


def test_delays_grow_stay_under_their_cap_and_vary():
    def delays(jitter):
        retry = RetryPolicy(backoff_seconds=1, backoff_factor=2, max_backoff_seconds=10)
        policy = FailurePolicy(retry=retry, on_failure="stop", rules={}, jitter=lambda: jitter)
        return [policy.delay_seconds(attempt) for attempt in (1, 2, 3, 4, 5, 5000)]

    assert delays(1.0) == [1, 2, 4, 8, 10, 10]
    assert delays(0.0) == [0.5, 1, 2, 4, 5, 5]


def test_without_a_limit_attempts_go_on():
    policy = FailurePolicy(retry=RetryPolicy(attempts=None), on_failure="stop", rules={})

    assert isinstance(policy.decide(ValueError(), 10_000), RetryLater)
