"""Kinds of dead letters in the admin: how many, since when, chosen, and replayed as one."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry

from kafka_integration.admin import bounded
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter
from tests.unit.test_dead_letters_admin import LIST, State, client_of, text_of

pytestmark = pytest.mark.django_db


def test_the_list_says_where_in_the_code_and_is_filtered_by_kind():
    make_letter(offset=1, kind="aaaa", location="shop.place: <b>stock</b>\x1b")
    make_letter(offset=2, kind="bbbb", location="shop.pay: card")
    make_letter(offset=3)
    client = client_of("view")

    everything, filtered = text_of(client.get(LIST)), text_of(client.get(LIST, {"kind": "aaaa"}))

    assert "shop.place: &lt;b&gt;stock&lt;/b&gt;\\x1b" in everything
    assert "ValueError · shop.pay: card · shop" in everything
    assert [f"@{number}" in filtered for number in (1, 2, 3)] == [True, False, False]


def kinds_in(page):
    """The kinds above the list, each with the text of its cells."""
    rows = re.findall(r'<tr id="kind-(\w+)">(.*?)</tr>', page, re.DOTALL)
    return {
        kind: [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)]
        for kind, row in rows
    }


def test_above_the_list_stand_the_kinds_with_number_and_times_the_last_to_fail_first():
    moments = [datetime(2026, 3, day, 9, 30, tzinfo=UTC) for day in (1, 2, 3, 4)]
    for at, kind in zip(moments, ("aaaa", "bbbb", "bbbb", "aaaa"), strict=True):
        make_letter(kind=kind, location="shop.pay: card", failed_at=at)
    make_letter(kind="cccc", state=State.HANDLED)
    make_letter()

    page = text_of(client_of("view").get(LIST, {"consumer": "shop"}))

    label = "ValueError · shop.pay: card · shop"
    assert list(kinds_in(page).items()) == [
        ("aaaa", [label, "2", "2026-03-01 09:30:00 UTC", "2026-03-04 09:30:00 UTC"]),
        ("bbbb", [label, "2", "2026-03-02 09:30:00 UTC", "2026-03-03 09:30:00 UTC"]),
    ]
    assert '<a href="?consumer=shop&amp;kind=aaaa">' in page


def test_of_more_than_can_be_counted_in_a_moment_the_newest_are_and_the_first_time_is_right(monkeypatch):
    monkeypatch.setattr(bounded, "MOST_LOOKED_AT", 2)
    for day, kind in enumerate(("bbbb", "aaaa", "bbbb", "aaaa"), 1):
        make_letter(kind=kind, failed_at=datetime(2026, 3, day, 9, 30, tzinfo=UTC))

    page = text_of(client_of("view").get(LIST))

    assert [(kind, row[1:3]) for kind, row in kinds_in(page).items()] == [
        ("aaaa", ["1+", "2026-03-02 09:30:00 UTC"]),
        ("bbbb", ["1+", "2026-03-01 09:30:00 UTC"]),
    ]
    assert "Of the newest 2 that wait" in page


def test_of_many_kinds_the_latest_are_shown_and_the_others_counted():
    for number in range(12):
        make_letter(kind=f"k{number}", failed_at=datetime(2026, 3, 1 + number, tzinfo=UTC))

    page = text_of(client_of("view").get(LIST))

    assert list(kinds_in(page)) == [f"k{number}" for number in range(11, 1, -1)]
    assert "And 2 other kinds" in page


def test_the_chosen_kind_is_marked_and_settled_ones_have_no_kinds_above_them():
    make_letter(kind="aaaa")
    client = client_of("view")

    assert '<strong aria-current="true">' in text_of(client.get(LIST, {"kind": "aaaa"}))
    assert not kinds_in(text_of(client.get(LIST, {"state": "handled"})))


@pytest.mark.parametrize(("state", "shown"), [("", [1]), ("parked", [1]), ("handled", [2]), ("all", [1, 2])])
def test_a_kind_is_shown_in_each_state(state, shown):
    make_letter(offset=1, kind="aaaa")
    make_letter(offset=2, kind="aaaa", state=State.HANDLED)

    page = text_of(client_of("view").get(LIST, {"kind": "aaaa", **({"state": state} if state else {})}))

    assert [number for number in (1, 2) if f"@{number}" in page] == shown


def test_all_of_the_kinds_that_are_selected_are_replayed():
    selected, same, other = make_letter(kind="aaaa"), make_letter(kind="aaaa"), make_letter(kind="bbbb")
    settled, unnamed = make_letter(kind="aaaa", state=State.DISCARDED), make_letter()
    data = {"action": "replay_kind_selected", "_selected_action": [selected.pk, unnamed.pk]}

    page = text_of(client_of("view", "replay").post(LIST, data, follow=True))

    assert set(DeadLetter.objects.filter(state=State.REPLAY)) == {selected, same}
    assert DeadLetter.objects.get(pk=settled.pk).state == State.DISCARDED
    assert DeadLetter.objects.get(pk=other.pk).state == State.PARKED
    assert "have no kind yet" in page
    assert LogEntry.objects.count() == 2


def test_who_may_not_replay_replays_no_kind_either():
    letter = make_letter(kind="aaaa")

    client_of("view").post(LIST, {"action": "replay_kind_selected", "_selected_action": [letter.pk]}, follow=True)

    assert DeadLetter.objects.get(pk=letter.pk).state == State.PARKED
