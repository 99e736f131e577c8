"""What a list of the admin costs: no more for a table of many rows than for one of few, whatever is asked of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from kafka_integration.admin import bounded, searching
from kafka_integration.models import DeadLetter, OutboxMessage
from kafka_integration.operating.events import rows
from tests.dead_letters import make_letter, make_letters
from tests.steps import steps_of, take_statistics

pytestmark = pytest.mark.django_db

State = DeadLetter.State
LETTERS = reverse("admin:kafka_integration_deadletter_changelist")
OUTBOX = reverse("admin:kafka_integration_outboxmessage_changelist")
EVENT = reverse("admin:kafka_integration_event", kwargs={"id": "nowhere"})
RARE = {"consumer": "rare", "group": "rare", "topic": "rare", "exception": "rare.Error", "kind": "rare"}
MOST_QUERIES = 15
ASKED_OF_LETTERS = (
    *({name: value} for name, value in RARE.items()),
    *({"state": state} for state in State.values),
    {"consumer": "rare", "state": "all"},
    *({name: value, "state": "parked"} for name, value in RARE.items()),
    {"q": "RARE"},
    {"q": "nowhere"},
    {"q": "1"},
    {"o": "3"},
)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    OutboxMessage.objects.all().delete()  # the reference project publishes logins
    return client


@pytest.fixture
def _few_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_COUNTED", 100)
    monkeypatch.setattr(bounded, "MOST_LOOKED_AT", 100)


def shown(client: Client, url: str, asked: dict[str, str]) -> Iterator[int]:
    """The ids of the rows of a page, in their order."""
    response = client.get(url, asked)
    assert response.status_code == 200
    return (row.pk for row in response.context["cl"].result_list)


def add_rows(count: int, **fields: object) -> None:
    OutboxMessage.objects.bulk_create(OutboxMessage(topic="t", key=b"k", **fields) for _ in range(count))


@pytest.mark.slow
@pytest.mark.usefixtures("_few_are_counted")
def test_a_list_of_dead_letters_costs_the_same_however_many_there_are_that_are_not_asked_for(client: Client) -> None:
    make_letter(**RARE)
    make_letters(3, state=State.REPLAY)
    make_letters(3, state=State.DISCARDED, settled_at=timezone.now())
    make_letters(200)
    take_statistics(DeadLetter)
    before = [steps_of(lambda asked=asked: [*shown(client, LETTERS, asked)]) for asked in ASKED_OF_LETTERS]
    make_letters(4000)
    take_statistics(DeadLetter)

    after = [steps_of(lambda asked=asked: [*shown(client, LETTERS, asked)]) for asked in ASKED_OF_LETTERS]

    dearer = [asked for asked, few, many in zip(ASKED_OF_LETTERS, before, after, strict=True) if many > 2 * few]
    assert dearer == []


@pytest.mark.slow
def test_refused_rows_are_counted_without_a_look_at_those_that_wait(client: Client) -> None:
    def count() -> list[int]:
        rows = client.get(OUTBOX, {"refused_at__isempty": "0"}).context["cl"].queryset
        counts = []
        steps = steps_of(lambda: counts.append(bounded.BoundedPaginator(rows, 50).count))
        return [*counts, steps]

    add_rows(3, refused_at=timezone.now(), refusal="too large")
    add_rows(4000)
    take_statistics(OutboxMessage)

    found, steps = count()

    assert found == 3
    assert steps < 1000


@pytest.mark.slow
@pytest.mark.usefixtures("_few_are_counted")
@pytest.mark.parametrize("found", [1, 60])
def test_few_rows_of_many_are_looked_for_once(client: Client, found: int) -> None:
    add_rows(12_000)  # of fewer PostgreSQL reads all, rather than some by their ids
    OutboxMessage.objects.bulk_create(OutboxMessage(topic="rare") for _ in range(found))
    take_statistics(OutboxMessage)
    once = steps_of(lambda: OutboxMessage.objects.filter(topic="rare").count())

    asked = {"topic": "rare"}

    assert steps_of(lambda: [*shown(client, OUTBOX, asked)]) < 1.8 * once
    assert len([*shown(client, OUTBOX, asked)]) == min(found, 50)
    assert len([*shown(client, OUTBOX, asked | {"p": "2"})]) == (found - 50 if found > 50 else found)


@pytest.mark.slow
def test_an_event_is_looked_for_in_as_many_rows_of_an_outbox_as_there_is_time_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 100)
    add_rows(200)
    take_statistics(OutboxMessage)
    before = steps_of(lambda: client.get(EVENT))
    add_rows(4000)
    take_statistics(OutboxMessage)

    assert steps_of(lambda: client.get(EVENT)) < 2 * before


@pytest.mark.parametrize("url", [LETTERS, OUTBOX])
def test_a_list_asks_as_often_for_many_rows_as_for_few(url: str, client: Client) -> None:
    make_letters(50)
    add_rows(50)

    with CaptureQueriesContext(connection) as queries:
        client.get(url)

    assert len(queries) <= 15, "\n".join(query["sql"] for query in queries)


@pytest.mark.parametrize("word", ["ORD", "value", '"builtins.value"', "orders value"])
def test_a_search_finds_names_by_a_part_of_them_in_any_case(word: str, client: Client) -> None:
    found = make_letter()
    make_letter(topic="mails", exception="builtins.KeyError")

    assert [*shown(client, LETTERS, {"q": word})] == [found.pk]


def test_a_search_finds_one_by_its_id_and_those_that_have_the_number_in_a_name(client: Client) -> None:
    first = make_letter(topic="mails")
    named = make_letter(topic=f"orders-{first.pk}-eu")
    make_letter(topic="orders")

    assert [*shown(client, LETTERS, {"q": str(first.pk)})] == [named.pk, first.pk]
    assert [*shown(client, LETTERS, {"q": f"{first.pk} orders"})] == [named.pk]


def test_a_search_finds_all_where_there_are_more_names_than_are_looked_through(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST_NAMES", 2)
    letters = [make_letter(topic=f"orders-{number}") for number in range(4)]
    make_letter(topic="mails")

    assert [*shown(client, LETTERS, {"q": "ORDERS"})] == [letter.pk for letter in reversed(letters)]


@pytest.mark.parametrize("column", ["2", "-3", "5"])
def test_a_list_is_in_no_order_that_it_has_no_link_for(column: str, client: Client) -> None:
    letters = [make_letter(topic=topic, exception=topic) for topic in ("b", "c", "a")]

    assert [*shown(client, LETTERS, {"o": column})] == [letter.pk for letter in reversed(letters)]


@pytest.mark.parametrize("action", ["replay", "discard", "purge"])
def test_an_action_with_a_page_of_dead_letters_asks_the_database_fifteen_times_at_most(
    client: Client, action: str
) -> None:
    settled = {"state": State.HANDLED, "settled_at": timezone.now()} if action == "purge" else {}
    make_letters(50, **settled)
    ids = [*DeadLetter.objects.values_list("pk", flat=True)]

    asked = queries_of(client, f"{LETTERS}?state=all", f"{action}_selected", ids)

    assert len(asked) <= MOST_QUERIES, asked
    assert LogEntry.objects.count() == len(ids)


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_an_action_with_a_page_of_the_outbox_asks_the_database_fifteen_times_at_most(
    client: Client, action: str
) -> None:
    add_rows(50, refused_at=timezone.now(), refusal="too large")
    ids = [*OutboxMessage.objects.values_list("pk", flat=True)]

    asked = queries_of(client, OUTBOX, f"{action}_selected", ids)

    assert len(asked) <= MOST_QUERIES, asked
    assert LogEntry.objects.count() == len(ids)


def queries_of(client: Client, url: str, action: str, ids: list[int]) -> list[str]:
    ContentType.objects.get_for_models(DeadLetter, OutboxMessage)  # asked once by a process
    with CaptureQueriesContext(connection) as captured:
        response = client.post(url, {"action": action, ACTION_CHECKBOX_NAME: ids})
    assert response.status_code == 302
    return [query["sql"] for query in captured]
