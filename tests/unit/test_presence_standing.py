"""How a partition stands, by what is known of it: each rule holds whatever else is true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_integration.operating.presence.standing import Facts, Standing, stand
from kafka_integration.operating.presence.trend import Trend

SECONDS = st.one_of(st.floats(0, 10_000), st.sampled_from([0.0, 29.0, 30.0, 31.0, 299.0, 301.0]))
LAGS = st.sampled_from([None, 0, 1, 5, 10**9])
SELDOM = st.sampled_from([False] * 5 + [True])
FACTS = st.builds(
    Facts,
    lag=LAGS,
    trend=st.one_of(
        st.none(),
        st.builds(
            Trend,
            before=st.integers(0, 9),
            lately=st.lists(st.integers(0, 9), min_size=2, max_size=4).map(tuple),
            done=st.integers(0, 9),
            was_growing=st.booleans(),
        ),
    ),
    still_seconds=SECONDS,
    busy_seconds=st.one_of(st.none(), SECONDS),
    is_in_line=SELDOM,
    handler_p99_seconds=SECONDS,
    is_database_asked=SELDOM,
    is_draining=SELDOM,
    is_paused=SELDOM,
    is_outage=SELDOM,
    is_backing_off=SELDOM,
    is_held_back=SELDOM,
)


def still(**facts: Any) -> Standing:
    """A partition with lag that got no further for a minute."""
    return stand(Facts(**{"lag": 5, "still_seconds": 60.0} | facts))


@given(FACTS)
def test_a_reason_is_there_exactly_when_it_waits(facts):
    standing = stand(facts)

    assert (standing.reason is not None) == (standing.state == "waiting")


@given(FACTS)
def test_without_lag_it_is_never_behind_and_never_stuck(facts):
    assert facts.lag != 0 or stand(facts).state in {"caught_up", "waiting"}


@given(FACTS)
def test_caught_up_is_said_only_where_it_is_known_that_there_is_no_lag(facts):
    assert stand(facts).state != "caught_up" or facts.lag == 0


@given(FACTS)
def test_stuck_are_those_with_lag_that_got_no_further_for_longer_than_30_s_where_nothing_is_known_to_keep_them(facts):
    has_stood_still = bool(facts.lag) and facts.still_seconds > 30
    is_kept = facts.is_draining or facts.is_paused or facts.is_outage or facts.is_backing_off or facts.is_held_back
    patience_seconds = max(30, 10 * facts.handler_p99_seconds)
    is_patient = facts.is_in_line or facts.is_database_asked or (facts.busy_seconds or 0) <= patience_seconds
    is_at_work = facts.busy_seconds is not None and is_patient

    assert (stand(facts).state == "stuck") == (has_stood_still and not is_kept and not is_at_work)


@given(FACTS)
def test_who_falls_behind_has_more_to_do_than_before_and_than_it_did_meanwhile(facts):
    if stand(facts).state == "falling_behind":
        assert facts.trend.before < min(facts.trend.lately) < max(facts.trend.lately)
        assert facts.trend.lately[-1] > facts.trend.done


@given(FACTS)
def test_where_it_is_not_known_how_it_went_nobody_is_said_to_fall_behind(facts):
    assert stand(replace(facts, trend=None)).state != "falling_behind"


def test_whoever_has_lag_and_stands_still_without_a_reason_is_stuck():
    assert still() == Standing(state="stuck")


def test_nobody_is_stuck_before_30_s_are_over():
    assert still(still_seconds=30.0) == Standing(state="catching_up")


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ("is_backing_off", "backoff"),
        ("is_outage", "outage"),
        ("is_paused", "paused"),
        ("is_draining", "draining"),
        ("is_held_back", "handler"),
    ],
)
def test_a_standstill_of_which_the_reason_is_known_is_shown_with_it(fact, reason):
    assert still(**{fact: True}) == Standing(state="waiting", reason=reason)


@pytest.mark.parametrize(("busy_seconds", "p99"), [(29.0, 0.01), (199.0, 20.0)])
def test_a_handler_may_take_ten_times_what_it_takes_at_most_and_30_s_in_any_case(busy_seconds, p99):
    standing = still(busy_seconds=busy_seconds, handler_p99_seconds=p99)

    assert standing == Standing(state="waiting", reason="handler")


@pytest.mark.parametrize(("busy_seconds", "p99"), [(31.0, 0.01), (201.0, 20.0)])
def test_a_handler_that_takes_longer_than_that_is_stuck(busy_seconds, p99):
    assert still(busy_seconds=busy_seconds, handler_p99_seconds=p99) == Standing(state="stuck")


def test_what_waits_behind_another_partitions_handler_is_not_stuck_however_long_that_is_at_work():
    assert still(busy_seconds=10_000, is_in_line=True) == Standing(state="waiting", reason="handler")


def test_a_handler_is_not_stuck_before_its_database_has_answered():
    assert still(busy_seconds=60, is_database_asked=True) == Standing(state="waiting", reason="handler")


def test_a_handler_at_work_is_no_standstill_while_messages_get_finished():
    assert still(still_seconds=1.0, busy_seconds=0.5) == Standing(state="catching_up")


def test_where_the_lag_is_unknown_nothing_is_said_of_it_but_that_it_goes_on():
    assert still(lag=None, still_seconds=5.0) == Standing(state="catching_up")


def test_what_is_paused_is_shown_as_paused_also_without_lag():
    assert stand(Facts(lag=0, is_paused=True)) == Standing(state="waiting", reason="paused")


def test_an_outage_matters_to_nobody_who_has_nothing_to_do():
    assert stand(Facts(lag=0, is_outage=True)) == Standing(state="caught_up")
