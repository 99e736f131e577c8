"""What the addresses of the admin's pages answer: the filters that they offer, and nothing else."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.db.models import JSONField, Value
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse

from kafka_integration.models import DeadLetter, OutboxMessage
from tests.dead_letters import make_letter

pytestmark = pytest.mark.django_db

MODELS = {"deadletter": DeadLetter, "outboxmessage": OutboxMessage}
# What the pages answer, with a value that somebody may well ask for.
OFFERED = {
    "deadletter": {
        "state": "parked",
        "database": "default",
        "consumer": "shop",
        "group": "shop",
        "topic": "orders",
        "exception": "builtins.ValueError",
        "kind": "aaaa",
    },
    "outboxmessage": {"refused_at__isempty": "1", "database": "default", "topic": "orders"},
}
SECRET = b"secret-4111"
LOOKUPS = [
    "exact",
    "iexact",
    "contains",
    "icontains",
    "in",
    "gt",
    "gte",
    "lt",
    "lte",
    "startswith",
    "istartswith",
    "endswith",
    "range",
    "isnull",
    "regex",
    "iregex",
    "contained_by",
    "has_key",
    "has_keys",
    "0",
    "0__1",
    "0__1__startswith",
    "length",
    "year",
]
# Each that Django's lists, pages and popups know.
OF_DJANGO = ("o", "p", "q", "e", "all", "_facets", "_popup", "_to_field", "_source_model", "_changelist_filters")
BAD_VALUES = (
    "",
    "x",
    "-1",
    "1.1.1",
    "9" * 30,
    "9" * 5000,
    "a\0b",
    "value",
    "headers__0",
    "1." * 5000,
    "word " * 2000,
    "'\"",
    "\ud7ff%00",
)


def list_of(name: str) -> str:
    return reverse(f"admin:kafka_integration_{name}_changelist")


def page_of(name: str, pk: Any, page: str = "change") -> str:
    return reverse(f"admin:kafka_integration_{name}_{page}", args=[pk])


def make(name: str, **fields: Any) -> DeadLetter | OutboxMessage:
    if name == "deadletter":
        return make_letter(**{"key": SECRET, "value": SECRET, "headers": [("h", SECRET)], "kind": "aaaa", **fields})
    values = {"topic": "orders", "key": SECRET, "value": SECRET, "headers": [["h", SECRET.decode()]], **fields}
    return OutboxMessage.objects.create(**values)


@pytest.fixture
def client() -> Client:
    """Of somebody who may view everything but payloads, and may operate on it."""
    names = ("view", "replay", "discard", "purge", "retry")
    codenames = [f"{name}_{model}" for name, model in product(names, MODELS)]
    user = User.objects.create(username="viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    # The reference project publishes logins.
    OutboxMessage.objects.all().delete()
    return client


def count_of(response: HttpResponse) -> int:
    assert response.status_code == 200
    return int(response.context_data["cl"].result_count)  # type: ignore[attr-defined]  # a TemplateResponse


@pytest.mark.parametrize("name", MODELS)
def test_a_filter_that_is_offered_is_answered(name: str, client: Client) -> None:
    make(name)

    counts = {key: count_of(client.get(list_of(name), {key: value})) for key, value in OFFERED[name].items()}

    assert set(counts.values()) == {1}, counts


@pytest.mark.parametrize("name", MODELS)
def test_no_other_lookup_of_any_field_is_answered(name: str, client: Client) -> None:
    make(name)
    fields = [*(field.name for field in MODELS[name]._meta.get_fields()), "pk"]
    lookups = [*fields, *(f"{field}__{lookup}" for field, lookup in product(fields, LOOKUPS))]
    model_admin = site.get_model_admin(MODELS[name])

    allowed = {lookup for lookup in lookups if model_admin.lookup_allowed(lookup, "1", HttpRequest())}
    asked = [*fields, *(f"{field}__{lookup}" for field, lookup in product(("headers", "topic"), LOOKUPS))]
    answers = {lookup: client.get(list_of(name), {lookup: "1"}).status_code for lookup in asked}

    assert allowed <= OFFERED[name].keys()
    assert {lookup for lookup, status in answers.items() if status != 400} == allowed


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("lookup", ["headers__%00", "headers__\0", "x", "x__y", "__", "topic__", "__class__"])
def test_a_lookup_that_there_is_not_is_a_bad_request(name: str, lookup: str, client: Client) -> None:
    assert client.get(list_of(name), {lookup: "1"}).status_code == 400


@pytest.mark.parametrize("name", MODELS)
def test_no_action_reaches_what_the_list_would_not_show(name: str, client: Client) -> None:
    row = make(name)
    data = {"action": "discard_selected", "_selected_action": [str(row.pk)], "index": "0", "select_across": "1"}

    response = client.post(f"{list_of(name)}?headers__0__1__startswith=s", data)

    assert response.status_code == 400
    row.refresh_from_db()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("parameter", OF_DJANGO)
def test_no_parameter_of_djangos_shows_a_payload_or_breaks_a_page(name: str, parameter: str, client: Client) -> None:
    row = make(name)
    asked = [
        *((list_of(name), value) for value in BAD_VALUES),
        *(
            (page_of(name, row.pk, page), value)
            for page in ("change", "history", "delete")
            for value in ("x", "9" * 5000)
        ),
    ]

    answers = {(page, value[:20]): client.get(page, {parameter: value}) for page, value in asked}

    assert {answer.status_code for answer in answers.values()} <= {200, 302, 400, 403}
    assert not [place for place, answer in answers.items() if SECRET in answer.content]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("parameter", ["state", "exception", "kind", "topic", "refused_at__isempty"])
def test_a_filter_with_a_bad_value_is_an_empty_list_or_a_bad_request(name: str, parameter: str, client: Client) -> None:
    make(name)

    answers = [client.get(list_of(name), {parameter: value}) for value in BAD_VALUES if value]

    assert {answer.status_code for answer in answers} <= {200, 302, 400}
    assert {count_of(answer) for answer in answers if answer.status_code == 200} <= {0}


@pytest.mark.parametrize("name", MODELS)
def test_a_parameter_that_is_given_more_than_once_is_a_bad_request(name: str, client: Client) -> None:
    assert client.get(list_of(name), {"topic": ["a"] * 900}).status_code == 400


@pytest.mark.parametrize("term", [SECRET.decode(), "secret", "4111", "h"])
def test_a_search_finds_no_payload(term: str, client: Client) -> None:
    make("deadletter", reason="", traceback="")

    assert count_of(client.get(list_of("deadletter"), {"q": term})) == 0
    assert count_of(client.get(list_of("deadletter"), {"q": "orders"})) == 1


def test_no_order_is_that_of_a_payload(client: Client) -> None:
    make("deadletter", value=b"b")
    make("deadletter", value=b"a")

    for column in range(12):
        rows = client.get(list_of("deadletter"), {"o": str(column)}).context_data["cl"].queryset
        orders = [str(part).lstrip("-") for part in rows.query.order_by]

        assert not {"key", "value", "headers", "reason", "traceback"} & set(orders)


@pytest.mark.parametrize("name", MODELS)
def test_no_column_is_counted_for_the_filters(name: str, client: Client) -> None:
    make(name)

    offered, asked = (client.get(list_of(name), query).content.decode() for query in ({}, {"_facets": "True"}))

    assert "_facets" not in offered
    assert "orders (1)" not in asked


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("id", ["x", "9" * 40, "9" * 5000, "-1", "1%00", "_5F", "../1"])
def test_a_row_that_there_is_not_breaks_no_page(name: str, id: str, client: Client) -> None:
    answers = [client.get(f"{list_of(name)}{id}/{page}/") for page in ("change", "history", "delete")]

    assert {answer.status_code for answer in answers} <= {302, 400, 403, 404}


@pytest.mark.parametrize("name", MODELS)
def test_autocompletion_answers_nothing_for_our_tables(name: str, client: Client) -> None:
    make(name)

    for field in [field.name for field in MODELS[name]._meta.get_fields()]:
        query = {"app_label": "kafka_integration", "model_name": name, "field_name": field, "term": "s"}

        assert client.get(reverse("admin:autocomplete"), query).status_code == 403


FOREIGN_HEADERS = [
    None,
    1,
    "text",
    {"ab": 1},
    [1],
    [["name"]],
    [["name", {"x": 1}]],
    [[1, "v"]],
    [["n", {"base64": 1}]],
]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("headers", FOREIGN_HEADERS, ids=repr)
def test_a_row_with_headers_that_publish_did_not_write_is_shown_as_it_is(name: str, headers: Any) -> None:
    row = make(name)
    MODELS[name].objects.filter(pk=row.pk).update(headers=Value(headers, JSONField()))
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create(username="operator", is_staff=True, is_superuser=True))

    response = client.get(page_of(name, row.pk))

    assert response.status_code == 200
    assert SECRET in response.content


@pytest.fixture
def bare(project_alone: None, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """A second database that lacks our tables."""
    bare = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "bare.sqlite3")}
    monkeypatch.setitem(django_settings.DATABASES, "bare", bare)
    connections.configure_settings(django_settings.DATABASES)
    consumer = {"topics": ["t"], "message_handler": "tests.unit.scripted.handle", "consumer_group": "g"}
    settings.KAFKA = {"endpoints": "memory", "consumers": {"a": {**consumer, "database": "bare"}, "b": consumer}}
    # Before Django's test case is asked, which knows only the databases of the settings.
    connections["bare"].connect()
    yield "bare"
    connections["bare"].close()
    del connections["bare"]


@pytest.mark.parametrize("name", MODELS)
def test_a_database_without_the_tables_is_an_empty_list_that_says_so(name: str, client: Client, bare: str) -> None:
    row = make(name)

    response = client.get(list_of(name), {"database": bare})

    assert count_of(response) == 0
    assert "manage.py migrate --database bare" in response.content.decode()
    for page in ("change", "history"):
        assert client.get(page_of(name, row.pk, page), {"database": bare}).status_code == 302
    assert client.post(f"{page_of(name, row.pk, 'discard')}?database={bare}").status_code == 404
    assert count_of(client.get(list_of(name))) == 1
