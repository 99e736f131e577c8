"""The topics there are, what is wrong with them, and having them made as the settings say; and one topic."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...client.metadata.admin import Admin
from ...client.metadata.partition_ends import Ends, PartitionEnds, Place
from ...client.metadata.topic_configs import Config, TopicConfigs
from ...client.metadata.topic_layouts import TOPICS, TopicLayout
from ...conf import get_settings
from ...errors import BrokerError, KafkaIntegrationError
from ...operating.topics.applying import apply_changes
from ...operating.topics.health import problems_beside_a_plan, problems_of
from ...operating.topics.listing import listed_topics
from ...operating.topics.planning import Change, as_dict, changes_of, plan_topics, untold_settings_of, warned
from ...operating.topics.reading import read_cluster, read_cluster_by, untold
from ...operating.topics.texts import change_text
from ...operating.topics.wanted import cluster_of, wanted_clusters
from .operation import Done, Operation
from .page import Page

REFRESH_SECONDS = 30


class TopicsPage(Page):
    name = "topics"
    title = gettext_lazy("Topics")
    live_template = "admin/kafka_integration/pages/topics.html"
    refresh_seconds = REFRESH_SECONDS
    operations = {"apply": Operation(label=gettext_lazy("Apply"), permission="manage_topics")}

    def context(self) -> dict[str, Any]:
        states = [read_cluster(wanted) for wanted in wanted_clusters(get_settings())]
        changes = [warned(change, state) for state in states for change in changes_of(state)]
        topics = [each for state in states for each in listed_topics(state.wanted, state.layout)]
        return {
            "topics": [
                (each, self.url_of("topic", topic=each.topic), self.url_of("messages", topic=each.topic))
                for each in topics
            ],
            "problems": [problem for state in states for problem in problems_beside_a_plan(state)],
            "changes": [(change, change_text(change)) for change in changes],
            # The other obstacles of a plan are problems, and stand among those.
            "untold": [text for state in states for text in untold_settings_of(state)],
            "digest": _digest(changes),
        }

    def apply(self) -> Done:
        """Do what the plan says, if that is still the plan that the user saw."""
        plan = plan_topics(get_settings())
        if self.parameter("plan") != _digest(plan.changes):
            raise KafkaIntegrationError(_("What there is to do has changed meanwhile: look at it again."))
        results = list(apply_changes(plan.changes))
        lines = [f"{change_text(each.change)}: {each.result}" for each in results]
        failed = sum(each.has_failed for each in results)
        text = ngettext("%(count)d change made.", "%(count)d changes made.", len(results) - failed)
        text %= {"count": len(results) - failed}
        if failed:
            # Not an error of the request: others were made, which the log has to have.
            text += " " + "\n".join(line for line, each in zip(lines, results, strict=True) if each.has_failed)
        return Done(text=text, subject=_("topics"), logged="\n".join(lines))


class TopicPage(Page):
    name = "topic"
    title = gettext_lazy("Topic")
    route = "<kafka_name:topic>/"
    parent = TopicsPage
    live_template = "admin/kafka_integration/pages/topic.html"
    refresh_seconds = REFRESH_SECONDS

    def heading(self) -> Any:
        return self.kwargs["topic"]

    def context(self) -> dict[str, Any]:
        name = self.kwargs["topic"]
        wanted = cluster_of(wanted_clusters(get_settings()), name)
        if wanted is None:
            raise _is_unknown(name)
        with Admin(wanted.connection, asks_for=TOPICS) as admin:
            state = read_cluster_by(admin, wanted)
            topic = state.layout.topics.get(name)
            if topic is None:
                raise _is_unknown(name)
            ends = PartitionEnds(admin).ask([(name, each.number) for each in topic.partitions])
            config = state.configs.get(name) or TopicConfigs(admin).ask([name]).get(name)
        return {
            "topic": topic,
            "partitions": _partitions(topic, ends),
            "config": _shown(config),
            "why_untold": untold(state.connection),
            "readers": [
                (reader, self.url_of("group", group=reader.consumer_group)) for reader in state.wanted.readers_of(name)
            ],
            "is_produced": name in state.wanted.produced,
            "problems": [problem for problem in problems_of(state) if problem.topic == name],
            "messages_url": self.url_of("messages", topic=name),
        }


def _is_unknown(topic: str) -> BrokerError:
    return BrokerError(f"topic {topic}: there is no such topic, or an ACL hides it")


def _partitions(topic: TopicLayout, ends: Mapping[Place, Ends]) -> list[dict[str, Any]]:
    rows = []
    for each in topic.partitions:
        first, end = ends.get((topic.name, each.number), (None, None))
        rows.append({"layout": each, "first": first, "end": end, "behind": set(each.replicas) - set(each.in_sync)})
    return rows


def _shown(config: Config | None) -> list[tuple[str, Any]] | None:
    """The settings, a topic's own before those that its cluster gives; None where they can't be told."""
    return None if config is None else sorted(config.items(), key=lambda item: (not item[1].is_own, item[0]))


def _digest(changes: Iterable[Change]) -> str:
    # Without warnings: how far a group has got may change all the time.
    plan = [{**as_dict(change), "warning": None} for change in changes]
    return sha256(json.dumps(plan).encode()).hexdigest()
