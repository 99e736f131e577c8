"""What contenders told, and what is made of several runs: the median and how far the runs are apart."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .catalogue import Contender, Figure, Row
from .contenders.meter import PREFIX

Told = Mapping[str, float]
"""What one contender told of one run."""


class UnequalWorkError(Exception):
    """A contender did not do the work of its row: nothing that it measured can be compared."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure over all runs of a contender."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, runs: Sequence[Told], figure: Figure) -> Spread:
        values = [run[figure.key] for run in runs]
        return cls(median=statistics.median(values), lowest=min(values), highest=max(values))


def read(output: str) -> Told:
    """The figures in what a contender printed; ``ValueError`` where there are none."""
    lines = [line for line in output.splitlines() if line.startswith(PREFIX)]
    if not lines:
        raise ValueError("it printed no figures")
    told: Told = json.loads(lines[-1].removeprefix(PREFIX))
    return told


def refuse_unequal_work(row: Row, contender: Contender, told: Told, messages: int) -> None:
    """Raises ``UnequalWorkError`` unless the values of all messages that were asked for were read."""
    count, size = int(told["count"]), int(told["size"])
    if count < messages:
        raise UnequalWorkError(f"{contender.name} handled {count:,} messages of {messages:,}")
    if size != count * row.value_bytes:
        raise UnequalWorkError(
            f"{contender.name} read {size:,} bytes of the values of {count:,} messages, which have "
            f"{count * row.value_bytes:,}: it does other work than the others of {row.name}"
        )
