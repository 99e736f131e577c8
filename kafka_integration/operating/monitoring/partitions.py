"""How the partitions of this process stand: how far behind they are, and which are stuck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...consuming.loop import ConsumerLoop
from ...observing.families import GROUP_LAG, GROUP_LAG_SECONDS, STUCK_PARTITIONS, Sample
from ..presence.views import PartitionView
from ..presence.watching import ConsumersWatch

Place = tuple[str, str, int]
"""Consumer, topic and partition number."""


class Partitions:
    """Looked at by one thread; anybody may ask for problems."""

    def __init__(self, loops: Sequence[ConsumerLoop], watch: ConsumersWatch, every_seconds: float) -> None:
        self._watch = watch
        self._every_seconds = every_seconds
        self._clusters = {
            loop.settings.name: ",".join(loop.settings.connection.servers) or loop.settings.connection.transport
            for loop in loops
        }
        self._stuck: dict[Place, int | None] = {}

    def look(self) -> Iterator[Sample]:
        """What is known of lag at this moment."""
        before, now = self._stuck, dict[Place, int | None]()
        # What the process's row said a moment ago is not asked again.
        for consumer in self._watch.look(at_most_old_seconds=self._every_seconds):
            count = 0
            for view in consumer.partitions:
                place = (consumer.name, view.topic, view.partition)
                if view.state == "stuck":
                    count += 1
                    now[place] = view.stuck_offset
                elif view.reason == "outage" and place in before:
                    # It mends nothing, and is no reason to take back what was said.
                    now[place] = before[place]
                yield from _lag(self._clusters[consumer.name], consumer.group, view)
            yield STUCK_PARTITIONS.of(consumer.name, value=count)
        self._stuck = now

    def problems(self) -> tuple[str, ...]:
        """A sentence for each partition that is stuck."""
        return tuple(
            f"consumer {consumer}: {topic}[{number}] is stuck" + ("" if offset is None else f" at offset {offset}")
            for (consumer, topic, number), offset in self._stuck.items()
        )


def _lag(cluster: str, group: str, view: PartitionView) -> Iterator[Sample]:
    labels = (cluster, group, view.topic, str(view.partition))
    if view.lag is not None:
        yield GROUP_LAG.of(*labels, value=view.lag)
    seconds = 0.0 if view.lag == 0 else view.time_lag_seconds
    if seconds is not None:
        yield GROUP_LAG_SECONDS.of(*labels, value=seconds)
