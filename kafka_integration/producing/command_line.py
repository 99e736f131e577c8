"""A message as the ``kafkaproduce`` line that sends it again."""

from __future__ import annotations

import shlex

from ..headers import Headers

LONGEST = 10_000


def command_line(topic: str, *, key: bytes | None, value: bytes | None, headers: Headers) -> str | None:
    """The line, for a shell; None for a message that no line can say: a tombstone, bytes, control characters."""
    texts = [_text(part) for part in (value, *(() if key is None else (key,)), *(value for _, value in headers))]
    if any(text is None for text in texts) or any("=" in name for name, _ in headers):
        return None
    given = [] if key is None else [f"--key={key.decode()}"]
    given += [f"--header={name}={(header or b'').decode()}" for name, header in headers]
    line = shlex.join(["python", "manage.py", "kafkaproduce", *given, "--", topic, (value or b"").decode()])
    return line if len(line) <= LONGEST and all(map(_is_plain, line)) else None


def _text(part: bytes | None) -> str | None:
    try:
        return None if part is None else part.decode()
    except UnicodeDecodeError:
        return None


def _is_plain(character: str) -> bool:
    return character.isprintable() or character in "\n\t"
