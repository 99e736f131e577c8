"""Dead letters in the admin: who sees what, who may do what, and what a request can't do."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from kafka_integration.admin import bounded
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter, make_letters
from tests.factories import UserFactory
from tests.steps import steps_of, take_statistics

pytestmark = pytest.mark.django_db

LIST = reverse("admin:kafka_integration_deadletter_changelist")
State = DeadLetter.State


def client_of(*codenames, **options):
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"{name}_deadletter" for name in codenames]))
    client = Client(**options)
    client.force_login(user)
    return client


def page_of(letter):
    return reverse("admin:kafka_integration_deadletter_change", args=[letter.pk])


def url_to(name, letter):
    return reverse(f"admin:kafka_integration_deadletter_{name}", args=[letter.pk])


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def states():
    return list(DeadLetter.objects.order_by("pk").values_list("state", flat=True))


def test_the_list_shows_what_waits_for_somebody():
    make_letter(offset=41)
    handled = make_letter(offset=42, state=State.HANDLED)
    client = client_of("view")

    page, everything = text_of(client.get(LIST)), text_of(client.get(LIST, {"state": "all"}))

    assert "orders[0]@41" in page
    assert "@42" not in page
    assert "@42" in everything
    assert text_of(client.get(LIST, {"state": "handled"})).count("@42") == 1
    assert handled.state == State.HANDLED


def test_the_list_is_filtered_by_where_letters_come_from():
    make_letter(topic="orders", consumer="shop", group="shop")
    make_letter(topic="clicks", consumer="ads", group="ads")
    client = client_of("view")

    for field, value in (("topic", "orders"), ("consumer", "shop"), ("group", "shop")):
        page = text_of(client.get(LIST, {field: value}))
        assert "orders[0]@" in page
        assert "clicks[0]@" not in page


@pytest.mark.parametrize("number", ["-1", "0", "1000000000", "9" * 30, "x"])
def test_a_page_number_is_clamped(number):
    make_letter(offset=7)

    assert "@7" in text_of(client_of("view").get(LIST, {"p": number}))


def test_the_last_page_is_shown_for_any_number_beyond_it():
    letters = [make_letter(offset=1000 + number) for number in range(60)]

    page = text_of(client_of("view").get(LIST, {"p": "77"}))

    assert f"@{letters[0].offset}" in page
    assert f"@{letters[-1].offset}" not in page


@pytest.mark.slow
def test_a_page_costs_the_same_however_many_dead_letters_there_are(monkeypatch):
    monkeypatch.setattr(bounded, "MOST_COUNTED", 100)
    monkeypatch.setattr(bounded, "MOST_LOOKED_AT", 100)
    client, pages, steps = client_of("view"), [], []
    for _ in range(2):
        make_letters(3000)
        # SQLite can't know that a state it is given later is one of the index's.
        if connection.vendor == "postgresql":
            make_letters(3000, state=State.HANDLED, settled_at=timezone.now())
        if not steps:
            # What was counted when there were half as many. PostgreSQL rather reads a table of a megabyte as a whole.
            take_statistics(DeadLetter)
        steps.append(steps_of(lambda: pages.append(text_of(client.get(LIST)))))

    assert steps[1] < 1.5 * steps[0]
    assert "100+ dead letters" in pages[0]
    assert "?p=2" in pages[0]
    assert "?p=3" not in pages[0]


def test_a_filter_offers_the_values_of_the_newest_rows_and_the_chosen_one(monkeypatch):
    make_letter(topic="chosen")
    make_letter(topic="old")
    make_letter(topic="new")
    monkeypatch.setattr(bounded, "MOST_LOOKED_AT", 1)

    page = text_of(client_of("view").get(LIST, {"topic": "chosen"}))

    assert "?topic=new" in page
    assert "?topic=chosen" in page
    assert "?topic=old" not in page


@pytest.mark.parametrize("name", ["topic", "state", "database"])
def test_a_filter_with_a_nul_is_as_wrong_as_one_that_there_is_not(name):
    response = client_of("view").get(LIST, {name: "a\0b"})

    assert (response.status_code, response.url) == (302, f"{LIST}?e=1")


def test_the_list_shows_the_beginning_of_the_reason_in_one_line():
    make_letter(exception="kafka_integration.outcomes.Reject", reason="no JSON:\n<b>line 1</b>\x1b")
    make_letter(exception="kafka_integration.outcomes.Reject", reason="x" * 10_000_000)

    page = text_of(client_of("view").get(LIST))

    assert "no JSON:\\n&lt;b&gt;line 1&lt;/b&gt;\\x1b" in page
    assert f'<span class="kafka-reason">{"x" * 100}…</span>' in page
    assert len(page) < 100_000


def test_a_letter_shows_where_it_is_from_and_why_it_failed():
    letter = make_letter(reason="out of stock", traceback="File shop.py, line 3", exception="shop.NoStock")

    page = text_of(client_of("view").get(page_of(letter)))

    for text in ("out of stock", "File shop.py, line 3", "shop.NoStock", "orders[0]@"):
        assert text in page


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (1_700_000_000_000, ">2023-11-15 07:13:20 JST</time>, 1700000000000 ms (create)"),
        (253_402_300_799_000, ">253402300799000 ms (create)"),
        (2**63 - 1, ">9223372036854775807 ms (create)"),
    ],
)
def test_a_timestamp_is_shown_as_people_read_it_and_as_it_is(ms, shown, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    letter = make_letter(timestamp_ms=ms)

    assert shown in text_of(client_of("view").get(page_of(letter)))


def test_payloads_need_a_permission_of_their_own():
    letter = make_letter(key=b"key-of-ann", value=b"card 4111", headers=[("user", b"ann@home")])

    without, within = (
        text_of(client_of(*names).get(page_of(letter))) for names in (["view"], ["view", "view_payload"])
    )

    for secret in ("key-of-ann", "card 4111", "ann@home"):
        assert secret not in without
        assert secret in within
    assert "You need the permission" in without


def test_what_a_message_holds_is_shown_and_never_obeyed():
    letter = make_letter(
        key=b"\xff\xfe",
        value="<script>alert(1)</script>\x1b[31m\r\n\u202e\0".encode(),
        headers=[("<b>", b"<i>"), ("<b>", None), ("n", b"\x80")],
        reason="<u>why</u>\x1b\u202e",
        traceback="<s>where</s>\x1b\u202e",
    )

    page = text_of(client_of("view", "view_payload").get(page_of(letter)))

    for markup in ("<script>alert", "<b>", "<i>", "<u>", "<s>", "\x1b", "\0", "\u202e"):
        assert markup not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m\\r\n\\u202e\\x00" in page
    assert "ff fe (hexadecimal: not UTF-8)" in page
    assert page.count("&lt;b&gt;") == 2
    assert "(null)" in page


def test_a_large_payload_is_cut_off_and_says_so():
    letter = make_letter(value="ü".encode() * 500_000)

    page = text_of(client_of("view", "view_payload").get(page_of(letter)))

    assert len(page) < 100_000
    assert "(1000000 bytes in all)" in page
    assert "The first 10000 of 1000000 bytes:" in page


@pytest.mark.parametrize("name", ["replay", "discard", "purge"])
def test_a_get_does_nothing(name):
    letter = make_letter()

    response = client_of("view", "replay", "discard", "purge").get(url_to(name, letter))

    assert response.status_code == 405
    assert states() == [State.PARKED]


@pytest.mark.parametrize(("name", "allowed"), [("replay", "discard"), ("discard", "replay"), ("purge", "replay")])
def test_each_needs_its_own_permission(name, allowed):
    letter = make_letter()
    client = client_of("view", allowed)

    button = client.post(url_to(name, letter))
    action = client.post(LIST, {"action": f"{name}_selected", "_selected_action": [letter.pk]})

    assert (button.status_code, action.status_code) == (403, 403)
    assert states() == [State.PARKED]
    assert not LogEntry.objects.exists()
    assert url_to(name, letter) not in text_of(client.get(page_of(letter)))
    assert url_to(allowed, letter) in text_of(client.get(page_of(letter)))


def test_nobody_adds_changes_or_deletes():
    letter = make_letter()
    user = UserFactory(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)

    assert client.get(reverse("admin:kafka_integration_deadletter_add")).status_code == 403
    assert client.post(page_of(letter), {"topic": "other"}).status_code == 403
    delete = reverse("admin:kafka_integration_deadletter_delete", args=[letter.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [letter.pk], "post": "yes"})
    assert DeadLetter.objects.get().topic == "orders"


def test_strangers_are_sent_to_the_login():
    letter = make_letter()

    for response in (Client().get(LIST), Client().get(page_of(letter)), Client().post(url_to("replay", letter))):
        assert response.status_code == 302
        assert "/login/" in response["Location"]
    assert states() == [State.PARKED]


@pytest.mark.parametrize("name", ["replay", "discard", "purge"])
def test_a_post_without_a_csrf_token_is_refused(name):
    letter = make_letter()
    client = client_of("view", "replay", "discard", enforce_csrf_checks=True)

    button = client.post(url_to(name, letter))
    action = client.post(LIST, {"action": f"{name}_selected", "_selected_action": [letter.pk]})

    assert (button.status_code, action.status_code) == (403, 403)
    assert states() == [State.PARKED]


def test_the_buttons_bring_their_csrf_tokens():
    letter = make_letter()
    client = client_of("view", "replay", "discard", enforce_csrf_checks=True)

    page = text_of(client.get(page_of(letter)))

    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    assert client.post(url_to("replay", letter), {"csrfmiddlewaretoken": token}).status_code == 302
    assert states() == [State.REPLAY]


@pytest.mark.parametrize(("name", "state"), [("replay", State.REPLAY), ("discard", State.DISCARDED)])
def test_a_button_changes_one_and_leaves_a_log_entry(name, state):
    letter, other = make_letter(), make_letter()
    client = client_of("view", name)

    response = client.post(url_to(name, letter), follow=True)

    assert response.redirect_chain == [(page_of(letter), 302)]
    assert states() == [state, other.state]
    entry = LogEntry.objects.get()
    assert entry.object_id == str(letter.pk)
    assert entry.user_id == int(client.session["_auth_user_id"])
    assert entry.get_change_message() in ("Replay requested.", "Discarded.")


def test_a_second_press_changes_nothing_and_is_not_logged():
    letter = make_letter()
    client = client_of("view", "replay")

    client.post(url_to("replay", letter))
    second = client.post(url_to("replay", letter), follow=True)

    assert states() == [State.REPLAY]
    assert LogEntry.objects.count() == 1
    assert "left alone" in text_of(second)


@pytest.mark.parametrize("state", [State.HANDLED, State.REPLAY])
def test_what_cannot_be_replayed_has_no_button(state):
    letter = make_letter(state=state)

    assert url_to("replay", letter) not in text_of(client_of("view", "replay").get(page_of(letter)))


def test_a_discarded_one_can_be_had_back():
    letter = make_letter(state=State.DISCARDED)
    client = client_of("view", "replay")

    assert url_to("replay", letter) in text_of(client.get(page_of(letter)))
    client.post(url_to("replay", letter))

    letter.refresh_from_db()
    assert letter.state == State.REPLAY
    assert letter.settled_at is None


def test_an_action_changes_what_is_selected_and_logs_each():
    letters = [make_letter() for _ in range(3)]

    client_of("view", "discard").post(
        LIST, {"action": "discard_selected", "_selected_action": [letter.pk for letter in letters[:2]]}
    )

    assert states() == [State.DISCARDED, State.DISCARDED, State.PARKED]
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(letter.pk) for letter in letters[:2]}


def test_an_action_on_all_of_a_filter_leaves_discarded_ones_alone():
    for number in range(55):
        make_letter(offset=number, state=State.DISCARDED if number % 5 == 0 else State.PARKED)
    newest = DeadLetter.objects.latest("pk")

    client_of("view", "replay").post(
        f"{LIST}?state=all",
        {"action": "replay_selected", "_selected_action": [newest.pk], "select_across": "1", "index": "0"},
    )

    assert states().count(State.REPLAY) == 44
    assert states().count(State.DISCARDED) == 11
    assert LogEntry.objects.count() == 44


def test_purging_deletes_for_good_what_is_settled_alone_and_leaves_a_log_entry():
    letters = [make_letter(offset=number, state=state) for number, state in enumerate(State)]

    response = client_of("view", "purge").post(
        f"{LIST}?state=all",
        {"action": "purge_selected", "_selected_action": [letter.pk for letter in letters]},
        follow=True,
    )

    assert set(states()) == {State.PARKED, State.REPLAY}
    assert {(entry.object_repr, entry.action_flag) for entry in LogEntry.objects.all()} == {
        (str(letter), DELETION) for letter in letters if letter.state in (State.HANDLED, State.DISCARDED)
    }
    assert "2 dead letters were deleted." in text_of(response)
    assert "2 were left alone" in text_of(response)


def test_purging_has_no_button_but_an_address():
    letter = make_letter(state=State.DISCARDED)
    client = client_of("view", "purge")

    page, response = text_of(client.get(page_of(letter))), client.post(url_to("purge", letter))

    assert url_to("purge", letter) not in page
    assert response.url == LIST
    assert states() == []


def test_a_page_of_the_list_reads_no_payloads():
    make_letter()
    client = client_of("view", "view_payload")

    with CaptureQueriesContext(connection) as queries:
        text_of(client.get(LIST))

    listing = [query["sql"] for query in queries if '."failed_at"' in query["sql"]]
    assert listing
    for field in ("key", "value", "headers", "traceback"):
        assert not [sql for sql in listing if f'."{field}"' in sql]


@pytest.mark.parametrize(
    "ids",
    [["x"], ["-1"], ["1.5"], ["9" * 40], ["²"], ["999999"], [str(number) for number in range(1001)]],
    ids=["letters", "negative", "fraction", "huge", "superscript", "foreign", "too many"],
)
def test_ids_that_are_none_of_ours_are_a_bad_request(ids, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    letter = make_letter()

    response = client_of("view", "discard").post(
        LIST, {"action": "discard_selected", "_selected_action": [str(letter.pk), *ids]}
    )

    assert response.status_code == 400
    assert states() == [State.PARKED]


def test_a_million_ids_are_a_bad_request():
    body = "action=discard_selected" + "&_selected_action=1" * 100_000

    response = client_of("view", "discard").post(LIST, body, content_type="application/x-www-form-urlencoded")

    assert response.status_code == 400


@pytest.mark.parametrize("id", ["999999", "x", "9" * 40])
def test_a_letter_that_is_not_there_is_not_found(id):
    client = client_of("view", "replay")

    assert client.post(f"{LIST}{id}/replay/").status_code == 404


def test_one_that_is_being_replayed_just_now_can_not_be_discarded():
    letter = make_letter(state=State.REPLAY, is_taken=True)
    client = client_of("view", "discard")

    response = client.post(url_to("discard", letter), follow=True)

    assert states() == [State.REPLAY]
    assert "left alone" in text_of(response)
