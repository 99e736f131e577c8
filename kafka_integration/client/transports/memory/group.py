"""A consumer group of the memory transport: eager rebalances, range assignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....topic_names import cover
from .places import Place


class MemoryGroup:
    """Who is in the group and what each member gets; the broker's lock guards it.

    Each change starts a generation. Its members let go of everything, ``sync()``, and get their share once
    the last of them has done so: no partition has two owners.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._subscriptions: dict[str, Sequence[str]] = {}
        self._synced: dict[str, int] = {}
        self._shares: dict[str, list[Place]] = {}

    def join(self, member_id: str, topics: Sequence[str], partition_counts: Mapping[str, int]) -> None:
        self._subscriptions[member_id] = tuple(topics)
        self._synced.setdefault(member_id, self.generation)
        self._start_generation(partition_counts)

    def leave(self, member_id: str, partition_counts: Mapping[str, int]) -> None:
        if self._subscriptions.pop(member_id, None) is not None:
            del self._synced[member_id]
            self._start_generation(partition_counts)

    def topics_changed(self, partition_counts: Mapping[str, int]) -> None:
        if self._share_out(partition_counts) != self._shares:
            self._start_generation(partition_counts)

    def has(self, member_id: str) -> bool:
        return member_id in self._subscriptions

    def is_synced(self, member_id: str) -> bool:
        return self._synced.get(member_id) == self.generation

    def sync(self, member_id: str) -> None:
        """The member holds nothing of an earlier generation any more."""
        self._synced[member_id] = self.generation

    @property
    def shares(self) -> Mapping[str, Sequence[Place]]:
        """What each member gets in this generation, once all have let go of what they had."""
        return self._shares

    def share_of(self, member_id: str) -> list[Place] | None:
        """What the member gets in this generation; None while another one still has to let go."""
        if any(generation != self.generation for generation in self._synced.values()):
            return None
        return self._shares[member_id]

    def _start_generation(self, partition_counts: Mapping[str, int]) -> None:
        self.generation += 1
        self._shares = self._share_out(partition_counts)

    def _share_out(self, partition_counts: Mapping[str, int]) -> dict[str, list[Place]]:
        shares: dict[str, list[Place]] = {member: [] for member in self._subscriptions}
        for topic, count in sorted(partition_counts.items()):
            members = sorted(m for m, wanted in self._subscriptions.items() if cover(wanted, topic))
            for index, member in enumerate(members):
                first, end = index * count // len(members), (index + 1) * count // len(members)
                shares[member].extend((topic, partition) for partition in range(first, end))
        return shares
