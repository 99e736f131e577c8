"""kafkadeadletters: what it prints, what it changes, and what it refuses."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from kafka_integration.dead_letters import operations as dead_letters
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter, make_letters
from tests.unit.consumers import consumer_settings

pytestmark = pytest.mark.django_db

State = DeadLetter.State


def run(*arguments):
    output, errors = StringIO(), StringIO()
    call_command("kafkadeadletters", *arguments, stdout=output, stderr=errors)
    return output.getvalue()


def read(*arguments):
    return json.loads(run(*arguments, "--json"))


def billing():
    (consumer,) = consumer_settings(topics=["^invoices"], consumer_group="billers")["consumers"].values()
    return {"endpoints": "memory", "consumers": {"billing": consumer}}


def state_of(letter):
    return DeadLetter.objects.get(pk=letter.pk).state


def test_the_json_list_has_the_documented_fields():
    letter = make_letter(key=b"k", value=b'{"n": 1}', headers=[("a", b"1"), ("a", None)], attempts=5)

    assert read("list") == [
        {
            "id": letter.pk,
            "consumer": "shop",
            "group": "shop",
            "topic": "orders",
            "partition": 0,
            "offset": letter.offset,
            "key": "k",
            "value": '{"n": 1}',
            "headers": [["a", "1"], ["a", None]],
            "attempts": 5,
            "exception": "builtins.ValueError",
            "at": letter.failed_at.isoformat(),
        }
    ]


def test_times_say_how_far_they_are_from_utc_also_where_the_projects_own_do_not():
    letter = make_letter()

    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Kolkata"):
        (listed,) = read("list")

    at = datetime.fromisoformat(listed["at"])
    assert at.utcoffset() is not None
    assert at == letter.failed_at


def test_times_are_shown_by_the_projects_clock_also_where_they_have_no_zone():
    letter = make_letter(replayed_at=Now())
    there = letter.failed_at.astimezone(ZoneInfo("Asia/Kolkata"))
    shown = f"{there:%Y-%m-%d %H:%M:%S} IST"
    operator = User.objects.create(username="operator", is_staff=True, is_superuser=True)

    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Kolkata"):
        client = Client()
        client.force_login(operator)
        listed, page = run("list"), run("show", letter.pk)
        pages = [
            client.get(reverse(f"admin:kafka_integration_deadletter_{name}", args=arguments)).content.decode()
            for name, arguments in (("changelist", []), ("change", [letter.pk]))
        ]

    assert shown in listed
    assert f"failed at: {shown}, attempts: 1" in page
    assert f"replayed at: {shown}" in page
    assert [f">{shown}</time>" in each for each in pages] == [True, True]


def test_all_times_are_shown_by_the_projects_clock_which_need_not_be_in_utc():
    letter = make_letter()
    DeadLetter.objects.filter(pk=letter.pk).update(failed_at=datetime(2026, 3, 1, 9, 12, 44, tzinfo=UTC))

    with override_settings(USE_TZ=True, TIME_ZONE="Asia/Kolkata"):
        listed, page, kinds = run("list"), run("show", letter.pk), run("kinds")

    assert "  2026-03-01 14:42:44 IST  " in listed
    assert "failed at: 2026-03-01 14:42:44 IST, attempts: 1" in page
    assert "  2026-03-01 14:42:44 IST  2026-03-01 14:42:44 IST  " in kinds


def test_bytes_that_are_no_text_come_as_base64_and_say_so():
    make_letter(key=b"\xff", value=b"\x80\0", headers=[("h", b"\xfe")])

    (letter,) = read("list")

    assert letter["key"] == {"base64": base64.b64encode(b"\xff").decode()}
    assert base64.b64decode(letter["value"]["base64"]) == b"\x80\0"
    assert letter["headers"] == [["h", {"base64": "/g=="}]]


def test_null_and_empty_stay_apart():
    make_letter(key=None, value=b"")

    (letter,) = read("list")

    assert (letter["key"], letter["value"]) == (None, "")


def test_an_empty_list_is_an_empty_document():
    assert read("list") == []


def test_the_list_holds_what_waits_newest_first_unless_told_otherwise():
    parked, requested = make_letter(), make_letter(state=State.REPLAY)
    handled, discarded = make_letter(state=State.HANDLED), make_letter(state=State.DISCARDED)

    def ids(*arguments):
        return [letter["id"] for letter in read("list", *arguments)]

    assert ids() == [requested.pk, parked.pk]
    assert ids("--state", "handled") == [handled.pk]
    assert ids("--state", "all", "--limit", "2") == [discarded.pk, handled.pk]


def test_one_that_failed_anew_is_among_the_newest():
    now = timezone.now()
    old, newer = make_letter(failed_at=now - timedelta(days=2)), make_letter(failed_at=now - timedelta(days=1))
    DeadLetter.objects.filter(pk=old.pk).update(failed_at=now)

    assert [letter["id"] for letter in read("list")] == [old.pk, newer.pk]
    assert [letter["id"] for letter in read("list", "--limit", "1")] == [old.pk]


def test_the_list_is_narrowed_by_consumer_group_and_topic():
    mine = make_letter(consumer="a", group="g", topic="t")
    make_letter(consumer="b", group="h", topic="u")

    for narrowed in (("--consumer", "a"), ("--group", "g"), ("--topic", "t"), ("--topic", "t", "--group", "g")):
        assert [letter["id"] for letter in read("list", *narrowed)] == [mine.pk]
    assert read("list", "--topic", "t", "--group", "h") == []


@pytest.mark.parametrize("action", [("list",), ("replay",), ("replay", "--rate", "5"), ("discard",)], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("kind", "kafkadeadletters kinds shows those that wait"),
        ("consumer", "settings.KAFKA has: billing"),
        ("group", "settings.KAFKA has: billers"),
        ("topic", "settings.KAFKA has: ^invoices"),
    ],
)
def test_a_name_that_nothing_has_is_refused_with_what_there_is(settings, action, name, remedy):
    settings.KAFKA = billing()
    make_letter()

    with pytest.raises(CommandError, match=re.escape(f'no dead letter of {name} "zzz"; {remedy}')) as raised:
        run(*action, f"--{name}", "zzz")

    assert raised.value.returncode == 1


@pytest.mark.parametrize(
    "filters", [("--consumer", "billing"), ("--group", "billers"), ("--topic", "invoices-2026")], ids=" ".join
)
def test_a_name_of_the_settings_may_have_no_dead_letter(settings, filters):
    settings.KAFKA = billing()

    assert read("list", *filters) == []
    assert read("replay", *filters) == {"changed": 0, "left_alone": 0, "ids": []}


def test_a_kind_of_which_all_are_handled_is_none_that_waits():
    make_letter(kind="aaaa", state=State.HANDLED)

    assert read("replay", "--kind", "aaaa") == {"changed": 0, "left_alone": 0, "ids": []}


def test_a_line_names_the_message_and_no_payload():
    letter = make_letter(key=b"secret key", value=b"secret value")

    line = run("list")

    assert f"orders[0]@{letter.offset}" in line
    assert "builtins.ValueError" in line
    assert "secret" not in line


def test_a_line_says_why_and_not_the_class_alone():
    reason = "the value of orders[0]@17: byte 0 is not valid JSON"
    make_letter(exception="kafka_integration.outcomes.Reject", reason=reason)
    make_letter(exception="kafka_integration.outcomes.Reject", reason="x" * 10_000_000, state=State.REPLAY)

    cut, whole = run("list").splitlines()

    assert f"kafka_integration.outcomes.Reject: {reason}" in whole
    assert f"Reject: {'x' * 100}… (replay requested)" in cut


def test_what_a_letter_holds_cannot_steer_a_terminal():
    evil = "\x1b[2J\x07\r\n\u202e"
    letter = make_letter(
        value=evil.encode(),
        headers=[(f"h{evil}", evil.encode())],
        reason=evil,
        traceback=f"a\n{evil}",
        topic=f"t{evil}",
    )

    printed = run("show", letter.pk) + run("list")

    assert "\\x1b[2J\\x07\\r\\n\\u202e" in printed
    assert not set(printed) & set("\x1b\x07\r\u202e")


def test_one_is_shown_whole():
    letter = make_letter(value=b"\xff\x00", reason="no stock", traceback="line 1\nline 2", state=State.HANDLED)

    printed, document = run("show", letter.pk), read("show", letter.pk)

    for text in ("ff 00 (hexadecimal", "no stock", "line 1\nline 2\n", "handled by a replay", "key: key"):
        assert text in printed
    assert document["value"] == {"base64": "/wA="}
    assert document["traceback"] == "line 1\nline 2"
    assert document["settled_at"] == letter.settled_at.isoformat()


def test_replay_asks_for_each_that_is_named():
    first, second, other = make_letter(), make_letter(), make_letter()

    assert read("replay", first.pk, second.pk) == {"changed": 2, "left_alone": 0, "ids": [first.pk, second.pk]}
    assert (state_of(first), state_of(second), state_of(other)) == (State.REPLAY, State.REPLAY, State.PARKED)


def test_asking_twice_is_asking_once():
    letter = make_letter()

    run("replay", letter.pk)

    assert read("replay", letter.pk) == {"changed": 0, "left_alone": 1, "ids": []}
    assert state_of(letter) == State.REPLAY


def test_what_was_handled_is_not_replayed_again():
    letter = make_letter(state=State.HANDLED)

    run("replay", letter.pk)
    run("replay", "--all")

    assert state_of(letter) == State.HANDLED


def test_all_leaves_discarded_ones_alone_but_an_id_brings_one_back():
    discarded, parked = make_letter(state=State.DISCARDED), make_letter()

    run("replay", "--all")
    assert (state_of(discarded), state_of(parked)) == (State.DISCARDED, State.REPLAY)

    run("replay", discarded.pk)
    assert state_of(discarded) == State.REPLAY


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_filters_choose_whose(action):
    mine, other = make_letter(group="g"), make_letter(group="h")

    assert read(action, "--group", "g")["ids"] == [mine.pk]
    assert state_of(other) == State.PARKED


def test_discard_settles_and_counts():
    letter = make_letter()

    assert read("discard", letter.pk)["changed"] == 1

    letter.refresh_from_db()
    assert letter.state == State.DISCARDED
    assert letter.settled_at is not None


@pytest.mark.parametrize("count", [4, 5])
def test_many_are_changed_a_page_in_a_transaction(count, monkeypatch, transactional_db):
    monkeypatch.setattr(dead_letters, "PAGE", 2)
    make_letters(count)
    make_letter(state="handled")

    with CaptureQueriesContext(connection) as queries:
        assert read("replay", "--group", "shop")["changed"] == count

    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"replay", "handled"}
    assert sum(query["sql"] == "COMMIT" for query in queries) == 3


def test_what_is_discarded_is_logged_with_its_place(caplog):
    letter, handled = make_letter(), make_letter(state=State.HANDLED)

    run("discard", letter.pk, handled.pk)

    assert [record.getMessage() for record in caplog.records] == [
        f"consumer shop: dead letter {letter.pk}, {letter}, is discarded"
    ]


def test_a_replay_that_was_only_asked_for_can_be_discarded_one_under_way_can_not():
    asked, under_way = make_letter(state=State.REPLAY), make_letter(state=State.REPLAY, is_taken=True)

    assert read("discard", "--all") == {"changed": 1, "left_alone": 1, "ids": [asked.pk]}
    assert state_of(under_way) == State.REPLAY


@pytest.mark.parametrize("action", ["show", "replay", "discard"])
@pytest.mark.parametrize("id", ["x", "-1", "1.5", "9" * 30, "²"])
def test_a_bad_id_is_an_error_and_changes_nothing(action, id):
    letter = make_letter()

    with pytest.raises(CommandError, match="Error: "):
        run(action, id)

    assert state_of(letter) == State.PARKED


@pytest.mark.parametrize("action", ["show", "replay", "discard"])
def test_an_unknown_id_is_named_and_nothing_is_changed(action):
    letter = make_letter()
    ids = [letter.pk, 987654] if action != "show" else [987654]

    with pytest.raises(CommandError, match="987654") as raised:
        run(action, *ids)

    assert raised.value.returncode == 1
    assert state_of(letter) == State.PARKED


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--limit", "-1"),
        ("list", "--limit", "0"),
        ("list", "--limit", "9" * 30),
        ("list", "--state", "lost"),
        # What a shell hands on of bytes that aren't UTF-8.
        ("list", "--topic", "caf\udce9"),
        ("discard", "--kind", "caf\udce9"),
    ],
)
def test_what_the_parser_can_tell_is_wrong_usage(arguments):
    with pytest.raises(CommandError, match="Error: argument"):
        run(*arguments)


def test_a_wrong_state_is_told_the_right_ones():
    with pytest.raises(CommandError, match=r"parked.*replay.*handled.*discarded.*all") as raised:
        run("list", "--state", "lost")

    assert "DeadLetter" not in str(raised.value)


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_nothing_is_ever_meant_by_saying_nothing(action):
    letter = make_letter()

    with pytest.raises(CommandError, match="--all"):
        run(action)
    with pytest.raises(CommandError, match="either"):
        run(action, letter.pk, "--all")

    assert state_of(letter) == State.PARKED


def test_purge_deletes_what_was_settled_long_ago_and_nothing_else():
    days_ago = {days: Now() - timedelta(days=days) for days in (1, 10)}
    make_letter(state=State.HANDLED, settled_at=days_ago[10])
    make_letter(state=State.DISCARDED, settled_at=days_ago[10])
    kept = [
        make_letter(state=State.HANDLED, settled_at=days_ago[1]),
        make_letter(state=State.PARKED, failed_at=days_ago[10]),
        make_letter(state=State.REPLAY, failed_at=days_ago[10]),
    ]

    assert read("purge", "--older-than", "5") == {"deleted": 2}
    assert set(DeadLetter.objects.all()) == set(kept)


def test_purge_keeps_to_the_configured_retention(settings):
    settings.KAFKA = {**settings.KAFKA, "dead_letter_retention_days": 5}
    make_letter(state=State.HANDLED, settled_at=Now() - timedelta(days=6))
    kept = make_letter(state=State.HANDLED, settled_at=Now() - timedelta(days=4))

    run("purge")

    assert list(DeadLetter.objects.all()) == [kept]


def test_without_a_retention_purge_wants_to_know(settings):
    settings.KAFKA = {**settings.KAFKA, "dead_letter_retention_days": None}

    with pytest.raises(CommandError, match="--older-than"):
        run("purge")


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "x"])
def test_purge_refuses_days_that_are_none(days):
    letter = make_letter(state=State.HANDLED)

    with pytest.raises(CommandError):
        run("purge", "--older-than", days)

    assert DeadLetter.objects.filter(pk=letter.pk).exists()


def test_an_unknown_database_is_refused_with_the_known_ones():
    with pytest.raises(CommandError, match="default"):
        run("list", "--database", "nowhere")
