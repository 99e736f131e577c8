"""The figures of docs/explanation/comparison.md: what docs/benchmarks.md says of each peer, in a table of its own."""

from __future__ import annotations

import re

from ..catalogue import Row
from ..environments import PROJECT
from ..rows import ROWS

COMPARISON = PROJECT / "docs" / "explanation" / "comparison.md"
COMPARED = {
    "message": "each message",
    "batch": "each batch",
    "json": "each message, read as JSON",
    "produce": "producing",
}
PEERS = ("django-kafka", "FastStream", "aiokafka", "Quix Streams", "sentry-arroyo")


def comparison_of(page: str) -> str:
    """What this project is beside each peer, in the words of the page; empty where that was not measured."""
    rows = [row for row in ROWS if row.name in COMPARED]
    head = ["here, beside", *(f"[{COMPARED[row.name]}](../benchmarks.md#{_anchor(row)})" for row in rows)]
    lines = [head, ["---"] * len(head), *([peer, *(_beside(peer, row, page) for row in rows)] for peer in PEERS)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _beside(peer: str, row: Row, page: str) -> str:
    section = page.partition(f"\n## {row.title}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^\| {re.escape(peer)}\b.*\| ([^|]*) \|$", section, re.MULTILINE)
    return found[1] if found else ""


def _anchor(row: Row) -> str:
    return re.sub(r"[^\w\- ]", "", row.title.lower()).replace(" ", "-")
