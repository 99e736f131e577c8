"""Dead letters made by hand."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from kafka_integration.headers import dump_headers
from kafka_integration.models import DeadLetter

_offsets = itertools.count(100_000)


def make_letter(*, headers: Any = (), is_taken: bool = False, using: str = "default", **fields: Any) -> DeadLetter:
    """A parked dead letter of consumer "shop", unless told otherwise; ``is_taken``: a worker replays it just now."""
    values = _values(headers, fields)
    if is_taken:
        values |= {"leased_until": Now() + timedelta(minutes=1), "lease_holder": "a worker"}
    if values.get("state") in (DeadLetter.State.HANDLED, DeadLetter.State.DISCARDED):
        values.setdefault("settled_at", Now())
    letter = DeadLetter.objects.using(using).create(**values)
    letter.refresh_from_db()
    return letter


def make_letters(count: int, **fields: Any) -> None:
    """Many of them, at once."""
    DeadLetter.objects.bulk_create(DeadLetter(**_values((), fields)) for _ in range(count))


def _values(headers: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "consumer": "shop",
        "group": "shop",
        "topic": "orders",
        "partition": 0,
        "offset": next(_offsets),
        "key": b"key",
        "value": b"value",
        "headers": dump_headers(list(headers)),
        "timestamp_ms": 1_700_000_000_000,
        "timestamp_type": "create",
        "exception": "builtins.ValueError",
        "failed_at": Now(),
        **fields,
    }
