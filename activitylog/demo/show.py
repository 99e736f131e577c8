"""What the demo does: start the parts, say where to look, stop them when asked or when one of them ends."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kafka_integration.client.transports.embedded import embedded_servers
from kafka_integration.conf import get_settings
from kafka_integration.errors import BrokerUnavailableError

from .parts import Part, Parts, Print

HOST = "127.0.0.1"
READY_SECONDS = 60
LOOK_EVERY_SECONDS = 0.1
SAME_WISH_SECONDS = 0.5


class DemoError(Exception):
    """The demo can't start, or a part of it ended."""


@dataclass(kw_only=True)
class Wishes:
    """Whether somebody asked the demo to stop, and whether they asked once more.

    Where a whole process group is signalled, `make` passes on to the demo what the demo got as well: what follows at
    once is the same wish.
    """

    clock: Callable[[], float] = time.monotonic
    _asked_at: float | None = None
    _is_urgent: bool = False

    def ask(self, *_: object) -> None:
        now = self.clock()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > SAME_WISH_SECONDS:
            self._is_urgent = True

    def is_asked(self) -> bool:
        return self._asked_at is not None

    def is_urgent(self) -> bool:
        return self._is_urgent


def run_demo(*, port: int, traffic: float, output: Print, announce: Callable[[str], None]) -> None:
    """Runs until asked to stop by SIGINT, SIGTERM or SIGHUP; raises ``DemoError`` if a part ends by itself."""
    check_port(port)
    with listening_for_signals() as wishes:
        parts = Parts(output, {**os.environ, "SERVER_LOG_LEVEL": "WARNING", "DJANGO_RUNSERVER_HIDE_WARNING": "true"})
        try:
            for part, is_ready in planned(port, traffic):
                parts.start(part)
                wait_until(is_ready, part, parts, wishes)
            if not wishes.is_asked():
                announce(f"http://{HOST}:{port}/")
            while not wishes.is_asked():
                raise_if_ended(parts)
                time.sleep(LOOK_EVERY_SECONDS)
        finally:
            parts.stop(is_urgent=wishes.is_urgent)


def planned(port: int, traffic: float) -> Iterator[tuple[Part, Callable[[], bool]]]:
    """Yields the parts in their order, each with what tells that the next one may start."""
    if get_settings().connection.transport == "embedded" and not has_broker():
        yield Part(name="broker", command=("runbroker",), colour="yellow", grace_seconds=5), has_broker
    yield Part(name="consumers", command=("runconsumer",), colour="cyan", grace_seconds=30), at_once
    # Stopped before the consumers: what it has not sent is safe in the outbox, while an embedded broker keeps nothing.
    yield Part(name="relay", command=("runrelay",), colour="magenta"), at_once
    web = ("runserver", "--noreload", "--skip-checks", f"{HOST}:{port}")
    yield Part(name="web", command=web, colour="green", grace_seconds=5), lambda: answers(port)
    if traffic:
        visitors = ("simulatevisitors", f"http://{HOST}:{port}", "--traffic", str(traffic))
        yield Part(name="visitors", command=visitors, colour="blue", grace_seconds=5), at_once


def at_once() -> bool:
    return True


def has_broker() -> bool:
    try:
        return bool(embedded_servers())
    except BrokerUnavailableError:
        return False


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        connection.request("HEAD", "/accounts/login/")
        return connection.getresponse().status < 500
    return False


def wait_until(is_ready: Callable[[], bool], part: Part, parts: Parts, wishes: Wishes) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not wishes.is_asked() and not is_ready():
        raise_if_ended(parts)
        if time.monotonic() > deadline:
            raise DemoError(f"{part.name} is not ready after {READY_SECONDS} seconds; what it wrote is above.")
        time.sleep(LOOK_EVERY_SECONDS)


def raise_if_ended(parts: Parts) -> None:
    ended = parts.find_ended()
    if ended:
        part, status = ended
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise DemoError(f"{part.name} {how}; what it wrote is above. Everything else has been stopped.")


def check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(
                f"Port {port} of {HOST} can't be had ({error.strerror}): choose another with --port."
            ) from None


@contextmanager
def listening_for_signals() -> Iterator[Wishes]:
    wishes = Wishes()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, wishes.ask) for number in numbers}
    try:
        yield wishes
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
