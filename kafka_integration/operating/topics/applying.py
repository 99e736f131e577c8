"""Doing what the plan says: each change by itself, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ...client.metadata.topic_changes import TopicChanges
from ...client.metadata.topic_layouts import TopicLayouts
from ...conf.connection import Connection
from ...errors import BrokerError
from .planning import Change, as_dict

DONE, ALREADY_THERE = "done", "already there"
SEEN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Applied:
    """One change and its ``result``: "done", "already there" where somebody else was first, or why it failed."""

    change: Change
    result: str
    has_failed: bool = False


def apply_changes(changes: Iterable[Change]) -> Iterator[Applied]:
    """Makes the changes, one after the other; one that fails keeps no other from being made.

    Ends when brokers show what was made to clients, or ten seconds later.
    """
    clusters: dict[Connection, TopicChanges] = {}
    made: dict[Connection, dict[str, int]] = {}
    with ExitStack() as closing:
        for change in changes:
            connection = change.connection
            if connection not in clusters:
                clusters[connection] = closing.enter_context(TopicChanges(connection))
            applied = _applied(change, clusters[connection])
            if applied.result == DONE and change.action != "set_config":
                made.setdefault(connection, {})[change.topic] = _partitions(change)
            yield applied
    for connection, topics in made.items():
        _wait_until_seen(connection, topics)


def applied_as_dict(applied: Applied) -> Mapping[str, Any]:
    """A change that was made, or not, for programs."""
    return {**as_dict(applied.change), "result": applied.result}


def _applied(change: Change, cluster: TopicChanges) -> Applied:
    try:
        _make(change, cluster)
    except BrokerError as error:
        if _is_there(change, error):
            return Applied(change=change, result=ALREADY_THERE)
        return Applied(change=change, result=f"failed: {error}", has_failed=True)
    return Applied(change=change, result=DONE)


def _make(change: Change, cluster: TopicChanges) -> None:
    if change.action == "create":
        cluster.create(change.topic, **change.after)
    elif change.action == "add_partitions":
        cluster.add_partitions(change.topic, change.after)
    else:
        cluster.set_config(change.topic, change.after)


def _is_there(change: Change, error: BrokerError) -> bool:
    if change.action == "create":
        return error.code == "TOPIC_ALREADY_EXISTS"
    if change.action != "add_partitions" or error.code != "INVALID_PARTITIONS":
        return False
    try:
        return _are_seen(change.connection, {change.topic: change.after})
    except BrokerError:
        return False


def _partitions(change: Change) -> int:
    wanted = change.after["partitions"] if change.action == "create" else change.after
    return wanted or 1


def _wait_until_seen(connection: Connection, topics: Mapping[str, int]) -> None:
    deadline = time.monotonic() + SEEN_SECONDS
    try:
        while not _are_seen(connection, topics) and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_SECONDS)
    except BrokerError:
        return  # It was made all the same.


def _are_seen(connection: Connection, topics: Mapping[str, int]) -> bool:
    with TopicLayouts(connection) as layouts:
        layout = layouts.ask()
    return all(name in layout.topics and len(layout.topics[name].partitions) >= count for name, count in topics.items())
