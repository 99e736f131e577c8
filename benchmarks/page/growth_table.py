"""The points of a series: as the lines of a chart, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..catalogue import Figure
from ..figures import Spread
from ..growth import Series
from .table import Runs

Lines = Mapping[str, Sequence[tuple[float, float]]]


def lines_of(series: Series, figure: Figure, runs: Mapping[str, Runs]) -> Lines:
    """The medians of each contender, by its label."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for number, row in series.points.items():
        for contender in row.contenders:
            if told := runs.get(row.name, {}).get(contender.name):
                label = contender.label.replace("`", "")
                lines.setdefault(label, []).append((number, Spread.of(told, figure).median))
    return lines


def growth_table(series: Series, figure: Figure, lines: Lines) -> str:
    numbers = sorted({number for line in lines.values() for number, _ in line})
    rows = [[series.across, *lines], ["---"] * (len(lines) + 1)]
    for number in numbers:
        found = [dict(line).get(number) for line in lines.values()]
        rows.append([f"{number:,.0f}", *("" if value is None else figure.text(value) for value in found)])
    heading = f"{figure.heading}:"
    return heading + "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)
