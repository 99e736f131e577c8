"""The small charts of the operator's pages: drawn here, with their numbers beside them."""

from __future__ import annotations

import re

import pytest

from kafka_integration.admin.pages.charts import Point, bar, shares, sparkline


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


def test_shares_stand_one_after_the_other_and_fill_the_bar() -> None:
    html = shares(points(3, 0, 1), title="Time", width=100)

    assert re.findall(r'class="kafka-share-(\d)" x="([\d.]+)" width="([\d.]+)" height="12"', html) == [
        ("0", "0.0", "75.0"),
        ("2", "75.0", "25.0"),
    ]


def test_shares_are_named_beside_the_bar_but_for_the_least_and_all_are_in_the_table() -> None:
    html = shares([Point(label="much", value=999, text="17 min"), Point(label="little", value=1)], title="Time")

    assert re.findall(r"</svg> (.*?)</li>", html) == ["much 100 %"]
    assert '<th scope="row">much</th><td>17 min (100 %)</td>' in html
    assert '<th scope="row">little</th><td>1 (0 %)</td>' in html


def test_an_unknown_share_is_called_so() -> None:
    assert '<th scope="row">12:01</th><td>unknown</td>' in shares(points(1, None), title="Time")


@pytest.mark.parametrize("values", [(), (0, 0), (None, None)])
def test_shares_of_nothing_are_none(values: tuple[float | None, ...]) -> None:
    assert shares(points(*values), title="Time") == ""
