"""What an operator can have done on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db.models import Model


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A button: what stands on it, and who may press it. The page's method of the same name carries it out."""

    label: Any
    permission: str
    """A permission of this app, such as "control_processes"."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What an operation did: for its user, and for the admin's log."""

    text: str
    """What the user is told."""
    subject: Model | str
    """What was changed: a row, or the name of what is none."""
    logged: str
    """What the log says of it."""
    flag: int = CHANGE
    url: str = ""
    """Where the user goes on; without it, the page that the button stood on."""
