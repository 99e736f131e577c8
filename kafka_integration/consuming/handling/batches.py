"""A batch that failed: which of its messages did, and the smaller batches that are left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ...message import Message
from ...outcomes import BatchError, HandleApart
from ...summaries import attribute_of
from ..ordering.chunk import Chunk


def failures_by_offset(messages: Sequence[Message], error: Exception) -> dict[int, Exception]:
    """What a ``BatchError`` says of these messages; empty for any other error, or one that names others."""
    # A subclass with an __init__ of its own may have none, or what it likes.
    failures = attribute_of(error, "failures") if isinstance(error, BatchError) else None
    if not isinstance(failures, Mapping) or not all(map(_is_failure, failures.items())):
        return {}
    known = {_place(message) for message in messages}
    if not known.issuperset(map(_place, failures)):
        return {}
    return {message.offset: reason for message, reason in failures.items()}


def narrowed(chunk: Chunk, error: Exception) -> list[Chunk]:
    """A failed batch as smaller ones, which stay apart: cut where messages are known to be at fault, else in halves."""
    messages = chunk.messages
    at_fault = error.offsets if isinstance(error, HandleApart) else frozenset[int]()
    places = [place for place, message in enumerate(messages) if message.offset in at_fault] if at_fault else []
    bounds = sorted({0, *(places or [len(messages) // 2]), *(place + 1 for place in places), len(messages)})
    return [Chunk(messages=messages[start:end], is_narrowed=True) for start, end in pairwise(bounds)]


def _is_failure(item: tuple[object, object]) -> bool:
    message, reason = item
    return isinstance(message, Message) and isinstance(reason, BaseException)


def _place(message: Message) -> tuple[str, int, int]:
    return message.topic, message.partition, message.offset
