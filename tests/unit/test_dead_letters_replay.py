"""Replaying: what one replay does to its dead letter, to its effects, and to the partition in whose place it runs."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic, sleep

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import JSONField, Value

from kafka_integration import NO_COMMIT, BatchError, Reject, Retry, Skip
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.dead_letters import replay_requests
from kafka_integration.dead_letters.replay_requests import ReplayRequest, ReplayRequests
from kafka_integration.models import DeadLetter, HandledMessage
from tests.unit import scripted
from tests.unit.replays import (
    DATABASE,
    MODES,
    PLAIN,
    REMEMBERING,
    TRANSACTIONAL,
    Parked,
    Requested,
    do,
    leave_a_trace_and,
    requested,
    reread,
    traces,
)

# Not in a transaction of the test's: its rollbacks are what this is about.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]


@MODES
def test_the_handler_gets_the_message_as_it_was(lane, mode):
    requested(
        offset=7, key=b"k\xff", value=b"v", headers=[("a", b"1"), ("a", None), ("b", b"\xff")], attempts=5,
        timestamp_ms=1_700_000_000_123, timestamp_type="append",
    )  # fmt: skip

    lane(**mode, key_deserializer="bytes").replay()

    (message,) = scripted.seen
    assert (message.topic, message.partition, message.offset, message.attempt) == ("events", 0, 7, 6)
    assert (message.key, message.value, message.value_bytes) == (b"k\xff", "v", b"v")
    assert message.headers == [("a", b"1"), ("a", None), ("b", b"\xff")]
    assert (message.ts, message.ts_type) == (1_700_000_000_123, "append")


@MODES
def test_null_key_and_value_and_no_timestamp_come_back_as_such(lane, mode):
    requested(key=None, value=None, timestamp_ms=None, timestamp_type=None)

    lane(**mode).replay()

    (message,) = scripted.seen
    assert (message.key, message.value, message.ts, message.ts_type, message.headers) == (None, None, None, None, [])


@MODES
def test_a_replay_that_succeeds_settles_the_dead_letter(lane, mode):
    letter = requested(attempts=5)
    leave_a_trace_and(None)

    needs_claim = lane(**mode).replay()

    letter = reread(letter)
    assert letter.state == DeadLetter.State.HANDLED
    assert letter.attempts == 6
    assert letter.settled_at is not None
    assert letter.replayed_at is not None
    assert (letter.leased_until, letter.lease_holder) == (None, "")
    assert traces() == 1
    assert not needs_claim


@MODES
def test_what_was_settled_is_not_replayed_again(lane, mode):
    requested()
    lane = lane(**mode)

    lane.replay()

    assert lane.next() is None
    assert len(scripted.seen) == 1


@MODES
def test_a_replay_that_fails_leaves_it_parked_with_what_is_new(lane, mode):
    letter = requested(attempts=5, exception="shop.Old", reason="old", traceback="old")
    do(lambda message: {}["missing"])

    lane(**mode).replay()

    letter = reread(letter)
    assert letter.state == Parked
    assert letter.attempts == 6
    assert letter.exception == "builtins.KeyError"
    assert "in <lambda>" in letter.traceback
    assert letter.settled_at is None
    assert letter.replayed_at is not None
    assert letter.leased_until is None


@TRANSACTIONAL
@pytest.mark.parametrize("error", [ValueError(), Reject("no"), Retry(0), Skip("no"), DatabaseError()])
def test_effects_of_a_replay_that_fails_are_rolled_back(lane, mode, error):
    requested()
    leave_a_trace_and(error)

    lane(**mode).replay()

    assert traces() == 0


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(PLAIN, id="kafka"),
        # On SQLite the handler's transaction has the database to itself: nobody can renew, or take.
        pytest.param(DATABASE, id="database", marks=pytest.mark.server_database),
    ],
)
def test_a_replay_is_nobody_elses_while_its_handler_runs(lane, mode, monkeypatch):
    monkeypatch.setattr(replay_requests, "LEASE", timedelta(seconds=2))
    letter = requested()
    rival = ReplayRequests(database="default", group="group", others=())
    taken = []

    def outlive_the_lease(_):
        end = monotonic() + 3
        while monotonic() < end:
            taken.append(rival.take(ReplayRequest(letter.pk, ("events", 0))))
            sleep(0.02)

    do(outlive_the_lease)

    lane(**mode).replay()

    assert not any(taken)
    assert reread(letter).state == DeadLetter.State.HANDLED


@TRANSACTIONAL
def test_effects_and_the_new_state_are_one_transaction(lane, mode):
    letter = requested()

    def settle_elsewhere(_):
        Group.objects.create(name="effect")
        # As if the lease had run out, and another worker had been quicker.
        DeadLetter.objects.update(lease_holder="another worker")

    do(settle_elsewhere)

    needs_claim = lane(**mode).replay()

    assert traces() == 0
    assert reread(letter).state == Requested
    assert not needs_claim


@TRANSACTIONAL
@pytest.mark.parametrize("error", [ValueError(), OperationalError()], ids=["a failure", "the database's"])
def test_a_replay_whose_hook_fails_is_handled(lane, mode, error, caplog):
    letter = requested()

    def follow(_):
        Group.objects.create(name="effect")
        transaction.on_commit(lambda: (_ for _ in ()).throw(error))

    do(follow)

    needs_claim = lane(**mode).replay()

    assert reread(letter).state == DeadLetter.State.HANDLED
    assert traces() == 1
    assert not needs_claim
    assert "one of its on_commit hooks failed" in caplog.text
    assert "is not noted" not in caplog.text


@TRANSACTIONAL
def test_a_hook_of_a_replay_that_ends_the_process_does_so_with_its_effects_committed(lane, mode):
    letter = requested()

    def follow(_):
        Group.objects.create(name="effect")
        transaction.on_commit(lambda: (_ for _ in ()).throw(SystemExit()))

    do(follow)

    with pytest.raises(SystemExit):
        lane(**mode).replay()

    assert reread(letter).state == DeadLetter.State.HANDLED
    assert traces() == 1


@TRANSACTIONAL
def test_a_swallowed_database_error_fails_the_replay(lane, mode):
    letter = requested()

    def swallow(_):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")
        except DatabaseError:
            transaction.set_rollback(True)

    do(swallow)

    lane(**mode).replay()

    assert reread(letter).state == Parked


def test_a_worker_that_lost_its_partition_rolls_back_and_claims_again(lane):
    letter = requested()
    leave_a_trace_and(None)
    lane = lane(**DATABASE)
    OffsetStore(database="default", group="group").claim(topic="events", topic_id="", partition=0, fallback=0)

    needs_claim = lane.replay()

    assert needs_claim
    assert traces() == 0
    assert reread(letter).state == Requested
    lane.look_again()
    assert lane.next() is not None, "the new owner has to wait for the lease"


def test_what_is_given_back_can_be_taken_at_once():
    """Not a moment of the database's clock later, which on SQLite is a millisecond."""
    requested()
    requests = ReplayRequests(database="default", group="group", others=())

    for _ in range(50):
        (request,) = requests.find([("events", 0)], 1)
        requests.postpone(requests.take(request), 0)


@MODES
def test_a_skipped_one_is_given_up_and_counted(lane, mode):
    letter = requested()
    do(lambda message: (_ for _ in ()).throw(Skip("sold out")))
    lane = lane(**mode)

    lane.replay()

    letter = reread(letter)
    assert letter.state == DeadLetter.State.DISCARDED
    assert letter.reason == "sold out"
    assert letter.settled_at is not None


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_what_the_policy_does_to_live_messages_does_not_end_a_replay(lane, policy):
    letter = requested()
    do(lambda message: 1 / 0)

    lane(failure_rules={"builtins.ZeroDivisionError": policy}).replay()

    assert reread(letter).state == Parked


@MODES
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_ends_the_consumer_but_not_at_each_start(lane, mode, error):
    letter = requested()
    do(lambda message: (_ for _ in ()).throw(error()))

    with pytest.raises(error):
        lane(**mode).replay()

    assert reread(letter).state == Parked


@MODES
@pytest.mark.parametrize("headers", [{"a": 1}, [["a", 1]], [["a"]], "a", None, [["a", {"base64": "x"}]]], ids=str)
def test_headers_that_no_consumer_wrote_keep_their_dead_letter_parked(lane, mode, headers):
    letter = requested(attempts=5)
    DeadLetter.objects.filter(pk=letter.pk).update(headers=Value(headers, JSONField()))

    lane(**mode).replay()

    letter = reread(letter)
    assert (letter.state, letter.attempts, letter.lease_holder) == (Parked, 6, "")
    assert "are in no form in which a consumer keeps them" in letter.reason
    assert not scripted.seen


@MODES
def test_a_kind_of_timestamp_that_no_consumer_wrote_is_none(lane, mode):
    letter = requested(timestamp_ms=5, timestamp_type="other")

    lane(**mode).replay()

    assert reread(letter).state == DeadLetter.State.HANDLED
    assert scripted.seen[0].ts_type is None


@MODES
@pytest.mark.parametrize("state", ["57P01", "40P01"], ids=["an outage", "a conflict"])
def test_a_setback_uses_no_attempt_and_is_waited_out(lane, mode, state):
    letter = requested(attempts=5)

    class DriverError(Exception):
        sqlstate = state

    def fail(_):
        raise OperationalError from DriverError()

    do(fail)
    lane = lane(**mode)

    lane.replay()

    letter = reread(letter)
    assert (letter.state, letter.attempts, letter.lease_holder) == (Requested, 5, "")
    assert letter.leased_until is not None
    assert lane.next() is None, "it is replayed again at once"


@MODES
def test_a_message_that_breaks_its_connection_each_time_is_to_blame_in_the_end(lane, mode):
    letter = requested()

    class ServerDown(Exception):  # noqa: N818 - a driver's
        sqlstate = "57P01"

    def fail(_):
        raise OperationalError from ServerDown()

    do(fail)
    lane = lane(**mode)

    for _ in range(11):
        DeadLetter.objects.update(leased_until=None)
        lane.look_again()
        lane.replay()

    assert reread(letter).state == Parked
    assert reread(letter).reason == "SQLSTATE 57P01"


def test_deduplication_does_not_reject_a_replay_but_remembers_it(lane):
    event = [("ce_source", b"/shop"), ("ce_id", b"1")]
    first, second = requested(headers=event), requested(headers=event)
    lane = lane(**REMEMBERING)

    lane.replay()
    assert HandledMessage.objects.count() == 1
    lane.replay()

    assert len(scripted.seen) == 2
    assert {reread(letter).state for letter in (first, second)} == {DeadLetter.State.HANDLED}


def test_a_batch_handler_gets_a_batch_of_one(lane):
    letter = requested()

    lane(message_handler="tests.unit.scripted.Batch").replay()

    assert [len(batch) for batch in scripted.batches] == [1]
    assert reread(letter).state == DeadLetter.State.HANDLED


@pytest.mark.parametrize("mode", [PLAIN, DATABASE], ids=["kafka", "database"])
def test_a_batch_error_is_unwrapped(lane, mode):
    skipped, failed = requested(), requested()
    lane = lane(message_handler="tests.unit.scripted.Batch", **mode)
    do(
        lambda batch: (_ for _ in ()).throw(
            BatchError({batch[0]: Skip() if len(scripted.batches) == 1 else KeyError()})
        )
    )

    lane.replay()
    lane.replay()

    assert reread(skipped).state == DeadLetter.State.DISCARDED
    assert reread(failed).state == Parked
    assert reread(failed).exception == "builtins.KeyError"


def test_what_a_handler_says_of_commits_has_no_meaning_here(lane):
    letter = requested()
    do(lambda message: NO_COMMIT)

    lane(**PLAIN).replay()

    assert reread(letter).state == DeadLetter.State.HANDLED
