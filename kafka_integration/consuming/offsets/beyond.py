"""What is finished beyond a committed offset, as text for Kafka's own field for such: the metadata of an offset.

A mark with a version, then in base 85: a checksum, how it is written, the leader's epoch, and the offsets as lengths of
runs or as bits, whichever is shorter. What others wrote there, or what was damaged, says nothing.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MARK = "beyond1:"
MOST_OFFSETS = 1_000_000
"""More than that is no word of ours: it would only cost memory."""
_RUNS, _BITS = 0, 1
_CHECKSUM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What of a partition is finished above its floor."""

    offsets: tuple[int, ...] = ()
    """Ascending."""
    epoch: int | None = None
    """That of the leader that wrote the last of them: what a later one wrote at these offsets are other messages."""


NOTHING = Beyond()


def beyond_of(epochs: Mapping[int, int | None]) -> Beyond:
    """What is finished, by offset with the epoch of the leader that wrote it, where that is known."""
    known = [epoch for epoch in epochs.values() if epoch is not None]
    # Where one isn't known, none of them can be told from what a later leader wrote.
    return Beyond(offsets=tuple(sorted(epochs)), epoch=max(known) if len(known) == len(epochs) > 0 else None)


def encode(beyond: Beyond, floor: int, most_characters: int) -> tuple[str, int]:
    """The text, and how many of the offsets it has room for, the lowest first; ``""`` where that is none."""
    offsets = beyond.offsets[:MOST_OFFSETS]
    text = _encoded(offsets, beyond.epoch, floor)
    if len(text) <= most_characters:
        return text, len(offsets)
    fits, too_many = 0, len(offsets)
    while too_many - fits > 1:
        count = (fits + too_many) // 2
        if len(_encoded(offsets[:count], beyond.epoch, floor)) <= most_characters:
            fits = count
        else:
            too_many = count
    return _encoded(offsets[:fits], beyond.epoch, floor), fits


def decode(text: str, floor: int) -> Beyond:
    """What the text says of an offset committed with it; nothing where it is not ours."""
    if not text.startswith(MARK):
        return NOTHING
    try:
        data = base64.b85decode(text[len(MARK) :])
        checksum, body = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if checksum != _checksum(body, floor):
            return NOTHING
        numbers = iter(body)
        kind, epoch = next(numbers), _read(numbers) - 1
        offsets = _read_runs(numbers, floor) if kind == _RUNS else _read_bits(bytes(numbers), floor)
        return Beyond(offsets=tuple(offsets), epoch=None if epoch < 0 else epoch)
    except (ValueError, StopIteration, OverflowError):
        return NOTHING


def _encoded(offsets: Sequence[int], epoch: int | None, floor: int) -> str:
    if not offsets:
        return ""
    head = _varint(0 if epoch is None else epoch + 1)
    lengths, span_bytes = _lengths(offsets, floor), (offsets[-1] - floor) // 8 + 1
    # Each length takes a byte at least.
    runs = b"".join(map(_varint, lengths)) if len(lengths) <= span_bytes else b""
    body = bytes([_RUNS]) + head + runs
    if not runs or span_bytes < len(runs):
        body = bytes([_BITS]) + head + _bits(offsets, floor)
    return MARK + base64.b85encode(_checksum(body, floor) + body).decode("ascii")


def _checksum(body: bytes, floor: int) -> bytes:
    """Of the floor as well: a commit of a tool that kept the text and moved the offset would tell of other messages."""
    return zlib.crc32(body, zlib.crc32(str(floor).encode())).to_bytes(_CHECKSUM_BYTES, "big")


def _lengths(offsets: Sequence[int], floor: int) -> list[int]:
    """By turns how many offsets are not finished, and how many are."""
    lengths = [offsets[0] - floor, 0]
    expected = offsets[0]
    for offset in offsets:
        if offset == expected:
            lengths[-1] += 1
        else:
            lengths += (offset - expected, 1)
        expected = offset + 1
    return lengths


def _bits(offsets: Sequence[int], floor: int) -> bytes:
    bits = bytearray((offsets[-1] - floor) // 8 + 1)
    for offset in offsets:
        place = offset - floor
        bits[place // 8] |= 1 << place % 8
    return bytes(bits)


def _read_runs(numbers: Iterator[int], floor: int) -> list[int]:
    offsets: list[int] = []
    at = floor
    for first in numbers:
        at += _read(numbers, first)
        length = _read(numbers)
        if len(offsets) + length > MOST_OFFSETS:
            raise ValueError(length)
        offsets.extend(range(at, at + length))
        at += length
    return offsets


def _read_bits(data: bytes, floor: int) -> list[int]:
    return [floor + 8 * index + bit for index, byte in enumerate(data) for bit in range(8) if byte >> bit & 1]


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first, as Kafka's own."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _read(numbers: Iterator[int], first: int | None = None) -> int:
    byte = next(numbers) if first is None else first
    number = shift = 0
    while byte & 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
        byte = next(numbers)
    return number | byte << shift
