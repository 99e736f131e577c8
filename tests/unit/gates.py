"""Handlers that wait until a test lets them go on."""

from __future__ import annotations

import threading
from typing import Any


class Gate:
    """A handler that waits at these values until the test lets them go on."""

    def __init__(self, *values: Any) -> None:
        self.reached = {value: threading.Event() for value in values}
        self._opened = {value: threading.Event() for value in values}

    def __call__(self, message: Any) -> None:
        if message.value in self.reached:
            self.reached[message.value].set()
            assert self._opened[message.value].wait(20)

    def open(self, *values: Any) -> None:
        for value in values or self._opened:
            self._opened[value].set()
