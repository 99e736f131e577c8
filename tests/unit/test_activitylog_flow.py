"""The picture of the live page: how much went from the site to the topics, and from there to the services."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activitylog import flow, live
from tests.factories import ArrivalFactory, SearchQueryFactory

pytestmark = pytest.mark.django_db


def arrows() -> dict[str, int]:
    html = live.rendered_panels()["flow"]
    return {key: int(count) for key, count in re.findall(r'data-key="([\w-]+)" data-count="(\d+)"', html)}


def test_every_service_is_joined_to_the_topics_that_it_reads_and_to_no_other() -> None:
    assert set(arrows()) == {
        *("site-search_term", "site-login", "site-banner_click"),
        *("search_term-search-trends", "search_term-active-users", "login-active-users"),
        *("banner_click-active-users", "banner_click-marketing"),
    }


def test_an_event_counts_once_at_its_topic_and_at_each_service_that_read_it() -> None:
    ArrivalFactory(service="active-users", event_id="one", topic="search_term")
    ArrivalFactory(service="search-trends", event_id="one", topic="search_term")
    ArrivalFactory(service="active-users", event_id="two", topic="search_term")

    counts = arrows()

    assert counts["site-search_term"] == 2
    assert counts["search_term-active-users"] == 2
    assert counts["search_term-search-trends"] == 1
    assert counts["site-login"] == counts["login-active-users"] == 0


def test_what_is_older_than_ten_minutes_is_not_counted() -> None:
    ArrivalFactory(topic="login", arrived_at=timezone.now() - timedelta(minutes=11))
    ArrivalFactory(topic="login", arrived_at=timezone.now() - timedelta(minutes=9))

    assert arrows()["login-active-users"] == 1
    assert "Events of the last 10 minutes" in live.rendered_panels()["flow"]


def test_where_fewer_are_kept_it_says_for_how_long(monkeypatch: Any) -> None:
    monkeypatch.setattr(flow, "KEPT_ARRIVALS", 3)
    for seconds in (40, 30, 20, 10, 0):
        ArrivalFactory(topic="login", arrived_at=timezone.now() - timedelta(seconds=seconds))

    assert arrows()["login-active-users"] == 3
    assert "Events of the last 20 seconds" in live.rendered_panels()["flow"]


@pytest.mark.parametrize(("count", "text"), [(0, "none waits"), (1, "1 more waits"), (2, "2 more wait")])
def test_what_waits_in_the_outbox_is_counted(count: int, text: str) -> None:
    SearchQueryFactory.create_batch(count, user=None)

    assert f"{text} in the outbox" in live.rendered_panels()["flow"]


def test_who_does_not_see_the_picture_can_read_it() -> None:
    ArrivalFactory(service="marketing", topic="banner_click")

    html = live.rendered_panels()["flow"]

    assert "<li>The site sent 1 event to banner_click.</li>" in html
    assert "<li>marketing read 1 event of banner_click.</li>" in html


def test_it_takes_few_queries() -> None:
    with CaptureQueriesContext(connection) as queries:
        flow.collect_flow()

    assert len(queries) <= 4
