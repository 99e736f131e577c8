"""The settings of the topics in which groups have something left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.functional import Promise

from ...client.metadata.admin import Admin
from ...client.metadata.topic_configs import Config, TopicConfigs
from ...errors import BrokerError
from ...summaries import escaped, shortened, text_of
from ..topics.reading import untold


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """Of topics as far as a cluster tells them, and why it doesn't of others."""

    configs: Mapping[str, Config] = field(default_factory=dict)
    trouble: str | Promise = ""
    """Put into words by who reads it: whoever asks may do so in a thread of another language."""


NOTHING_TOLD = TopicSettings()


def ask_for_settings(admin: Admin, topics: Collection[str]) -> TopicSettings:
    """By who has just asked how far groups are: nothing that goes wrong here is an obstacle to that."""
    try:
        configs = TopicConfigs(admin).ask(topics)
    except BrokerError as error:
        return TopicSettings(trouble=shortened(escaped(text_of(error))))
    return TopicSettings(configs=configs, trouble=untold(admin.connection) if set(topics) - configs.keys() else "")


def settings_of_all(answers: Sequence[TopicSettings]) -> TopicSettings:
    """What several clusters have told, of which each has topics of one group."""
    configs = {name: config for told in answers for name, config in told.configs.items()}
    troubles = dict.fromkeys(str(told.trouble) for told in answers if told.trouble)
    return TopicSettings(configs=configs, trouble="; ".join(troubles))
