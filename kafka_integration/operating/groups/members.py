"""Who is in a group, by its brokers' word, and which of them are processes of ours."""

from __future__ import annotations

from dataclasses import dataclass

from ...client.metadata.group_members import GroupMember
from ...client.metadata.partition_ends import Place
from .owners import Owners, Worker

MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Member:
    """One of the group. It may own nothing: there are more members than partitions, or they are just being divided."""

    host: str
    partitions: tuple[Place, ...]
    client_id: str | None = None
    """None where only a process of ours says that it is there."""
    worker: Worker | None = None
    """What it is of ours, as far as that is known."""


@dataclass(frozen=True, kw_only=True)
class Members:
    """All that there are, or with ``are_all`` False those that are known: brokers need not tell."""

    listed: tuple[Member, ...]
    are_all: bool
    are_ours_known: bool
    """Whether one without a worker is none of ours."""

    @property
    def shown(self) -> tuple[Member, ...]:
        """As many as people look through."""
        return self.listed[:MOST_SHOWN]

    @property
    def others(self) -> int:
        """How many there are besides."""
        return len(self.listed) - len(self.shown)


UNKNOWN = Members(listed=(), are_all=False, are_ours_known=False)


def members_of(owners: Owners) -> Members:
    """As brokers tell; where they don't, the processes of ours that say that they are in it."""
    workers = owners.workers or ()
    if owners.members is None:
        ours = [Member(host=each.host, partitions=tuple(sorted(each.owned)), worker=each) for each in workers]
        return Members(listed=_sorted(ours), are_all=False, are_ours_known=True)
    by_id = {each.member_id: each for each in workers if each.member_id is not None}
    return Members(
        listed=_sorted([_member(each, by_id.get(each.member_id)) for each in owners.members]),
        are_all=True,
        # One that joins, or is of another version, doesn't say which member it is.
        are_ours_known=owners.workers is not None and len(by_id) == len(workers),
    )


def _member(member: GroupMember, worker: Worker | None) -> Member:
    return Member(
        # As Java writes an address.
        host=member.host.lstrip("/"),
        partitions=tuple(sorted(member.partitions)),
        client_id=member.client_id,
        worker=worker,
    )


def _sorted(members: list[Member]) -> tuple[Member, ...]:
    """Who owns something first."""
    return tuple(sorted(members, key=lambda each: (not each.partitions, each.partitions, each.client_id or each.host)))
