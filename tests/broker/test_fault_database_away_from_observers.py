"""PostgreSQL is away for a minute, and the handler needs none of it.

Messages are handled meanwhile as if nothing were. Who writes down how the process is and how far it is behind, and who
counts dead letters for monitoring, each says so in one line, and goes on when it is back.
"""

from __future__ import annotations

import psycopg
import pytest

from tests.faults.watching import elapse
from tests.waiting import wait_for

EACH_SECOND = 20
LINES = (
    "how this process is can't be written",
    "how far groups are behind can't be noted",
    "the number of dead letters in database",
    "can't look for replays now",
)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ordering", ["partition", "key"])
def test_a_minute_without_a_database_costs_observers_a_line_and_messages_nothing(
    scenario_on_breakable_postgres, breakable_postgres, ordering
):
    scenario = scenario_on_breakable_postgres
    scenario.consumer |= {"message_handler": "tests.workload.handlers.nothing", "ordering": ordering}
    worker = scenario.ready_worker("--metrics-port", "0")
    wait_for(lambda: seen_at(scenario), 30, "the process has a row")

    breakable_postgres.shut_down()
    with scenario.load.flowing(EACH_SECOND):
        for _ in range(4):
            elapse(15)
            wait_until_handled(scenario, len(scenario.load.acknowledged))
    away = worker.output()
    breakable_postgres.start()

    before = seen_at(scenario)
    wait_for(lambda: seen_at(scenario) > before, 30, "the process is seen again")
    assert worker.running
    assert "waits" not in away
    assert {line: away.count(line) for line in LINES} == dict.fromkeys(LINES, 1)
    assert [line for line in away.splitlines() if " ERROR " in line] == []


def wait_until_handled(scenario, count: int) -> None:
    # Commits are a second apart, and on their way for a moment.
    wait_for(lambda: sum(scenario.committed.read().values()) >= count, 5, f"{count} messages are handled")


def seen_at(scenario):
    """When the process last said how it is; None where it has not."""
    with psycopg.connect(scenario.database_url) as connection:
        return connection.execute("SELECT max(seen_at) FROM kafka_integration_process").fetchone()[0]
