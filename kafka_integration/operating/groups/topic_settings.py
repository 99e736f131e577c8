"""The settings of the topics in which groups have something left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ...client.metadata.admin import Admin
from ...client.metadata.topic_configs import Config, TopicConfigs
from ...errors import BrokerError
from ...summaries import escaped, shortened, text_of
from ..topics.reading import untold


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """Of topics as far as a cluster tells them, and why it doesn't of others."""

    configs: Mapping[str, Config] = field(default_factory=dict)
    trouble: str = ""


NOTHING_TOLD = TopicSettings()


def ask_for_settings(admin: Admin, topics: Collection[str]) -> TopicSettings:
    """By who has just asked how far groups are: nothing that goes wrong here is an obstacle to that."""
    try:
        return TopicSettings(configs=TopicConfigs(admin).ask(topics), trouble=untold(admin.connection))
    except BrokerError as error:
        return TopicSettings(trouble=shortened(escaped(text_of(error))))


def settings_of_all(answers: Sequence[TopicSettings]) -> TopicSettings:
    """What several clusters have told, of which each has topics of one group."""
    configs = {name: config for told in answers for name, config in told.configs.items()}
    troubles = dict.fromkeys(told.trouble for told in answers if told.trouble)
    return TopicSettings(configs=configs, trouble="; ".join(troubles))
