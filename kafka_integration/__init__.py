"""Apache Kafka for Django: settings in one dict, handlers by dotted path, ``manage.py runconsumer``.

Names are resolved on first use, so that importing the package loads neither models nor the Kafka client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .admin import PublishAdminMixin
    from .errors import (
        AccessDeniedError,
        BatchProduceError,
        BrokerError,
        BrokerUnavailableError,
        ConfigurationError,
        DecodeError,
        HandlerError,
        InvalidMessageError,
        KafkaIntegrationError,
        ProduceError,
        ProduceTimeoutError,
    )
    from .message import Message
    from .messages import Messages
    from .outbox.decorator import publish_instances, publishes
    from .outbox.publish import publish, publish_batch
    from .outcomes import NO_COMMIT, BatchError, CommitThrough, Reject, Retry, Skip
    from .producing.aproduce import aproduce
    from .producing.batch import produce_batch
    from .producing.produce import produce, produce_sync

__version__ = "0.1.0"

_HOMES = {
    ".admin": ("PublishAdminMixin",),
    ".errors": (
        "AccessDeniedError",
        "BatchProduceError",
        "BrokerError",
        "BrokerUnavailableError",
        "ConfigurationError",
        "DecodeError",
        "HandlerError",
        "InvalidMessageError",
        "KafkaIntegrationError",
        "ProduceError",
        "ProduceTimeoutError",
    ),
    ".message": ("Message",),
    ".messages": ("Messages",),
    ".outcomes": ("NO_COMMIT", "BatchError", "CommitThrough", "Reject", "Retry", "Skip"),
    ".outbox.decorator": ("publish_instances", "publishes"),
    ".outbox.publish": ("publish", "publish_batch"),
    ".producing.aproduce": ("aproduce",),
    ".producing.batch": ("produce_batch",),
    ".producing.produce": ("produce", "produce_sync"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "NO_COMMIT",
    "AccessDeniedError",
    "BatchError",
    "BatchProduceError",
    "BrokerError",
    "BrokerUnavailableError",
    "CommitThrough",
    "ConfigurationError",
    "DecodeError",
    "HandlerError",
    "InvalidMessageError",
    "KafkaIntegrationError",
    "Message",
    "Messages",
    "ProduceError",
    "ProduceTimeoutError",
    "PublishAdminMixin",
    "Reject",
    "Retry",
    "Skip",
    "aproduce",
    "produce",
    "produce_batch",
    "produce_sync",
    "publish",
    "publish_batch",
    "publish_instances",
    "publishes",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
