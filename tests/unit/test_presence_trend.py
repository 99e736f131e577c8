"""Falling behind: said of a partition that gets more to do for long enough to matter, and of no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic

import pytest

from kafka_integration.client.transports.memory import MemoryBroker
from kafka_integration.consuming.group.pauses import Scope
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.operating.presence import watching
from kafka_integration.operating.presence.standing import Facts, stand
from kafka_integration.operating.presence.trend import Trail, Trend
from kafka_integration.operating.presence.views import PartitionView
from kafka_integration.operating.presence.watching import ConsumerWatch
from tests.unit import scripted
from tests.unit.consumers import running, write
from tests.waiting import wait_for

LOOK_SECONDS = 5


def states(arriving: Callable[[int], int], *, rate: int, seconds: int = 120) -> list[str]:
    """How a partition stood at each look, where so many messages came in each second and so many could be handled."""
    trail, left, done, found = Trail(), 0, 0, []
    for second in range(seconds):
        left += arriving(second)
        finished = min(left, rate)
        left, done = left - finished, done + finished
        if second % LOOK_SECONDS == 0:
            found.append(stand(Facts(lag=left, trend=trail.note(second, left=left, done=done))).state)
    return found


class TestByWhatComesAndWhatIsHandled:
    def test_more_that_comes_than_is_handled_is_said_once_it_is_clear(self) -> None:
        found = states(lambda second: 200, rate=100)

        assert "falling_behind" not in found[:4]
        assert set(found[5:]) == {"falling_behind"}

    def test_it_is_said_of_a_slow_handler_too(self) -> None:
        found = states(lambda second: second % 5 == 0, rate=0)

        assert set(found[6:]) == {"falling_behind"}

    def test_it_is_said_all_the_while_where_one_handler_serves_partitions_in_turns(self) -> None:
        # It gets 20 messages in 20 s, and is served for 5 s of them: 10 are handled at once.
        trail, left, done, found = Trail(), 0, 0, []
        for second in range(300):
            finished = 2 if second > 20 and second % 20 < 5 else 0
            left, done = left + 1 - finished, done + finished
            if second % LOOK_SECONDS == 0:
                found.append(stand(Facts(lag=left, trend=trail.note(second, left=left, done=done))).state)

        begun = found.index("falling_behind")

        assert begun < 8
        assert set(found[begun:]) == {"falling_behind"}

    def test_it_is_said_all_the_while_where_messages_come_in_waves(self) -> None:
        found = states(lambda second: 20 if second % 7 == 0 else 0, rate=2, seconds=600)

        begun = found.index("falling_behind")

        assert begun < 12
        assert set(found[begun:]) == {"falling_behind"}

    def test_it_is_said_no_more_once_nothing_comes_however_slowly_it_is_handled(self) -> None:
        found = states(lambda second: 2 if second < 60 else 0, rate=1, seconds=200)

        assert found[12] == "falling_behind"
        assert set(found[17:]) == {"catching_up", "caught_up"}

    def test_it_is_said_no_more_once_less_comes(self) -> None:
        found = states(lambda second: 200 if second < 60 else 50, rate=100)

        assert found[-1] == "catching_up"

    def test_an_idle_topic_that_gets_a_message_now_and_then_is_not_behind(self) -> None:
        # Each is there when somebody looks, and handled a moment later.
        trail = Trail()
        found = [
            stand(Facts(lag=lag, trend=trail.note(LOOK_SECONDS * look, left=lag, done=look))).state
            for look, lag in enumerate([0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 3])
        ]

        assert "falling_behind" not in found

    @pytest.mark.parametrize("size", [900, 5_000])
    def test_a_burst_that_is_being_handled_is_not_behind(self, size: int) -> None:
        found = states(lambda second: size if second == 21 else 0, rate=100)

        assert set(found) == {"caught_up", "catching_up"}

    def test_a_busy_topic_with_a_few_messages_on_their_way_is_not_behind(self) -> None:
        found = states(lambda second: 100 + (second % 7), rate=104)

        assert "falling_behind" not in found

    def test_a_backlog_that_gets_no_shorter_is_not_said_to_grow(self) -> None:
        found = states(lambda second: 9_000 if second == 0 else 100, rate=100)

        assert "falling_behind" not in found

    def test_what_is_looked_at_seldom_is_told_by_fewer_looks(self) -> None:
        trail = Trail()

        trends = [trail.note(90 * look, left=1000 * look, done=10 * look) for look in range(3)]

        assert trends[0] is None
        assert trends[2] == Trend(before=1000, lately=(1000, 2000), done=10)

    def test_who_was_moved_back_has_done_nothing(self) -> None:
        trail = Trail()
        trail.note(0, left=0, done=100)

        trend = trail.note(20, left=100, done=0)

        assert trend is not None
        assert trend.done == 0


@pytest.mark.django_db(transaction=True)
class TestByWhatALoopSays:
    @pytest.fixture
    def steps(self, memory_transport: MemoryBroker) -> Iterator[threading.Semaphore]:
        """One message is handled for each that is released."""
        steps, over = threading.Semaphore(0), threading.Event()
        scripted.script.append(lambda message: None if over.is_set() else steps.acquire())
        yield steps
        over.set()
        steps.release(1000)

    @pytest.fixture
    def look(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[ConsumerWatch], PartitionView]:
        """Five seconds later."""
        passed = [0.0]
        monkeypatch.setattr(watching, "monotonic", lambda: monotonic() + passed[0])

        def look(watch: ConsumerWatch) -> PartitionView:
            passed[0] += LOOK_SECONDS
            watch.ask()
            wait_for(lambda: not watch.is_asking)
            return watch.look().partitions[0]

        return look

    def test_one_that_gets_more_than_it_handles_falls_behind(self, look, begun, steps) -> None:
        with running() as loop:
            watch, found = begun(loop), []
            for number in range(1, 8):
                write(*"0123456789")
                steps.release()
                wait_for(lambda n=number: len(scripted.seen) > n)
                found.append(look(watch).state)
            steps.release(1000)

        assert found[0] == "catching_up"
        assert found[-1] == "falling_behind"

    def test_what_came_during_a_pause_is_no_falling_behind_after_it(self, look, begun, steps) -> None:
        with running() as loop:
            watch = begun(loop)
            loop.pauses.pause(Scope())
            wait_for(lambda: loop.pauses.is_carried_out)
            paused = [write(*"0123456789") or look(watch) for _ in range(8)]
            loop.pauses.resume(Scope())
            wait_for(lambda: loop.pauses.is_carried_out)
            after = [write(*"0123456789") or look(watch).state for _ in range(2)]
            steps.release(1000)

        assert {(view.state, view.reason) for view in paused} == {("waiting", "paused")}
        assert after == ["catching_up", "catching_up"]

    @pytest.fixture
    def begun(self) -> Iterator[Callable[[ConsumerLoop], ConsumerWatch]]:
        """Watches a loop that handles its first message."""
        with ExitStack() as closing:

            def begun(loop: ConsumerLoop) -> ConsumerWatch:
                write("first")
                wait_for(lambda: scripted.seen)
                watch = ConsumerWatch(loop)
                closing.callback(watch.close)
                return watch

            yield begun
