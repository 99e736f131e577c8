"""Which messages a group of ours has not handled yet, although they are as old as to be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time

from django.db import DatabaseError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...client.metadata.group_offsets import GroupOffsets
from ...client.metadata.partition_ends import Ends
from ...conf.consumers import ConsumerSettings
from ...consuming.catching_up.group_positions import GroupPositions
from ...errors import BrokerError


def unhandled_before(consumers: Iterable[ConsumerSettings], topic: str, age_ms: int) -> Iterator[str]:
    """For each group that reads the topic, how many messages older than this it has not handled, if any."""
    for consumer in consumers:
        group = consumer.consumer_group
        try:
            count = _count(consumer, topic, int(time() * 1000) - age_ms)
        except (BrokerError, DatabaseError):
            yield _("whether group %(group)s has handled them can't be told now") % {"group": group}
        else:
            if count:
                text = ngettext(
                    "group %(group)s has not handled %(count)d of them",
                    "group %(group)s has not handled %(count)d of them",
                    count,
                )
                yield text % {"group": group, "count": count}


def _count(consumer: ConsumerSettings, topic: str, moment_ms: int) -> int:
    group = consumer.consumer_group
    with GroupPositions(consumer) as positions, GroupOffsets(consumer.connection, group) as offsets:
        places = [place for place in positions.places(offsets) if place[0] == topic]
        ends = offsets.ends(places)
        cuts = offsets.at(ends, moment_ms)
        if missing := set(places) - set(cuts):
            raise BrokerError(
                f"{topic}[{min(missing)[1]}]: where its old messages end can't be told now", retriable=True
            )
        # Last: what is handled meanwhile is handled.
        committed = positions.read(offsets, places)
    return sum(_unhandled(positions, committed[place], ends[place], cuts[place]) for place in places)


def _unhandled(positions: GroupPositions, committed: int | None, ends: Ends, cut: int) -> int:
    first, end = ends
    position = positions.start(first, end) if committed is None else committed
    return max(0, cut - max(first, position))
