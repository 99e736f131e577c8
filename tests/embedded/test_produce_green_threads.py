"""Producing under gevent and eventlet, the real ones: what waits lets the others run, and nothing is lost at exit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.embedded import forking
from tests.processes import PROJECT, ChildProcess, environment

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
both = pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
# A thread that counts how often it could run: a patched one, so a green thread like all others.
TICKS = """
import threading, time
class Ticks(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.latest, self.longest = time.monotonic(), 0.0
    def run(self):
        while True:
            time.sleep(0.01)
            self.longest = max(self.longest, time.monotonic() - self.latest)
            self.latest = time.monotonic()
"""


@pytest.fixture
def run(run: Callable[..., ChildProcess]) -> Callable[..., ChildProcess]:
    """The libraries warn of what they patch."""
    return partial(run, warnings="ignore")


@both
def test_what_is_produced_arrives_from_the_first_to_the_last_at_exit(
    patch: str, run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(
        """
        produce(topic, "1 first")
        assert produce(topic, "2 waited for").result(10).topic == topic
        produce_sync(topic, "3 at once")
        for number in range(500):
            produce(topic, f"4 at the end {number:03}")
        """,
        first=patch,
    )

    assert child.wait() == 0, child.tail()
    assert values(503)[:4] == ["1 first", "2 waited for", "3 at once", "4 at the end 000"]
    assert child.output() == ""


@both
def test_many_green_threads_wait_at_once(patch: str, run: Callable[..., ChildProcess], values: Callable) -> None:
    child = run(
        """
        import threading
        threads = [threading.Thread(target=produce_sync, args=(topic, f"{n:03}")) for n in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        """,
        first=patch,
    )

    assert child.wait() == 0, child.tail()
    assert values(200) == [f"{number:03}" for number in range(200)]
    assert child.output() == ""


@both
def test_while_kafka_is_away_a_wait_lets_the_others_run(patch: str, run: Callable[..., ChildProcess]) -> None:
    child = run(
        TICKS
        + """
from kafka_integration import ProduceError
from kafka_integration.client.producers.registry import producers
from kafka_integration.conf import get_settings
from kafka_integration.producing.sender import Sender
logging.disable()
producer = producers.default()
by_key = Sender(replace(get_settings().producer, partition_strategy="md5"), producer)
waits = {
    "a delivery": lambda: produce_sync(topic, "x", timeout=1),
    "a flush": lambda: producer.flush(1),
    "a look at partitions": lambda: by_key.send(topic, "x", "k", None, None, None, 1),
    "a close": lambda: producers.close(1),
}
for name, wait in waits.items():
    ticks = Ticks()
    ticks.start()
    started = time.monotonic()
    with suppress(ProduceError):
        wait()
    waited = time.monotonic() - started
    time.sleep(0.02)
    assert waited > 0.8, (name, waited)
    assert ticks.longest < 0.4, (name, ticks.longest)
""",
        first=f"{patch}\nfrom contextlib import suppress\nfrom dataclasses import replace",
        servers="127.0.0.1:1",
    )

    assert child.wait(30) == 0, child.tail()


@both
def test_callbacks_run_though_nobody_waits(patch: str, run: Callable[..., ChildProcess]) -> None:
    child = run(
        """
        import threading
        done = threading.Event()
        produce(topic, "x").add_done_callback(lambda delivery: done.set())
        assert done.wait(10)
        """,
        first=patch,
    )

    assert child.wait() == 0, child.tail()


@both
@pytest.mark.parametrize("before", ["", "produce_sync(topic, 'before')"], ids=["imported", "used"])
def test_what_was_imported_before_the_patch_works_after_it(
    patch: str, before: str, run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(
        f"""
        import threading
        {before}
        {patch}
        threads = [threading.Thread(target=produce_sync, args=(topic, f"{{n:03}}")) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        produce(topic, "at exit")
        """
    )

    assert child.wait() == 0, child.tail()
    assert values(51 + bool(before))[:50] == [f"{number:03}" for number in range(50)]


@both
def test_a_forked_child_sends_its_own_and_its_parent_goes_on(
    patch: str, run: Callable[..., ChildProcess], values: Callable
) -> None:
    child = run(forking.PROGRAM, first=patch)

    assert child.wait() == 0, child.tail()
    assert values(4) == forking.VALUES


@both
def test_without_a_broker_the_process_says_what_is_left_and_ends_in_time(
    patch: str, run: Callable[..., ChildProcess]
) -> None:
    started = time.monotonic()
    child = run("produce(topic, 's3cret')", first=patch, servers="127.0.0.1:1")

    assert child.wait(20) == 0
    assert time.monotonic() - started < 12
    assert child.output().count("1 message(s) were not confirmed within 2 s and may be lost") == 1


@both
def test_a_log_that_lets_others_run_inside_a_report_of_the_client_breaks_nothing(
    patch: str, run: Callable[..., ChildProcess]
) -> None:
    child = run(
        """
        import threading, time

        class Slow(logging.Handler):
            def emit(self, record):
                time.sleep(0.3)  # as one does that sends its records somewhere

        logging.getLogger().addHandler(Slow())
        settings.KAFKA["producer"]["config"] = {"message.timeout.ms": 200}
        deliveries = []

        def work():
            for number in range(10):
                deliveries.append(produce(topic, "x"))
                time.sleep(0.05)
                deliveries[-1].done() or deliveries[-1]._producer.flush(0.2)

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(deliveries) == 50
        """,
        first=patch,
        servers="127.0.0.1:1",
    )

    assert child.wait(40) == 0, child.tail()


@both
def test_consumers_and_relays_refuse_to_start(patch: str, tmp_path: Path) -> None:
    code = f"{patch}\nimport sys; from django.core.management import execute_from_command_line as run; run(sys.argv)"
    env = environment({"DJANGO_SETTINGS_MODULE": "activitylog.settings"})

    for command in ("runconsumer", "runrelay"):
        child = ChildProcess(
            [sys.executable, "-W", "ignore", "-c", code, command], log=tmp_path / command, env=env, cwd=PROJECT
        )

        assert child.wait() == 1, child.tail()
        assert f"{command} needs threads of the system" in child.output()
        child.close()
