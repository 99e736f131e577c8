"""The options of monitoring, which ``runconsumer`` and ``runrelay`` have in common."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..operating.monitoring.request import MonitoringRequest
from .arguments import number_between


def add_monitoring_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--metrics-port",
        type=number_between(0, 65535),
        metavar="N",
        help="serve /metrics, /healthz and /readyz at this port (0: any that is free, which the log says)",
    )
    parser.add_argument(
        "--metrics-address", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)"
    )
    parser.add_argument("--heartbeat-file", type=Path, metavar="PATH", help="touch this file while alive")


def read_monitoring(options: Mapping[str, Any]) -> MonitoringRequest:
    """What was given of them."""
    return MonitoringRequest(
        port=options["metrics_port"], address=options["metrics_address"], heartbeat_file=options["heartbeat_file"]
    )
