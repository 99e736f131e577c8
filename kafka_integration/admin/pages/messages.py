"""The messages of a topic, looked at in bounds."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...codecs import SerializationContext
from ...conf import get_settings
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError, KafkaIntegrationError
from ...headers import dump_headers
from ...operating.topics.browsing import (
    LIMIT,
    MOST_OFFSETS,
    SECONDS,
    Look,
    PartitionLook,
    Query,
    SeenMessage,
    Start,
    look,
)
from ...operating.topics.wanted import WantedCluster, cluster_of, wanted_clusters
from ...operating.typed import is_number, read_start
from ...producing.command_line import command_line
from ...serialization import decode
from ...summaries import summarize
from ..links import has_permission
from ..payloads import headers_table, payload_block
from .page import Page
from .topics import TopicsPage

FIELDS = ("partition", "start", "key", "text")


class MessagesPage(Page):
    name = "messages"
    title = gettext_lazy("Messages")
    route = "<kafka_name:topic>/"
    parent = TopicsPage
    template_name = "admin/kafka_integration/pages/messages_form.html"
    live_template = "admin/kafka_integration/pages/messages.html"
    # Each look reads from the brokers.
    refresh_seconds = None

    def heading(self) -> Any:
        return _("Messages of %(topic)s") % {"topic": self.kwargs["topic"]}

    def context(self) -> dict[str, Any]:
        topic, given = self.kwargs["topic"], {name: self.parameter(name).strip() for name in FIELDS}
        may_read = has_permission(self.request, "view_payloads")
        # How many match says what a payload is.
        if not may_read and (given["key"] or given["text"]):
            raise PermissionDenied
        shown = {"given": given, "may_read": may_read, "topic_url": self.url_of("topic", topic=topic)}
        try:
            wanted = _cluster(topic)
            query = _query(topic, given)
            found = look(wanted.connection, query)
        except KafkaIntegrationError as error:
            return {**shown, "obstacle": str(error)}
        reader = next(iter(wanted.readers_of(topic)), None)
        return {
            **shown,
            "found": found,
            "gone": _gone(found, query),
            "rows": [_row(topic, seen, reader, may_read=may_read) for seen in found.messages],
            "next": _next(found, given),
            "bounds": {"limit": LIMIT, "offsets": MOST_OFFSETS, "seconds": SECONDS},
        }


def _cluster(topic: str) -> WantedCluster:
    wanted = cluster_of(wanted_clusters(get_settings()), topic)
    if wanted is None:
        raise BrokerError(f"topic {topic}: the settings lead to no cluster")
    return wanted


def _query(topic: str, given: dict[str, str]) -> Query:
    return Query(
        topic=topic,
        partition=_number(given["partition"]) if given["partition"] else None,
        start=_start(given["start"]),
        key=given["key"].encode() or None,
        text=given["text"].encode() or None,
    )


def _start(text: str) -> Start:
    if text.isdigit():
        return _number(text)
    try:
        return read_start(text or "latest")
    except ArgumentTypeError as error:
        raise KafkaIntegrationError(
            _("One begins at “earliest”, “latest”, an offset, or a time like 2026-01-31T12:30.")
        ) from error


def _number(text: str) -> int:
    if not is_number(text):
        raise KafkaIntegrationError(_("A partition or an offset is a number, 0 or more."))
    return int(text)


def _row(topic: str, seen: SeenMessage, reader: ConsumerSettings | None, *, may_read: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"seen": seen, "size": None if seen.value is None else len(seen.value)}
    if not may_read:
        return row
    context = SerializationContext(topic, "value", seen.headers)
    value, trouble = _decoded(seen.value, reader.value_deserializer if reader else "text", context)
    return {
        **row,
        "key": payload_block(seen.key),
        "value": payload_block(value),
        "trouble": trouble,
        "headers": headers_table(dump_headers(seen.headers)),
        "command": _command(topic, seen),
    }


def _decoded(value: bytes | None, deserializer: str, context: SerializationContext) -> tuple[bytes | None, str]:
    """The value as its consumer reads it, written as JSON where that isn't text; or as it is, and why."""
    if value is None or deserializer in ("text", "bytes"):
        return value, ""
    try:
        decoded = decode(value, deserializer, context)
        if isinstance(decoded, bytes):
            return decoded, ""
        text = decoded if isinstance(decoded, str) else json.dumps(decoded, indent=2, ensure_ascii=False, default=str)
        return text.encode(), ""
    except Exception as error:  # noqa: BLE001 - the project's own code, of somebody's payload
        return value, summarize(error)


def _command(topic: str, seen: SeenMessage) -> str | None:
    # With another serializer the text would be made into something else again.
    if get_settings().producer.value_serializer not in (None, "text"):
        return None
    return command_line(topic, key=seen.key, value=seen.value, headers=seen.headers)


def _gone(found: Look, query: Query) -> PartitionLook | None:
    """The one partition in which an offset was asked for that is before the first one left."""
    if not isinstance(query.start, int) or len(found.partitions) != 1:
        return None
    (partition,) = found.partitions
    return partition if query.start < partition.first else None


def _next(found: Look, given: dict[str, str]) -> dict[str, str] | None:
    """What a link asks for that goes on where this look ended, in one partition."""
    if len(found.partitions) != 1 or given["start"] in ("", "latest"):
        return None
    (partition,) = found.partitions
    after = found.messages[-1].offset + 1 if found.is_cut else partition.looked_to
    if after >= partition.end:
        return None
    return {
        **{name: value for name, value in given.items() if value},
        "start": str(after),
        "partition": str(partition.number),
    }
