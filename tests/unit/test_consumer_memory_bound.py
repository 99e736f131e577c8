"""The formula for a consumer's memory, and what the guarantees quote of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kafka_integration.conf.connection import Connection
from kafka_integration.conf.consumers import ConsumerSettings
from kafka_integration.consuming.fetching.memory_bound import memory_bound_bytes
from kafka_integration.sizes import record_bytes

SIZE = 100_000
MIB = 1024 * 1024
GUARANTEES = Path(__file__).parents[2] / "docs" / "guarantees.md"


def bound_mib(
    *,
    value: bytes = b"",
    key: bytes | None = None,
    headers: list[tuple[str, bytes]] | None = None,
    ratio: float = 1,
    **settings: Any,
) -> float:
    consumer = ConsumerSettings(
        name="c", topics=("t",), message_handler="h", consumer_group="g", connection=Connection(), **settings
    )
    size = record_bytes(key, value, headers or [])
    bound = memory_bound_bytes(
        consumer, partitions=4, record_bytes=size, value_bytes=len(value), compression_ratio=ratio
    )
    return bound / MIB


@pytest.mark.parametrize(
    ("row", "load"),
    [
        ("values of 100 kB", {"value": b"x" * SIZE}),
        ('the same by lz4, `"max_bytes": 16384`', {"value": b"x" * SIZE, "ratio": 255, "max_bytes": 16384}),
        ('keys of 100 kB, `"prefetch_count": 100`', {"key": b"x" * SIZE, "prefetch_count": 100}),
        ('a header of 100 kB, `"prefetch_count": 100`', {"headers": [("h", b"x" * SIZE)], "prefetch_count": 100}),
        (
            '1,000 small headers, `"prefetch_count": 100`',
            {"headers": [("small", b"x" * 10)] * 1000, "prefetch_count": 100},
        ),
    ],
)
def test_the_guarantees_quote_the_formula(row: str, load: dict[str, Any]) -> None:
    bound = bound_mib(**load)

    assert f"| {row} | {bound:.0f} |" in GUARANTEES.read_text()


def test_small_messages_are_bounded_by_their_number() -> None:
    few, many = bound_mib(value=b"x" * 10, prefetch_count=1000), bound_mib(value=b"x" * 10, prefetch_count=101_000)

    assert many - few == pytest.approx(100_000 * (10 + 36 + 500) / MIB)


def test_values_are_bounded_by_their_bytes() -> None:
    less, more = bound_mib(value=b"x" * SIZE, prefetch_bytes=4 * MIB), bound_mib(value=b"x" * SIZE)

    assert more - less == pytest.approx(12, rel=0.02)


def test_a_ledger_without_an_order_is_counted_with_what_is_taken_beyond_its_floor() -> None:
    in_order = bound_mib(value=b"x" * SIZE)

    assert round(bound_mib(value=b"x" * SIZE, ordering="key") - in_order, 1) == 5.0
    assert round(bound_mib(value=b"x" * SIZE, ordering="none", max_ahead=100_000) - in_order, 1) == 47.9
