"""The small charts of the operator's pages: drawn here, with their numbers beside them."""

from __future__ import annotations

import re

import pytest

from kafka_integration.admin.pages.charts import Point, bar, sparkline


def points(*values: float | None) -> list[Point]:
    return [Point(label=f"12:0{number}", value=value) for number, value in enumerate(values)]


def test_a_line_runs_from_the_bottom_to_the_top_of_what_was_seen() -> None:
    html = sparkline(points(0, 5, 10), title="Lag", width=104, height=24)

    assert re.findall(r'points="([^"]*)"', html) == ["2.0,22.0 52.0,12.0 102.0,2.0"]


def test_the_unknown_is_a_gap_and_is_called_so() -> None:
    html = sparkline(points(1, 2, None, 4, 5), title="Lag")

    assert html.count("<polyline") == 2
    assert '<th scope="row">12:02</th><td>unknown</td>' in html


@pytest.mark.parametrize("values", [(), (1,), (None, None), (None, 3)])
def test_what_makes_no_line_makes_no_chart(values: tuple[float | None, ...]) -> None:
    assert sparkline(points(*values), title="Lag") == ""


def test_the_table_has_so_many_rows_and_begins_with_the_latest() -> None:
    html = sparkline(points(*range(9)), title="Lag", rows=3)

    assert re.findall(r"<td>(\d+)</td>", html) == ["8", "5", "2"]


@pytest.mark.parametrize(
    ("value", "most", "width"), [(5, 10, "50.0"), (20, 10, "100.0"), (-1, 10, "0.0"), (0, 0, "0.0")]
)
def test_a_bar_is_as_long_as_its_part(value: float, most: float, width: str) -> None:
    assert f'class="kafka-bar-part" width="{width}"' in bar(value, most, title="Size", width=100)


def test_a_bar_of_the_unknown_is_none() -> None:
    assert bar(None, 10, title="Size") == ""


def test_names_are_text_and_no_markup() -> None:
    html = sparkline(points(1, 2), title="<b>") + bar(1, 2, title='"><b>')

    assert "<b>" not in html
