"""The ends of worker processes that run no ``atexit``: what their libraries offer in its place.

Each is looked for where the project has imported it already, and never imported here.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any


def end_with_worker_processes(end: Callable[[], object]) -> None:
    """Has ``end`` called, more than once perhaps, when this process ends as a worker of somebody's pool or server."""
    for name in ("multiprocessing.util", "billiard.util"):
        if util := sys.modules.get(name):
            util.Finalize(None, end, exitpriority=0)
    if celery := sys.modules.get("celery.signals"):
        # The children of its prefork pool leave before billiard's finalizers.
        celery.worker_process_shutdown.connect(_Receiver(end), weak=False, dispatch_uid="kafka_integration.producers")
    if uvicorn := sys.modules.get("uvicorn.server"):
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        if isinstance(server, uvicorn.Server):
            _end_with_server(server, end)


class _Receiver:
    def __init__(self, end: Callable[[], object]) -> None:
        self._end = end

    def __call__(self, **kwargs: Any) -> None:
        self._end()


def _end_with_server(server: Any, end: Callable[[], object]) -> None:
    # After its shutdown uvicorn ends the process by the signal that it got, and Django knows no lifespan events.
    shutdown = server.shutdown

    async def shutdown_and_end(*args: Any, **options: Any) -> None:
        try:
            await shutdown(*args, **options)
        finally:
            await asyncio.to_thread(end)

    server.shutdown = shutdown_and_end
