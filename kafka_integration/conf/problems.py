"""What is wrong with the settings: every problem is kept, none raised, so that all are reported at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

LONGEST_VALUE = 80


class Kind(StrEnum):
    """The fixed number of a problem: the check ids are ``kafka_integration.`` and this."""

    SHAPE = "E001"
    ENDPOINTS = "E002"
    UNKNOWN_KEY = "E003"
    MISSING = "E004"
    VALUE = "E005"
    KAFFE_OPTION = "E006"
    TOPIC_NAME = "E007"
    CONTRADICTION = "E008"
    SECURITY = "E009"
    PROPERTY = "E010"
    RESERVED_PROPERTY = "E011"
    HANDLER = "E012"
    IMPORT = "E013"
    DATABASE = "E014"
    CERTIFICATE = "E015"
    DUPLICATE_CONSUMER = "E016"
    PUBLICATION = "E017"
    UNSUPPORTED_DATABASE = "E018"
    NOT_ALLOWED = "E020"
    NO_EFFECT = "W001"
    SPLIT_TOPIC = "W002"
    UNVERIFIED = "W003"
    PLAIN_PASSWORD = "W004"
    CLUSTER_UNKNOWN = "W010"
    REPLICATION = "W011"
    RETENTION = "W012"
    FEW_PARTITIONS = "W013"
    MISSING_TOPIC = "W014"
    WITHOUT_KEY = "W015"
    SMALL_MESSAGES = "W016"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason why the settings can't work: its text names the path of the key, the value and the remedy."""

    kind: Kind
    text: str

    @property
    def is_warning(self) -> bool:
        """Whether the settings work all the same."""
        return self.kind.startswith("W")

    def __str__(self) -> str:
        return self.text


class Problems:
    """Collects problems in the order in which they are found."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, kind: Kind, text: str) -> None:
        problem = Problem(kind=kind, text=text)
        if problem not in self._found:
            self._found.append(problem)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def shown(value: object) -> str:
    """Return how a message shows ``value``: scalars as they are, of anything bigger only its type."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return kind_of(value)


def kind_of(value: object) -> str:
    """Return the type of a value that is too big, or too secret, to be shown."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def key_path(path: str, key: object) -> str:
    """Return the path of ``key`` inside the dict at ``path``: ``KAFKA["consumers"]``."""
    return f"{path}[{shown(key)}]"


def sentence(text: object) -> str:
    """Return the text with a full stop, unless it has an ending of its own."""
    ended = str(text)
    return ended if ended.endswith((".", "?", "!")) else f"{ended}."
