"""Which names Kafka takes for a topic, and which topics an entry of ``"topics"`` stands for.

librdkafka accepts most bad names locally, so this looks first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

LONGEST_NAME = 249
INTERNAL_TOPICS = frozenset(
    {"__consumer_offsets", "__transaction_state", "__share_group_state", "__remote_log_metadata"}
)
# Python knows no POSIX classes, in which librdkafka and brokers read patterns. Of the characters of topic names:
_POSIX_CLASSES = {
    "alnum": "A-Za-z0-9", "alpha": "A-Za-z", "digit": "0-9", "lower": "a-z", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
    "punct": r"._\-", "graph": r"A-Za-z0-9._\-", "print": r"A-Za-z0-9._\-",
}  # fmt: skip
_POSIX_CLASS = re.compile(rf"\[:({'|'.join(_POSIX_CLASSES)}):\]")
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


def is_pattern(entry: str) -> bool:
    """Whether an entry of ``"topics"`` is a regular expression, not a name."""
    return entry.startswith("^")


def is_for_whole_names(pattern: str) -> bool:
    """Whether a pattern matches the start of a name exactly where it matches all of it, as far as its form shows."""
    unescaped = re.sub(r"\\.", "x", pattern)
    depth, is_apart = 0, False
    for character in unescaped:
        depth += {"(": 1, ")": -1}.get(character, 0)
        is_apart = is_apart or (character == "|" and depth == 0)
    return unescaped.endswith((".*", ".+", "$")) and not is_apart


def names_among(entries: Iterable[str]) -> list[str]:
    """Return the entries that are names."""
    return [entry for entry in entries if not is_pattern(entry)]


def stands_for(entry: str, topic: str, *, whole_names: bool = False) -> bool:
    """Whether an entry means this topic. A pattern has to match the start of a name, with ``whole_names`` all of it.

    Kafka's own topics are meant by their names only: a group that reads its own commits has no end of them.
    """
    if not is_pattern(entry):
        return entry == topic
    pattern = _in_python(entry)
    match = re.fullmatch(pattern, topic) if whole_names else re.match(pattern, topic)
    return topic not in INTERNAL_TOPICS and match is not None


def cover(entries: Iterable[str], topic: str, *, whole_names: bool = False) -> bool:
    """Whether one of the entries stands for this topic."""
    return any(stands_for(entry, topic, whole_names=whole_names) for entry in entries)


def is_kafkas_own(entries: Collection[str], topic: str) -> bool:
    """Whether a broker means a topic of its own, which at most a pattern among the entries stands for."""
    return topic in INTERNAL_TOPICS and topic not in entries


def topic_pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a ``^pattern`` of topics; None where nothing is."""
    try:
        re.compile(_in_python(pattern))
    except re.error as error:
        return f"a topic that starts with ^ is a regular expression, and this one doesn't compile: {error}"
    return None


def _in_python(pattern: str) -> str:
    return _POSIX_CLASS.sub(lambda found: _POSIX_CLASSES[found[1]], pattern)


def _repaired(name: str) -> str:
    return _BAD_CHARACTER.sub("_", name)
