"""A frozen dataclass is the schema of a dict: each field that has a key of its own says how that is read."""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from .readers import Reader
from .section import Section

T = TypeVar("T")
_READER, _KEY = "reader", "key"

DAY_SECONDS = 86_400
DAY_MS = DAY_SECONDS * 1000


def setting(reader: Reader[Any], default: T = MISSING, *, key: str | None = None) -> T:  # type: ignore[assignment]  # no T
    """A field that is read from the key of its name, or from ``key``; without a default, one that has to be given."""
    return field(default=default, metadata={_READER: reader, _KEY: key})


def keys_of(settings: Any) -> dict[str, Field[Any]]:
    """Return the fields that have keys, by key."""
    return {each.metadata[_KEY] or each.name: each for each in fields(settings) if _READER in each.metadata}


def read_fields(section: Section, settings: Any) -> dict[str, Any]:
    """Return the fields whose keys are there and right."""
    found = keys_of(settings)
    given = section.read_given({key: each.metadata[_READER] for key, each in found.items()})
    return {found[key].name: value for key, value in given.items()}
