"""A worker is asked to stop before it was assigned anything: the broker is down, or the group takes its time.

It leaves within five seconds.
"""

from __future__ import annotations

import signal
from time import monotonic

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from tests.faults.groups import members_of
from tests.services.ports import free_port
from tests.waiting import wait_for

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("offset_storage", ["kafka", "database"])
def test_with_the_broker_down(scenario, offset_storage):
    scenario.kafka["endpoints"] = [f"127.0.0.1:{free_port()}"]
    worker = scenario.worker(offset_storage=offset_storage)
    worker.wait_for_output("no broker can be reached")

    asked_at = monotonic()

    assert worker.terminate() == 0
    assert monotonic() - asked_at < 5


def test_while_the_group_waits_for_another_member(scenario):
    holding_up = Consumer({"bootstrap.servers": scenario.bootstrap, "group.id": scenario.group, "log_level": 0})
    holding_up.subscribe([scenario.topic])
    wait_for(lambda: holding_up.poll(0.2) or holding_up.assignment(), 20, "the first member is assigned")
    worker = scenario.worker()
    admin = AdminClient({"bootstrap.servers": scenario.bootstrap})
    wait_for(lambda: members_of(admin, scenario.group) == 2, 20, "the worker asks to join", interval=0.2)

    asked_at = monotonic()
    worker.signal(signal.SIGTERM)
    status = worker.wait(timeout=15)

    assert status == 0
    assert monotonic() - asked_at < 5
    assert "assigned" not in worker.output()
    holding_up.close()
