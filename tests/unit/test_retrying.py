"""What is tried again and again: the waits grow, the lines get fewer."""

from __future__ import annotations

from kafka_integration.retrying import Backoff, Repeats, is_worth_a_line


def test_waits_double_from_the_first_to_the_longest() -> None:
    backoff = Backoff(first_seconds=0.5, longest_seconds=3.0)

    assert [backoff.seconds(failures) for failures in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_wait_after_any_number_of_failures_is_the_longest() -> None:
    assert Backoff(first_seconds=0.5, longest_seconds=3.0).seconds(1_000_000) == 3.0


def test_a_factor_of_one_waits_the_same_each_time() -> None:
    assert Backoff(first_seconds=0.5, longest_seconds=3.0, factor=1).seconds(9) == 0.5


def test_jitter_leaves_between_half_and_all_of_a_wait() -> None:
    least, most = (Backoff(first_seconds=2.0, longest_seconds=9.0, jitter=lambda part=part: part) for part in (0, 1))

    assert (least.seconds(2), most.seconds(2)) == (2.0, 4.0)


def test_each_kind_is_said_once_a_minute() -> None:
    now = [0.0]
    repeats = Repeats(clock=lambda: now[0])

    said = []
    for now[0] in (0.0, 1.0, 59.9, 60.0, 61.0):
        said += [(now[0], kind) for kind in ("a", "b") if repeats.is_due(kind)]

    assert said == [(0.0, "a"), (0.0, "b"), (60.0, "a"), (60.0, "b")]


def test_what_was_forgotten_is_news_again() -> None:
    repeats = Repeats()
    repeats.is_due("outage")

    repeats.forget()

    assert repeats.is_due("outage")


def test_a_line_is_worth_less_the_oftener_it_could_be_said() -> None:
    assert [times for times in range(100) if is_worth_a_line(times)] == [1, 2, 4, 8, 16, 32, 64]
