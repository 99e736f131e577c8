"""docs/reference/checks.md has each id, and settings that the how-tos show are right."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kafka_integration.conf.problems import Kind
from tests.guides import blocks_of
from tests.processes import PROJECT
from tests.unit.kafka_settings import problems_of

CHECKS = (PROJECT / "docs" / "reference" / "checks.md").read_text()
HOW_TO = PROJECT / "docs" / "how-to"
SHOWN = [
    pytest.param(body, id=f"{name}-{number}")
    for name in (
        "from-celery",
        "from-confluent-kafka",
        "from-django-kafka",
        "from-kaffe",
        "managed-kafka",
        "several-databases",
    )
    for number, (_, body) in enumerate(blocks_of((HOW_TO / f"{name}.md").read_text()))
    if re.search(r"^KAFKA = ", body, re.MULTILINE)
]
HEROKU = {
    "KAFKA_URL": "kafka+ssl://kafka-1.example.com:9096",
    "KAFKA_TRUSTED_CERT": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----",
    "KAFKA_CLIENT_CERT": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----",
    "KAFKA_CLIENT_CERT_KEY": "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----",
}


def test_each_id_has_its_cause_and_its_remedy() -> None:
    sections = re.split(r"^## ", CHECKS, flags=re.MULTILINE)[1:]

    assert [section.split("\n")[0] for section in sections] == [f"kafka_integration.{kind}" for kind in Kind]
    assert [section for section in sections if "**Cause:**" not in section or "**Remedy:**" not in section] == []


@pytest.mark.usefixtures("project_alone")
@pytest.mark.parametrize("body", SHOWN)
def test_settings_that_are_shown_are_right(body: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HEROKU.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    exec(body, names)  # noqa: S102 - it is ours, from docs/

    assert problems_of(settings, names["KAFKA"]) == []
