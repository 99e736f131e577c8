"""Processes of one kind that are kept at their strength, whatever happens to them."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.processes import ChildProcess


class Crew:
    """Those that end by themselves are counted, and replaced like the others."""

    def __init__(self, name: str, start: Callable[[], ChildProcess], *, size: int) -> None:
        self.name = name
        self.members: list[ChildProcess] = []
        self.ended_by_themselves: list[str] = []
        self._start = start
        self._size = size
        self._released: list[ChildProcess] = []

    def fill(self) -> None:
        """As many members as it has to have."""
        for member in list(self.members):
            if not member.running:
                self.ended_by_themselves.append(f"{member!r} ended with {member.exit_status}:\n{member.tail(5)}")
                self.members.remove(member)
        while len(self.members) < self._size:
            self.add()

    def add(self) -> None:
        """Beyond its size it is one more than it has to have: it leaves again with the next that is released."""
        self.members.append(self._start())

    def kill(self, index: int) -> None:
        self._take(index).kill()

    def release(self, index: int) -> None:
        """SIGTERM: it leaves in order, in its own time."""
        member = self._take(index)
        member.signal(signal.SIGTERM)
        self._released.append(member)

    def dismiss(self) -> None:
        """End all of it in order; who was asked to stop and did not do so well is counted too."""
        while self.members:
            self.release(0)
        statuses = [member.wait(60) for member in self._released]
        if any(status for member, status in zip(self._released, statuses, strict=True) if _was_listening(member)):
            self.ended_by_themselves.append(f"exit statuses of those asked to stop: {statuses}")

    def _take(self, index: int) -> ChildProcess:
        return self.members.pop(index % len(self.members))


def _was_listening(member: ChildProcess) -> bool:
    """Before that, while Python starts, a SIGTERM just ends it; then it has said nothing yet."""
    return member.exit_status != -signal.SIGTERM or bool(member.output())
