"""A load that our own `produce` sends, in a process whose interpreter gevent has patched: `python -m` runs the process.

It says of each record that was acknowledged where it is; one that fails, or whose outcome is unknown, ends it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.load import Acknowledged
from tests.processes import ChildProcess

GREENLETS = 4
KEYS_OF_EACH = 5
LARGE_ONCE_IN = 25
LARGE_HEADER = 100_000


class ProduceLoad:
    """``acknowledged`` is what the process has said so far. Some of the records have a header of 100 kB."""

    def __init__(self, start: Callable[..., ChildProcess], topic: str) -> None:
        self.topic = topic
        self._start = start
        self._process: ChildProcess | None = None
        self._acknowledged: list[Acknowledged] = []
        self._lines_read = 0
        self._lock = threading.Lock()

    @property
    def acknowledged(self) -> list[Acknowledged]:
        # What comes behind the last line break is not whole yet.
        with self._lock:
            lines = self._process.output().split("\n")[:-1] if self._process else []
            new, self._lines_read = lines[self._lines_read :], len(lines)
            self._acknowledged += [Acknowledged(*json.loads(line)) for line in new if line.startswith("[")]
            return list(self._acknowledged)

    def failures_of(self, key: str, seq: int) -> int:
        """Its handler fails at none."""
        return 0

    @contextmanager
    def flowing(self, per_second: float) -> Iterator[None]:
        """Records all the time that the block takes; acknowledged at its end."""
        self._process = process = self._start(self.topic, str(GREENLETS / per_second))
        try:
            yield
        finally:
            process.signal(signal.SIGTERM)
            status = process.wait(120)
        assert status == 0, process.tail()


def main(topic: str, pause_seconds: float) -> None:
    import gevent
    from gevent.event import Event

    over = Event()
    gevent.signal_handler(signal.SIGTERM, over.set)
    senders = [gevent.spawn(_send, topic, number, pause_seconds, over) for number in range(GREENLETS)]
    gevent.joinall(senders, raise_error=True)


def _send(topic: str, number: int, pause_seconds: float, over: Any) -> None:
    """One greenlet's records: each is waited for, while the other greenlets go on."""
    from kafka_integration import produce

    sent: Counter[str] = Counter()
    while not over.wait(pause_seconds):
        key = f"greenlet-{number}-{sent.total() % KEYS_OF_EACH}"
        sent[key] += 1
        is_large = sent.total() % LARGE_ONCE_IN == 0
        headers = [("large", b"x" * LARGE_HEADER)] if is_large else []
        done = produce(topic, {"seq": sent[key]}, key=key, headers=headers).result(300)
        line = json.dumps([done.partition, done.offset, key, sent[key]])
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()
    import django

    django.setup()
    main(sys.argv[1], float(sys.argv[2]))
