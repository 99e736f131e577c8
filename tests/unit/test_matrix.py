"""`make matrix`: which versions it runs, and what it says of them."""

from __future__ import annotations

import sys

import pytest

from tests import matrix
from tests.matrix import NOT_FOR_IT, NOT_FOUND, Pair, interpreter, is_good, requirements_for, summary, table


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("....\n12 passed in 3.21s\n", "12 passed"),
        ("2 failed, 3210 passed, 4 skipped in 61.00s (0:01:01)", "2 failed, 3210 passed, 4 skipped"),
        ("1 failed, 5 passed, 2 errors in 1.00s", "3 failed, 5 passed"),
        ("said 7 failed\n5 passed, 3 rerun in 1.00s\n", "5 passed"),
        ("ImportError: no module", "failed before any test"),
    ],
)
def test_a_run_is_summed_up_by_its_closing_line(output, said):
    assert summary(output) == said


@pytest.mark.parametrize(
    ("result", "good"),
    [
        ("12 passed", True),
        (NOT_FOUND, True),
        (NOT_FOR_IT, True),
        ("1 failed, 12 passed", False),
        ("failed (3)", False),
        ("failed to install", False),
        ("4 skipped", False),
    ],
)
def test_a_pair_that_ran_no_test_is_no_success(result, good):
    assert is_good(result) is good


def test_the_requirements_are_those_of_the_project_with_another_django():
    assert list(requirements_for("6.1", "# pins\nDjango==5.2.19\ndjango-environ==0.14.0")) == [
        "# pins",
        "Django~=6.1.0",
        "django-environ==0.14.0",
    ]


def test_this_python_is_found_and_one_that_is_not_there_is_not():
    assert interpreter(f"{sys.version_info.major}.{sys.version_info.minor}") is not None
    assert interpreter("3.99") is None


def test_django_6_is_not_tried_on_a_python_that_it_refuses():
    assert not Pair(python="3.11", django="6.0").fits
    assert Pair(python="3.12", django="6.0").fits
    assert Pair(python="3.11", django="5.2").fits


def test_the_table_has_a_line_for_each_python():
    results = {
        Pair(python="3.11", django="5.2"): "12 passed",
        Pair(python="3.11", django="6.1"): NOT_FOR_IT,
        Pair(python="3.14", django="5.2"): NOT_FOUND,
        Pair(python="3.14", django="6.1"): "1 failed, 11 passed",
    }

    assert table(results, ["3.11", "3.14"], ["5.2", "6.1"]) == [
        "             Django 5.2  Django 6.1",
        "Python 3.11  12 passed   -",
        "Python 3.14  not found   1 failed, 11 passed",
    ]


def test_a_failure_is_the_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(matrix, "_result", lambda pair, *_: "1 failed" if pair.django == "6.1" else "1 passed")

    assert matrix.main(["--python", "3.12", "--django", "5.2"]) == 0
    assert matrix.main(["--python", "3.12"]) == 1
    assert "Python 3.12  1 passed    1 passed    1 failed" in capsys.readouterr().out
