"""What tables of commands show: one sign for none, one word for unknown, and states in words."""

from __future__ import annotations

import pytest

from kafka_integration.cells import count, offset, time_lag
from kafka_integration.operating.standing_texts import standing_text


def test_what_nobody_knows_is_called_so_and_never_zero():
    assert {count(None), offset(None), time_lag(None, None), time_lag(3, None), standing_text(None)} == {"unknown"}


def test_without_lag_there_is_no_time_lag():
    assert (time_lag(0, None), time_lag(3, 190)) == ("-", "3 min 10 s")


def test_thousands_are_apart_in_counts_and_not_in_offsets():
    assert (count(1204), count(12.5, decimals=1), offset(1204)) == ("1,204", "12.5", "1204")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("caught_up",), "caught up"),
        (("waiting", "backoff"), "waiting (backoff)"),
        (("stuck", None, 17), "stuck at offset 17"),
    ],
)
def test_a_state_is_said_with_its_reason_or_its_offset(given, said):
    assert standing_text(*given) == said
