"""Published models that are hard to tell the truth about."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Upper

from kafka_integration import publishes
from tests.warehouse.columns import WAREHOUSE


class Remaining(models.Manager):
    """Hides what was deleted softly."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(deleted=False)


@publishes("boxes", fields=("name", "deleted"))
class Box(models.Model):
    name = models.CharField(max_length=20)
    deleted = models.BooleanField(default=False)

    objects = Remaining()

    class Meta:
        app_label = WAREHOUSE
        base_manager_name = "objects"

    def __str__(self) -> str:
        return self.name


@publishes("crates", fields=("name",), on=("created",))
@publishes("crates", fields=("id",), on=("deleted",))
@publishes("lids", fields=("shape",), on=("created",))
class Crate(models.Model):
    name = models.CharField(max_length=20)
    shape = models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=20), db_persist=True
    )

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


# --- One topic, declared again by who inherits


@publishes("goods", fields=("name",), key="name")
class Good(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE
        abstract = True


@publishes("goods", fields=("name", "weight"), key="name")
class HeavyGood(Good):
    weight = models.IntegerField(default=0)

    class Meta:
        app_label = WAREHOUSE
        abstract = True


class Anvil(HeavyGood):
    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


@publishes("pallets", fields=("name",))
class Pallet(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


@publishes("pallets", fields=("name", "degrees"), key="pallet_ptr")
class ColdPallet(Pallet):
    """Declares its parent's topic."""

    degrees = models.IntegerField(default=0)

    class Meta:
        app_label = WAREHOUSE


class FrozenPallet(ColdPallet):
    class Meta:
        app_label = WAREHOUSE


# --- Two parents that declare one topic


@publishes("vehicles", fields=("wheels",))
class Car(models.Model):
    car_id = models.AutoField(primary_key=True)
    wheels = models.IntegerField(default=4)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return str(self.car_id)


@publishes("vehicles", fields=("sails",))
class Boat(models.Model):
    boat_id = models.AutoField(primary_key=True)
    sails = models.IntegerField(default=1)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return str(self.boat_id)


class Amphibian(Car, Boat):
    class Meta:
        app_label = WAREHOUSE


# --- A child that publishes as its parent does


@publishes("twigs", fields=("name",))
class Twig(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


class Leaf(Twig):
    colour = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE


# --- What Django writes without signals


class Mark(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    marks = models.ManyToManyField(Mark, through="Marking")

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return str(self.pk)


@publishes("markings", fields=("item", "mark", "owner"))
class Marking(models.Model):
    item = models.ForeignKey(Item, models.CASCADE)
    mark = models.ForeignKey(Mark, models.CASCADE)
    owner = models.ForeignKey(Twig, models.SET_NULL, null=True)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return f"{self.item} {self.mark}"


# --- A primary key of several columns


@publishes("places", fields=("aisle", "name"), key="name")
class Place(models.Model):
    pk = models.CompositePrimaryKey("aisle", "number")
    aisle = models.CharField(max_length=5)
    number = models.IntegerField()
    name = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


# --- Models with a `save_base` of their own


class Saving(models.Model):
    """Takes what it needs by name, as Django gives it."""

    name = models.CharField(max_length=20)

    class Meta:
        app_label = WAREHOUSE
        abstract = True

    def save_base(self, raw: bool = False, **kwargs: Any) -> None:
        super().save_base(raw=raw, **kwargs)


@publishes("savings", fields=("name",))
class OwnSaving(Saving):
    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name


def _tracked(model: type[models.Model]) -> type[models.Model]:
    """Notes what each save is asked to save, as trackers of changes do."""
    original = model.save_base

    def save_base(self: Any, *args: Any, **kwargs: Any) -> None:
        self.seen = (args, kwargs.get("update_fields"))
        original(self, *args, **kwargs)

    model.save_base = save_base  # type: ignore[method-assign]  # that is how they do it
    return model


@publishes("tracked", fields=("name",))
@_tracked
class Tracked(models.Model):
    name = models.CharField(max_length=20)
    note = models.CharField(max_length=20, blank=True)

    class Meta:
        app_label = WAREHOUSE

    def __str__(self) -> str:
        return self.name
