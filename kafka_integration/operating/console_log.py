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
    _enable_all()
    log = logging.getLogger(PACKAGE)
    if log.hasHandlers():
        return
    handler = logging.StreamHandler()
    process = " %(process)d" if of_several else ""
    handler.setFormatter(logging.Formatter(f"%(asctime)s{process} %(levelname)-7s %(message)s"))
    log.addHandler(handler)
    log.setLevel(LEVELS.get(verbosity, logging.DEBUG))


def _enable_all() -> None:
    """Undo what ``dictConfig()`` does to loggers that are there before it, as in an app's ``ready()``.

    Who wants less of the log has levels and handlers; a relay without a word of what it can't send is nobody's wish.
    """
    for name in list(logging.root.manager.loggerDict):
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            logging.getLogger(name).disabled = False
