"""The three services: what each makes of an event, once, whatever it is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from activitylog import arrivals
from activitylog.models import Arrival, BannerTally, LastAct
from activitylog.trends.models import TermCount, top_terms
from kafka_integration.testing import deliver
from tests.factories import ArrivalFactory

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)


def sent(event_id: str, at: datetime = MOMENT) -> dict[str, str]:
    return {"ce_id": event_id, "ce_time": at.isoformat()}


def test_marketing_counts_each_click() -> None:
    for event_id, banner in (("a", 1), ("b", 1), ("c", 2)):
        assert deliver("marketing", {"banner": banner, "user": 7}, headers=sent(event_id)).status == "handled"

    assert dict(BannerTally.objects.values_list("banner_id", "clicks")) == {1: 2, 2: 1}
    assert set(Arrival.objects.values_list("service", "topic", "user_id")) == {("marketing", "banner_click", 7)}


@pytest.mark.parametrize(
    ("consumer", "topic", "value"),
    [
        ("marketing", "banner_click", {"banner": 1, "user": 7}),
        ("search-trends", "search_term", {"term": "snow", "user": 7}),
        ("active-users", "login", {"user": 7}),
    ],
)
def test_an_event_that_was_published_twice_counts_once_for_each_service(
    consumer: str, topic: str, value: dict[str, Any]
) -> None:
    for _ in range(2):
        assert deliver(consumer, value, topic=topic, headers=sent("the same")).status == "handled"

    counts = [
        *BannerTally.objects.values_list("clicks", flat=True),
        *TermCount.objects.values_list("searches", flat=True),
        *LastAct.objects.values_list("acts", flat=True),
    ]
    assert counts == [1]
    assert Arrival.objects.count() == 1


def test_the_same_event_is_new_to_another_service() -> None:
    deliver("search-trends", {"term": "snow", "user": 7}, headers=sent("one"))
    deliver("active-users", {"term": "snow", "user": 7}, topic="search_term", headers=sent("one"))

    assert set(Arrival.objects.values_list("service", flat=True)) == {"search-trends", "active-users"}


def test_messages_without_an_event_id_are_told_apart_by_their_place() -> None:
    for _ in range(2):
        deliver("marketing", {"banner": 1, "user": None})

    assert BannerTally.objects.get().clicks == 2


def test_trends_count_a_term_however_it_is_spelled() -> None:
    now = timezone.now()
    for number, term in enumerate(("Franz Kafka", "  franz   kafka ", "FRANZ KAFKA", "snow")):
        deliver("search-trends", {"term": term, "user": None}, headers=sent(f"{number}", now))

    assert [dict(row) for row in top_terms(5, lately=True)] == [
        {"term": "franz kafka", "total": 3},
        {"term": "snow", "total": 1},
    ]


def test_trends_count_a_search_when_it_was_made_not_when_it_arrived() -> None:
    deliver("search-trends", {"term": "snow", "user": None}, headers=sent("late", timezone.now() - timedelta(hours=1)))

    assert list(top_terms(5, lately=True)) == []
    assert [row["term"] for row in top_terms(5, lately=False)] == ["snow"]


def test_active_users_note_the_last_act_of_each_user_from_all_three_topics() -> None:
    acts = [
        ("login", {"user": 7}),
        ("search_term", {"user": 7, "term": "x"}),
        ("banner_click", {"user": 7, "banner": 1}),
    ]
    for number, (topic, value) in enumerate(acts):
        at = MOMENT + timedelta(seconds=number)
        assert deliver("active-users", value, topic=topic, headers=sent(topic, at)).status == "handled"

    act = LastAct.objects.get()
    assert (act.user_id, act.acts, act.topic, act.at) == (7, 3, "banner_click", MOMENT + timedelta(seconds=2))


def test_an_act_that_arrives_late_does_not_set_a_user_back() -> None:
    deliver("active-users", {"user": 7}, topic="login", headers=sent("new", MOMENT))
    deliver("active-users", {"user": 7}, topic="login", headers=sent("old", MOMENT - timedelta(minutes=9)))

    act = LastAct.objects.get()
    assert (act.at, act.acts) == (MOMENT, 2)


def test_a_guest_arrives_but_is_no_active_user() -> None:
    deliver("active-users", {"user": None, "term": "x"}, topic="search_term")

    assert not LastAct.objects.exists()
    assert Arrival.objects.get().user_id is None


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        b"\xff",
        "[1, 2]",
        '"text"',
        "null",
        "{}",
        '{"banner": null}',
        '{"banner": "beds"}',
        '{"banner": -1}',
        '{"banner": 99999999999999999999}',
        '{"banner": [1]}',
        '{"banner": 1, "user": true}',
        '{"banner": 1, "user": 1.9}',
        '{"banner": 1, "user": 1e400}',
        '{"banner": 1, "user": "k"}',
        '{"banner": 1, "user": {}}',
        None,
    ],
)
def test_what_is_no_event_of_the_site_is_rejected_at_once_and_leaves_nothing(value: str | bytes | None) -> None:
    outcome = deliver("marketing", value)

    assert outcome.status == "rejected", outcome.exception
    assert not Arrival.objects.exists()
    assert not BannerTally.objects.exists()


def test_a_time_that_can_not_be_read_is_replaced_by_the_message_s_own() -> None:
    for event_id, time in (("a", "yesterday"), ("b", "2026-99-99T00:00:00Z"), ("c", b"\xff")):
        headers = {"ce_id": event_id, "ce_time": time}
        assert deliver("marketing", {"banner": 1}, headers=headers, timestamp=MOMENT).status == "handled"

    assert set(Arrival.objects.values_list("occurred_at", flat=True)) == {MOMENT}


def test_old_arrivals_are_swept_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "KEPT_ARRIVALS", 3)
    monkeypatch.setattr(arrivals, "SWEEP_EVERY", 1)
    ArrivalFactory.create_batch(10)

    deliver("marketing", {"banner": 1})

    assert Arrival.objects.count() == 4
    assert Arrival.objects.filter(service="marketing").exists()
