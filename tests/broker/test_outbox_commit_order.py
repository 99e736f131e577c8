"""Two transactions take their ids in one order and commit in the other.

The first one inserts its row, and stays open. The second inserts a row with a higher id and commits: it is relayed.
Then the first commits. A relay that only looked beyond the last id it had seen would never send that row.
"""

from __future__ import annotations

import psycopg

from tests.publishing.scenario import PublishingScenario


def test_a_row_that_commits_late_under_a_lower_id_is_published(publishing: PublishingScenario) -> None:
    publishing.active_relay()
    with psycopg.connect(publishing.database_url) as slow:
        publishing.insert("slow", key="a", connection=slow)
        publishing.insert("fast", key="b")
        publishing.wait_arrived(1)
        slow.commit()

    arrived = publishing.wait_arrived(2)

    assert {message.value for message in arrived} == {b"slow", b"fast"}
    publishing.wait_empty()
    assert publishing.repeats() == 0
