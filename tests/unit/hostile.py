"""What somebody may write who means harm, and what must not come of it on a page or a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser

MARKUP = "<x-evil onevil=1></script><x-evil>"
QUOTES = "\" onevil='1' ' onevil=\"1\" `"
STEERS = "\r\nX-Evil: 1\r\n\x1b[2J\x1b]0;evil\x07\x08\u202egnp.exe\u2066\u200f\u2028\x85\x9b31m"
LINE = f"{MARKUP}{QUOTES}{STEERS}"
"""Text that every database takes; Kafka's bytes may have a NUL and what is no UTF-8 too."""
BYTES = LINE.encode() + b"\0\xff\xfe"
LARGE = BYTES * (1_000_000 // len(BYTES))
NAME = f"{MARKUP}\x1b[2J\u202e"
"""For columns that are short."""

# White space on a page, whatever line ends its source has.
_LINES = "\n\t\r"
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Shown(HTMLParser):
    """A page as a browser reads it: what is markup in it, and what is text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.markup: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup |= {tag, *(name for name, _ in attrs)}
        # In a field stands what its user typed, as it was typed.
        self.texts += [value or "" for name, value in attrs if not (tag == "input" and name == "value")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.markup.add(f"<!--{data}")


def harm_on(page: str) -> Iterator[str]:
    """What a browser would obey that we did not write, and what a reader would be misled by."""
    shown = Shown(page)
    for name in sorted(shown.markup):
        if "evil" in name:
            yield f"markup {name}"
    for text in shown.texts:
        if steering := steering_in(text):
            yield f"{steering} in {text[:300]!r}"


def steering_in(text: str, *, lines: str = _LINES) -> set[str]:
    """Characters that steer a terminal, or the direction of what follows."""
    steers = ("Cc", "Zl", "Zp", "Cs")
    return {
        char for char in text if char in _DIRECTIONS or (unicodedata.category(char) in steers and char not in lines)
    }
