"""A table that a sink wrote in batches is the one that writing the messages one after the other makes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafka_integration.consuming.handling.batches import narrowed
from kafka_integration.consuming.ordering.chunk import Chunk
from kafka_integration.errors import RowError
from kafka_integration.message import Message
from kafka_integration.messages import RawMessages, for_handler
from kafka_integration.outcomes import HandleApart
from kafka_integration.sinks import ModelSink
from tests.prices.models import Counter, Plain
from tests.prices.sinks import ByRow, Counters, Lasting, Plains
from tests.unit.sinking import DECODING, Record, messages

pytestmark = [pytest.mark.usefixtures("prices"), pytest.mark.django_db]

NUMBERS = st.none() | st.integers(0, 3)
GOOD = st.fixed_dictionaries({"count": st.integers(0, 9), "version": NUMBERS, "slot": NUMBERS})
BAD = st.sampled_from([{"count": "x", "version": 1, "slot": 1}, {"count": 1}, [], b"{", b"null"])
REFUSED = st.fixed_dictionaries({"count": st.just(500), "version": NUMBERS, "slot": st.none()})
SOME_FIELDS = st.dictionaries(st.sampled_from(["version", "slot"]), NUMBERS).map(lambda found: {"count": 1, **found})
KEYS = st.sampled_from(["a", "b", "c"])
RECORDS = st.lists(st.tuples(KEYS, GOOD | GOOD | st.none() | BAD | REFUSED), max_size=12)
VARIED = st.lists(st.tuples(KEYS, SOME_FIELDS | SOME_FIELDS | st.none() | st.just("gone") | BAD), max_size=10)


def in_batches(sink: ModelSink, batch: Iterable[Message]) -> None:
    """As a lane does: what fails is narrowed, and at last left out."""
    waiting = [Chunk(messages=RawMessages([message.raw for message in batch], DECODING))]
    while waiting:
        chunk = waiting.pop(0)
        if not chunk.messages:
            continue
        try:
            with transaction.atomic():
                sink.handle_messages(for_handler(chunk.messages))
        except (HandleApart, RowError, ValueError, TypeError, DatabaseError) as error:
            if len(chunk.messages) > 1:
                waiting[:0] = narrowed(chunk, error)


def one_by_one(table: type[Model], sink: type[ModelSink], batch: Iterable[Message]) -> None:
    """As somebody would write it who knows nothing of batches."""
    for message in batch:
        try:
            with transaction.atomic():
                apply(table, sink, message)
        except (ValueError, TypeError, KeyError, DatabaseError):
            pass


def apply(table: Any, sink: type[ModelSink], message: Message) -> None:
    if message.value_bytes is None or (sink is ByRow and message.value == "gone"):
        if message.value_bytes is not None or sink.on_tombstone == "delete":
            table.objects.filter(pk=message.key).delete()
        return
    value = {**message.value} if sink is ByRow else {name: message.value[name] for name in sink.fields}
    row = table.objects.filter(pk=message.key).first()
    held, version = getattr(row, "version", None), value.get("version")
    if sink.version_field and held is not None and (version is None or version < held):
        return
    if row is None:
        table.objects.create(name=message.key, **value)
    else:
        table.objects.filter(pk=message.key).update(**value)


def contents(table: Any) -> list[tuple[Any, ...]]:
    return sorted(table.objects.values_list("name", "count", "version", "slot"), key=str)


def assert_ends_the_same(table: Any, sink: type[ModelSink], records: list[Record], cuts: list[int]) -> None:
    batch = messages(records)
    bounds = sorted({0, *(cut % (len(batch) + 1) for cut in cuts), len(batch)})

    one_by_one(table, sink, batch)
    expected = contents(table)
    table.objects.all().delete()
    handler = sink()
    for start, end in pairwise(bounds):
        in_batches(handler, batch[start:end])
    found = contents(table)
    table.objects.all().delete()

    assert found == expected


EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("sink", [Plains, Lasting])
@EXAMPLES
@given(records=RECORDS, cuts=st.lists(st.integers(0, 12), max_size=2))
def test_a_table_ends_as_if_written_one_after_the_other(
    sink: type[ModelSink], records: list[Record], cuts: list[int]
) -> None:
    assert_ends_the_same(Plain, sink, records, cuts)


@EXAMPLES
@given(records=RECORDS, cuts=st.lists(st.integers(0, 12), max_size=2))
def test_so_does_one_whose_rows_keep_each_other_out(records: list[Record], cuts: list[int]) -> None:
    assert_ends_the_same(Counter, Counters, records, cuts)


@EXAMPLES
@given(records=VARIED, cuts=st.lists(st.integers(0, 12), max_size=2))
def test_so_does_one_whose_rows_differ_in_their_fields(records: list[Record], cuts: list[int]) -> None:
    assert_ends_the_same(Plain, ByRow, records, cuts)
