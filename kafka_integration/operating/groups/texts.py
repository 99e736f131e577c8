"""How far groups are behind, for programs and for people."""

from __future__ import annotations

import json
from typing import Any

from ...cells import NONE, count, offset, time_lag
from ...durations import spoken
from ...summaries import escaped, names_of_partitions, shortened
from ..columns import aligned
from ..standing_texts import standing_text
from .forecast import Outlook
from .lag import GroupLag
from .looking import PartitionLag
from .losses import Loss, losses_among
from .members import Member, Members

SOON_SECONDS = 86_400.0
"""A loss that is further away is nobody's business yet."""
HEAD = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "TIME LAG", "STATE")


def as_json(lag: GroupLag, outlook: Outlook) -> str:
    """One document for programs."""
    return json.dumps(as_document(lag, outlook), indent=2)


def as_document(lag: GroupLag, outlook: Outlook) -> dict[str, Any]:
    return {
        "group": lag.group,
        "total": lag.total,
        "time_lag_seconds": lag.time_lag_seconds,
        "eta_seconds": outlook.eta_seconds,
        "loss_in_seconds": outlook.loss_in_seconds,
        "loss_unknown": outlook.loss_unknown,
        "partitions": [_partition(partition) for partition in lag.partitions],
    }


def as_table(lag: GroupLag, outlook: Outlook) -> list[str]:
    """Lines for people."""
    rows = [HEAD, *map(_row, lag.partitions)]
    lines = aligned(rows, right=(1, 2, 3, 4, 5)) if lag.partitions else []
    lines += [_stuck(partition) for partition in lag.partitions if partition.state == "stuck"]
    lines += map(_loss, losses_among(lag.partitions))
    lines += [_deleted_ahead(partition) for partition in lag.partitions if partition.deleted_ahead]
    lines += _members(lag.members)
    lines += [f"{topic}: no such topic (yet)" for topic in lag.missing_topics]
    lines += [f"{topic}: unknown, an ACL keeps it from this user" for topic in lag.hidden_topics]
    lines += _loss_unknown(outlook)
    unknown = f", and unknown for {lag.unknown} partition(s)" if lag.unknown else ""
    return [*lines, f"group {lag.group}: lag {count(lag.known)} in all{unknown}{_age(lag)}{_future(outlook)}"]


def _partition(partition: PartitionLag) -> dict[str, Any]:
    shown = {
        "topic": partition.topic,
        "partition": partition.partition,
        "committed": partition.committed,
        "end": partition.end,
        "lag": partition.lag,
        "lost": partition.lost,
        "deleted_ahead": partition.deleted_ahead,
        "time_lag_seconds": partition.time_lag_seconds,
        "state": partition.state,
        "reason": partition.reason,
    }
    return shown if partition.state != "stuck" else {**shown, "stuck_offset": partition.stuck_offset}


def _row(partition: PartitionLag) -> tuple[str, ...]:
    return (
        partition.topic,
        str(partition.partition),
        NONE if partition.committed is None else offset(partition.committed),
        offset(partition.end),
        count(partition.lag),
        time_lag(partition.lag, partition.time_lag_seconds),
        _state(partition),
    )


def _stuck(partition: PartitionLag) -> str:
    owner = partition.owner
    assert owner is not None  # who else would have said so
    seconds = owner.busy_seconds
    why = "no handler is at work at it" if seconds is None else f"its handler has been at work for {spoken(seconds)}"
    place = f"{partition.topic}[{partition.partition}]"
    return escaped(f"{place} {_state(partition)}: {why}; see where: kafkaprocesses trace {owner.process_id}")


def _loss(loss: Loss) -> str:
    return (
        f"{loss.topic}[{loss.partition}]: up to {count(loss.count)} message(s) were deleted before the group handled "
        f"them (committed {loss.committed}, the partition begins at {loss.first})"
    )


def _deleted_ahead(partition: PartitionLag) -> str:
    return (
        f"{partition.topic}[{partition.partition}]: up to {count(partition.deleted_ahead)} message(s) that the group "
        f"has yet to handle are deleted, and handled only if its process has fetched them "
        f"(committed {partition.committed}, the partition begins at {partition.first})"
    )


def _loss_unknown(outlook: Outlook) -> list[str]:
    if not outlook.loss_unknown:
        return []
    topics = ", ".join(outlook.loss_unknown)
    return [f"when retention takes messages isn't known for {topics}: {outlook.loss_unknown_why}"]


def _members(members: Members) -> list[str]:
    if members.are_all and not members.listed:
        return ["nobody is in the group"]
    return [*map(_member, members.shown), *([f"and {members.others} other members"] if members.others else [])]


def _member(member: Member) -> str:
    worker = member.worker
    name = "member" if member.client_id is None else f"member {member.client_id}"
    process = "" if worker is None else f", process {worker.process_id} ({worker.pid})"
    owned = shortened(names_of_partitions(member.partitions)) or "no partition"
    return escaped(f"{name} on {member.host}{process}: {owned}")


def _state(partition: PartitionLag) -> str:
    return standing_text(partition.state, partition.reason, partition.stuck_offset)


def _age(lag: GroupLag) -> str:
    return "" if lag.time_lag_seconds is None else f", time lag {spoken(lag.time_lag_seconds)}"


def _future(outlook: Outlook) -> str:
    eta, loss = outlook.eta_seconds, outlook.loss_in_seconds
    done = "" if eta is None else f", all is handled in about {spoken(eta)} at this pace"
    if outlook.is_loss_due:
        return f"{done}, retention may take the first at any moment"
    return done if loss is None or loss >= SOON_SECONDS else f"{done}, retention takes the first in {spoken(loss)}"
