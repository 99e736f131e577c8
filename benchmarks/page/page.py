"""Writes what is generated of docs/benchmarks.md: between its markers, and the charts beside it."""

from __future__ import annotations

import re

from ..catalogue import Row
from ..environments import PROJECT
from ..growth import SERIES, Series
from ..results import Results
from ..rows import ROWS
from .charts import Bar, bar_chart, line_chart
from .comparison import COMPARISON, comparison_of
from .growth_table import growth_table, lines_of
from .table import Runs, markdown_table, measured, overview, verdict

PAGE = PROJECT / "docs" / "benchmarks.md"
IMAGES = PROJECT / "docs" / "images" / "benchmarks"

QUIET_LOAD = 1.0


def write_page(results: Results) -> None:
    """The page says what these results are; its hand-written parts, and what was not measured now, stay."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    page = PAGE.read_text()
    if sections := _rows(results):
        page = replaced(page, "rows", "\n\n".join([about_run(results), *sections]))
    for series in SERIES:
        if any(row.name in results.outcome.runs for row in series.points.values()):
            page = replaced(page, f"growth-{series.name}", _series(series, results))
    PAGE.write_text(page)
    COMPARISON.write_text(replaced(COMPARISON.read_text(), "peers", comparison_of(page)))


def replaced(page: str, name: str, text: str) -> str:
    """The page with `text` between the markers of that name."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    if begin not in page or end not in page:
        raise ValueError(f"the page lacks the lines {begin} and {end}")
    return re.sub(
        f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.DOTALL
    )


def about_run(results: Results) -> str:
    """When, where and of what it was measured, and what was not."""
    about = results.description
    lines = [
        f"Measured on {about.date} at commit {about.commit} with `{about.command}`: {about.runs} runs of each, "
        f"medians. {about.machine}; servers and contenders share it. {about.versions}.",
    ]
    if about.load > QUIET_LOAD:
        lines.append(
            f"**The machine was busy with other work** (a load of {about.load:.1f} before it began), so these "
            "figures are low, and lowest for what needs the processor most: measure again on a quiet one before you "
            "rely on them."
        )
    if results.outcome.left_out:
        lines.append("Not measured, so not here:")
        lines.append(
            "\n".join(f"- {name}: {reason.splitlines()[0]}" for name, reason in results.outcome.left_out.items())
        )
    return "\n\n".join(lines)


def _rows(results: Results) -> list[str]:
    runs = results.outcome.runs
    sections = [_section(row, runs[row.name], results.description.runs) for row in ROWS if row.name in runs]
    return [overview(ROWS, runs), *sections] if sections else []


def _series(series: Series, results: Results) -> str:
    lines = [(figure, lines_of(series, figure, results.outcome.runs)) for figure in series.figures]
    chart = line_chart(series.title, lines[0][0].heading, series.across, lines[0][1])
    (IMAGES / f"growth-{series.name}.svg").write_text(chart)
    return "\n\n".join(
        [
            f"### {series.title}",
            series.about,
            f"![{series.title}: a chart of the table below](images/benchmarks/growth-{series.name}.svg)",
            *(growth_table(series, figure, points) for figure, points in lines),
            about_run(results),
        ]
    )


def _section(row: Row, runs: Runs, repeated: int) -> str:
    (IMAGES / f"{row.name}.svg").write_text(_chart(row, runs))
    return "\n\n".join(
        [
            f"## {row.title}",
            f"{row.about} `python -m benchmarks --only {row.name} --runs {repeated}`",
            f"![{_plain(row.title)}: a chart of the table below](images/benchmarks/{row.name}.svg)",
            markdown_table(row, runs),
            verdict(row, runs),
        ]
    )


def _plain(text: str) -> str:
    return text.replace("`", "")


def _chart(row: Row, runs: Runs) -> str:
    bars = [
        Bar(
            label=_plain(each.contender.label),
            value=each.spread.median,
            lowest=each.spread.lowest,
            highest=each.spread.highest,
            text=row.figure.text(each.spread.median),
            is_ours=each.contender.is_ours,
        )
        for each in measured(row, runs)
    ]
    better = "more is better" if row.figure.higher_is_better else "less is better"
    return bar_chart(_plain(row.title), f"{row.figure.heading}; {better}", bars)
