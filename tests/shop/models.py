"""Published models: plain, related, inherited, abstract, proxied, with columns that the database fills."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now, Upper

from kafka_integration import publishes

# Said in each: the tests import this module before the app is installed.
SHOP = "shop"


@publishes("customers", fields=("name", "email"), key="pk")
class Customer(models.Model):
    name = models.CharField(max_length=50)
    email = models.CharField(max_length=50, blank=True)
    secret = models.CharField(max_length=50, default="not published")

    class Meta:
        app_label = SHOP

    def __str__(self) -> str:
        return self.name


@publishes("orders", fields=("customer", "total", "placed_at", "number", "state"), key="customer")
class Order(models.Model):
    class State(models.TextChoices):
        OPEN = "open"
        PAID = "paid"

    number = models.UUIDField(default=uuid.uuid4, unique=True)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True)
    total = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    placed_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=4, choices=State, default=State.OPEN)

    class Meta:
        app_label = SHOP

    def __str__(self) -> str:
        return str(self.number)


class PaidOrder(Order):
    """A proxy: its rows are orders."""

    class Meta:
        app_label = SHOP
        proxy = True


class GiftOrder(Order):
    """A multi-table child: each has a row among the orders."""

    greeting = models.CharField(max_length=50)

    class Meta:
        app_label = SHOP


@publishes("everything", fields="__all__", on=("created", "deleted"), key=None)
@publishes("parcels", fields=("weight", "label"))
class Parcel(models.Model):
    weight = models.IntegerField(default=0)
    label = models.GeneratedField(
        expression=Upper("code"), output_field=models.CharField(max_length=20), db_persist=True
    )
    code = models.CharField(max_length=20, default="a")
    packed_at = models.DateTimeField(db_default=Now())
    photo = models.FileField(blank=True)
    data = models.JSONField(default=dict)
    raw = models.BinaryField(default=b"")
    took = models.DurationField(null=True)

    class Meta:
        app_label = SHOP

    def __str__(self) -> str:
        return self.code


@publishes("stock", fields=("count",), on=("updated",), key="sku")
class Stocked(models.Model):
    sku = models.CharField(max_length=10)
    count = models.IntegerField(default=0)

    class Meta:
        app_label = SHOP
        abstract = True


class Book(Stocked):
    class Meta:
        app_label = SHOP

    def __str__(self) -> str:
        return self.sku


class UsedBook(Book):
    """A proxy of what an abstract model declares."""

    class Meta:
        app_label = SHOP
        proxy = True


@publishes("maps", fields=("count",), key="sku")
@publishes("stock", fields=("sku", "count"), key="sku")
class Map(Stocked):
    """Declares anew what it was handed, and adds another topic."""

    class Meta:
        app_label = SHOP

    def __str__(self) -> str:
        return self.sku


class Unpublished(models.Model):
    name = models.CharField(max_length=10)

    class Meta:
        app_label = SHOP

    def __str__(self) -> str:
        return self.name
