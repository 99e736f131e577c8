"""Replaying: what one replay does to its dead letter, to its effects, and to the partition in whose place it runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models.functions import Now

from kafka_integration import NO_COMMIT, BatchError, Reject, Retry, Skip
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.partition import Partition, State
from kafka_integration.consuming.replay_requests import ReplayRequests
from kafka_integration.consuming.stored_offsets import OffsetStore
from kafka_integration.models import DeadLetter, HandledMessage
from tests.dead_letters import make_letter, make_letters
from tests.steps import steps_of, take_statistics
from tests.unit import scripted
from tests.unit.consumers import consumer_settings

# Not in a transaction of the test's: its rollbacks are what this is about.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

PLAIN = {"offset_storage": "kafka"}
DATABASE = {"offset_storage": "database"}
REMEMBERING = {"offset_storage": "kafka", "deduplicate": True}
MODES = pytest.mark.parametrize("mode", [PLAIN, DATABASE, REMEMBERING], ids=["kafka", "database", "deduplicate"])
TRANSACTIONAL = pytest.mark.parametrize("mode", [DATABASE, REMEMBERING], ids=["database", "deduplicate"])

Parked, Requested = DeadLetter.State.PARKED, DeadLetter.State.REPLAY


class Lane:
    """One lane's replays, and a partition that it owns, without a thread."""

    def __init__(self, settings, **options):
        settings.KAFKA = consumer_settings(on_failure="dead_letter", **options)
        consumer = get_settings().consumers["c"]
        self.replays = assemble(consumer).make_errands()
        self.partition = Partition("events", 0)
        if consumer.offset_storage == "database":
            store = OffsetStore(database="default", group="group")
            self.partition.epoch = store.claim(topic="events", topic_id="", partition=0, fallback=0).epoch
        self.partition.state = State.ACTIVE

    def next(self):
        return self.replays.next([self.partition])

    def replay(self):
        """Do what there is to do next; True if the partition has to be claimed again."""
        errand = self.next()
        assert errand is not None, "there is nothing to replay"
        return errand.run()

    def look_again(self):
        """As if a second were over."""
        self.replays._look_at = self.replays._lookout._look_at = 0.0


@pytest.fixture
def lane(settings, memory_transport):
    memory_transport.create_topic("events")
    return lambda **options: Lane(settings, **options)


def requested(**fields):
    return make_letter(**{"consumer": "c", "group": "group", "topic": "events", "state": Requested, **fields})


def reread(letter):
    return DeadLetter.objects.get(pk=letter.pk)


def do(effect):
    scripted.script[:] = [effect]


def leave_a_trace_and(error):
    def follow(_):
        Group.objects.create(name="effect")
        if error is not None:
            raise error

    do(follow)


def traces():
    return Group.objects.filter(name="effect").count()


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


# Finding them


def test_nothing_is_found_where_nothing_is_asked_for(lane):
    for state in set(DeadLetter.State) - {Requested}:
        requested(state=state)

    assert lane().next() is None


def test_the_oldest_come_first(lane):
    for offset in (3, 1, 2):
        requested(offset=offset)
    lane = lane()

    while errand := lane.next():
        errand.run()

    assert [message.offset for message in scripted.seen] == [3, 1, 2]


def test_more_than_a_page_is_found_without_a_pause(lane):
    for _ in range(120):
        requested()
    lane = lane()

    count = 0
    while errand := lane.next():
        errand.run()
        count += 1

    assert count >= 100


def test_the_oldest_requests_of_each_partition_are_found_and_no_more_than_asked_for():
    letters = [requested(topic=topic, partition=number) for topic in ("a", "b") for number in (3, 10) for _ in "12"]
    requested(topic="a", partition=4)
    requests = ReplayRequests(database="default", group="group", others=())

    assert requests.places(10) == [("a", 3), ("a", 4), ("a", 10), ("b", 3), ("b", 10)]
    assert requests.places(2) == [("a", 3), ("a", 4)]
    found = requests.find([("a", 3), ("a", 10), ("c", 1), ("b", 3)], 5)
    assert [request.id for request in found] == [letter.pk for letter in letters[:5]]


@pytest.mark.slow
# Thousands of requests are all sorted in one case, while PostgreSQL knows of none: that is a moment, and a few ms.
@pytest.mark.parametrize(("state", "seen"), [("handled", "nothing"), ("handled", "requests"), ("replay", "requests")])
def test_looking_for_requests_costs_the_same_however_many_dead_letters_there_are(state, seen):
    make_letters(3000, group="group", state="replay")
    if seen == "nothing":
        DeadLetter.objects.all().delete()
    take_statistics(DeadLetter)
    DeadLetter.objects.all().delete()
    requests = ReplayRequests(database="default", group="group", others=("another",))

    def look():
        requests.find(requests.places(100), 10)

    for number in range(2):
        make_letters(20, group="group", state="replay", partition=number)
    make_letters(100, group="group", state=state)
    steps = steps_of(look)
    make_letters(4000, group="group", state=state)

    assert steps_of(look) < 2 * steps


def test_while_there_is_nothing_the_database_is_asked_once_a_second_for_all_lanes(
    lane, django_assert_num_queries, settings
):
    lane = lane()
    lane.next()

    with django_assert_num_queries(0):
        for _ in range(50):
            lane.next()


def test_the_partitions_of_others_are_left_to_them(lane):
    requested(partition=1)
    requested(topic="events", partition=3)

    assert lane().next() is None


def test_other_groups_and_the_groups_other_consumers_are_left_alone(lane, settings):
    requested(group="another")
    lane = lane()
    consumers = settings.KAFKA["consumers"]
    settings.KAFKA = {**settings.KAFKA, "consumers": {**consumers, "twin": consumers["c"]}}
    requested(consumer="twin")
    lane.replays = assemble(get_settings().consumers["c"]).make_errands()

    assert lane.next() is None


def test_a_consumer_inherits_from_one_of_its_group_that_is_gone(lane):
    letter = requested(consumer="formerly")

    lane().replay()

    assert reread(letter).state == DeadLetter.State.HANDLED


def test_what_another_worker_has_taken_is_left_to_it_until_its_lease_ends(lane):
    letter = requested(is_taken=True)
    lane = lane()
    assert lane.next() is None

    DeadLetter.objects.update(leased_until=Now() - timedelta(seconds=1))
    lane.look_again()
    lane.replay()

    assert reread(letter).state == DeadLetter.State.HANDLED


def test_two_lanes_that_found_the_same_handle_it_once(lane, settings):
    requested()
    lanes = [lane(), lane()]
    errands = [lane.next() for lane in lanes]

    for errand in errands:
        errand.run()

    assert len(scripted.seen) == 1


@MODES
def test_what_is_in_a_handlers_hands_is_not_taken_by_another_lane_that_found_it_too(lane, mode):
    letter = requested()
    # With offsets in the database the later one owns the partition.
    other, slow = (lane(**mode).next() for _ in range(2))
    do(lambda message: other.run() if len(scripted.seen) == 1 else None)

    slow.run()

    assert len(scripted.seen) == 1
    assert reread(letter).state == DeadLetter.State.HANDLED


def test_what_was_discarded_after_it_was_found_is_not_replayed(lane):
    letter = requested()
    errand = lane().next()
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)

    errand.run()

    assert scripted.seen == []
    assert reread(letter).state == DeadLetter.State.DISCARDED


def test_the_errand_names_the_partition_whose_place_it_takes(lane):
    requested()
    lane = lane()

    assert lane.next().partition is lane.partition


@pytest.mark.parametrize("spoil", ["stopping", "starting"])
def test_a_partition_that_is_about_to_go_or_to_come_is_left_alone(lane, spoil):
    requested()
    lane = lane()
    if spoil == "stopping":
        lane.partition.stopping = True
    else:
        lane.partition.state = State.STARTING

    assert lane.next() is None


@pytest.mark.parametrize(
    "place",
    [{"topic": "forgotten"}, {"partition": 99}],
    ids=["a topic that is not read any more", "a partition that is not there any more"],
)
def test_what_nobody_can_own_is_anybodys(lane, place, memory_transport):
    memory_transport.create_topic("forgotten")
    letter = requested(**place)

    errand = lane().next()

    assert errand.partition is None
    assert errand.run() is False
    assert reread(letter).state == DeadLetter.State.HANDLED


def test_a_topic_of_a_pattern_has_an_owner(lane, memory_transport):
    memory_transport.create_topic("events-eu")
    requested(topic="events-eu", partition=1)

    assert lane(topics=["^events-.*"]).next() is None


def test_a_database_that_is_down_disturbs_nothing_and_is_left_alone_for_a_while(lane, monkeypatch, caplog):
    requested()
    lane = lane()
    asked = []

    def fail(self, limit):
        asked.append(1)
        raise OperationalError("no route to host 4111")

    monkeypatch.setattr("kafka_integration.consuming.replay_requests.ReplayRequests.places", fail)

    assert [lane.next() for _ in range(5)] == [None] * 5
    assert len(asked) == 1
    assert "can't look for replays" in caplog.text
    assert "4111" not in caplog.text
