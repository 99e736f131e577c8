"""Producers and the life of a process: forks, an ordinary end, an end without a broker."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.embedded import forking
from tests.processes import ChildProcess

GRACE_SECONDS = 2.0
STARTING_SECONDS = 6.0


def test_what_is_queued_leaves_when_the_process_ends(run: Callable[..., ChildProcess], values: Callable) -> None:
    child = run("""
        for number in range(2000):
            produce(topic, f"{number:04}")
    """)

    assert child.wait() == 0, child.tail()
    assert values(2000) == [f"{number:04}" for number in range(2000)]
    assert child.output() == ""


def test_without_a_broker_the_process_ends_in_time_and_says_how_many_are_left(run: Callable[..., ChildProcess]) -> None:
    started = time.monotonic()
    child = run(
        """
        for number in range(7):
            produce(topic, "s3cret-payload")
        """,
        servers="127.0.0.1:1",
    )

    assert child.wait(20) == 0, child.tail()
    assert time.monotonic() - started < 15
    assert "7 message(s) were not confirmed within 2 s and may be lost" in child.output()
    assert "Connection refused" in child.output()
    assert "s3cret" not in child.output()


def test_a_child_forked_after_the_first_message_delivers_its_own(
    run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(forking.PROGRAM, warnings="default")

    assert child.wait(30) == 0, child.tail()
    assert values(4) == forking.VALUES


def test_a_child_forked_with_messages_under_way_does_not_send_them_again(
    run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(
        """
        produce_sync(topic, "first")
        for number in range(500):
            produce(topic, f"parent {number:03}")
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        warnings="default",
    )

    assert child.wait(30) == 0, child.tail()
    assert values(501) == ["first", *(f"parent {number:03}" for number in range(500))]


def test_a_child_of_multiprocessing_sends_what_it_queued(run: Callable[..., ChildProcess], values: Callable) -> None:
    child = run(
        """
        import multiprocessing

        def work(number):
            produce(topic, f"child {number}")

        produce_sync(topic, "parent")
        children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        sys.exit(max(child.exitcode for child in children))
        """,
        warnings="default",
    )

    assert child.wait(30) == 0, child.tail()
    assert values(4) == ["child 0", "child 1", "child 2", "parent"]


def test_what_is_produced_after_the_flush_at_the_end_arrives(
    run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(
        """
        produce_sync(topic, "1 before")
        produce(topic, "3 last")
        """,
        first="import atexit; atexit.register(lambda: [produce(topic, f'2 {number:02}') for number in range(20)])",
    )

    assert child.wait() == 0, child.tail()
    assert values(22) == ["1 before", *(f"2 {number:02}" for number in range(20)), "3 last"]
    assert child.output() == ""


@pytest.mark.parametrize(
    ("importing", "before"),
    [("atexit", ""), ("multiprocessing.util", "produce(topic, 's3cret')")],
    ids=["the first message", "a later one"],
)
def test_what_is_lost_after_the_flush_at_the_end_is_said_too(
    before: str, importing: str, run: Callable[..., ChildProcess]
) -> None:
    started = time.monotonic()
    child = run(
        f"import {importing}\n{before}",
        first="import atexit; atexit.register(lambda: produce(topic, 's3cret'))",
        servers="127.0.0.1:1",
    )

    assert child.wait(20) == 0, child.tail()
    assert time.monotonic() - started < 2 * GRACE_SECONDS + STARTING_SECONDS
    said = child.output().count("1 message(s) were not confirmed within 2 s and may be lost. They were for process-")
    assert said == 1 + bool(before), child.tail()
    assert "s3cret" not in child.output()


def test_the_first_import_may_be_at_the_end_of_the_process(run: Callable[..., ChildProcess]) -> None:
    child = run(
        """
        @atexit.register
        def last():
            from kafka_integration import produce

            produce(topic, "s3cret")
        """,
        imports="",
        servers="127.0.0.1:1",
    )

    assert child.wait(20) == 0, child.tail()
    assert child.output().count("1 message(s) were not confirmed within 2 s and may be lost") == 1


@pytest.mark.parametrize("module", ["multiprocessing.util", "billiard.util"])
def test_the_grace_period_is_given_and_its_end_said_once(module: str, run: Callable[..., ChildProcess]) -> None:
    child = run(
        f"""
        import {module}, time
        atexit.register(lambda: sys.stdout.write(f"took {{time.monotonic() - started}}\\n"))
        produce(topic, "x")
        started = time.monotonic()
        """,
        servers="127.0.0.1:1",
        # The first handler to be registered runs last.
        first="import atexit, sys; atexit.register(lambda: sys.stdout.write(f'took {time.monotonic() - started}\\n'))",
    )

    assert child.wait(20) == 0, child.tail()
    took = max(float(line.split()[1]) for line in child.output().splitlines() if line.startswith("took"))
    assert GRACE_SECONDS <= took < 2 * GRACE_SECONDS - 0.2
    assert child.output().count("may be lost") == 1


def test_two_producers_have_their_seconds_at_the_same_time(run: Callable[..., ChildProcess]) -> None:
    child = run(
        """
        import time
        from kafka_integration.client.producers.registry import producers
        from kafka_integration.conf import get_settings
        for purpose in ("one", "other"):
            producers.get(get_settings().producer, purpose).send(topic, b"x", None, -1, lambda *_: None, 0, None, 1)
        started = time.monotonic()
        """,
        servers="127.0.0.1:1",
        first="import atexit, sys; atexit.register(lambda: sys.stdout.write(f'took {time.monotonic() - started}\\n'))",
    )

    assert child.wait(20) == 0, child.tail()
    took = float(re.search(r"took ([\d.]+)", child.output())[1])
    assert GRACE_SECONDS <= took < 2 * GRACE_SECONDS - 0.2
    assert child.output().count("1 message(s) were not confirmed") == 2


def test_what_is_left_is_said_with_its_topics_and_what_they_lack(run: Callable[..., ChildProcess]) -> None:
    child = run("""
        produce("not-there", "x")
        produce("not-there", "x").add_done_callback(lambda delivery: print("told", delivery.exception(0).code))
        produce("neither", "x")
    """)

    assert child.wait(20) == 0, child.tail()
    assert "3 message(s) were not confirmed within 2 s and may be lost. They were for not-there (2), neither (1)." in (
        child.output()
    )
    assert "topic not-there: " in child.output()
    assert "topic neither: " in child.output()
    assert "Kafka did not answer" not in child.output()
    assert "told _PURGE_QUEUE" in child.output()


def test_losses_that_were_kept_for_the_next_line_are_said_at_the_end(run: Callable[..., ChildProcess]) -> None:
    child = run(
        """
        settings.KAFKA["producer"]["config"] = {"message.timeout.ms": 200}
        for _ in range(5):
            produce(topic, "x").exception(5)
            produce(topic, "x")
        """,
        servers="127.0.0.1:1",
    )

    assert child.wait(20) == 0, child.tail()
    lost = re.findall(r"Messages lost since this was last said: (\d+)", child.output())
    assert sum(map(int, lost)) == 5
    assert len(lost) == 2
