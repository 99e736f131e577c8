"""Names by which somebody chooses dead letters: one that nothing has is a typing error, and no empty choice."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ..conf import get_settings
from ..topic_names import cover
from .operations import UNSETTLED, Selection

FILTERS = ("consumer", "group", "topic", "kind")


def find_unknown(selection: Selection, databases: Collection[str]) -> str | None:
    """Which of its names nothing has, neither a dead letter in any state nor the settings; None where each has one."""
    for name in FILTERS:
        value = getattr(selection, name)
        if value is not None and not _is_configured(name, value) and not _has_letters(name, value, databases):
            there = "kafkadeadletters kinds shows those that wait" if name == "kind" else _configured(name)
            return f'there is no dead letter of {name} "{value}"; {there}'
    return None


def _is_configured(name: str, value: str) -> bool:
    return name != "kind" and (cover(_names(name), value) if name == "topic" else value in _names(name))


def _configured(name: str) -> str:
    return f"settings.KAFKA has: {', '.join(sorted(set(_names(name)))) or 'none'}"


def _names(name: str) -> Iterable[str]:
    for consumer in get_settings().consumers.values():
        yield from {"consumer": (consumer.name,), "group": (consumer.consumer_group,), "topic": consumer.topics}[name]


def _has_letters(name: str, value: str, databases: Iterable[str]) -> bool:
    named: dict[str, Any] = {name: value}
    # Those that wait have an index of kinds, and are what is mostly meant.
    return any(
        Selection(states=states, **named).of(database).exists() for states in (UNSETTLED, ()) for database in databases
    )
