"""What is written about metrics names metrics that there are, and all of them."""

from __future__ import annotations

import re

from kafka_integration.observing.families import FAMILIES
from tests.processes import PROJECT


def test_the_guide_lists_each_metric_with_its_labels():
    guide = (PROJECT / "docs/how-to/monitor.md").read_text()

    listed = {
        name: set(re.findall(r"`(\w+)`", labels)) - {"le"}
        for name, labels in re.findall(r"^\| `(kafka_\w+)` \| ([^|]*) \|", guide, re.MULTILINE)
    }

    assert listed == {family.name: set(family.labels) for family in FAMILIES.values()}
