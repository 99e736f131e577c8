"""Sinks of these tables, as a project has them."""

from __future__ import annotations

from typing import Any

from kafka_integration import Message
from kafka_integration.sinks import ModelSink
from tests.prices.models import Counter, Loose, Measurement, Nickname, Offer, Pair, Plain, Price, Reading


class Prices(ModelSink):
    model = Price
    match_fields = ("sku",)
    fields = ("sku", "amount", "at")
    version_field = "at"


class Counters(ModelSink):
    """By the primary key, which is the message's key."""

    model = Counter
    fields = ("count", "version", "slot")
    version_field = "version"


class Plains(ModelSink):
    model = Plain
    fields = ("count", "version", "slot")
    version_field = "version"


class Lasting(Plains):
    version_field = None
    on_tombstone = "ignore"


class Offers(ModelSink):
    model = Offer
    match_fields = ("shop", "article")
    fields = ("shop", "article", "details", "day", "hour", "span", "weight", "is_open", "picture")


class Measurements(ModelSink):
    model = Measurement
    fields = "__all__"


class Pairs(ModelSink):
    model = Pair
    match_fields = ("left", "right")
    fields = "__all__"


class ByRow(ModelSink):
    """Rows of different fields; a value "gone" deletes."""

    model = Plain

    def row(self, message: Message) -> dict[str, Any] | None:
        return None if message.value == "gone" else dict(message.value)


class Nicknames(ModelSink):
    model = Nickname
    fields = ("count",)


class Readings(ModelSink):
    """Each has the fields that it has."""

    model = Reading

    def row(self, message: Message) -> dict[str, Any] | None:
        return {"name": message.key, **message.value}


class Levels(ModelSink):
    model = Reading
    fields = ("level", "pieces")
    version_field = "level"


class Looses(ModelSink):
    """On PostgreSQL two rows of one code are refused in the end only."""

    model = Loose
    fields = ("name", "code", "needed")
