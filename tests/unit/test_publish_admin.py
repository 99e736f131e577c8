"""``PublishAdminMixin``: the action, its permission, what it publishes, and the trace it leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest
from django.test import RequestFactory

from kafka_integration.admin.permissions import create_publish_permissions
from kafka_integration.models import OutboxMessage
from tests.shop.admin import AsDeclared, Misspelt, Nowhere, OwnFields, OwnValue
from tests.shop.models import Customer, Parcel, Unpublished

pytestmark = pytest.mark.usefixtures("shop")


def request_by(user: User, **data: str) -> HttpRequest:
    request = RequestFactory().post("/", data)
    request.user = user
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]  # the middleware's work
    return request


def operator(*models: type) -> User:
    """Somebody who may publish rows of these models, and nothing else."""
    user = User.objects.create_user("operator", is_staff=True)
    for model in models:
        kind = ContentType.objects.get_for_model(model)
        code = f"publish_{model.__name__.lower()}"
        user.user_permissions.add(Permission.objects.create(content_type=kind, codename=code, name="may publish"))
    return user


def publish_all(page: ModelAdmin[Any], user: User) -> list[str]:
    """The messages of the action, on all rows."""
    request = request_by(user)
    page.publish_selected(request, page.model._default_manager.order_by("pk"))  # type: ignore[attr-defined]  # the mixin's
    return [str(message) for message in request._messages]  # type: ignore[attr-defined]  # see above


def rows() -> list[tuple[str, bytes | None, str, Any]]:
    return [
        (row.topic, None if row.key is None else bytes(row.key), dict(row.headers)["ce_type"], json.loads(row.value))
        for row in OutboxMessage.objects.order_by("id")
    ]


def test_a_published_model_is_published_as_it_declares() -> None:
    customer = Customer.objects.bulk_create([Customer(name="Ada", email="a")])[0]

    said = publish_all(AsDeclared(Customer, AdminSite()), operator())

    assert rows() == [("customers", str(customer.pk).encode(), "shop.customer.updated", {"name": "Ada", "email": "a"})]
    assert said == ["1 message was published to Kafka."]


def test_what_was_selected_is_published_as_the_database_has_it_now() -> None:
    customer = Customer.objects.bulk_create([Customer(name="Ada", email="old")])[0]
    selected = Customer.objects.order_by("pk")
    assert len(selected) == 1
    Customer.objects.update(email="new")
    request = request_by(operator())

    AsDeclared(Customer, AdminSite()).publish_selected(request, selected)

    assert rows() == [
        ("customers", str(customer.pk).encode(), "shop.customer.updated", {"name": "Ada", "email": "new"})
    ]


def test_a_row_that_is_gone_meanwhile_publishes_nothing_and_is_said() -> None:
    Customer.objects.bulk_create([Customer(name="Ada"), Customer(name="Grace")])
    selected = Customer.objects.order_by("pk")
    assert len(selected) == 2
    Customer.objects.filter(name="Grace")._raw_delete("default")
    request = request_by(operator())

    AsDeclared(Customer, AdminSite()).publish_selected(request, selected)

    (said,) = [str(message) for message in request._messages]  # type: ignore[attr-defined]  # the middleware's work
    assert "shop.Customer with the primary key" in said
    assert rows() == []


def test_a_model_with_two_declarations_is_published_to_both_topics() -> None:
    Parcel.objects.bulk_create([Parcel(weight=1)])

    publish_all(AsDeclared(Parcel, AdminSite()), operator())

    assert sorted(row[0] for row in rows()) == ["everything", "parcels"]


def test_topic_fields_key_and_event_can_be_the_admins_own() -> None:
    Unpublished.objects.create(name="x")

    publish_all(OwnFields(Unpublished, AdminSite()), operator())

    assert rows() == [("names", b"x", "shop.unpublished.created", {"name": "x"})]


def test_the_value_can_be_the_admins_own() -> None:
    unpublished = Unpublished.objects.create(name="x")

    publish_all(OwnValue(Unpublished, AdminSite()), operator())

    assert rows() == [("values", str(unpublished.pk).encode(), "shop.unpublished.updated", {"text": "x"})]


def test_it_leaves_a_log_entry_for_each_row() -> None:
    customers = Customer.objects.bulk_create([Customer(name="Ada"), Customer(name="Grace")])
    user = operator()

    publish_all(AsDeclared(Customer, AdminSite()), user)

    entries = LogEntry.objects.order_by("object_id")
    assert [entry.object_id for entry in entries] == [str(customer.pk) for customer in customers]
    assert {(entry.user_id, "customers" in entry.change_message) for entry in entries} == {(user.pk, True)}


def test_a_refused_row_publishes_nothing_and_is_said(settings: Any) -> None:
    settings.KAFKA = {"endpoints": "memory", "producer": {"topics": ["another"]}}
    Customer.objects.bulk_create([Customer(name="Ada")])

    (said,) = publish_all(AsDeclared(Customer, AdminSite()), operator())

    assert "allow_any_topic" in said
    assert rows() == []
    assert not LogEntry.objects.exists()


def test_only_those_with_the_permission_see_the_action() -> None:
    page = AsDeclared(Customer, AdminSite())

    allowed = page.get_action_choices(request_by(operator(Customer)))
    other = User.objects.create_user("other", is_staff=True)

    assert ("publish_selected", "Publish selected to Kafka") in allowed
    assert "publish_selected" not in page.get_actions(request_by(other))


def test_migrate_creates_the_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    site = AdminSite()
    site.register(Customer, AsDeclared)
    monkeypatch.setattr("kafka_integration.admin.permissions.all_sites", [site])

    for _ in range(2):
        create_publish_permissions(apps.get_app_config("shop"), apps=apps, verbosity=0)

    permission = Permission.objects.get(codename="publish_customer")
    assert (permission.content_type.app_label, permission.name) == ("shop", "Can publish customer to Kafka")


@pytest.mark.parametrize(
    ("page", "complaints"),
    [
        (AsDeclared(Customer, AdminSite()), []),
        (OwnFields(Unpublished, AdminSite()), []),
        (OwnValue(Unpublished, AdminSite()), []),
        (Nowhere(Unpublished, AdminSite()), ["publishes nowhere"]),
        (Misspelt(Unpublished, AdminSite()), ["publish_topic", "publish_event is 'saved'", "'nmae'"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wrong_admin_is_a_check_error(page: ModelAdmin[Any], complaints: list[str]) -> None:
    found = [error.msg for error in page.check()]

    assert len(found) == len(complaints)
    assert all(complaint in message for complaint, message in zip(complaints, found, strict=True))
