"""The live page shows what the services wrote, and its stream says what changed."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from activitylog import live
from activitylog.models import Banner, BannerTally
from activitylog.seats import Seats
from tests.factories import ArrivalFactory, BannerFactory, LastActFactory, TermCountFactory, UserFactory
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream(clock: Clock) -> Iterator[str]:
    frames = live.frames(now=clock.now, sleep=clock.sleep)
    assert next(frames).startswith("retry:")
    return frames


def panels_in(frame: str) -> dict[str, str]:
    event, data = frame.strip().split("\n")
    assert event == "event: panels"
    return json.loads(data.removeprefix("data: "))


def test_an_event_is_shown_once_with_every_service_that_read_it() -> None:
    user = UserFactory(username="milena")
    at = timezone.now()
    for service, ms in (("search-trends", 12), ("active-users", 34)):
        arrived_at = at + timedelta(milliseconds=ms)
        ArrivalFactory(
            service=service, event_id="one", user_id=user.pk, subject="snow", occurred_at=at, arrived_at=arrived_at
        )

    html = live.rendered_panels()["events"]

    assert html.count("<li") == 1
    assert "<b>milena</b>" in html
    assert "searched for <q>snow</q>" in html
    assert "search-trends" in html
    assert "12 ms" in html
    assert "active-users" in html
    assert "34 ms" in html
    assert "marketing" not in html


def test_a_click_names_the_banner_and_a_guest_has_no_name() -> None:
    banner = BannerFactory(title="Beds")
    ArrivalFactory(service="marketing", topic="banner_click", subject=str(banner.pk), user_id=None)

    html = live.rendered_panels()["events"]

    assert "<b>a guest</b>" in html
    assert "clicked <i>Beds</i>" in html


def test_users_and_banners_that_are_gone_are_shown_by_their_ids() -> None:
    ArrivalFactory(topic="banner_click", subject="4711", user_id=4712)

    html = live.rendered_panels()["events"]

    assert "user 4712" in html
    assert "banner 4711" in html


def test_what_visitors_typed_is_escaped_in_every_panel() -> None:
    user = UserFactory(username="<i>k</i>")
    ArrivalFactory(subject="<script>", user_id=user.pk)
    LastActFactory(user_id=user.pk)
    TermCountFactory(term="<script>")

    html = "".join(live.rendered_panels().values())

    assert "<script>" not in html
    assert "<i>k" not in html
    assert html.count("&lt;script&gt;") >= 2


def test_marketing_shows_clicks_and_click_through() -> None:
    Banner.objects.all().delete()
    shown = BannerFactory(title="Shown", views=200)
    BannerFactory(title="Never")
    BannerTally.objects.create(banner_id=shown.pk, clicks=5)

    html = live.rendered_panels()["marketing"]

    assert "<b>5</b> clicks" in html
    assert "2.5 % of 200 views" in html
    assert "never shown" in html


def test_trends_of_late_forget_what_trends_in_all_keep() -> None:
    TermCountFactory(term="old", minute=timezone.now() - timedelta(hours=2), searches=9)
    TermCountFactory(term="new", searches=2)

    lately, ever = live.rendered_panels()["trends"].split("In all")

    assert "<b>2</b> searches" in lately
    assert "old" not in lately
    assert ever.index("old") < ever.index("new")


def test_only_who_acted_in_the_last_minutes_is_active() -> None:
    here, gone = UserFactory(username="here"), UserFactory(username="gone")
    LastActFactory(user_id=here.pk, at=timezone.now() - timedelta(minutes=4))
    LastActFactory(user_id=gone.pk, at=timezone.now() - timedelta(minutes=6))

    html = live.rendered_panels()["active"]

    assert "<b>1</b> user in 5 minutes" in html
    assert "here" in html
    assert "gone" not in html


def test_the_stream_begins_with_all_panels_and_goes_on_with_those_that_changed(stream: Iterator[str]) -> None:
    assert set(panels_in(next(stream))) == {"flow", "events", "marketing", "trends", "active"}

    ArrivalFactory(subject="snow")
    changed = panels_in(next(stream))

    assert set(changed) == {"flow", "events"}
    assert "snow" in changed["events"]


def test_an_event_is_in_the_stream_within_half_a_second(stream: Iterator[str], clock: Clock) -> None:
    next(stream)
    since = clock.now()

    ArrivalFactory()
    next(stream)

    assert clock.now() - since < 0.5


def test_a_quiet_stream_gives_a_sign_of_life_each_second(stream: Iterator[str], clock: Clock) -> None:
    next(stream)
    since = clock.now()

    signs = [next(stream) for _ in range(3)]

    assert signs == [": still here\n\n"] * 3
    assert clock.now() - since < 4


def test_who_stops_being_active_leaves_the_page_without_an_event(stream: Iterator[str]) -> None:
    act = LastActFactory()
    assert "1</b> user" in panels_in(next(stream))["active"]

    type(act).objects.update(at=timezone.now() - timedelta(minutes=6))
    frame = next(frame for frame in stream if frame.startswith("event"))

    assert "0</b> users" in panels_in(frame)["active"]


def test_a_stream_ends_after_a_while_so_that_none_lasts_for_ever(stream: Iterator[str], clock: Clock) -> None:
    since = clock.now()

    for _ in stream:
        pass

    assert clock.now() - since < live.STREAM_SECONDS + 1


def test_the_stream_is_neither_cached_nor_buffered(client: Client) -> None:
    response = client.get("/live/stream/")

    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    response.close()


@pytest.fixture
def one_seat(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVE_STREAMS = 1
    monkeypatch.setattr(live, "seats", Seats())


@pytest.mark.usefixtures("one_seat")
@pytest.mark.parametrize("is_read", [False, True])
def test_who_comes_when_all_streams_are_taken_is_told_to_come_back(client: Client, is_read: bool) -> None:
    first = client.get("/live/stream/")
    if is_read:
        assert next(iter(first.streaming_content)).startswith(b"retry:")  # type: ignore[attr-defined]  # it streams

    second = client.get("/live/stream/")
    first.close()
    third = client.get("/live/stream/")
    third.close()

    assert (first.status_code, second.status_code, third.status_code) == (200, 503, 200)
    assert second.headers["Retry-After"] == "30"


@pytest.mark.usefixtures("one_seat")
def test_a_stream_that_ends_by_itself_leaves_its_seat(clock: Clock) -> None:
    seats = Seats()
    seated = seats.seat(live.frames(now=clock.now, sleep=clock.sleep), 1)
    assert seated is not None
    assert seats.seat(live.frames(), 1) is None

    assert list(seated)

    again = seats.seat(live.frames(), 1)
    assert again is not None
    seated.close()
    assert seats.seat(live.frames(), 1) is None
    again.close()


def test_the_panels_can_be_had_without_a_stream(client: Client) -> None:
    ArrivalFactory(subject="snow")

    response = client.get("/live/panels/")

    assert set(response.json()) == {"flow", "events", "marketing", "trends", "active"}
    assert "snow" in response.json()["events"]
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", ["/live/", "/live/stream/", "/live/panels/"])
def test_outside_of_development_the_live_page_asks_for_a_permission(client: Client, url: str) -> None:
    user = UserFactory()

    with override_settings(LIVE_PAGE_IS_PUBLIC=False):
        as_guest = client.get(url)
        client.force_login(user)
        as_user = client.get(url)
        user.user_permissions.add(Permission.objects.get(codename="view_arrival"))
        as_observer = client.get(url)
        as_observer.close()

    assert as_guest.headers["Location"].startswith("/accounts/login/")
    assert as_user.status_code == 403
    assert as_observer.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_thread_of_a_viewer_who_left_is_freed_within_a_few_heartbeats(live_server: LiveServer) -> None:
    def threads() -> int:
        return sum("process_request_thread" in thread.name for thread in threading.enumerate())

    before = threads()
    connection = http.client.HTTPConnection(live_server.thread.host, live_server.thread.port, timeout=10)
    connection.request("GET", "/live/stream/")
    response = connection.getresponse()
    assert response.readline() == b"retry: 1000\n"
    assert threads() == before + 1

    response.close()
    connection.close()

    wait_for(lambda: threads() == before, 4 * live.HEARTBEAT_SECONDS, "the thread to end")
