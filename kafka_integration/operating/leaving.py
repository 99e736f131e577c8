"""How a process of consumers or relays ends: its exit status."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from ..client.producers.registry import producers
from .stopping import FORCED

STOPPED, FAILED, BEHIND = 0, 1, 4


def leave(status: int) -> NoReturn:
    """End the process with this status; when forced, without waiting for whatever is still running."""
    if status == FORCED:
        producers.end(at_most_seconds=0)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(FORCED)
    sys.exit(status)
