"""The judge of the mixed hour sees what it is there to see."""

from __future__ import annotations

import pytest

from tests.alarms.judging import (
    Moment,
    could_be_taken_up,
    courses_of,
    is_right,
    judge_alarms,
    lag_off_by,
    named_seconds,
    time_lag_off_by,
)
from tests.alarms.truth import Deed, Truth
from tests.alarms.watching import LagSaid, Saying

PLACE = ("events", 2)


def deed(kind, began_at, ended_at, **facts):
    return Deed(kind=kind, began_at=began_at, ended_at=ended_at, **({"consumer": "one"} | facts))


def truth_of(*deeds):
    truth = Truth()
    truth.deeds += deeds
    return truth


def said(kind, at, channel="rows", **facts):
    where = {"consumer": "one", "place": PLACE} | facts
    return Saying(channel=channel, kind=kind, asked_at=at - 0.5, at=at, **where)


def lag_said(at, lag, age=None):
    return LagSaid(channel="lag", consumer="one", place=PLACE, since=at, until=at, lag=lag, time_lag_seconds=age)


HANG = deed("hang", 100, 170, place=PLACE, offset=17)


@pytest.mark.parametrize("kind", ["database away", "handover"])
@pytest.mark.parametrize(("asked_at", "is_fair"), [(97.5, True), (99, False), (110, False), (150, False), (156, True)])
def test_a_command_counts_where_everybody_was_there_for_as_long_as_it_may_take(kind, asked_at, is_fair):
    assert could_be_taken_up(truth_of(deed(kind, 100, 120)), asked_at) is is_fair


def test_a_hang_is_named_by_its_message():
    assert is_right(truth_of(HANG), said("stuck", 135, offset=17))
    assert named_seconds(HANG, [said("stuck", 135, offset=17), said("stuck", 140, offset=17)]) == {"rows": 35}


@pytest.mark.parametrize(
    "wrong",
    [
        said("stuck", 125, offset=17),
        said("stuck", 187, offset=17),
        said("stuck", 140, offset=18),
        said("stuck", 140, offset=17, place=("events", 3)),
        said("stuck", 140, offset=17, consumer="other"),
    ],
    ids=["too early", "after its end", "another message", "another partition", "another consumer"],
)
def test_an_alarm_that_nothing_stands_behind_is_false(wrong):
    alarms = judge_alarms(truth_of(HANG), [wrong])

    assert alarms.false == [wrong]
    assert len(alarms.missed) == 5


@pytest.mark.parametrize("kind", ["slow", "failing", "pause", "burst", "broker away", "database away", "handover"])
def test_nothing_else_makes_a_partition_stuck(kind):
    assert not is_right(truth_of(deed(kind, 100, 170, place=PLACE)), said("stuck", 140, offset=17))


def test_a_hang_that_is_named_after_more_than_a_minute_is_missed():
    late = [said("stuck", 161, channel, offset=17) for channel in ("rows", "overview", "lag", "/readyz")]

    alarms = judge_alarms(truth_of(HANG), [*late, said("stuck", 150, "/metrics", place=None)])

    assert [channel for channel, _ in alarms.missed] == ["rows", "overview", "lag", "/readyz"]


def test_a_reason_is_right_while_it_is_so_and_a_moment_longer():
    truth = truth_of(deed("pause", 100, 170))

    assert is_right(truth, said("paused", 175))
    assert not is_right(truth, said("paused", 185))
    assert not is_right(truth, said("outage", 140))


def test_a_backoff_begins_anew_with_each_handover_but_only_of_what_failed():
    failing = deed("failing", 100, 145, place=PLACE)
    handovers = [deed("handover", at, at + 5, consumer=None) for at in (140, 230)]
    truth = truth_of(failing, *handovers)

    assert is_right(truth, said("backoff", 260))
    assert not is_right(truth_of(failing), said("backoff", 260))
    assert not is_right(truth, said("backoff", 330))
    assert not is_right(truth_of(*handovers), said("backoff", 240))


def test_what_a_probe_refuses_without_cause_is_false():
    assert not is_right(truth_of(), said("not_ready", 140, "/readyz"))
    assert not is_right(truth_of(deed("broker away", 100, 170)), said("not_alive", 140, "/healthz"))
    assert not is_right(truth_of(deed("slow", 100, 170)), said("silent", 140, "heartbeat"))


def test_a_lag_is_off_by_the_time_to_where_it_was_so():
    ends = {PLACE: [Moment(at=10, offset=1), Moment(at=20, offset=2)]}
    finished = {PLACE: [Moment(at=30, offset=0)]}
    course = courses_of(ends, finished, {PLACE: {0: 10, 1: 20}})[PLACE]

    assert lag_off_by(course, lag_said(25, 2)) == 0
    assert lag_off_by(course, lag_said(31.5, 2)) == pytest.approx(1.5, abs=0.11)
    assert lag_off_by(course, lag_said(25, 7)) == 10
    assert time_lag_off_by(course, lag_said(25, 2, age=15)) == 0
    assert time_lag_off_by(course, lag_said(31.5, 1, age=20)) == pytest.approx(1.5, abs=0.11)
    assert time_lag_off_by(course, lag_said(25, 2, age=19)) == pytest.approx(2, abs=0.11)
    assert time_lag_off_by(course, lag_said(25, 2)) == float("inf")


def test_a_lag_that_counts_what_is_finished_and_not_yet_committed_is_off_by_that_moment():
    ends = {PLACE: [Moment(at=10, offset=1)]}
    finished = {PLACE: [Moment(at=10.1, offset=0)]}
    course = courses_of(ends, finished, {PLACE: {0: 9.9}})[PLACE]

    assert lag_off_by(course, lag_said(10.5, 1, age=0.6)) == pytest.approx(0.4, abs=0.11)
    assert time_lag_off_by(course, lag_said(10.5, 1, age=0.6)) < 0.7


def test_what_is_finished_beyond_is_no_progress_of_the_lowest():
    ends = {PLACE: [Moment(at=10, offset=3)]}
    finished = {PLACE: [Moment(at=11, offset=1), Moment(at=12, offset=0)]}
    course = courses_of(ends, finished, {})[PLACE]

    assert (course.lag(11.5), course.lag(12.5)) == (3, 1)
