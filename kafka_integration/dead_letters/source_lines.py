"""A line of code as it may be kept: without what follows the name of a secret."""

from __future__ import annotations

import linecache
import re

MAX_LINE = 300

_SECRET_NAME = re.compile(
    r"(?i)[\w.-]*(?:passw|passphrase|pwd|secret|token|jaas|key|credential|authorization|bearer)[\w.-]*"
)
_LITERAL = re.compile(r"[\"']|\d{4}")
_USERINFO = re.compile(r"//[^/\s\"']+@")


def source_line(file: str, number: int) -> str:
    """The line's text; ``""`` where the file can't be read."""
    line = linecache.getline(file, number).strip()[:MAX_LINE]
    return _without_secrets(line) if line else ""


def _without_secrets(line: str) -> str:
    """The line up to a secret's name, if there is a literal in what follows: where that ends nobody can say."""
    line = _USERINFO.sub("//(hidden)@", line)
    name = _SECRET_NAME.search(line)
    return line if name is None or not _LITERAL.search(line, name.end()) else f"{line[: name.end()]}(hidden)"
