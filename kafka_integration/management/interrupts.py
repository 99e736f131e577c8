"""What a command does that is interrupted while it waits: it ends with a line, not with a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

INTERRUPTED = 130
"""As a shell calls the end by SIGINT."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C inside is a ``CommandError``."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError("interrupted", returncode=INTERRUPTED) from None
