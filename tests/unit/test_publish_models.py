"""``@publishes``: what becomes an event, with which values, and in which transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import serializers
from django.db import connection, models, transaction
from django.db.models import F
from django.db.models.signals import post_save

from kafka_integration import ConfigurationError, InvalidMessageError, publishes
from kafka_integration.models import OutboxMessage
from tests.shop.models import (
    Book,
    Customer,
    GiftOrder,
    Map,
    Order,
    PaidOrder,
    Parcel,
    Stocked,
    Unpublished,
    UsedBook,
)

pytestmark = pytest.mark.usefixtures("shop")


def events(topic: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Type and value of what waits in the outbox, oldest first; what was asked for is taken out."""
    rows = OutboxMessage.objects.order_by("id")
    found = list(rows.filter(topic=topic) if topic else rows)
    OutboxMessage.objects.filter(pk__in=[row.pk for row in found]).delete()
    return [(dict(row.headers)["ce_type"], json.loads(bytes(row.value))) for row in found]


def keys() -> list[bytes | None]:
    return [None if row.key is None else bytes(row.key) for row in OutboxMessage.objects.order_by("id")]


def test_a_row_publishes_when_it_is_created_updated_and_deleted() -> None:
    customer = Customer.objects.create(name="Ada", email="a@example.org")
    customer.name = "Grace"
    customer.save()
    customer.delete()

    assert events() == [
        ("shop.customer.created", {"name": "Ada", "email": "a@example.org"}),
        ("shop.customer.updated", {"name": "Grace", "email": "a@example.org"}),
        ("shop.customer.deleted", {"name": "Grace", "email": "a@example.org"}),
    ]


def test_only_the_declared_fields_leave() -> None:
    Customer.objects.create(name="Ada", secret="of no concern")

    assert "of no concern" not in str(events())


def test_the_key_is_the_primary_key_or_the_declared_field() -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(customer=customer)
    Order.objects.create(customer=None)

    assert keys() == [str(customer.pk).encode(), str(customer.pk).encode(), None]


def test_a_foreign_key_is_its_id_and_values_are_plain() -> None:
    customer = Customer.objects.create(name="Ada")
    placed_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    order = Order.objects.create(customer=customer, total=Decimal("9.50"), placed_at=placed_at, state=Order.State.PAID)

    assert events("orders") == [
        (
            "shop.order.created",
            {
                "customer": customer.pk,
                "total": "9.50",
                "placed_at": "2026-01-02T03:04:05Z",
                "number": str(order.number),
                "state": "paid",
            },
        )
    ]


def test_every_column_is_published_on_request() -> None:
    parcel = Parcel.objects.create(weight=1, code="b", data={"a": [1]}, raw=b"\x00", took=timedelta(seconds=1))

    ((event, value),) = events("everything")

    assert event == "shop.parcel.created"
    assert value.pop("packed_at")
    assert value == {
        "id": parcel.pk,
        "weight": 1,
        "label": "B",
        "code": "b",
        "photo": "",
        "data": {"a": [1]},
        "raw": "AA==",
        "took": "P0DT00H00M01S",
    }


def test_two_declarations_publish_to_two_topics_each_on_its_own_events() -> None:
    parcel = Parcel.objects.create(weight=1)
    parcel.save()

    assert [event for event, _ in events("everything")] == ["shop.parcel.created"]
    assert [event for event, _ in events("parcels")] == ["shop.parcel.created", "shop.parcel.updated"]


# --- What the database has, and the instance doesn't


def test_an_expression_is_published_as_the_value_that_was_written() -> None:
    parcel = Parcel.objects.create(weight=1)
    events()

    parcel.weight = F("weight") + 1
    parcel.save()

    assert events("parcels") == [("shop.parcel.updated", {"weight": 2, "label": "A"})]


def test_a_value_that_update_fields_leaves_out_is_published_as_the_database_has_it() -> None:
    customer = Customer.objects.create(name="Ada", email="old")
    events()

    customer.name, customer.email = "Grace", "never saved"
    customer.save(update_fields=["name"])

    assert events() == [("shop.customer.updated", {"name": "Grace", "email": "old"})]


def test_a_generated_column_is_published_as_it_is_after_the_update() -> None:
    parcel = Parcel.objects.create(code="a")
    events()

    parcel.code = "b"
    parcel.save()

    assert events("parcels") == [("shop.parcel.updated", {"weight": 0, "label": "B"})]


def test_a_deletion_carries_fields_that_were_deferred() -> None:
    Customer.objects.create(name="Ada", email="a")
    events()

    Customer.objects.only("pk").get().delete()

    assert events() == [("shop.customer.deleted", {"name": "Ada", "email": "a"})]


def test_an_update_of_a_row_with_deferred_fields_carries_all_of_them() -> None:
    Customer.objects.create(name="Ada", email="a")
    events()

    Customer.objects.only("name").get().save()

    assert events() == [("shop.customer.updated", {"name": "Ada", "email": "a"})]


def test_a_row_that_somebody_else_deleted_first_is_not_told_of_twice() -> None:
    Customer.objects.create(name="Ada")
    late = Customer.objects.only("pk").get()
    Customer.objects.get().delete()

    late.delete()

    assert [event for event, _ in events()] == ["shop.customer.created", "shop.customer.deleted"]


# --- Inheritance


def test_a_proxy_publishes_as_its_model() -> None:
    order = PaidOrder.objects.create()
    order.delete()

    assert [event for event, _ in events()] == ["shop.order.created", "shop.order.deleted"]


def test_a_multi_table_child_publishes_the_row_of_its_parent_once() -> None:
    gift = GiftOrder.objects.create(greeting="hello", total=3)
    gift.save()
    gift.delete()

    found = events()

    assert [event for event, _ in found] == ["shop.order.created", "shop.order.updated", "shop.order.deleted"]
    assert [Decimal(value["total"]) for _, value in found] == [3, 3, 3]


def test_a_value_has_the_type_of_its_column_even_if_another_was_assigned() -> None:
    Order.objects.create(total=3, placed_at="2026-01-02T03:04:05Z")

    ((_, value),) = events()

    assert (value["total"], value["placed_at"]) == ("3.00", "2026-01-02T03:04:05Z")


def test_deleting_a_child_but_not_its_parent_deletes_no_order() -> None:
    gift = GiftOrder.objects.create(greeting="hello")
    events()

    gift.delete(keep_parents=True)

    assert events() == []


def test_an_abstract_model_hands_its_declaration_on() -> None:
    book = Book.objects.create(sku="x")
    book.count = 2
    book.save()
    UsedBook.objects.get().save()

    assert events() == [("shop.book.updated", {"count": 2}), ("shop.book.updated", {"count": 2})]


def test_a_child_may_declare_anew_what_it_was_handed() -> None:
    Map.objects.create(sku="x", count=1)

    assert events() == [("shop.map.created", {"sku": "x", "count": 1}), ("shop.map.created", {"count": 1})]


def test_a_deletion_that_cascades_publishes_both_rows() -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(customer=customer)
    events()

    customer.delete()

    assert sorted(event for event, _ in events()) == ["shop.customer.deleted", "shop.order.deleted"]


# --- Transactions


@pytest.mark.django_db(transaction=True)
def test_save_and_event_are_one_transaction() -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("after the row was saved")

    post_save.connect(fail, sender=Customer)
    try:
        with pytest.raises(RuntimeError):
            Customer(name="Ada").save()
    finally:
        post_save.disconnect(fail, sender=Customer)

    assert not Customer.objects.exists()
    assert events() == []


@pytest.mark.django_db(transaction=True)
def test_an_event_that_cant_be_written_undoes_the_save(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "producer": {"topics": ["another"]}}

    with pytest.raises(InvalidMessageError, match="customers"):
        Customer(name="Ada").save()

    assert not Customer.objects.exists()


def test_a_savepoint_that_is_rolled_back_publishes_nothing() -> None:
    with transaction.atomic():
        Customer.objects.create(name="Ada")
        inner = connection.savepoint()
        Customer.objects.create(name="Grace")
        connection.savepoint_rollback(inner)

    assert [value["name"] for _, value in events()] == ["Ada"]


def test_a_fixture_publishes_nothing() -> None:
    (loaded,) = serializers.deserialize(
        "json", '[{"model": "shop.customer", "pk": 7, "fields": {"name": "Ada", "email": ""}}]'
    )

    loaded.save()

    assert Customer.objects.get().name == "Ada"
    assert events() == []


def test_a_model_that_is_not_published_is_deleted_as_fast_as_ever(
    django_assert_num_queries: Callable[..., Any],
) -> None:
    Unpublished.objects.create(name="a")

    with django_assert_num_queries(1):
        Unpublished.objects.all().delete()

    assert not hasattr(Unpublished.save_base, "_kafka_is_atomic")


def test_an_ordinary_save_costs_two_statements_more(django_assert_num_queries: Callable[..., Any]) -> None:
    with django_assert_num_queries(3):
        Customer(name="Ada").save()


# --- Declarations


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"topic": "a b", "fields": ("name",)}, "topic 'a b'"),
        ({"topic": "t", "fields": "name"}, "fields is 'name'"),
        ({"topic": "t", "fields": ()}, "fields is empty"),
        ({"topic": "t", "fields": ("nmae",)}, "'nmae' is no column of it: did you mean 'name'"),
        ({"topic": "t", "fields": ("name",), "on": "created"}, "on is 'created'"),
        ({"topic": "t", "fields": ("name",), "on": ("saved",)}, "on is"),
        ({"topic": "t", "fields": ("name",), "key": "nobody"}, "'nobody' is no column"),
    ],
)
def test_a_wrong_declaration_is_refused_where_it_stands(arguments: dict[str, Any], complaint: str) -> None:
    class Wrong(models.Model):
        name = models.CharField(max_length=10)

        class Meta:
            app_label = f"wrong_{abs(hash(complaint))}"

        def __str__(self) -> str:
            return self.name

    with pytest.raises(ConfigurationError, match=complaint) as caught:
        publishes(arguments.pop("topic"), **arguments)(Wrong)

    assert "Wrong" in str(caught.value)


def test_only_models_can_be_decorated() -> None:
    with pytest.raises(TypeError, match="decorates a model"):
        publishes("t", fields=("a",))(str)  # type: ignore[type-var]  # that is the point


def test_an_abstract_model_stays_abstract() -> None:
    assert Stocked._meta.abstract
