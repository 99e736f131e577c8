"""This project's consumer, as `manage.py runconsumer` runs it; BENCH_CONSUMER has its settings."""

from __future__ import annotations

import sys

from django.core.management import execute_from_command_line


def without_fast() -> None:
    """As where the extra `fast` isn't installed."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]


if __name__ == "__main__":
    if sys.argv[1] == "without-fast":
        without_fast()
    execute_from_command_line(["manage.py", "runconsumer"])
    # The handler's meter would have ended the process.
    sys.exit("runconsumer ended before its messages were handled")
