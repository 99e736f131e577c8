"""A process produces, and then forks: a preloaded web server, a prefork worker.

The client made before the fork is dead in the child, so the child makes its own: what it produces arrives, and the
parent's goes on working.
"""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer

pytestmark = pytest.mark.faults

PROGRAM = """
import os
from kafka_integration import produce, produce_sync
produce_sync({topic!r}, "parent, before")
produce({topic!r}, "parent, unfinished")
child = os.fork()
if child == 0:
    produce_sync({topic!r}, "child")
    produce({topic!r}, "child, at its exit")
    raise SystemExit(0)
print("child:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
produce_sync({topic!r}, "parent, after")
"""


def test_what_the_child_produces_arrives_and_nothing_arrives_twice(scenario):
    process = scenario.command("shell", "-c", PROGRAM.format(topic=scenario.topic), consumers={})

    assert process.wait(60) == 0, process.tail()
    assert "child: 0" in process.output()
    assert sorted(values_in(scenario)) == [
        "child",
        "child, at its exit",
        "parent, after",
        "parent, before",
        "parent, unfinished",
    ]


def values_in(scenario) -> list[str]:
    reader = Consumer({"bootstrap.servers": scenario.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    reader.subscribe([scenario.topic])
    found: list[str] = []
    while len(found) < 5 and (message := reader.poll(10)) is not None:
        found.append(message.value().decode())
    reader.close()
    return found
