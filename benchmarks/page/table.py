"""The figures of a row as a table, for the page and for a terminal, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..catalogue import OURS, Contender, Figure, Row
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
    lines = [[*headings, "beside it, the first is"], ["---"] * (len(headings) + 1)]
    for each in found:
        cells = [each.contender.label, row.figure.text(each.spread.median), _range(row.figure, each.spread)]
        cells += [figure.text(value) for figure, value in zip(row.beside, each.beside, strict=True)]
        lines.append([*cells, each.words])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def overview(rows: Sequence[Row], runs: Mapping[str, Runs]) -> str:
    """What each row's first contender is beside the best that was done by hand, and beside the best peer."""
    lines = [["", "", "beside the client by hand", "beside the fastest peer"], ["---"] * 4]
    for row in rows:
        if found := measured(row, runs.get(row.name, {})):
            others = [each for each in found if not each.contender.is_ours]
            by_hand = [each for each in others if each.contender.environment == OURS]
            peers = [each for each in others if each.contender.environment != OURS]
            cells = [_beside(row, by_hand), _beside(row, peers)]
            lines.append([row.title, found[0].contender.label, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def terminal_table(row: Row, runs: Runs) -> str:
    headings = "".join(f"{figure.heading:>18}" for figure in row.beside)
    lines = [f"\n{row.title}", f"{'':26}{row.figure.heading:>12}{'lowest to highest':>26}{headings}"]
    for each in measured(row, runs):
        beside = "".join(f"{figure.text(value):>18}" for figure, value in zip(row.beside, each.beside, strict=True))
        median, spread = row.figure.text(each.spread.median), _range(row.figure, each.spread)
        lines.append(f"{each.contender.name:26}{median:>12}{spread:>26}{beside}  {each.words}")
    return "\n".join(lines)


def verdict(row: Row, runs: Runs) -> str:
    """Which others are better than the row's first contender, in words; our own other forms are none of them."""
    found = measured(row, runs)
    others = [each for each in found[1:] if not each.contender.is_ours]
    if not others:
        return ""
    first = found[0]
    ahead = [each for each in others if each.is_ahead and each.words != "the same"]
    sentences = [
        f"**{each.contender.label}: {row.figure.words(each.spread.median, first.spread.median)} than "
        f"{first.contender.label}.**"
        for each in ahead
    ]
    sentences += [f"{each.contender.label}: the same." for each in others if each.words == "the same"]
    return " ".join(sentences) or f"Nothing that was measured beside {first.contender.label} is better."


def _beside(row: Row, others: Sequence[Measured]) -> str:
    if not others:
        return ""
    best = (max if row.figure.higher_is_better else min)(others, key=lambda each: each.spread.median)
    return f"{best.words} ({best.contender.label})"


def _range(figure: Figure, spread: Spread) -> str:
    return f"{figure.text(spread.lowest)} to {figure.text(spread.highest)}"
