"""What visits took, as a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TITLES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """All visits of one page: each one's seconds, those of the processor, and the most queries of one."""

    seconds: Sequence[float]
    cpu_seconds: Sequence[float]
    queries: int

    @property
    def cpu_ms(self) -> float:
        """What it computes: of SQLite all of it, of servers nothing. The machine's other work changes it little."""
        return statistics.median(self.cpu_seconds) * 1000

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.95 - 0.001)] * 1000


def table(found: Mapping[str, Mapping[str, Taken]], *, only_above_ms: float = 0.0) -> str:
    """A line for each page, with the columns of each database."""
    heads = [f"{TITLES[name]}: p50 ms | p95 | CPU | queries" for name in found]
    lines = [f"| | {' | '.join(heads)} |", f"| --- | {' | '.join(['---'] * 4 * len(found))} |"]
    for page in next(iter(found.values())):
        taken = [of_database[page] for of_database in found.values()]
        if max(each.p95_ms for each in taken) >= only_above_ms:
            cells = [f"{each.median_ms:.0f} | {each.p95_ms:.0f} | {each.cpu_ms:.0f} | {each.queries}" for each in taken]
            lines.append(f"| {page} | {' | '.join(cells)} |")
    return "\n".join(lines)
