"""``publish_instances``: for what sends no signals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kafka_integration import InvalidMessageError, publish_instances
from kafka_integration.models import OutboxMessage
from tests.shop.models import Customer, GiftOrder, Parcel, Unpublished

pytestmark = pytest.mark.usefixtures("shop")


def rows() -> list[tuple[str, str, Any]]:
    found = OutboxMessage.objects.order_by("id")
    return [(row.topic, dict(row.headers)["ce_type"], json.loads(bytes(row.value))) for row in found]


def test_what_bulk_create_made_is_published_by_hand() -> None:
    customers = Customer.objects.bulk_create([Customer(name="Ada"), Customer(name="Grace")])

    count = publish_instances(customers, event="created")

    assert count == 2
    assert rows() == [
        ("customers", "shop.customer.created", {"name": "Ada", "email": ""}),
        ("customers", "shop.customer.created", {"name": "Grace", "email": ""}),
    ]


def test_a_queryset_is_published_as_updated_unless_told_otherwise() -> None:
    Customer.objects.bulk_create([Customer(name="Ada")])
    Customer.objects.update(email="new")

    publish_instances(Customer.objects.all())

    assert rows() == [("customers", "shop.customer.updated", {"name": "Ada", "email": "new"})]


def test_it_publishes_to_every_topic_of_the_model_whatever_its_declaration_waits_for() -> None:
    parcels = Parcel.objects.bulk_create([Parcel(code="a")])

    assert publish_instances(parcels, event="updated") == 2
    assert {topic for topic, _, _ in rows()} == {"parcels", "everything"}


def test_rows_go_in_a_few_statements(django_assert_max_num_queries: Callable[..., Any]) -> None:
    customers = Customer.objects.bulk_create([Customer(name=str(n)) for n in range(1200)])

    with CaptureQueriesContext(connection) as queries:
        publish_instances(customers, event="created")

    assert OutboxMessage.objects.count() == 1200
    assert len(queries) < 20


def test_a_child_is_published_as_its_parent() -> None:
    GiftOrder.objects.create(greeting="hello")
    OutboxMessage.objects.all().delete()

    publish_instances([GiftOrder.objects.get()])

    assert [event for _, event, _ in rows()] == ["shop.order.updated"]


def test_a_model_without_a_declaration_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="Unpublished has no @publishes"):
        publish_instances([Unpublished(pk=1)])


def test_a_row_that_was_never_saved_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="without a primary key"):
        publish_instances([Customer(name="Ada")])


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="'saved'"):
        publish_instances([], event="saved")


def test_nothing_is_published_if_one_of_the_rows_is_refused() -> None:
    ada = Customer.objects.bulk_create([Customer(name="Ada")])[0]

    with pytest.raises(InvalidMessageError):
        publish_instances([ada, Customer(name="unsaved")])

    assert rows() == []
