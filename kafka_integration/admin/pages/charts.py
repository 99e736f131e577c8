"""Small charts, drawn here as SVG: no script, no style in them, and their numbers in a table for who can't see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

WIDTH, HEIGHT, MARGIN = 160, 32, 2
MOST_ROWS = 60
"""Of a chart's table: more would only be read by nobody."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of a chart; None is unknown, and leaves a gap."""

    label: Any
    """What the table calls it: a time, as it is shown."""
    value: float | None
    text: Any = None
    """How the table shows the value, where not as the number that it is."""


def sparkline(
    points: Sequence[Point], *, title: str, width: int = WIDTH, height: int = HEIGHT, rows: int = MOST_ROWS
) -> SafeString:
    """A line through the points from zero up, with its table of so many rows; nothing without two known points."""
    known = [point.value for point in points if point.value is not None]
    if len(known) < 2:
        return SafeString()
    most = max(*known, 1)
    lines = [_line(run, len(points), most, width, height) for run in _runs(points)]
    drawn = format_html_join("", '<polyline class="kafka-line" points="{}"/>', ((line,) for line in lines))
    axis = format_html(
        '<line class="kafka-axis" x1="0" x2="{}" y1="{}" y2="{}"/>{}', width, height - 1, height - 1, drawn
    )
    # The latest first, which is what one looks for.
    shown = points[:: -max(1, -(-len(points) // rows))]
    return _figure(axis, shown, title=title, width=width, height=height)


def bar(value: float | None, most: float, *, title: str, width: int = WIDTH, height: int = 8) -> SafeString:
    """A bar as long as the value's part of the most; nothing for what is unknown."""
    if value is None:
        return SafeString()
    part = min(1.0, max(0.0, value / most)) if most > 0 else 0.0
    return format_html(
        '<svg class="kafka-bar" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<rect class="kafka-bar-whole" width="{}" height="{}" rx="2"/>'
        '<rect class="kafka-bar-part" width="{}" height="{}" rx="2"/></svg>',
        *(width, height, width, height, title, width, height, f"{part * width:.1f}", height),
    )


def shares(
    points: Sequence[Point], *, title: str, width: int = 2 * WIDTH, height: int = 12, first_colour: int = 0
) -> SafeString:
    """What each of the points is of all of them: a bar of parts with their names, and its table; nothing of nothing."""
    whole = sum(point.value or 0.0 for point in points)
    if whole <= 0:
        return SafeString()
    parts = [(number, point, (point.value or 0.0) / whole) for number, point in enumerate(points, first_colour)]
    ends = accumulate((part * width for _number, _point, part in parts), initial=0.0)
    drawn = format_html_join(
        "",
        '<rect class="kafka-share-{}" x="{}" width="{}" height="{}"/>',
        ((n, f"{x:.1f}", f"{part * width:.1f}", height) for (n, _, part), x in zip(parts, ends, strict=False) if part),
    )
    named = format_html_join(
        "",
        '<li><svg width="10" height="10" aria-hidden="true"><rect class="kafka-share-{}" width="10" height="10"/>'
        "</svg> {} {}</li>",
        ((n, point.label, _percent(part)) for n, point, part in parts if round(100 * part)),
    )
    legend = format_html('<ul class="kafka-legend">{}</ul>', named)
    rows = [point if point.value is None else replace(point, text=_share(point, part)) for _n, point, part in parts]
    return _figure(drawn, rows, title=title, width=width, height=height, legend=legend)


def _share(point: Point, part: float) -> str:
    return f"{point.value:g} ({_percent(part)})" if point.text is None else f"{point.text} ({_percent(part)})"


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"


def _runs(points: Sequence[Point]) -> list[list[tuple[int, float]]]:
    """Neighbouring known points: a line through an unknown one would claim to know it."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, point in enumerate(points):
        if point.value is not None:
            runs[-1].append((place, point.value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _line(run: Sequence[tuple[int, float]], count: int, most: float, width: int, height: int) -> str:
    step = (width - 2 * MARGIN) / (count - 1)
    room = height - 2 * MARGIN
    places = [(MARGIN + place * step, height - MARGIN - value / most * room) for place, value in run]
    if len(places) == 1:
        # A line of one point shows nothing.
        places.append((places[0][0] + 1, places[0][1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _figure(
    drawn: SafeString, points: Sequence[Point], *, title: str, width: int, height: int, legend: str = ""
) -> SafeString:
    rows = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', map(_cells, points))
    return format_html(
        '<figure class="kafka-chart"><svg viewBox="0 0 {} {}" width="{}" height="{}" aria-hidden="true">'
        "{}</svg>{}"
        '<details><summary>{}<span class="visually-hidden"> {}</span></summary>'
        "<table><caption>{}</caption><tbody>{}</tbody></table></details></figure>",
        *(width, height, width, height, drawn, legend),
        *(_("numbers"), title, title, rows),
    )


def _cells(point: Point) -> tuple[Any, Any]:
    if point.value is None:
        return point.label, _("unknown")
    # Nothing to escape, and a page may have thousands of them.
    return point.label, SafeString(f"{point.value:g}") if point.text is None else point.text
