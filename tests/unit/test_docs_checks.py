"""docs/reference/checks.md has each id, with its cause and its remedy."""

from __future__ import annotations

import re

from kafka_integration.conf.problems import Kind
from tests.processes import PROJECT

CHECKS = (PROJECT / "docs" / "reference" / "checks.md").read_text()


def test_each_id_has_its_cause_and_its_remedy() -> None:
    sections = re.split(r"^## ", CHECKS, flags=re.MULTILINE)[1:]

    assert [section.split("\n")[0] for section in sections] == [f"kafka_integration.{kind}" for kind in Kind]
    assert [section for section in sections if "**Cause:**" not in section or "**Remedy:**" not in section] == []
