"""Who is in a group, asked of its broker."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError
from .admin import Admin, Asker, answer_of, wait_for_all
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
        found = self.ask_all([group])[group]
        if isinstance(found, BrokerError):
            raise found
        return found

    def ask_all(self, groups: Collection[str]) -> dict[str, tuple[GroupMember, ...] | BrokerError | None]:
        """The same of many groups by one question; the error in the place of one that can't be asked."""
        if not groups:
            return {}
        with self._admin.question() as (client, timeout):
            answers = client.describe_consumer_groups([*groups], request_timeout=timeout)
            wait_for_all(answers.values(), timeout=timeout)
            found = {group: _members_or_error(answer, group, timeout) for group, answer in answers.items()}
            if all(isinstance(each, BrokerError) for each in found.values()):
                # The question failed; how it did says how long the next one may take.
                raise next(each for each in found.values() if isinstance(each, BrokerError))
        return found


def _members_or_error(answer: Future[Any], group: str, timeout: float) -> tuple[GroupMember, ...] | BrokerError | None:
    try:
        return _members(answer, group, timeout)
    except AccessDeniedError:
        return None
    except BrokerError as error:
        return error


def _members(answer: Future[Any], group: str, timeout: float) -> tuple[GroupMember, ...] | None:
    try:
        description = answer_of(answer, place=f"consumer group {group}", timeout=timeout, is_late=True)
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
