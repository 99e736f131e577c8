"""This project's consumer, seen by those who operate it: its form says by whom.

`alone`: it writes no rows, and nobody monitors it. `watched`: rows in the database, and `--metrics-port`. `traced`: a
span for each message besides, recorded by OpenTelemetry's SDK and sent nowhere.
"""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

METRICS = ["--metrics-port", "0"]


def record_spans() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())


if __name__ == "__main__":
    form = sys.argv[1]
    os.environ["BENCH_ROWS"] = str(form != "alone")
    os.environ["BENCH_TRACING"] = str(form == "traced")
    if form == "traced":
        record_spans()
    execute_from_command_line(["manage.py", "runconsumer", *([] if form == "alone" else METRICS)])
    # The handler's meter would have ended the process.
    sys.exit("runconsumer ended before its messages were handled")
