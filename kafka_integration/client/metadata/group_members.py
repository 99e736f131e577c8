"""Who is in a group, asked of its broker."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError
from .admin import Admin, Asker, answer_of
from .partition_ends import Place

_UNTOLD = frozenset({"_UNSUPPORTED_FEATURE", "UNSUPPORTED_VERSION"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """A member as its broker sees it; it owns nothing while its group is being divided anew."""

    member_id: str
    client_id: str
    host: str
    partitions: frozenset[Place]

    def __str__(self) -> str:
        return f"{self.client_id} at {self.host.lstrip('/')}"


class GroupMembers(Asker):
    """Asks one cluster."""

    def __init__(self, by: Connection | Admin) -> None:
        self._ask_by(by, asks_for="members of groups")

    def ask(self, group: str) -> tuple[GroupMember, ...] | None:
        """The members of the group; None where brokers don't tell, or an ACL keeps it from us.

        ``BrokerError`` if they can't be asked.
        """
        try:
            with self._admin.question() as (client, timeout):
                answer = client.describe_consumer_groups([group], request_timeout=timeout)[group]
                return _members(answer, group, timeout)
        except AccessDeniedError:
            return None


def _members(answer: Future[Any], group: str, timeout: float) -> tuple[GroupMember, ...] | None:
    try:
        description = answer_of(answer, place=f"consumer group {group}", timeout=timeout)
    except BrokerError as error:
        if error.code in _UNTOLD:
            return None
        if error.code == "GROUP_ID_NOT_FOUND":
            return ()
        raise
    return tuple(_member(member) for member in description.members)


def _member(member: Any) -> GroupMember:
    owned = member.assignment.topic_partitions if member.assignment else ()
    return GroupMember(
        member_id=member.member_id,
        client_id=member.client_id,
        host=member.host,
        partitions=frozenset((place.topic, place.partition) for place in owned),
    )
