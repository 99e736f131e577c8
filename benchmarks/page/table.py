"""The figures of a row as a table, for the page and for a terminal, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..catalogue import Contender, Figure, Row
from ..figures import Spread, Told

Runs = Mapping[str, Sequence[Told]]
"""The runs of each contender of a row."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A contender with its compared figure."""

    contender: Contender
    spread: Spread
    beside: tuple[float, ...]
    words: str
    """What the row's first contender is beside this one."""
    is_ahead: bool
    """The row's first contender is worse."""


def measured(row: Row, runs: Runs) -> list[Measured]:
    """The contenders that have figures, in the order of the row."""
    found = [
        (contender, Spread.of(told, row.figure)) for contender in row.contenders if (told := runs.get(contender.name))
    ]
    if not found:
        return []
    first = found[0][1].median
    return [
        Measured(
            contender=contender,
            spread=spread,
            beside=tuple(Spread.of(runs[contender.name], figure).median for figure in row.beside),
            words="" if contender is found[0][0] else row.figure.words(first, spread.median),
            is_ahead=row.figure.times_better(first, spread.median) < 1,
        )
        for contender, spread in found
    ]


def markdown_table(row: Row, runs: Runs) -> str:
    found = measured(row, runs)
    if not found:
        return ""
    headings = ["", row.figure.heading, "lowest to highest", *(figure.heading for figure in row.beside)]
    lines = [[*headings, f"beside it, {found[0].contender.label} is"], ["---"] * (len(headings) + 1)]
    for each in found:
        cells = [each.contender.label, row.figure.text(each.spread.median), _range(row.figure, each.spread)]
        cells += [figure.text(value) for figure, value in zip(row.beside, each.beside, strict=True)]
        lines.append([*cells, each.words])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def terminal_table(row: Row, runs: Runs) -> str:
    lines = [f"\n{row.title}", f"{'':32} {row.figure.heading:>12} {'lowest to highest':>26} {'CPU µs':>8} {'MiB':>6}"]
    for each in measured(row, runs):
        spread = _range(row.figure, each.spread)
        beside = f"{each.beside[0]:>8.1f} {each.beside[-1]:>6.0f}"
        lines.append(
            f"{each.contender.name:32} {row.figure.text(each.spread.median):>12} {spread:>26} {beside}  {each.words}"
        )
    return "\n".join(lines)


def verdict(row: Row, runs: Runs) -> str:
    """Who is better than the row's first contender, in words."""
    found = measured(row, runs)
    if not found:
        return ""
    ours, others = found[0], found[1:]
    ahead = [each for each in others if each.is_ahead and each.words != "the same"]
    alike = [each for each in others if each.words == "the same"]
    sentences = [
        f"**{each.contender.label} is {row.figure.words(each.spread.median, ours.spread.median)}.**" for each in ahead
    ]
    sentences += [f"{each.contender.label} can't be told from ours." for each in alike]
    if not ahead and others:
        sentences.append("Nothing that was measured beside it is better.")
    return " ".join(sentences)


def _range(figure: Figure, spread: Spread) -> str:
    return f"{figure.text(spread.lowest)} to {figure.text(spread.highest)}"
