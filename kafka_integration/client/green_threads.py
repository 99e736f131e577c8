"""gevent and eventlet: threads that are turns of one thread of the system, so that what blocks one blocks them all.

Where one of them has patched ``threading``, waiting here is looking, and sleeping in between with its own sleep. Both
are found where the project uses them, and never imported.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

from ..errors import ConfigurationError

T = TypeVar("T")

SHORTEST_NAP_SECONDS = 0.001
LONGEST_NAP_SECONDS = 0.1


def green_library() -> ModuleType | None:
    """gevent or eventlet, whichever has patched this process's threads; None where they are the system's."""
    if (monkey := sys.modules.get("gevent.monkey")) and monkey.is_module_patched("threading"):
        return sys.modules["gevent"]
    if (patcher := sys.modules.get("eventlet.patcher")) and patcher.is_monkey_patched("thread"):
        return sys.modules["eventlet"]
    return None


def wait_until(condition: Callable[[], bool], timeout: float | None, green: ModuleType) -> bool:
    """Whether it came true within ``timeout``; looks again after a tenth of the time that it has waited already.

    An event would wake whoever waits sooner, but neither library lets another thread of the system set one.
    """
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        if timeout is not None and waited >= timeout:
            return False
        nap = min(max(waited / 10, SHORTEST_NAP_SECONDS), LONGEST_NAP_SECONDS)
        green.sleep(nap if timeout is None else min(nap, timeout - waited))
    return True


def call_beside(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises; under gevent and eventlet it blocks a thread of the system that it has alone."""
    green = green_library()
    if green is None:
        return call()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)

    _start_thread_of_the_system(green, run)
    wait_until(lambda: bool(results or errors), None, green)
    if errors:
        raise errors[0]
    return results[0]


def refuse_green_threads(command: str) -> None:
    """ConfigurationError where gevent or eventlet has patched the threads that ``command`` needs."""
    green = green_library()
    if green is not None:
        raise ConfigurationError(
            [
                f"{command} needs threads of the system, and {green.__name__} has replaced them in this process: one "
                f"slow handler would stop all else. Start it without {green.__name__}'s monkey patching."
            ]
        )


def _start_thread_of_the_system(green: ModuleType, run: Callable[[], None]) -> None:
    if green.__name__ == "gevent":
        sys.modules["gevent.monkey"].get_original("_thread", "start_new_thread")(run, ())
    else:
        sys.modules["eventlet.patcher"].original("threading").Thread(target=run, daemon=True).start()
