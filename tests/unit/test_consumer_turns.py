"""How long a lane stays with one partition: a second, however long its handler takes for a message."""

from __future__ import annotations

import pytest

from kafka_integration.consuming.handling import invoking
from kafka_integration.consuming.handling.invoking import QUICK_MESSAGES, TURN_SECONDS, EachMessage
from kafka_integration.consuming.ordering.line import Line


@pytest.fixture
def handled(monkeypatch):
    """How many of a hundred messages are handled in one turn, where each takes the given seconds."""

    def count(*seconds):
        now = [0.0]
        monkeypatch.setattr(invoking, "monotonic", lambda: now[0])

        def handle(message):
            now[0] += seconds[min(message, len(seconds) - 1)]

        return EachMessage(handle, path="handle", may_hold_back=True).run(range(100), Line()).done

    return count


def test_a_slow_handler_is_left_after_the_message_with_which_the_turn_is_over(handled):
    assert handled(10 * TURN_SECONDS) == 1
    assert handled(TURN_SECONDS / 4) == 5


def test_after_quick_messages_slow_ones_keep_a_lane_for_a_few_at_most(handled):
    quick = [0.0] * 50

    assert 50 < handled(*quick, 10 * TURN_SECONDS) <= 50 + QUICK_MESSAGES


def test_quick_messages_are_all_handled_in_one_turn(handled):
    assert handled(TURN_SECONDS / 1000) == 100
