"""docs/reference/settings.md names every key, with the default that it has."""

from __future__ import annotations

import ast
import re
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from kafka_integration.conf.consumers import CONSUMER_OPTIONS, KEYS, ConsumerSettings, RetryPolicy
from kafka_integration.conf.parse import KEYS as TOP_KEYS
from kafka_integration.conf.producers import KEYS as PRODUCER_KEYS
from kafka_integration.conf.producers import (
    PRODUCER_OPTIONS,
    OperationsSettings,
    OutboxSettings,
    ProducerSettings,
    TopicSettings,
)
from kafka_integration.conf.schema import keys_of
from kafka_integration.conf.security import TLS_KEYS
from kafka_integration.conf.settings import Settings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def rows(heading: str) -> dict[str, str]:
    """The keys and defaults of the tables under a heading."""
    section = REFERENCE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for keys, default in re.findall(r"^\| (`.+?`) \| (.+?) \|", section, re.MULTILINE):
        found.update(dict.fromkeys(re.findall(r"`([^`]+)`", keys), default))
    return found


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("The top level", TOP_KEYS),
        ("Security", ("ssl", "sasl", "heroku_kafka_env", *TLS_KEYS)),
        ("Consumers", (*KEYS, *keys_of(RetryPolicy))),
        ("Producer", PRODUCER_KEYS),
        ("Outbox", keys_of(OutboxSettings)),
        ("Operations", keys_of(OperationsSettings)),
        ("Topics", keys_of(TopicSettings)),
    ],
)
def test_the_reference_names_every_key_and_no_other(heading: str, keys: Any) -> None:
    assert set(rows(heading)) == set(keys)


@pytest.mark.parametrize(
    ("heading", "settings"),
    [
        ("The top level", Settings),
        ("Consumers", ConsumerSettings),
        ("Consumers", RetryPolicy),
        ("Producer", ProducerSettings),
        ("Outbox", OutboxSettings),
        ("Operations", OperationsSettings),
        ("Topics", TopicSettings),
    ],
)
def test_the_reference_gives_the_defaults_that_the_code_has(heading: str, settings: Any) -> None:
    documented = rows(heading)

    for field in fields(settings):
        default = documented.get(field.name, "")
        if default.startswith("`") and field.default is not MISSING and not is_dataclass(field.default):
            assert ast.literal_eval(default.strip("`")) == field.default, field.name


def test_the_reference_explains_every_option_of_kaffe_that_is_refused() -> None:
    refused = {key for key, text in rows("Coming from Kaffe").items() if text.startswith("refused: ")}

    assert refused == (set(CONSUMER_OPTIONS) | set(PRODUCER_OPTIONS)) - {"subscriber_name"}
