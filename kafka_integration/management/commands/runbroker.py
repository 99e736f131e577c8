"""``manage.py runbroker``: the embedded broker, for development without Kafka, Java or Docker."""

from __future__ import annotations

import signal
from typing import Any

from ...client.transports.embedded import announced_broker, configured_topics
from ...conf import get_settings
from ..usage import ExplainedCommand, Usage

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
USAGE = Usage(
    command="runbroker",
    examples={"": 'until Ctrl-C; with "endpoints": "embedded" in the settings'},
    statuses={
        0: "stopped as asked",
        1: "one runs already for this project, or the settings are wrong",
        2: "wrong usage",
    },
)


class Command(ExplainedCommand):
    usage = USAGE
    help = "Runs the embedded broker that consumers and producers with the endpoints “embedded” find by themselves."

    def handle(self, *args: Any, **options: Any) -> None:
        # Blocked first: librdkafka's threads inherit the mask, so that only sigwait() receives them.
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            with announced_broker(configured_topics(get_settings())) as broker:
                self._greet(broker.servers)
                signal.sigwait(STOP_SIGNALS)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        self.stdout.write("The embedded broker has stopped; its messages are gone.")

    def _greet(self, servers: str) -> None:
        self.stdout.write(
            f"The embedded broker listens on {servers}. Stop it with Ctrl-C.\n"
            "It keeps everything in memory: about the last 5 MB of each partition, and nothing once it stops."
        )
        self.stdout.flush()
