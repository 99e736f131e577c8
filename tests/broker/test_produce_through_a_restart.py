"""Story: the broker is killed and started again while an application goes on producing.

Nothing that was confirmed is lost, nothing is there twice, and each key keeps its order; the producer needs no help,
and says in one line each that Kafka is away and that it is back.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from django.test import override_settings

from kafka_integration import produce
from kafka_integration.client.producers.registry import producers
from kafka_integration.producing.delivery import Delivery
from tests.services.kafka import KafkaCluster
from tests.services.kcat import Kcat
from tests.waiting import wait_for

pytestmark = pytest.mark.faults

KEYS = [f"key-{number}" for number in range(20)]
# 2,000 messages a second: the client's queue holds an outage of 50 seconds.
PAUSE_SECONDS = 0.01


class Application:
    """Sends numbered messages to each key, in a thread of its own, until told to stop."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def delivered(self) -> int:
        return sum(delivery.done() for delivery in self.deliveries)

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()

    def _send(self) -> None:
        for number in itertools.count():
            for key in KEYS:
                self.deliveries.append(produce("numbers", str(number), key=key))
            if self._enough.wait(PAUSE_SECONDS):
                return


@pytest.mark.timeout(180)
def test_nothing_is_lost_doubled_or_reordered(
    start_kafka: Callable[..., KafkaCluster], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kafka_integration")
    cluster = start_kafka()
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.create_topics([NewTopic("numbers", 3)])["numbers"].result(30)

    with override_settings(KAFKA={"endpoints": cluster.bootstrap}):
        application = Application()
        wait_for(lambda: application.delivered() > 1000)
        cluster.kill()
        wait_for(lambda: "can be reached" in caplog.text, timeout=40)
        waiting = len(application.deliveries)
        wait_for(lambda: len(application.deliveries) > waiting + 1000)
        cluster.restart()
        wait_for(lambda: "Kafka is back" in caplog.text, timeout=30)
        application.stop()
        for delivery in application.deliveries:
            delivery.result(60)
        producers.close(30)

    found: dict[str | None, list[int]] = defaultdict(list)
    for record in sorted(Kcat(cluster.bootstrap).consume("numbers"), key=lambda record: record.offset):
        found[record.key].append(int(record.payload or -1))
    sent = len(application.deliveries) // len(KEYS)
    assert sent > 100
    assert found == {key: list(range(sent)) for key in KEYS}
    assert len([line for line in caplog.messages if "can be reached" in line]) == 1
    assert len([line for line in caplog.messages if "Kafka is back" in line]) == 1
