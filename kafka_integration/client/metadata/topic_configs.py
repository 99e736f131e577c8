"""The settings that a topic has in its cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public there, but not re-exported by its types
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError
from ..transports.choosing import transport_of
from .admin import Admin, Asker, answer_of

UNKNOWN_TOPIC = "UNKNOWN_TOPIC_OR_PART"
SETTINGS = "settings of topics"

Config = Mapping[str, "ConfigValue"]


@dataclass(frozen=True, kw_only=True)
class ConfigValue:
    """One setting; ``is_own`` where the topic has it of its own, not by a default of the cluster."""

    value: str | None
    is_own: bool


class TopicConfigs(Asker):
    """Asks one cluster for the settings of topics."""

    def __init__(self, by: Connection | Admin) -> None:
        self._ask_by(by, asks_for=SETTINGS)
        self._can_tell = transport_of(self._admin.connection).takes_admin_requests

    def ask(self, topics: Collection[str]) -> dict[str, Config]:
        """The settings of each topic, without those of which an ACL keeps them from us, or which are gone.

        Raises ``BrokerError`` if the cluster can't be asked; the embedded broker has no settings to tell.
        """
        if not topics or not self._can_tell:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        found: dict[str, Config] = {}
        with self._admin.question(SETTINGS) as (client, timeout):
            for resource, answer in client.describe_configs(resources, request_timeout=timeout).items():
                with suppress(AccessDeniedError):
                    try:
                        entries = answer_of(answer, place=f"topic {resource.name}", timeout=timeout)
                    except BrokerError as error:
                        if error.code != UNKNOWN_TOPIC:
                            raise
                    else:
                        found[resource.name] = {name: _value(entry) for name, entry in entries.items()}
        return found


def _value(entry: Any) -> ConfigValue:
    # A number where it comes from librdkafka, an enumeration where somebody made it by hand.
    is_own = int(getattr(entry.source, "value", entry.source)) == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return ConfigValue(value=entry.value, is_own=is_own)
