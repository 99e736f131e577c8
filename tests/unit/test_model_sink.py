"""``ModelSink``: what the table holds after a batch, and whose fault it is when a row can't be written."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Model, signals
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kafka_integration.errors import DecodeError, RowError
from kafka_integration.models import DeadLetter
from kafka_integration.outcomes import HandleApart
from kafka_integration.sinks import ModelSink
from kafka_integration.testing import deliver
from tests.prices.models import Counter, Measurement, Nickname, Offer, Pair, Plain, Price, Shop
from tests.prices.sinks import ByRow, Lasting, Measurements, Nicknames, Offers, Pairs, Plains, Prices
from tests.unit.consumers import committed, consume, write
from tests.unit.sinking import Record, messages, sink

pytestmark = [pytest.mark.usefixtures("prices"), pytest.mark.django_db]

NOON = "2026-03-01T12:00:00+00:00"
UUID_ONE = uuid.UUID("00000000-0000-4000-8000-000000000001")


def plains() -> dict[str, tuple[int, int | None]]:
    return {row.name: (row.count, row.version) for row in Plain.objects.all()}


def plain(count: int, version: int | None = None, slot: int | None = None) -> dict[str, int | None]:
    return {"count": count, "version": version, "slot": slot}


def test_each_message_is_a_row() -> None:
    sink(
        Prices,
        ("x", {"sku": "a", "amount": 19.99, "at": NOON, "other": [1]}),
        ("y", {"sku": "b", "amount": "5", "at": None}),
    )

    rows = Price.objects.order_by("sku").values_list("sku", "amount", "at")
    assert [*rows] == [("a", Decimal("19.99"), datetime(2026, 3, 1, 12, tzinfo=UTC)), ("b", Decimal(5), None)]


def test_a_new_row_has_defaults_of_model_and_database_and_its_times() -> None:
    before = timezone.now()

    sink(Prices, ("x", {"sku": "a", "amount": 1, "at": None}))

    row = Price.objects.get()
    assert (row.note, row.rank) == ("new", 7)
    assert before <= row.created <= timezone.now()
    assert before <= row.updated <= timezone.now()


def test_a_row_that_is_there_keeps_what_the_message_does_not_say() -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    Price.objects.create(sku="a", amount=1, note="kept", rank=3)
    Price.objects.update(created=long_ago, updated=long_ago)

    sink(Prices, ("x", {"sku": "a", "amount": 2, "at": None}))

    row = Price.objects.get()
    assert (row.amount, row.note, row.rank, row.created) == (2, "kept", 3, long_ago)
    assert row.updated > long_ago


def test_the_last_message_of_a_key_counts() -> None:
    sink(Plains, ("a", plain(1)), ("b", plain(2)), ("a", plain(3)))

    assert plains() == {"a": (3, None), "b": (2, None)}


def test_an_older_version_loses_though_it_comes_later_in_one_batch_or_in_two() -> None:
    sink(Plains, ("a", plain(1, 5)), ("a", plain(2, 4)), ("b", plain(1, 5)))
    sink(Plains, ("b", plain(2, 4)), ("c", plain(1, None)), ("c", plain(2, None)))

    assert plains() == {"a": (1, 5), "b": (1, 5), "c": (2, None)}


def test_an_equal_or_newer_version_wins_over_what_is_there() -> None:
    sink(Plains, ("a", plain(1, 5)), ("b", plain(1, 5)), ("c", plain(1, None)))

    sink(Plains, ("a", plain(2, 5)), ("b", plain(2, 6)), ("c", plain(2, 0)))

    assert plains() == {"a": (2, 5), "b": (2, 6), "c": (2, 0)}


def test_a_message_without_a_version_does_not_overwrite_one_that_has_one() -> None:
    sink(Plains, ("a", plain(1, 5)))

    sink(Plains, ("a", plain(2, None)))

    assert plains() == {"a": (1, 5)}


def test_a_tombstone_deletes_and_forgets_the_version() -> None:
    sink(Plains, ("a", plain(1, 5)), ("b", plain(1, 5)))

    sink(Plains, ("a", None), ("b", None), ("b", plain(2, 1)), ("c", plain(1, 9)), ("c", None), ("c", plain(3, 1)))

    assert plains() == {"b": (2, 1), "c": (3, 1)}


def test_a_tombstone_deletes_by_the_only_match_field_which_need_not_be_the_primary_key() -> None:
    sink(Prices, ("x", {"sku": "a", "amount": 1, "at": NOON}), ("y", {"sku": "b", "amount": 1, "at": NOON}))

    sink(Prices, ("a", None))

    assert [row.sku for row in Price.objects.all()] == ["b"]


def test_a_tombstone_may_be_ignored() -> None:
    sink(Lasting, ("a", plain(1)), ("a", None))

    assert plains() == {"a": (1, None)}


def test_rows_of_a_model_with_nothing_but_a_key_are_written_once() -> None:
    sink(
        Pairs,
        ("x", {"left": "a", "right": "b"}),
        ("x", {"left": "a", "right": "b"}),
        ("x", {"left": "a", "right": "c"}),
    )
    sink(Pairs, ("x", {"left": "a", "right": "b"}))

    assert sorted(map(str, Pair.objects.all())) == ["a-b", "a-c"]


def test_a_tombstone_for_several_match_fields_has_them_in_its_key() -> None:
    sink(Pairs, ("x", {"left": "a", "right": "b"}), ("x", {"left": "a", "right": "c"}))
    handler = Pairs()
    batch = messages([("{}", None)])
    batch[0]._key = {"left": "a", "right": "b"}

    handler.handle_messages(batch)

    assert [*map(str, Pair.objects.all())] == ["a-c"]
    with pytest.raises(RowError, match="the message's key is of type str, and a row is found by left, right"):
        sink(Pairs, ("a", None))


def test_a_row_may_be_made_by_a_method_with_fields_that_differ() -> None:
    sink(
        ByRow,
        ("a", {"count": 1, "version": 3}),
        ("a", {"count": 2}),
        ("b", {"count": 1}),
        ("c", {"count": 1}),
        ("c", "gone"),
    )

    assert plains() == {"a": (2, 3), "b": (1, None)}


def test_values_of_every_kind_become_those_of_their_fields() -> None:
    shop = Shop.objects.create(name="s")
    offer = {"shop": shop.pk, "article": "pen", "details": {"a": [1, None]}, "day": "2026-03-01", "hour": "12:30"}
    offer |= {"span": "P1DT2H", "weight": 2, "is_open": False, "picture": "AAE="}

    sink(Offers, ("x", offer), ("y", {**offer, "article": "ink", "details": None}))

    row = Offer.objects.get(article="pen")
    assert (row.shop, row.details, row.day, row.hour) == (shop, {"a": [1, None]}, date(2026, 3, 1), time(12, 30))
    assert (row.span, row.weight, row.is_open) == (timedelta(days=1, hours=2), 2.0, False)
    assert (bytes(row.picture or b""), row.shouted) == (b"\x00\x01", "PEN")
    assert isinstance(row.pk, uuid.UUID)
    assert row.stored is not None
    assert Offer.objects.filter(details__isnull=True).count() == 1


def test_plain_values_arrive_as_they_are() -> None:
    """Also those that a database could mistake for something else on their way."""
    text = 'it\'s "%s" \\ \u2028 \u00e9 {}'
    sink(
        Measurements,
        ("x", {"id": 2**62, "text": text, "ratio": 0.1, "exact": "12345.6789", "count": -7, "code": str(UUID_ONE)}),
        ("y", {"id": 2, "text": "", "ratio": "Infinity", "exact": 1e-4, "count": None, "code": None}),
    )
    sink(Measurements, ("z", {"id": 3, "text": "", "ratio": 1, "exact": 0, "count": 1, "code": None}))

    rows = Measurement.objects.values_list("id", "text", "ratio", "exact", "count", "code")
    assert sorted(rows) == [
        (2, "", float("inf"), Decimal("0.0001"), None, None),
        (3, "", 1.0, Decimal(0), 1, None),
        (2**62, text, 0.1, Decimal("12345.6789"), -7, UUID_ONE),
    ]


def test_the_primary_key_is_no_other_after_an_update() -> None:
    shop = Shop.objects.create(name="s")
    offer = {"shop": shop.pk, "article": "pen", "details": 1, "day": None, "hour": None, "span": None, "weight": None}
    offer |= {"is_open": True, "picture": None}
    sink(Offers, ("x", offer))
    before = Offer.objects.get()

    sink(Offers, ("x", {**offer, "details": 2}))

    assert (Offer.objects.get().pk, Offer.objects.get().details) == (before.pk, 2)


def test_a_foreign_key_may_be_named_by_its_column() -> None:
    class ById(ModelSink):
        model = Offer
        match_fields = ("shop_id", "article")
        fields = ("shop_id", "article")

    shop = Shop.objects.create(name="s")

    sink(ById, ("x", {"shop_id": shop.pk, "article": "pen"}))

    assert Offer.objects.get().shop == shop


def test_a_time_without_a_zone_is_one_of_the_projects_own() -> None:
    with timezone.override(ZoneInfo("Europe/Prague")):
        sink(Prices, ("x", {"sku": "a", "amount": 1, "at": "2026-03-01 12:00"}))

    assert Price.objects.get().at == datetime(2026, 3, 1, 11, tzinfo=UTC)


def test_no_signals_are_sent() -> None:
    sent: list[Any] = []

    def note(sender: type[Model], **kwargs: Any) -> None:
        sent.append(sender)

    every = (signals.pre_save, signals.post_save, signals.pre_delete, signals.post_delete)
    for signal in every:
        signal.connect(note, sender=Plain)
    try:
        sink(Plains, ("a", plain(1)), ("b", plain(1)), ("b", None))
    finally:
        for signal in every:
            signal.disconnect(note, sender=Plain)

    assert sent == []


def test_many_rows_are_few_statements() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        sink(Plains, *((f"{number}", plain(1)) for number in range(200)))

    assert Plain.objects.count() == 200
    assert len(queries) <= 5


def test_more_rows_than_a_statement_takes_are_written_by_several() -> None:
    sink(Plains, *((f"{number}", plain(number % 100)) for number in range(1000)))
    sink(Plains, *((f"{number}", None) for number in range(999)))

    assert plains() == {"999": (99, None)}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (("x", {"amount": 1, "at": None}), "the value lacks sku"),
        (("x", {}), "the value lacks sku, amount, at"),
        (("x", [1]), "the value is of type list and has to be a JSON object"),
        (("x", b"null"), "the value is of type NoneType and has to be a JSON object"),
        (("x", {"sku": "a", "amount": "secret", "at": None}), r"prices.Price.amount doesn't take .* of type str"),
        (("x", {"sku": "a", "amount": [1], "at": None}), r"prices.Price.amount doesn't take .* of type list"),
        (("x", {"sku": "a", "amount": 1e9, "at": None}), r"prices.Price.amount doesn't take"),
        (("x", {"sku": "a", "amount": None, "at": None}), "prices.Price.amount: the message has null for it"),
        (("x", {"sku": "a", "amount": 1, "at": "yesterday"}), r"prices.Price.at doesn't take .* of type str"),
        (("x", {"sku": "a", "amount": 1, "at": 12}), r"prices.Price.at doesn't take .* of type int"),
        (("x", {"sku": "too long for it", "amount": 1, "at": None}), r"prices.Price.sku doesn't take"),
        (("x", {"sku": None, "amount": 1, "at": None}), r"prices.Price.sku: the message has null for it"),
        ((None, None), "the message has no key, which would be the sku of its row"),
    ],
)
def test_a_message_that_makes_no_row_says_why_without_its_value(record: Record, reason: str) -> None:
    with pytest.raises(RowError, match=reason) as caught:
        sink(Prices, record)

    assert "secret" not in str(caught.value)
    assert not Price.objects.exists()


def test_a_value_that_is_no_json_cannot_be_decoded() -> None:
    with pytest.raises(DecodeError):
        sink(Prices, ("x", b"{"))


def test_a_row_without_a_key_where_that_is_its_primary_key_fails() -> None:
    with pytest.raises(RowError, match="the message has no key, which would be the name of its row"):
        sink(Plains, (None, plain(1)))


def test_messages_at_fault_are_named_before_anything_is_written() -> None:
    batch = messages([("a", plain(1)), ("b", {}), ("c", plain(3)), (None, None), ("e", b"{")])

    with pytest.raises(HandleApart) as caught:
        Plains().handle_messages(batch)

    assert sorted(caught.value.offsets) == [batch[place].offset for place in (1, 3, 4)]
    assert plains() == {}


def test_a_row_method_that_returns_nonsense_says_what_it_has_to_return() -> None:
    class Nonsense(ByRow):
        returned: Any = 5

        def row(self, message: Any) -> Any:
            return self.returned

    with pytest.raises(RowError, match=r"row\(\) returned int: it has to return a dict, or None"):
        sink(Nonsense, ("a", 1))
    Nonsense.returned = {"name": "a", "cuont": 1}
    with pytest.raises(RowError, match=r"row\(\) names 'cuont', and prices.Plain has no column for that"):
        sink(Nonsense, ("a", 1))


@pytest.mark.parametrize("options", [{}, {"offset_storage": "database"}, {"deduplicate": True}], ids=str)
@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_written_is_a_dead_letter_alone(options: dict[str, Any]) -> None:
    """The fourth is refused by the field, the sixth by the database."""
    rows: list[Record] = [(f"{number}", plain(number)) for number in range(9)]
    rows[3], rows[5] = ("3", {"count": "three"}), ("5", plain(500))
    for key, value in rows:
        write(json.dumps(value), key=key)

    loop = consume(
        message_handler="tests.prices.sinks.Plains", value_deserializer="json", on_failure="dead_letter", **options
    )

    assert loop.fault is None
    assert plains() == {f"{number}": (number, None) for number in range(9) if number not in (3, 5)}
    letters = DeadLetter.objects.order_by("offset")
    assert [(letter.offset, letter.exception) for letter in letters] == [
        (3, "kafka_integration.errors.RowError"),
        (5, "django.db.utils.IntegrityError"),
    ]
    assert committed() == 9


@pytest.mark.parametrize("storage", ["kafka", "database"])
@pytest.mark.django_db(transaction=True)
def test_a_good_row_before_a_bad_one_of_its_key_stays(storage: str) -> None:
    for value in (plain(1), plain(2), plain(500)):
        write(json.dumps(value), key="a")

    consume(
        message_handler="tests.prices.sinks.Plains",
        value_deserializer="json",
        on_failure="dead_letter",
        offset_storage=storage,
    )

    assert plains() == {"a": (2, None)}
    assert [letter.offset for letter in DeadLetter.objects.all()] == [2]


@pytest.mark.parametrize("order", [("a1", "b1", "a2"), ("a1", "a2", "b1"), ("b1", "a1", "b2")])
@pytest.mark.django_db(transaction=True)
def test_what_another_row_holds_for_a_while_is_respected_as_one_after_the_other(order: tuple[str, ...]) -> None:
    for name in order:
        write(json.dumps(plain(1, slot=int(name[1]))), key=name[0])

    consume(message_handler="tests.prices.sinks.Counters", value_deserializer="json", on_failure="dead_letter")

    expected: dict[str, int] = {}
    refused = []
    for place, name in enumerate(order):
        if int(name[1]) in [slot for key, slot in expected.items() if key != name[0]]:
            refused.append(place)
        else:
            expected[name[0]] = int(name[1])
    assert dict(Counter.objects.values_list("name", "slot")) == expected
    assert [letter.offset for letter in DeadLetter.objects.order_by("offset")] == refused


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the collation is one of SQLite")
def test_keys_that_only_the_database_takes_for_one_keep_their_order() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE prices_nickname (name varchar(3) PRIMARY KEY COLLATE nocase, count integer)")

    sink(Nicknames, ("Al", {"count": 1}), ("al", None), ("Bo", None), ("bo", {"count": 2}), ("BO", {"count": 3}))

    assert [*Nickname.objects.values_list("name", "count")] == [("bo", 3)]


def test_a_single_message_can_be_delivered_in_a_test(settings: Any) -> None:
    settings.KAFKA["consumers"]["c"] |= {
        "message_handler": "tests.prices.sinks.Plains",
        "value_deserializer": "json",
        "on_failure": "dead_letter",
    }
    with override_settings(KAFKA=settings.KAFKA):
        good = deliver("c", plain(1), key="a")
        bad = deliver("c", {"count": 1}, key="a")

    assert (good.status, bad.status) == ("handled", "dead_letter")
    assert isinstance(bad.exception, RowError)
    assert plains() == {"a": (1, None)}
