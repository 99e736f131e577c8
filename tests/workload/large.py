"""A handler for messages of megabytes: it says what it got, and fails at some."""

from __future__ import annotations

from hashlib import sha256
from time import monotonic_ns

from kafka_integration import Message
from tests.workload.handlers import WorkloadError, effect_of


def digest(message: Message) -> None:
    """Keep what key and value hash to, but for those whose value begins with a zero byte."""
    began, key, value = monotonic_ns(), message.key_bytes or b"", message.value_bytes or b""
    if value[0] == 0:
        # The exception refers to this frame and the frame to it: only the garbage collector frees what it holds.
        error = WorkloadError("zero")
        raise error
    effect = effect_of(message, {"seq": 0}, began)
    effect.key = sha256(key + value).hexdigest()
    effect.save()
