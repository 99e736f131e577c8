"""Which names Kafka takes for a topic. librdkafka accepts most bad ones locally, so this looks first."""

from __future__ import annotations

import re

LONGEST_NAME = 249
_BAD_CHARACTER = re.compile(r"[^A-Za-z0-9._-]")


def topic_name_problem(name: object) -> str | None:
    """Return what is wrong with ``name`` as the name of a topic, and what to do; None where nothing is."""
    if not isinstance(name, str):
        return f"a topic name is a str, not {type(name).__name__}"
    if not name:
        return "a topic name has at least one character"
    if name in {".", ".."}:
        return 'Kafka keeps "." and ".." for itself; choose another name'
    if len(name) > LONGEST_NAME:
        return f"a topic name has at most {LONGEST_NAME} characters, this one has {len(name)}"
    if _BAD_CHARACTER.search(name):
        return f'a topic name has only letters a-z, digits, ".", "_" and "-"; try "{_repaired(name)}"'
    return None


def topic_pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a ``^pattern`` of topics; None where nothing is."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"a topic that starts with ^ is a regular expression, and this one doesn't compile: {error}"
    return None


def _repaired(name: str) -> str:
    return _BAD_CHARACTER.sub("_", name)
