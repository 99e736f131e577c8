"""Headers as the client takes them, so that tracers which wrap it can put their context among them.

A message is handed to the client by keyword for their sake as well: they look for arguments by name, and take whatever
stands at a place for something else where there are none.
"""

from __future__ import annotations


class ClientHeaders(list[tuple[str, bytes | str | None]]):
    """A list of pairs to which others may add as to a list (OpenTelemetry) or as to a dict (Datadog)."""

    def __setitem__(self, key: object, value: object) -> None:
        if isinstance(key, str):
            self.append((key, value))  # type: ignore[arg-type]  # the client says what it can't take
        else:
            super().__setitem__(key, value)  # type: ignore[call-overload]  # a list's own
