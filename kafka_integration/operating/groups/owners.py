"""Who works on a group's partitions: our own processes by what they last said, and any member by the broker's word."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from ...client.metadata.admin import Admin
from ...client.metadata.group_members import GroupMember, GroupMembers
from ...client.metadata.partition_ends import Place
from ...conf.connection import Connection
from ...conf.producers import OperationsSettings
from ...errors import BrokerError
from ...models import Process
from ...tables import has_table
from ..presence.listing import ProcessView, list_processes
from ..presence.row import database_of_processes

KEPT = {"paused", "outage"}
"""Reasons that may last: what is in hand is little of what is deleted meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """What the process that owns a partition last said of it."""

    process_id: int
    host: str
    pid: int
    consumer: str
    state: str | None = None
    reason: str | None = None
    stuck_offset: int | None = None
    busy_seconds: float | None = None
    """How long its handler has been at work, where the partition is stuck and one is."""

    @property
    def goes_on(self) -> bool:
        """Whether it handles what it has fetched ahead, though that is deleted; and tells itself what it leaves out."""
        return self.state not in (None, "stuck") and self.reason not in KEPT

    def __str__(self) -> str:
        return f"consumer {self.consumer} of process {self.process_id} ({self.pid}) on {self.host}"


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A consumer of the group in a process of ours, as that last said."""

    process_id: int
    host: str
    pid: int
    member_id: str | None
    owned: Mapping[Place, Owner]


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Who works on the partitions of one group; what can't be told is None."""

    workers: tuple[Worker, ...] | None
    members: tuple[GroupMember, ...] | None

    @cached_property
    def ours(self) -> Mapping[Place, Owner] | None:
        if self.workers is None:
            return None
        return {place: owner for worker in self.workers for place, owner in worker.owned.items()}

    def of(self, place: Place) -> Owner | None:
        """The process of ours that says that it owns the partition."""
        return (self.ours or {}).get(place)

    @property
    def are_there(self) -> bool:
        """Whether the group has members: by the broker's word if it tells, else who of ours works, owner or not yet."""
        return bool(self.members) if self.members is not None else bool(self.workers)

    def state_of(self, place: Place, lag: int | None, lost: int | None) -> tuple[str | None, str | None, int | None]:
        """The partition's state, why it waits, and at what it is stuck."""
        if (owner := self.of(place)) is not None and owner.state is not None:
            return _told(owner, lag, lost)
        if lag is None:
            return None, None, None
        if not lag:
            return "caught_up", None, None
        return (None if self._may_be_owned(place) else "unowned"), None, None

    def foreign(self) -> tuple[GroupMember, ...]:
        """The members that own something of which no process of ours has said that it is its own."""
        ours = self.ours or {}
        return tuple(member for member in self.members or () if not member.partitions <= ours.keys())

    def _may_be_owned(self, place: Place) -> bool:
        if self.members is not None:
            return any(place in member.partitions for member in self.members)
        return self.ours is None


Processes = Sequence[ProcessView] | None
"""The live ones; None where the database can't tell, or there is none."""


def live_processes(settings: OperationsSettings) -> Processes:
    """What ``owners_of`` needs to know of our own processes: read once, however many groups are asked about."""
    try:
        if not has_table(database_of_processes(), Process):
            return None
        return [process for process in list_processes(settings) if not process.is_lost]
    except Exception:  # noqa: BLE001 - also the project's routers; how far a group is shows without its processes
        return None


def owners_of(
    connections: Iterable[Connection], group: str, processes: Processes, settings: OperationsSettings
) -> Owners:
    """Who works on the group's partitions, which are in these clusters.

    Processes that write no rows can't be told from there being none, where the brokers don't tell of members.
    """
    members = [ask_members(connection, [group])[group] for connection in connections]
    return owners_among(members, group, processes, settings)


def owners_among(
    members: Sequence[tuple[GroupMember, ...] | None], group: str, processes: Processes, settings: OperationsSettings
) -> Owners:
    """The same, for who knows the members in each cluster; None where brokers don't tell."""
    told = [each for each in members if each is not None]
    return Owners(
        workers=_workers_of(group, processes, settings),
        members=tuple(chain(*told)) if len(told) == len(members) else None,
    )


def ask_members(by: Connection | Admin, groups: Collection[str]) -> dict[str, tuple[GroupMember, ...] | None]:
    """Who is in each group, by one question; None where that can't be told."""
    # The same brokers are asked for what matters more, and then it is said what keeps them from answering.
    try:
        with GroupMembers(by) as members:
            found = members.ask_all(groups)
    except BrokerError:
        return dict.fromkeys(groups)
    return {group: None if isinstance(each, BrokerError) else each for group, each in found.items()}


def _workers_of(group: str, processes: Processes, settings: OperationsSettings) -> tuple[Worker, ...] | None:
    if processes is None:
        return None
    workers = tuple(worker for row in processes for worker in _workers(row, group))
    return workers if settings.rows or workers else None


def _workers(row: ProcessView, group: str) -> Iterator[Worker]:
    for consumer in row.consumers:
        if consumer["group"] == group:
            owned = {
                (partition["topic"], partition["partition"]): _owner(row, consumer["name"], partition)
                for partition in consumer["partitions"]
            }
            # A worker of another version may say more, or less.
            yield Worker(
                process_id=row.id, host=row.host, pid=row.pid, member_id=consumer.get("member_id"), owned=owned
            )


def _owner(row: ProcessView, consumer: str, partition: Mapping[str, Any]) -> Owner:
    return Owner(
        process_id=row.id,
        host=row.host,
        pid=row.pid,
        consumer=consumer,
        state=partition.get("state"),
        reason=partition.get("reason"),
        stuck_offset=partition.get("stuck_offset"),
        busy_seconds=partition.get("busy_seconds"),
    )


def _told(owner: Owner, lag: int | None, lost: int | None) -> tuple[str | None, str | None, int | None]:
    """What the owner said a few seconds ago, as far as it agrees with how far the group is now."""
    if owner.state == "waiting":
        return owner.state, owner.reason, None
    # With messages in hand that were deleted meanwhile it may be stuck, though nothing is left that could be read.
    if lag == 0 and not (lost and owner.state == "stuck"):
        return "caught_up", None, None
    if owner.state == "caught_up" and lag:
        return "catching_up", None, None
    return owner.state, None, owner.stuck_offset if owner.state == "stuck" else None
