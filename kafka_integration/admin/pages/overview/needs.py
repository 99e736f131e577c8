"""What needs somebody, in words, the most urgent first: decided here from what the overview knows, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ....durations import spoken_here
from ....operating.groups.losses import Sight
from ....operating.presence.listing import ProcessView
from ...lists import listed
from ..standings import loss_text, lost_text, standing_text, stuck_text
from .consumers import ConsumerLine, OwnedPartition
from .letters import WaitingLetters
from .relays import LONG_SECONDS, RelayLine

MOST_NAMED = 5


class Urgency(IntEnum):
    """In the order in which somebody should look."""

    NO_TABLES = 0
    DELETED = 1
    SOON_DELETED = 2
    STUCK = 3
    NOBODY_RUNS_IT = 4
    UNATTENDED = 5
    LOST = 6
    REFUSED = 7
    LATE = 8
    OUTAGE = 9
    FALLING_BEHIND = 10
    DEAD_LETTERS = 11
    PAUSED = 12


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing for somebody to look at, and what it is about, as far as a page shows more of that."""

    urgency: Urgency
    text: str
    consumer: str = ""
    group: str = ""
    database: str = ""
    stuck: tuple[OwnedPartition, ...] = ()
    """The partitions whose messages, and what their processes do, somebody looks at."""

    @property
    def is_grave(self) -> bool:
        """Whether something doesn't go on, or soon won't."""
        return self.urgency < Urgency.FALLING_BEHIND


def find_needs(
    consumers: Iterable[ConsumerLine],
    relays: Sequence[RelayLine],
    processes: Iterable[ProcessView],
    letters: Mapping[str, WaitingLetters],
    sights: Mapping[str, Sight],
) -> list[Need]:
    """Everything that needs somebody; nothing where all is well."""
    found = [
        *_of_databases(relays, letters),
        *_of_losses(sights),
        *(need for line in consumers for need in _of_consumer(line, letters)),
        *(need for line in relays for need in _of_relay(line)),
        *_of_former(consumers, letters),
        *_of_lost([process for process in processes if process.is_lost]),
    ]
    return sorted(found, key=lambda need: need.urgency)


def _of_databases(relays: Iterable[RelayLine], letters: Mapping[str, WaitingLetters]) -> Iterator[Need]:
    without = {line.alias for line in relays if line.backlog is None}
    without |= {alias for alias, waiting in letters.items() if not waiting.has_table}
    for alias in sorted(without):
        text = _("Database “%(alias)s” has not all tables of this app: run manage.py migrate --database %(alias)s.")
        yield Need(urgency=Urgency.NO_TABLES, text=text % {"alias": alias}, database=alias)


def _of_losses(sights: Mapping[str, Sight]) -> Iterator[Need]:
    for group, sight in sorted(sights.items()):
        if sight.losses:
            yield Need(urgency=Urgency.DELETED, text=lost_text(group, sight.losses), group=group)
        if sight.near_loss_in_seconds is not None:
            text = loss_text(group, sight.near_loss_in_seconds)
            yield Need(urgency=Urgency.SOON_DELETED, text=text, group=group)


def _of_consumer(line: ConsumerLine, letters: Mapping[str, WaitingLetters]) -> Iterator[Need]:
    if line.is_missing:
        text = _("No process runs consumer %(name)s: start one with manage.py runconsumer %(name)s.")
        yield Need(urgency=Urgency.NOBODY_RUNS_IT, text=text % {"name": line.name}, consumer=line.name)
    yield from _of_standstills(line)
    behind = [partition for partition in line.partitions if _is_far_behind(partition, line.rate)]
    if behind:
        text = ngettext(
            "Consumer %(name)s falls behind in %(count)d partition: more arrives than it handles.",
            "Consumer %(name)s falls behind in %(count)d partitions: more arrives than it handles.",
            len(behind),
        )
        yield Need(
            urgency=Urgency.FALLING_BEHIND, text=text % {"name": line.name, "count": len(behind)}, group=line.group
        )
    there = letters.get(line.database or "")
    if there and (waiting := there.of(line.name)):
        yield _dead_letters(line.name, waiting, there.alias)


def _is_far_behind(partition: OwnedPartition, rate: float | None) -> bool:
    """Whether more arrives than is handled, by more than a moment's worth: a busy topic always is ahead."""
    if partition.state != "falling_behind":
        return False
    if partition.time_lag_seconds is not None:
        return partition.time_lag_seconds >= LONG_SECONDS
    return rate is None or partition.lag is None or partition.lag >= rate * LONG_SECONDS


def _of_standstills(line: ConsumerLine) -> Iterator[Need]:
    urgencies = {"outage": Urgency.OUTAGE, "paused": Urgency.PAUSED}
    for standstill in line.standstills:
        values = {"name": line.name, "places": standstill.places}
        if standstill.state == "stuck":
            text = _("Consumer %(name)s is stuck at %(places)s: %(why)s.")
            values["why"] = str(stuck_text(standstill.busy_seconds))
            yield Need(urgency=Urgency.STUCK, text=text % values, group=line.group, stuck=standstill.named)
        elif standstill.reason in urgencies:
            text = _("Consumer %(name)s, %(places)s: %(reason)s.")
            values["reason"] = str(standing_text(standstill.state, standstill.reason))
            yield Need(urgency=urgencies[standstill.reason], text=text % values, group=line.group)


def _of_relay(line: RelayLine) -> Iterator[Need]:
    backlog = line.backlog
    if backlog is None:
        return
    values = {"alias": line.alias, "span": spoken_here(backlog.oldest_seconds or 0), "holder": backlog.holder}
    if backlog.is_unattended:
        text = _(
            "Messages published in database %(alias)s wait for %(span)s, and no relay runs: "
            "start one with manage.py runrelay."
        )
        yield Need(urgency=Urgency.UNATTENDED, text=text % values, database=line.alias)
    if backlog.refused:
        text = ngettext(
            "%(count)d message of database %(alias)s was refused by Kafka and holds its key: retry or discard it.",
            "%(count)d messages of database %(alias)s were refused by Kafka and hold their keys: retry or discard "
            "them.",
            backlog.refused,
        )
        yield Need(urgency=Urgency.REFUSED, text=text % {**values, "count": backlog.refused}, database=line.alias)
    if line.is_late:
        text = _(
            "The oldest message of database %(alias)s waits for %(span)s, though %(holder)s relays: its log says why."
        )
        yield Need(urgency=Urgency.LATE, text=text % values, database=line.alias)


def _of_former(consumers: Iterable[ConsumerLine], letters: Mapping[str, WaitingLetters]) -> Iterator[Need]:
    """Dead letters of consumers that the settings no longer have, or have elsewhere."""
    known = {(line.database, line.name) for line in consumers}
    for alias, waiting in letters.items():
        for name in sorted(waiting.counts):
            if (alias, name) not in known and (count := waiting.of(name)):
                yield _dead_letters(name, count, alias)


def _dead_letters(name: str, count: int, alias: str) -> Need:
    text = ngettext(
        "%(shown)s dead letter of consumer %(name)s waits for somebody.",
        "%(shown)s dead letters of consumer %(name)s wait for somebody.",
        count,
    )
    text %= {"shown": str(count), "name": name}
    return Need(urgency=Urgency.DEAD_LETTERS, text=text, consumer=name, database=alias)


def _of_lost(lost: Sequence[ProcessView]) -> Iterator[Need]:
    if not lost:
        return
    text = ngettext(
        "Process %(named)s has not been heard of for %(span)s: it was killed, hangs, or has no database.",
        "%(count)d processes have not been heard of, one for %(span)s: they were killed, hang, or have no "
        "database. %(named)s",
        len(lost),
    )
    # Translators: the process's own number; that which its operating system gave it, and the name of its computer.
    place = _("%(id)d (%(pid)d on %(host)s)")
    named = [place % {"id": each.id, "pid": each.pid, "host": each.host} for each in lost[:MOST_NAMED]]
    others = [f"+{len(lost) - MOST_NAMED}"] if len(lost) > MOST_NAMED else []
    span = spoken_here(max(process.silent_seconds for process in lost))
    values = {"named": listed([*named, *others]), "span": span, "count": len(lost)}
    yield Need(urgency=Urgency.LOST, text=text % values)
