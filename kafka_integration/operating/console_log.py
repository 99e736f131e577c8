"""The log of a command in a terminal, for projects that have not configured any."""

from __future__ import annotations

import logging

PACKAGE = "kafka_integration"
LEVELS = {0: logging.WARNING, 1: logging.INFO}
"""By ``--verbosity``; more is everything."""


def show_log(verbosity: int, *, of_several: bool = False) -> None:
    """Write the package's log to stderr, unless the project's ``LOGGING`` has it go somewhere already.

    Django configures its own loggers only: without this an operator would see warnings and nothing else.
    With ``of_several`` processes each line says whose it is.
    """
    log = logging.getLogger(PACKAGE)
    if log.hasHandlers():
        return
    handler = logging.StreamHandler()
    process = " %(process)d" if of_several else ""
    handler.setFormatter(logging.Formatter(f"%(asctime)s{process} %(levelname)-7s %(message)s"))
    log.addHandler(handler)
    log.setLevel(LEVELS.get(verbosity, logging.DEBUG))
