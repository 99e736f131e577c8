"""For users' own tests: what was sent, what a handler does with a message, and a broker without Kafka.

Names are resolved on first use: the pytest plugin is loaded in every project, before Django is set up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .asserting import KafkaTestMixin
    from .capturing import CapturedMessage, CapturedMessages, captured_messages
    from .delivering import Outcome, deliver
    from .embedding import EmbeddedKafka, embedded_kafka
    from .surviving import assert_survives_crashes

_HOME_OF = {
    "CapturedMessage": ".capturing",
    "CapturedMessages": ".capturing",
    "EmbeddedKafka": ".embedding",
    "KafkaTestMixin": ".asserting",
    "Outcome": ".delivering",
    "assert_survives_crashes": ".surviving",
    "captured_messages": ".capturing",
    "deliver": ".delivering",
    "embedded_kafka": ".embedding",
}

__all__ = [
    "CapturedMessage",
    "CapturedMessages",
    "EmbeddedKafka",
    "KafkaTestMixin",
    "Outcome",
    "assert_survives_crashes",
    "captured_messages",
    "deliver",
    "embedded_kafka",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value
