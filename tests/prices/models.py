"""Tables that a topic is written into: plain ones, and those with each thing that makes writing many rows hard."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now, Upper

PRICES = "prices"


class Shop(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = PRICES

    def __str__(self) -> str:
        return self.name


class Price(models.Model):
    sku = models.CharField(max_length=8, unique=True)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    at = models.DateTimeField(null=True)
    note = models.TextField(default="new")
    rank = models.IntegerField(db_default=7)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = PRICES

    def __str__(self) -> str:
        return self.sku


class Counter(models.Model):
    """Small, so that a property test can tell what it holds; ``slot`` may belong to one row only."""

    name = models.CharField(primary_key=True, max_length=3)
    count = models.IntegerField()
    version = models.IntegerField(null=True)
    slot = models.IntegerField(null=True, unique=True)

    class Meta:
        app_label = PRICES

    def __str__(self) -> str:
        return self.name


class Plain(models.Model):
    """The same without anything that one row could take from another."""

    name = models.CharField(primary_key=True, max_length=3)
    count = models.IntegerField()
    version = models.IntegerField(null=True)
    slot = models.IntegerField(null=True)

    class Meta:
        app_label = PRICES
        constraints = [models.CheckConstraint(condition=models.Q(count__lt=100), name="plain_count_is_small")]

    def __str__(self) -> str:
        return self.name


class Offer(models.Model):
    """Values of every kind."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    article = models.CharField(max_length=10)
    details = models.JSONField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    span = models.DurationField(null=True)
    weight = models.FloatField(null=True)
    is_open = models.BooleanField(default=True)
    picture = models.BinaryField(null=True)
    shouted = models.GeneratedField(expression=Upper("article"), output_field=models.TextField(), db_persist=True)
    stored = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = PRICES
        constraints = [models.UniqueConstraint(fields=["shop", "article"], name="offer_once_a_shop")]

    def __str__(self) -> str:
        return self.article


class Measurement(models.Model):
    """Nothing but plain columns."""

    id = models.BigIntegerField(primary_key=True)
    text = models.TextField()
    ratio = models.FloatField()
    exact = models.DecimalField(max_digits=12, decimal_places=4)
    count = models.SmallIntegerField(null=True)
    code = models.UUIDField(null=True)
    day = models.DateField(auto_now_add=True)

    class Meta:
        app_label = PRICES

    def __str__(self) -> str:
        return str(self.id)


class Reading(models.Model):
    """Of each type of column that a value may be too fine for."""

    name = models.CharField(primary_key=True, max_length=20)
    level = models.FloatField(null=True)
    total = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    taken = models.DateTimeField(null=True)
    hour = models.TimeField(null=True)
    pieces = models.IntegerField(null=True)
    note = models.TextField(default="")
    counter = models.ForeignKey(Counter, on_delete=models.CASCADE, null=True)

    class Meta:
        app_label = PRICES

    def __str__(self) -> str:
        return self.name


class Pair(models.Model):
    """Nothing but its key."""

    left = models.CharField(max_length=3)
    right = models.CharField(max_length=3)

    class Meta:
        app_label = PRICES
        unique_together = [("left", "right")]

    def __str__(self) -> str:
        return f"{self.left}-{self.right}"


class FlagShip(Shop):
    """Its rows are in two tables."""

    floors = models.IntegerField()

    class Meta:
        app_label = PRICES


class Loose(models.Model):
    """Nothing of it is unique, but under a condition, or in the end."""

    name = models.CharField(max_length=10)
    code = models.CharField(max_length=10)
    needed = models.IntegerField()

    class Meta:
        app_label = PRICES
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=models.Q(needed__gt=0), name="loose_name_once"),
            models.UniqueConstraint(fields=["code"], deferrable=models.Deferrable.DEFERRED, name="loose_code_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Nickname(models.Model):
    """To its database, "Al" and "al" are one name. Where a test needs the table, it makes it."""

    name = models.CharField(primary_key=True, max_length=3, db_collation="nocase")
    count = models.IntegerField()

    class Meta:
        app_label = PRICES
        managed = False

    def __str__(self) -> str:
        return self.name
