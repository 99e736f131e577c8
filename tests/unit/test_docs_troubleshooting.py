"""docs/troubleshooting.md quotes the code: each symptom is a text that some line of it can write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from kafka_integration.client.errors.causes import CAUSES
from tests.processes import PROJECT

PAGE = PROJECT / "docs" / "troubleshooting.md"
SOURCES = [*(PROJECT / "kafka_integration").rglob("*.py"), PROJECT / "tests" / "services" / "kafka.py"]
BLOCK = re.compile(r"^ *```text\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"%(?:\(\w+\))?[-.\d]*[sdrfg]")
# A text with fewer letters of its own matches anything.
FEWEST_LETTERS = 15
FEWEST_LETTERS_OF_A_PART = 6
# Names, and the words of Python or Django about them.
MOST_OTHER_LETTERS = 0.45
DETAIL = re.compile(r" \(_?[A-Z_]{4,}: .*\)(?=\.)")


def symptoms() -> list[str]:
    return [line.strip() for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]


@pytest.mark.parametrize("symptom", symptoms())
def test_the_code_can_write_each_symptom(symptom):
    assert is_one_text(symptom) or is_of_kafka(symptom) or is_made_of_texts(symptom)


@pytest.mark.parametrize(
    "symptom",
    [
        "consumer example: the moon is full, and its messages will be delivered again",
        "topic our_topic: the partition has no leader just now (LEADER_NOT_AVAILABLE: …). Kafka is electing one; wait.",
    ],
)
def test_a_symptom_that_nobody_writes_would_be_found(symptom):
    is_written = is_one_text(symptom) or is_of_kafka(symptom) or is_made_of_texts(symptom)

    assert not is_written


def is_one_text(symptom: str) -> bool:
    return any(pattern.fullmatch(symptom) for pattern in texts())


def is_made_of_texts(symptom: str) -> bool:
    """Whether its words come from the code, but for names and for what librdkafka says in brackets."""
    words = DETAIL.sub("", symptom)
    left = words
    for part in sorted(literals(), key=len, reverse=True):
        left = left.replace(part, "")
    return letters_of(left) < MOST_OTHER_LETTERS * letters_of(words)


def is_of_kafka(symptom: str) -> bool:
    """Whether it is one of librdkafka's errors as ``translate`` words it."""
    match = re.search(r"[:,] (?P<text>[^:]+) \((?P<code>_?[A-Z_]+): ", symptom)
    return bool(
        match
        and (cause := CAUSES.get(match["code"]))
        and cause.text == match["text"]
        and symptom.partition(". It is tried again")[0].rstrip(".").endswith(cause.remedy.rstrip("."))
    )


@cache
def texts() -> list[re.Pattern[str]]:
    """Everything that the code can say: its string literals, with anything where a value comes in."""
    found = set()
    for parts in all_parts():
        if letters_of("".join(filter(None, parts))) >= FEWEST_LETTERS:
            found.add("".join(".*" if part is None else re.escape(part) for part in parts))
    return [re.compile(pattern, re.DOTALL) for pattern in sorted(found)]


@cache
def literals() -> set[str]:
    """The same in pieces: what stands between values."""
    return {part for parts in all_parts() for part in parts if part and letters_of(part) >= FEWEST_LETTERS_OF_A_PART}


@cache
def all_parts() -> set[tuple[str | None, ...]]:
    trees = [ast.parse(source.read_text()) for source in SOURCES]
    return {tuple(parts_of(node)) for tree in trees for node in ast.walk(tree)}


def letters_of(text: str) -> int:
    return sum(map(str.isalpha, text))


def parts_of(node: ast.AST) -> Iterator[str | None]:
    """The literal's text, with None in the place of each value."""
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from parts_of(value)
    elif isinstance(node, ast.FormattedValue):
        yield None
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        for index, text in enumerate(FIELD.split(node.value)):
            if index:
                yield None
            yield text
