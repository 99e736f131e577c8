"""What a cluster has of the topics that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ...client.metadata.admin import Admin
from ...client.metadata.topic_configs import Config, TopicConfigs
from ...client.metadata.topic_layouts import TOPICS, ClusterLayout, TopicLayout, TopicLayouts
from ...client.transports.choosing import transport_of
from ...conf.connection import Connection
from .wanted import WantedCluster, WantedTopic


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """A cluster as it is beside what is wanted of it; ``configs`` lacks what can't be asked for."""

    wanted: WantedCluster
    layout: ClusterLayout
    configs: Mapping[str, Config]

    @property
    def connection(self) -> Connection:
        return self.wanted.connection

    @property
    def ours(self) -> list[TopicLayout]:
        """The topics there that the settings mean, by name or by pattern."""
        return [topic for name, topic in sorted(self.layout.topics.items()) if self.wanted.names(name)]

    @property
    def missing(self) -> list[WantedTopic]:
        """The topics that the settings name and the cluster lacks, as far as this user may see."""
        return [wanted for wanted in self.wanted.topics if wanted.name not in self.layout.topics]


def read_cluster(wanted: WantedCluster) -> ClusterState:
    """Ask a cluster for its topics, and for the settings of ours; ``BrokerError`` if it can't be asked."""
    with Admin(wanted.connection, asks_for=TOPICS) as admin:
        return read_cluster_by(admin, wanted)


def read_cluster_by(admin: Admin, wanted: WantedCluster) -> ClusterState:
    """The same by an open client, for who has more to ask."""
    layout = TopicLayouts(admin).ask()
    ours = [name for name in layout.topics if wanted.names(name)]
    return ClusterState(wanted=wanted, layout=layout, configs=TopicConfigs(admin).ask(ours))


def untold(connection: Connection) -> Promise:
    """Why the settings of a topic are not among those that its cluster told, in the language of who reads it."""
    if not transport_of(connection).takes_admin_requests:
        return _("the embedded broker keeps no settings of topics")
    return _("its settings can't be asked for: grant this user DESCRIBE_CONFIGS on the topic")
