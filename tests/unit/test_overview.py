"""The operator's first page: what runs and what doesn't, and what needs somebody, the most urgent first."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from kafka_integration.admin.pages.overview import letters
from kafka_integration.models import DeadLetter, LagSample, OutboxMessage, Process
from kafka_integration.outbox.lease import Lease
from tests.dead_letters import make_letter, make_letters

pytestmark = pytest.mark.django_db

OVERVIEW = reverse("admin:kafka_integration_overview")
CONSUMER = {"topics": ["orders"], "message_handler": "tests.shop.handlers.handle"}


@pytest.fixture(autouse=True)
def shop(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": "memory",
        "consumers": {
            "invoices": {**CONSUMER, "consumer_group": "billing"},
            "mails": {**CONSUMER, "consumer_group": "mails", "enabled": False},
            "search-trends": {"enabled": False},  # an app's
        },
    }


@pytest.fixture
def page(client: Client) -> Page:
    client.force_login(User.objects.create_superuser("operator"))
    OutboxMessage.objects.all().delete()  # the reference project publishes logins
    return Page(client)


class Page:
    """The page as it reads at the moment."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def html(self) -> str:
        response = self._client.get(OVERVIEW)
        assert response.status_code == 200
        return response.content.decode()

    def needs(self) -> list[str]:
        """What needs somebody, in its order."""
        items = re.findall(r'<li class="(?:kafka-grave)?">(.*?)</li>', self.html(), re.DOTALL)
        return [unescape(re.sub(r"\s*<a .*", "", item, flags=re.DOTALL)) for item in items]

    def links(self) -> list[str]:
        section = self.html().partition('class="kafka-needs"')[2].partition("</ul>")[0]
        return [unescape(url) for url in re.findall(r'<a href="([^"]*)"', section)]

    def row(self, name: str) -> dict[str, str]:
        """A row's cells by their labels, in words."""
        html = re.sub(r"<figure.*?</figure>", "", self.html(), flags=re.DOTALL)
        found = re.search(rf'<tr id="{name}">(.*?)</tr>', html, re.DOTALL)
        assert found, f"no row {name}"
        cells = re.findall(r'<td data-label="([^"]*)"[^>]*>(.*?)</td>', found[1], re.DOTALL)
        return {label: _words(cell) for label, cell in cells}


def _words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def partition(number: int = 0, **given: Any) -> dict[str, Any]:
    usual = {"topic": "orders", "partition": number, "position": 5, "lag": 0, "state": "caught_up"}
    return {**usual, "reason": None, "stuck_offset": None, "time_lag_seconds": None, **given}


def run(*partitions: dict[str, Any], name: str = "invoices", silent_seconds: float = 0, **given: Any) -> Process:
    """A process of this consumer that was last heard of so long ago."""
    consumer = {"name": name, "group": "billing", "state": "running", "handled": 7, "failed": 0, "rate": 2.5, **given}
    return Process.objects.create(
        kind="consumer",
        host="host-1",
        pid=4711,
        seen_at=Now() - timedelta(seconds=silent_seconds),
        state="running",
        consumers=[{**consumer, "partitions": list(partitions)}],
    )


def publish(seconds_ago: float = 0, **given: Any) -> OutboxMessage:
    return OutboxMessage.objects.create(
        topic="orders", value=b"secret", created_at=Now() - timedelta(seconds=seconds_ago), **given
    )


class TestAConsumer:
    def test_one_that_all_is_well_with_says_how_it_goes_on(self, page: Page) -> None:
        run(partition(0, lag=1200, state="catching_up", time_lag_seconds=75.4), partition(1, lag=34))
        run(partition(2), rate=1.0)

        assert page.needs() == []
        assert page.row("consumer-invoices") == {
            "Runs": "in 2 processes",
            "State": "catching up",
            "Lag": "1,234",
            "Time lag": "1 min 15 s",
            "Per second": "3.5",
            "Dead letters": "0",
        }

    def test_one_that_nobody_runs_needs_somebody(self, page: Page) -> None:
        row = page.row("consumer-invoices")

        assert page.needs() == ["No process runs consumer invoices: start one with manage.py runconsumer invoices."]
        assert (row["Runs"], row["Lag"], row["State"]) == ("nowhere", "unknown", "unknown")

    def test_one_that_is_switched_off_needs_nobody(self, page: Page) -> None:
        run(partition())

        assert page.needs() == []
        assert page.row("consumer-mails")["Runs"] == "switched off"

    def test_a_stuck_partition_is_named_with_its_message_and_what_is_known_of_why(self, page: Page) -> None:
        row = run(
            partition(3, lag=9, state="stuck", stuck_offset=17, busy_seconds=723.4),
            partition(4, lag=1, state="catching_up"),
        )

        assert page.needs() == ["Consumer invoices is stuck at orders[3]@17: its handler has been at work for 12 min."]
        assert page.row("consumer-invoices")["State"] == "stuck orders[3]@17"
        assert page.links()[1:] == [
            "/admin/kafka_integration/messages/orders/?partition=3&start=17",
            f"/admin/kafka_integration/processes/#process-{row.pk}",
        ]

    def test_one_without_a_handler_at_work_is_not_said_to_have_one(self, page: Page) -> None:
        run(partition(3, lag=9, state="stuck", stuck_offset=17))
        run(partition(4, lag=9, state="stuck", stuck_offset=18, busy_seconds=60))

        assert page.needs() == [
            "Consumer invoices is stuck at orders[4]@18: its handler has been at work for 1 min.",
            "Consumer invoices is stuck at orders[3]@17: nothing is finished any more, and no handler is at work.",
        ]

    def test_a_wait_shows_its_reason_and_needs_somebody_only_where_time_does_not_help(self, page: Page) -> None:
        run(
            partition(0, lag=1, state="waiting", reason="backoff"),
            partition(1, lag=1, state="waiting", reason="outage"),
            *(partition(n, lag=1, state="waiting", reason="paused") for n in range(2, 7)),
        )

        assert page.needs() == [
            "Consumer invoices, orders[1]: waits for brokers or a database that are away.",
            "Consumer invoices, orders[2], orders[3], orders[4], +2: paused by an operator.",
        ]
        assert "orders[0]: waits for its next attempt" in page.row("consumer-invoices")["State"]

    def test_one_that_falls_behind_needs_somebody(self, page: Page) -> None:
        run(
            partition(0, lag=50, state="falling_behind", time_lag_seconds=75.0),
            partition(1, lag=600, state="falling_behind"),
        )

        assert page.needs() == ["Consumer invoices falls behind in 2 partitions: more arrives than it handles."]

    @pytest.mark.parametrize("seconds", [None, 2.0])
    def test_one_that_is_a_moment_behind_needs_nobody(self, page: Page, seconds: float | None) -> None:
        run(partition(0, lag=1, state="falling_behind", time_lag_seconds=seconds))

        assert page.needs() == []

    def test_a_lag_of_which_a_part_is_unknown_is_unknown(self, page: Page) -> None:
        run(partition(0, lag=50, state="catching_up"), partition(1, lag=None, state="catching_up"))

        assert page.row("consumer-invoices")["Lag"] == "unknown"

    def test_a_process_that_fell_silent_is_lost_and_its_partitions_are_nobodys(self, page: Page) -> None:
        lost = run(partition(0, lag=50), silent_seconds=1800)

        needs = page.needs()

        assert needs[0].startswith("No process runs consumer invoices")
        assert needs[1].startswith(f"Process {lost.pk} (4711 on host-1) has not been heard of for 30 min: it was")
        assert page.row("consumer-invoices")["Runs"] == "nowhere 1 lost"
        assert page.row("consumer-invoices")["Lag"] == "unknown"

    def test_many_that_are_lost_are_one_thing_to_look_at(self, page: Page) -> None:
        run(partition())
        for _ in range(7):
            run(silent_seconds=1800)

        (need,) = page.needs()

        assert need.startswith("7 processes have not been heard of, one for 30 min:")
        assert need.endswith("(4711 on host-1), +2")

    def test_one_that_runs_without_being_in_these_settings_is_shown_too(self, page: Page) -> None:
        run(partition(0, lag=3, state="catching_up"), name="reports")

        assert page.row("consumer-reports")["Lag"] == "3"
        assert "not in these settings" in page.html()

    def test_what_a_worker_of_another_version_leaves_out_is_unknown(self, page: Page) -> None:
        Process.objects.create(
            kind="consumer", host="h", pid=1, state="running",
            consumers=[{"name": "invoices", "group": "billing", "partitions": [{"topic": "orders", "partition": 0}]}],
        )  # fmt: skip

        row = page.row("consumer-invoices")

        assert (row["State"], row["Lag"], row["Per second"]) == ("unknown", "unknown", "unknown")

    def test_where_processes_write_nothing_down_it_says_that_nothing_is_known(self, page: Page, settings: Any) -> None:
        settings.KAFKA = {**settings.KAFKA, "operations": {"rows": False}}

        assert page.needs() == []
        assert page.row("consumer-invoices")["Runs"] == "unknown"
        assert "processes write nothing down" in page.html()

    def test_names_of_others_are_text_and_no_markup(self, page: Page) -> None:
        run(partition(0, topic="<script>", lag=1, state="stuck", stuck_offset=1), name="<b>x</b>")

        html = page.html()

        assert "<b>x</b>" not in html
        assert "&lt;script&gt;[0]@1" in html


class TestTheLagOfAGroup:
    def look(self, *lags: int | None, group: str = "billing") -> None:
        """Somebody noted these, a minute apart, the last just now."""
        for minutes, lag in enumerate(reversed(lags)):
            at = timezone.now() - timedelta(minutes=minutes)
            LagSample.objects.create(group=group, at=at, lag=lag, time_lag_seconds=lag and 61.0)

    def test_it_is_drawn_as_it_was_in_the_last_hour(self, page: Page) -> None:
        run(partition(0, lag=5, state="catching_up"))
        self.look(1, 2, 50)

        html = page.html()

        (line,) = re.findall(r'<polyline class="kafka-line" points="([^"]*)"', html)
        assert len(line.split()) == 3
        assert "Lag of invoices in the last hour" in html
        assert "<td>50</td>" in html

    def test_it_is_drawn_where_the_project_has_no_time_zones(self, page: Page, settings: Any) -> None:
        settings.USE_TZ = False
        self.look(1, 2, 50)

        assert "kafka-line" in page.html()

    def test_what_nobody_saw_is_a_gap_and_no_zero(self, page: Page) -> None:
        self.look(1, 2, None, 4, 5)

        assert len(re.findall("<polyline", page.html())) == 2

    def test_of_one_that_nobody_runs_it_is_what_was_seen_last(self, page: Page) -> None:
        self.look(7, 1234)

        row = page.row("consumer-invoices")

        assert row["Lag"].startswith("1,234")
        assert (row["Time lag"], row["State"]) == ("1 min 1 s", "nobody reads it")

    def test_what_was_seen_long_ago_is_not_how_it_is_now(self, page: Page) -> None:
        LagSample.objects.create(group="billing", at=timezone.now() - timedelta(minutes=5), lag=3)

        assert page.row("consumer-invoices")["Lag"] == "unknown"

    def test_of_a_group_that_several_share_it_is_nobodys_own(self, page: Page, settings: Any) -> None:
        others = {"reports": {**CONSUMER, "consumer_group": "billing"}}
        settings.KAFKA = {**settings.KAFKA, "consumers": {**settings.KAFKA["consumers"], **others}}
        self.look(7, 1234)

        assert page.row("consumer-invoices")["Lag"] == "unknown"


class TestWhatWasDeletedBeforeAGroupHandledIt:
    def look(self, seconds_ago: float = 10, **partitions: list[int]) -> None:
        """Somebody noted where each partition of the topic begins, where the group was, and the end."""
        positions = {"orders": {number.removeprefix("p"): found for number, found in partitions.items()}}
        at = timezone.now() - timedelta(seconds=seconds_ago)
        LagSample.objects.create(group="billing", at=at, lag=3, positions=positions)

    def test_it_needs_somebody_first(self, page: Page) -> None:
        run(partition(3, lag=432, state="stuck", stuck_offset=5))
        self.look(p2=[0, 5, 5], p3=[325, 5, 757], p4=[1700, 7, 1757])

        needs = page.needs()

        assert needs[0] == (
            "Up to 2,013 messages were deleted before group billing handled them: "
            "orders[3] 5\N{EN DASH}324, orders[4] 7\N{EN DASH}1699."
        )
        assert "stuck" in needs[1]
        assert page.links()[0] == reverse("admin:kafka_integration_group", kwargs={"group": "billing"})

    def test_it_needs_nobody_any_more_once_the_group_is_elsewhere(self, page: Page) -> None:
        run(partition())
        self.look(seconds_ago=30, p3=[325, 5, 757])
        self.look(p3=[325, 400, 757])

        assert page.needs() == []

    def test_what_was_seen_long_ago_is_not_how_it_is_now(self, page: Page) -> None:
        run(partition())
        self.look(seconds_ago=600, p3=[325, 5, 757])

        assert page.needs() == []


class TestDeadLetters:
    def test_those_that_wait_are_counted_and_lead_to_their_list(self, page: Page) -> None:
        run(partition())
        make_letters(3, consumer="invoices")
        make_letter(consumer="invoices", state=DeadLetter.State.DISCARDED)

        assert page.needs() == ["3 dead letters of consumer invoices wait for somebody."]
        assert page.row("consumer-invoices")["Dead letters"] == "3"
        assert page.links() == ["/admin/kafka_integration/deadletter/?consumer=invoices&database=default"]

    def test_those_of_a_consumer_that_is_gone_are_not_forgotten(self, page: Page) -> None:
        run(partition())
        make_letter(consumer="former")

        assert page.needs() == ["1 dead letter of consumer former waits for somebody."]

    def test_many_are_counted_in_part_and_it_shows(self, page: Page, monkeypatch: Any) -> None:
        monkeypatch.setattr(letters, "MOST_COUNTED", 3)
        run(partition())
        make_letters(5, consumer="invoices")

        assert page.needs() == ["3+ dead letters of consumer invoices wait for somebody."]
        assert page.row("consumer-invoices")["Dead letters"] == "3+"
        assert page.row("consumer-mails")["Dead letters"] == "unknown"

    def test_who_may_not_see_them_gets_the_number_and_no_link(self, client: Client) -> None:
        from tests.unit.test_operator_pages import sign_in

        sign_in(client, "view_operations")
        make_letter(consumer="invoices")

        html = client.get(OVERVIEW).content.decode()

        assert "1 dead letter of consumer invoices waits for somebody." in html
        assert "/deadletter/" not in html


class TestARelay:
    def test_messages_that_age_without_a_relay_need_somebody(self, page: Page) -> None:
        run(partition())
        publish(seconds_ago=723)

        assert page.needs()[0] == (
            "Messages published in database default wait for 12 min, and no relay runs: "
            "start one with manage.py runrelay."
        )
        row = page.row("relay-default")
        assert (row["Relay"], row["Waiting"], row["The oldest for"]) == ("none runs", "1", "12 min")

    def test_which_way_an_outbox_goes_is_told_by_where_it_was_a_minute_ago(self, page: Page) -> None:
        row, at = publish(), timezone.now() - timedelta(seconds=100)
        LagSample.objects.create(
            group="", at=at, positions={"default": {"0": [row.pk - 150, row.pk - 150, row.pk - 50]}}
        )

        # Slower where the test is slow.
        assert re.fullmatch(r"0\.[345] in, 1\.\d out", page.row("relay-default")["Per second"])

    def test_an_empty_outbox_needs_nobody(self, page: Page) -> None:
        run(partition())

        assert page.needs() == []
        assert page.row("relay-default") == {
            "Relay": "none runs", "Waiting": "0", "The oldest for": "-", "Per second": "-",
            "Refused": "0",
        }  # fmt: skip

    def test_messages_that_a_relay_leaves_waiting_need_somebody(self, page: Page) -> None:
        run(partition())
        publish(seconds_ago=723)
        assert Lease("default", seconds=60, holder="relay-7").hold()

        assert page.needs()[0] == (
            "The oldest message of database default waits for 12 min, though relay-7 relays: its log says why."
        )

    def test_refused_ones_lead_to_their_list(self, page: Page) -> None:
        run(partition())
        publish(refused_at=Now(), refusal="too large")

        assert page.needs() == [
            "1 message of database default was refused by Kafka and holds its key: retry or discard it."
        ]
        assert page.links() == ["/admin/kafka_integration/outboxmessage/?refused_at__isempty=0&database=default"]

    def test_what_is_published_is_never_shown(self, page: Page) -> None:
        publish(seconds_ago=300)

        assert "secret" not in page.html()


def test_the_most_urgent_comes_first(page: Page) -> None:
    run(partition(0, state="stuck", lag=1, stuck_offset=1), partition(1, lag=900, state="falling_behind"))
    run(partition(2, lag=1, state="waiting", reason="paused"))
    publish(seconds_ago=60)
    make_letter(consumer="invoices")

    needs = page.needs()

    words = ("stuck", "no relay", "falls behind", "dead letter", "paused")
    assert [next(word for word in words if word in need) for need in needs] == list(words)


def test_it_takes_few_queries_however_many_consumers_there_are(page: Page, settings: Any) -> None:
    consumers = {f"consumer-{n}": {**CONSUMER, "consumer_group": f"group-{n}"} for n in range(20)}
    settings.KAFKA = {**settings.KAFKA, "consumers": consumers}
    for name in consumers:
        run(*(partition(n, lag=n) for n in range(10)), name=name)
    page.html()

    with CaptureQueriesContext(connection) as queries:
        page.html()

    assert len(queries) <= 15, "\n".join(query["sql"] for query in queries)
