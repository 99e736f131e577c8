"""What a sink may declare; anything else is refused when it is loaded, with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from kafka_integration import HandlerError
from kafka_integration.checks import check_settings
from kafka_integration.consuming.handling.loading import load_handler
from kafka_integration.sinks import ModelSink
from tests.prices.models import FlagShip, Loose, Offer, Pair, Plain, Price
from tests.prices.sinks import Counters, Pairs, Plains, Prices
from tests.unit.consumers import consumer_settings

pytestmark = [pytest.mark.usefixtures("prices"), pytest.mark.django_db]

PLAINS = "tests.prices.sinks.Plains"


def declared(**attributes: Any) -> type[ModelSink]:
    return type("Sink", (ModelSink,), attributes)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({}, "needs model, a model that has a table"),
        ({"model": "prices.Price"}, "needs model, a model that has a table"),
        ({"model": Plain}, r'needs fields, such as \("sku", "amount"\) or "__all__", or a method row\(message\)'),
        ({"model": Plain, "fields": "count"}, r"has fields of type str: give a tuple of names"),
        ({"model": Plain, "fields": ("cuont",)}, "names 'cuont', and prices.Plain has no column for that"),
        ({"model": Plain, "fields": ("count", 5)}, "has fields of type tuple: give a tuple of names"),
        ({"model": Plain, "fields": ("count", "count")}, "names a field twice in fields: count, count"),
        (
            {"model": Plain, "fields": ("version",)},
            "leaves out count, which a new row needs: name it in fields, or give",
        ),
        (
            {"model": Plain, "fields": ("count",), "version_field": "version"},
            'has "version" as version_field: name it in',
        ),
        ({"model": Plain, "fields": ("count",), "version_field": "name"}, 'has "name" as version_field and in match_'),
        ({"model": Plain, "fields": ("count",), "on_tombstone": "drop"}, "has on_tombstone 'drop': it has to be"),
        ({"model": Plain, "fields": ("count",), "match_fields": "name"}, "has match_fields of type str: give a tuple"),
        ({"model": Plain, "fields": ("count",), "row": lambda self, message: {}}, r"has fields and row\(\): keep one"),
        (
            {"model": Price, "match_fields": ("sku",), "fields": ("amount", "created")},
            'names "created", which auto_now',
        ),
        (
            {"model": Price, "match_fields": ("sku",), "fields": ("id", "amount")},
            "has the primary key in fields: match by",
        ),
        (
            {"model": Price, "match_fields": ("sku", "at"), "fields": "__all__"},
            "matches by at, sku, which prices.Price do",
        ),
        (
            {"model": Pair, "match_fields": ("left", "right"), "fields": ("left",)},
            "matches by left, right: name all of",
        ),
        (
            {"model": Offer, "match_fields": ("shop", "article"), "fields": ("shouted",)},
            'names "shouted", which the data',
        ),
        (
            {"model": Loose, "match_fields": ("name",), "fields": "__all__"},
            r"add UniqueConstraint\(fields=\[…\], name=…\)",
        ),
        ({"model": Loose, "match_fields": ("code",), "fields": "__all__"}, "without condition and not deferrable"),
        ({"model": FlagShip, "fields": "__all__"}, r"whose rows are in two tables \(multi-table inheritance\)"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(attributes: dict[str, Any], reason: str) -> None:
    with pytest.raises(HandlerError, match=f"Sink .*{reason}"):
        declared(**attributes)()


def test_all_fields_are_those_that_a_message_can_have() -> None:
    offers = declared(model=Offer, match_fields=("shop", "article"), fields="__all__")
    prices = declared(model=Price, match_fields=("sku",), fields="__all__")

    with pytest.raises(HandlerError, match="has the primary key in fields"):
        offers()
    assert prices()._target.shape is not None
    assert [column.name for column in prices()._target.shape.given] == ["sku", "amount", "at", "note", "rank"]


@pytest.mark.parametrize(("sink", "may"), [(Plains, True), (Prices, True), (Pairs, True), (Counters, False)])
def test_rows_replace_each_other_only_where_none_holds_what_another_needs(sink: type[ModelSink], may: bool) -> None:
    assert sink()._target.may_replace is may


def test_rows_of_versions_that_a_database_sorts_by_a_language_are_written_one_after_the_other() -> None:
    by_note = declared(model=Price, match_fields=("sku",), fields=("sku", "amount", "note"), version_field="note")

    assert by_note()._target.may_replace is False


def test_it_is_a_batch_handler() -> None:
    handler = load_handler(PLAINS)

    assert handler.takes_batch


def problems(**options: Any) -> list[str]:
    with override_settings(KAFKA=consumer_settings(**options)):
        return [message.msg for message in check_settings(None)]


def test_a_check_reports_a_sink_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plains, "fields", ("cuont",))

    assert problems(message_handler=PLAINS) == [
        'KAFKA["consumers"]["c"]["message_handler"]: tests.prices.sinks.Plains names \'cuont\', and prices.Plain has '
        "no column for that."
    ]


@pytest.mark.parametrize("options", [{"offset_storage": "database"}, {"deduplicate": True}], ids=str)
def test_a_check_reports_a_sink_whose_rows_are_not_where_the_offsets_are(options: dict[str, Any]) -> None:
    class Elsewhere:
        def db_for_write(self, model: type[Any], **hints: Any) -> str | None:
            return "elsewhere" if model is Plain else None

    with override_settings(DATABASE_ROUTERS=[Elsewhere()]):
        found = problems(message_handler=PLAINS, **options)
        without = problems(message_handler=PLAINS)

    assert without == []
    assert found == [
        'KAFKA["consumers"]["c"]["message_handler"] is "tests.prices.sinks.Plains", which writes to database '
        '"elsewhere": its rows and what the consumer keeps in "default" have to be committed together; set "database" '
        'to "elsewhere", or let a database router lead prices.Plain there.'
    ]


def test_a_sink_where_the_offsets_are_is_fine() -> None:
    assert problems(message_handler=PLAINS, offset_storage="database") == []
