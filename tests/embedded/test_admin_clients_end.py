"""Who asks brokers for a moment leaves no client behind, however late the garbage collector comes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.conf import get_settings
from kafka_integration.operating.groups.forecast import look_ahead
from kafka_integration.operating.groups.lag import compute_lag
from kafka_integration.operating.groups.planning import plan_reset
from kafka_integration.operating.topics.browsing import Query, look
from kafka_integration.operating.topics.health import find_topic_problems
from kafka_integration.operating.topics.listing import list_topics
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("project_alone"), pytest.mark.django_db]

Deed = Callable[[], object]
DEEDS: dict[str, Deed] = {
    "lag": lambda: compute_lag(get_settings(), "stored"),
    "outlook": lambda: look_ahead(compute_lag(get_settings(), "plain")),
    "plan of a reset": lambda: plan_reset(get_settings(), "stored", "earliest"),
    "topics": lambda: list_topics(get_settings()),
    "health of topics": lambda: find_topic_problems(get_settings()),
    "messages": lambda: look(get_settings().connection, Query(topic="orders")),
}


@pytest.fixture
def site(own_broker: EmbeddedBroker, settings: Any) -> None:
    kafka = EmbeddedKafka(own_broker)
    own_broker.create_topics(["orders"])
    kafka.produce("orders", "v", partition=0)
    consumer = {"topics": ["orders"], "message_handler": "builtins.print"}
    settings.KAFKA = {
        "endpoints": "embedded",
        "consumers": {
            "plain": {**consumer, "consumer_group": "plain"},
            "stored": {**consumer, "consumer_group": "stored", "offset_storage": "database"},
        },
    }


@pytest.fixture
def no_collector() -> Iterator[None]:
    """As in a consumer's process, where it comes seldom."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_who_asks_for_a_moment_leaves_no_client_behind(site: None, no_collector: None, deed: Deed) -> None:
    before = threads_of_clients()

    for _ in range(3):
        deed()

    wait_for(lambda: threads_of_clients() <= before, message=lambda: f"{before}, now {threads_of_clients()}")


def threads_of_clients() -> int:
    """Each client of librdkafka has some."""
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    return sum(name.startswith("rdk:") for name in names)
