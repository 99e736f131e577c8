"""Lines that somebody types, or that a file holds, sent as messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import InvalidMessageError, ProduceError
from ..headers import GivenHeaders
from ..serialization import decode_json
from .delivery import Delivery
from .produce import produce

# Enough to fill the client's batches, few enough for any memory.
UNCONFIRMED_LINES = 10_000
UNCONFIRMED_BYTES = 64 * 1024 * 1024
CONFIRMATION_SECONDS = 30.0
REMEMBERED_FAILURES = 10


class LineSender:
    """Sends lines to one topic, and knows at any time how many were confirmed and which were not.

    All of them have the ``key``, or each that of a field of its JSON object; a line is at most ``longest`` bytes long.
    """

    def __init__(
        self,
        topic: str,
        *,
        key: str | None = None,
        key_field: str | None = None,
        headers: GivenHeaders = (),
        longest: int,
    ) -> None:
        self._topic = topic
        self._key = key
        self._key_field = key_field
        self._headers = headers
        self._longest = longest
        self._under_way: deque[tuple[int, int, Delivery]] = deque()
        self._bytes_under_way = 0
        self._late: ProduceError | None = None
        self.read = 0
        self.sent = 0
        self.failed = 0
        self.failures: list[tuple[int, ProduceError]] = []
        """The first of them, each with the number of its line."""

    @property
    def unconfirmed(self) -> int:
        """Of how many it isn't known whether they arrived."""
        return len(self._under_way)

    def send(self, lines: Iterable[bytes | str], on_progress: Callable[[], None] = lambda: None) -> None:
        """Sends each line, without its end, until they end or one fails; then waits for those that are under way."""
        for line in lines:
            self.read += 1
            try:
                self._send(line)
            except ProduceError as error:
                self._fail(self.read, error)
            self._settle(UNCONFIRMED_LINES, UNCONFIRMED_BYTES)
            on_progress()
            if self.failed:
                break
        self._settle(0, 0)

    def _send(self, line: bytes | str) -> None:
        size = len(line)
        text = _without_end(line)
        if len(text) > self._longest:
            raise InvalidMessageError(
                f"topic {self._topic}: the line has more than {self._longest} bytes, which is message.max.bytes. Send "
                'less, or raise message.max.bytes in KAFKA["producer"]["config"] and max.message.bytes of the topic.'
            )
        text = _as_text(text)
        delivery = produce(self._topic, text, key=self._key_of(text), headers=self._headers)
        self._under_way.append((self.read, size, delivery))
        self._bytes_under_way += size

    def _key_of(self, text: bytes | str) -> Any:
        if self._key_field is None:
            return self._key
        try:
            document = decode_json(text.encode() if isinstance(text, str) else text)
            key = document[self._key_field]
        except (ValueError, LookupError, TypeError) as error:
            raise InvalidMessageError(
                f"topic {self._topic}: the line is no JSON object with the field {self._key_field!r:.80}, of which its "
                "key is to be made."
            ) from error
        return key

    def _settle(self, most_lines: int, most_bytes: int) -> None:
        """Waits for the oldest until at most so many are under way; takes what is known already."""
        under_way = self._under_way
        while under_way and (
            under_way[0][2].done() or len(under_way) > most_lines or self._bytes_under_way > most_bytes
        ):
            number, size, delivery = under_way[0]
            self._settle_one(number, delivery)
            # Only now: whoever interrupts this has to be told of it.
            under_way.popleft()
            self._bytes_under_way -= size

    def _settle_one(self, number: int, delivery: Delivery) -> None:
        if self._late is not None and not delivery.done():
            # The reason was looked for once; it is the same for all that are late.
            self._fail(number, self._late)
            return
        try:
            delivery.result(CONFIRMATION_SECONDS)
        except ProduceError as error:
            self._late = error if error.may_still_arrive else self._late
            self._fail(number, error)
        else:
            self.sent += 1

    def _fail(self, number: int, error: ProduceError) -> None:
        self.failed += 1
        if len(self.failures) < REMEMBERED_FAILURES:
            self.failures.append((number, error))


def _without_end(line: bytes | str) -> bytes | str:
    if isinstance(line, str):
        return line.removesuffix("\n").removesuffix("\r")
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _as_text(line: bytes | str) -> bytes | str:
    """Text, since serializers may want that; bytes only where they are not UTF-8."""
    try:
        return line.decode() if isinstance(line, bytes) else line
    except UnicodeDecodeError:
        return line
