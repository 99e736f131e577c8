"""``manage.py runrelay``: takes what was published from the outbox to Kafka."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from ...conf import get_settings
from ...operating.console_log import show_log
from ...operating.garbage import spare_the_collector
from ...operating.leaving import leave
from ...operating.monitoring.opening import monitored
from ...operating.relays import run_relays
from ...operating.stopping import StopRequest
from ..monitoring import add_monitoring_arguments, read_monitoring
from ..own_process import LastingCommand
from ..usage import ExplainedCommand, Usage

USAGE = Usage(
    command="runrelay",
    examples={
        "": "every database with an outbox, until it is stopped",
        "--once": "what is there now, for cron or a test",
        "--heartbeat-file /tmp/alive": "watched by a probe that looks at a file",
    },
    statuses={
        0: "stopped as asked, or --once is done",
        1: "a relay failed, and the log says why; or the settings are wrong",
        2: "wrong usage",
        3: "forced: a database gave no answer in time, or a second signal came",
    },
)


class Command(LastingCommand, ExplainedCommand):
    usage = USAGE
    help = "Relays the outbox: what publish() and @publishes wrote goes to Kafka, once its transaction has committed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="relay what is there now, then exit with status 0")
        add_monitoring_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        show_log(options["verbosity"])
        if self.has_own_process:
            spare_the_collector()
        stop = StopRequest()
        with monitored(read_monitoring(options)) as monitor, stop.installed():
            status = run_relays(get_settings(), stop, once=options["once"], monitor=monitor)
        if status:
            leave(status)
