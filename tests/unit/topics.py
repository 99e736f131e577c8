"""What tests of topics share: settings with some, and the documents of ``kafkatopics``."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.unit.consumers import HANDLER


def kafka_with(topics: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """``KAFKA`` with these topics, in memory, and nobody who uses them unless told."""
    return {"endpoints": "memory", "topics": topics or {}, **keys}


def consumer_of(*topics: str, **keys: Any) -> dict[str, Any]:
    return {"topics": list(topics), "consumer_group": "group", "message_handler": HANDLER, **keys}


def document(action: str, *, fails: bool = False) -> Any:
    """What ``kafkatopics ACTION --json`` prints; with ``fails`` it has to exit with 1 too."""
    output = io.StringIO()
    with pytest.raises(CommandError) if fails else nullcontext() as raised:
        call_command("kafkatopics", action, "--json", stdout=output, stderr=io.StringIO())
    assert raised is None or raised.value.returncode == 1
    return json.loads(output.getvalue())


def lines(action: str, capsys: pytest.CaptureFixture[str]) -> str:
    call_command("kafkatopics", action)
    return capsys.readouterr().out
