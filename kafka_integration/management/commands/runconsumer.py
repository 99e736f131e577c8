"""``manage.py runconsumer``: consumes with the handlers that ``settings.KAFKA`` names."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from ...checks.certificates import find_certificate_problems
from ...conf import get_settings
from ...errors import ConfigurationError
from ...operating.console_log import show_log
from ...operating.garbage import spare_the_collector
from ..arguments import number_between
from ..monitoring import add_monitoring_arguments, read_monitoring
from ..own_process import LastingCommand
from ..usage import ExplainedCommand, Usage

MAX_PROCESSES = 128
USAGE = Usage(
    command="runconsumer",
    examples={
        "": "all enabled consumers, until they are stopped",
        "marketing --processes 4": "one of them, as four members of its group",
        "--reload": "while you develop",
        "marketing --until-caught-up": "handle what is there, for cron or a test",
        "marketing --metrics-port 9100": "watched by Prometheus, and by the probes of Kubernetes",
        "--list": "which there are",
    },
    statuses={
        0: "stopped as asked, caught up, or all messages asked for are handled",
        1: "a consumer failed, and the log says why; or the settings are wrong",
        2: "wrong usage",
        3: "forced: the grace period was over, or a second signal came",
        4: "--until-caught-up ended with something left to do, and the log says what",
    },
)


class Command(LastingCommand, ExplainedCommand):
    usage = USAGE
    help = "Consumes topics with the configured handlers: all enabled consumers, or those named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="a configured consumer (default: all enabled)")
        parser.add_argument(
            "--processes",
            type=number_between(1, MAX_PROCESSES),
            default=1,
            metavar="N",
            help="worker processes to fork",
        )
        parser.add_argument(
            "--until-caught-up",
            action="store_true",
            help="handle what is there now, then exit: with 4 if the group has left some of it",
        )
        parser.add_argument(
            "--max-messages", type=number_between(1, 10**12), metavar="N", help="stop after N messages of each consumer"
        )
        parser.add_argument("--reload", action="store_true", help="restart when code changes (for development)")
        parser.add_argument("--list", action="store_true", help="list the configured consumers and exit")
        add_monitoring_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        show_log(options["verbosity"], of_several=options["processes"] > 1)
        if self.has_own_process:
            # Before the consumer is loaded: for a fifth of that time it would walk through what is there already.
            spare_the_collector()
        from ...operating.leaving import leave
        from ...operating.running import RunRequest, choose, describe, run

        settings = get_settings()
        if options["list"]:
            self.stdout.write("\n".join(describe(settings.consumers.values())))
            return
        consumers = choose(settings, options["names"])
        if problems := [text for each in consumers for text in find_certificate_problems(each.connection)]:
            raise ConfigurationError(list(dict.fromkeys(problems)))
        status = run(
            RunRequest(
                consumers=consumers,
                processes=options["processes"],
                until_caught_up=options["until_caught_up"],
                max_messages=options["max_messages"],
                reload=options["reload"],
                monitoring=read_monitoring(options),
                has_own_process=self.has_own_process,
            )
        )
        if status:
            leave(status)
