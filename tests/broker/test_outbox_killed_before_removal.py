"""A relay is killed after Kafka's acknowledgement, before it could remove the rows.

A lock on the table keeps the relay from removing anything while it sends. When everything is in Kafka, the relay gets
`kill -9`. Its successor finds all the rows and sends them again: each appears twice, under the same event id, and never
more than what was on its way.
"""

from __future__ import annotations

from collections import Counter

from tests.publishing.scenario import PublishingScenario

ROWS = 700


def test_what_was_acknowledged_but_not_removed_appears_again_under_the_same_id(publishing: PublishingScenario) -> None:
    publishing.insert("x", key="k", count=ROWS)
    before = publishing.relay_killed_before_removal()

    publishing.active_relay()
    publishing.wait_empty()

    counts = Counter(message.event_id for message in publishing.arrived())
    assert len(counts) == ROWS
    assert set(counts.values()) <= {1, 2}
    assert 100 <= publishing.repeats() <= ROWS
    assert {message.event_id for message in before} <= counts.keys()
