"""replay --dry-run: what a replay would do, who would do it and how safely, before anything is done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from kafka_integration.models import DeadLetter, Process
from kafka_integration.sinks import ModelSink
from tests.dead_letters import make_letter
from tests.unit.consumers import consumer_settings

pytestmark = pytest.mark.django_db

State = DeadLetter.State


class GroupSink(ModelSink):
    model = Group
    match_fields = ("name",)
    fields = ("name",)


class VersionedSink(GroupSink):
    version_field = "name"


@pytest.fixture(autouse=True)
def _configured(settings):
    configure(settings)


def configure(settings, **options):
    settings.KAFKA = consumer_settings(**options)


def letter(**fields):
    return make_letter(**{"consumer": "c", "group": "group", "topic": "events", **fields})


def previewed(*arguments):
    output = StringIO()
    call_command("kafkadeadletters", "replay", *map(str, arguments), "--dry-run", stdout=output)
    return output.getvalue()


def read(*arguments):
    return json.loads(previewed(*arguments, "--json"))


def run_a_process(*, state="running", partitions=((0, None),), group="group", **fields):
    owned = [{"topic": "events", "partition": number, "reason": reason} for number, reason in partitions]
    consumer = {"name": "c", "group": group, "state": state, "partitions": owned}
    values = {"kind": "consumer", "host": "web-1", "pid": 1, "started_at": Now(), "seen_at": Now(), "version": "1"}
    return Process.objects.create(**{**values, "state": "running", "consumers": [consumer], **fields})


def test_nothing_is_asked_for():
    parked, discarded = letter(), letter(state=State.DISCARDED)
    before = list(DeadLetter.objects.values())

    previewed("--all")
    previewed(parked.pk, discarded.pk, "--rate", 5)

    assert list(DeadLetter.objects.values()) == before


def test_it_says_how_many_of_whom_and_of_when():
    for day, number in ((3, 2), (1, 0), (2, 0)):
        letter(partition=number, failed_at=datetime(2026, 3, day, 9, 30, tzinfo=UTC))
    letter(topic="clicks", failed_at=datetime(2026, 3, 4, 9, 30, tzinfo=UTC))

    document, text = read("--group", "group"), previewed("--group", "group")

    assert document["count"] == 4
    assert (document["first_at"][:10], document["last_at"][:10]) == ("2026-03-01", "2026-03-04")
    assert [(each["topic"], each["partitions"], each["count"]) for each in document["targets"]] == [
        ("clicks", [0], 1),
        ("events", [0, 2], 3),
    ]
    assert "events  0,2             3  2026-03-01 09:30:00 UTC  2026-03-03 09:30:00 UTC" in text
    assert text.endswith(
        "4 would be handed to their handler once more. Nothing was asked for yet: without --dry-run it is.\n"
    )


def test_it_counts_as_many_as_the_replay_then_asks_for():
    named = [letter(), letter(state=State.DISCARDED), letter(state=State.HANDLED), letter(state=State.REPLAY)]
    names = [str(each.pk) for each in named]

    counts = [read("--all")["count"], read(*names)["count"]]
    output = StringIO()
    call_command("kafkadeadletters", "replay", *names, "--json", stdout=output)

    assert counts == [1, 2]
    assert json.loads(output.getvalue())["changed"] == 2


def test_those_that_are_asked_for_taken_postponed_or_failed_before_are_told_apart():
    letter()
    letter(replayed_at=Now())
    letter(replayed_at=Now() - timedelta(hours=1))  # parked anew since
    letter(state=State.REPLAY)
    letter(state=State.REPLAY, is_taken=True)
    letter(state=State.REPLAY, leased_until=Now() + timedelta(minutes=1))
    skipped = letter(state=State.DISCARDED, replayed_at=Now(), settled_at=Now())
    DeadLetter.objects.filter(pk=skipped.pk).update(replayed_at=Now(), settled_at=Now())

    assert read("--all")["states"] == {
        "parked": 2, "failed_again": 1, "requested": 1, "postponed": 1, "being_replayed": 1,
        "handled": 0, "skipped": 0, "discarded": 0,
    }  # fmt: skip
    assert read(skipped.pk)["states"]["skipped"] == 1


def test_one_that_would_leave_an_earlier_one_of_its_key_behind_is_counted():
    first, second = letter(key=b"a", offset=1), letter(key=b"a", offset=2)
    other = letter(key=b"b", offset=3)
    letter(key=b"b", offset=0, state=State.DISCARDED)
    letter(key=b"b", offset=1, partition=1)
    keyless = [letter(key=None, offset=offset) for offset in (10, 11)]

    assert (read(second.pk)["overtaking"], read(second.pk)["first_left_behind"]) == (1, first.pk)
    assert f"of its key that would be left behind, first {first.pk}." in previewed(second.pk)
    assert read(first.pk, second.pk)["overtaking"] == 0
    assert read(first.pk, second.pk)["first_left_behind"] is None
    assert read(other.pk)["overtaking"] == 0
    assert read(keyless[1].pk)["overtaking"] == 0


def test_a_process_that_runs_the_consumer_takes_them_up():
    letter()
    process = run_a_process()

    (consumer,) = read("--all")["consumers"]

    assert (consumer["running"], consumer["processes"], consumer["taken_up_by"]) == (True, [process.pk], "c")
    assert "runs in 1 process, which takes them up" in previewed("--all")


@pytest.mark.parametrize(
    "fields",
    [{"state": "quiet"}, {"state": "draining"}, {"group": "another"}, {"seen_at": datetime(2026, 1, 1, tzinfo=UTC)}],
)
def test_where_nobody_takes_them_up_it_says_so(fields):
    letter()
    run_a_process(**fields)

    (consumer,) = read("--all")["consumers"]

    assert (consumer["running"], consumer["processes"]) == (False, [])
    assert "No process runs consumer c now" in previewed("--all")


def test_where_processes_write_no_rows_nobody_knows(settings):
    settings.KAFKA = {**consumer_settings(), "operations": {"rows": False}}
    letter()

    (consumer,) = read("--all")["consumers"]

    assert (consumer["running"], consumer["processes"]) == (None, None)
    assert "isn't known: its processes write no rows" in previewed("--all")


def test_partitions_that_are_paused_or_owned_by_nobody_would_wait():
    for number in range(3):
        letter(partition=number)
    letter(topic="gone", partition=7)
    run_a_process(partitions=((0, None), (1, "paused")))

    (consumer,) = read("--all")["consumers"]

    assert consumer["paused"] == [{"topic": "events", "partition": 1}]
    assert consumer["unowned"] == [{"topic": "events", "partition": 2}]
    assert "which takes them up" in previewed("--all")


@pytest.mark.parametrize("state", [State.PARKED, State.REPLAY])
def test_where_all_are_paused_it_says_nothing_else_of_when_also_of_those_that_are_asked_for(state):
    letter(state=state)
    run_a_process(partitions=((0, "paused"), (1, None)))

    text = previewed("--all")

    assert "Paused, so that replays wait until they are resumed: events[0]." in text
    assert "takes them up" not in text


def test_of_those_that_are_asked_for_it_says_who_takes_them_up():
    letter(state=State.REPLAY)
    run_a_process()

    text = previewed("--all")

    assert "1 is asked for already.\n" in text
    assert "runs in 1 process, which takes them up" in text
    assert "0 would be handed" in text


def test_those_of_a_former_consumer_go_to_another_of_its_group():
    letter(consumer="former")
    letter(consumer="stranger", group="strangers")

    former, stranger = read("--all")["consumers"]

    assert (former["consumer"], former["taken_up_by"], stranger["taken_up_by"]) == ("former", "c", None)
    assert "no consumer of the settings has group strangers" in previewed("--all")


@pytest.mark.parametrize(
    ("options", "effects"),
    [
        ({"offset_storage": "kafka"}, "at_least_once"),
        ({"offset_storage": "database"}, "once"),
        ({"offset_storage": "kafka", "deduplicate": True}, "once"),
    ],
)
def test_it_says_whether_effects_are_protected_and_what_is_not_known(settings, options, effects):
    configure(settings, **options)
    letter()

    assert read("--all")["consumers"][0]["effects"] == effects
    assert "n't known" in previewed("--all")


@pytest.mark.parametrize(
    ("sink", "text"), [(GroupSink, "sink without a version"), (VersionedSink, "sink with a version")]
)
def test_of_a_sink_it_says_what_an_old_message_does_to_a_newer_row(settings, sink, text):
    configure(settings, message_handler=f"{__name__}.{sink.__name__}")
    letter()

    assert read("--all")["consumers"][0]["sink"] == f"{__name__}.{sink.__name__}"
    assert text in previewed("--all")


def test_a_handler_that_cannot_be_loaded_is_no_reason_to_say_nothing(settings):
    configure(settings, message_handler="nowhere.at_all")
    letter()

    assert read("--all")["consumers"][0]["sink"] is None


def test_it_says_how_fast_and_when_it_stops():
    letter()

    plain, careful = previewed("--all"), previewed("--all", "--rate", "50", "--stop-after-failures", "10")

    assert "as fast as consumers handle them and whatever fails" in plain
    assert "50 a second at most, until 10 have failed again; given up where none is taken in hand for 60 s" in careful
    document = read("--all", "--rate", "50", "--stop-after-failures", "10")
    assert (document["rate"], document["stop_after_failures"]) == (50, 10)


def test_of_nothing_there_is_little_to_say():
    assert read("--all")["count"] == 0
    assert "0 would be handed" in previewed("--all")


def test_an_unknown_id_is_refused_as_ever():
    with pytest.raises(CommandError, match="no dead letter"):
        previewed(4711)
