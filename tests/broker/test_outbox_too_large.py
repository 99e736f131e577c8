"""A message that is larger than its topic allows, in the middle of a batch.

The client knows nothing of the topic's limit, so Kafka refuses the whole batch. The relay sends its messages one by one
to find the culprit, which then holds its key: later messages of that key wait, earlier ones and other keys arrive. The
row stays, with the reason. Once the topic allows more, a retry sends it, and the rest of its key follows in order; a
discard lets the rest go on without it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.publishing.scenario import OUTBOX, PublishingScenario
from tests.waiting import wait_for

LARGE = "x" * 4000


@pytest.fixture
def small(publishing: PublishingScenario, create_topic: Callable[..., str]) -> PublishingScenario:
    """The scenario on a topic of one partition that takes 3000 bytes at most."""
    publishing.topic = create_topic(partitions=1, config={"max.message.bytes": "3000"})
    return publishing


def fill(scenario: PublishingScenario) -> None:
    for number in range(30):
        scenario.insert(f"a{number}" if number != 10 else LARGE, key="a")
        scenario.insert(f"b{number}", key="b")


def values(scenario: PublishingScenario, key: str) -> list[bytes]:
    """The key's messages in the topic, each once, in their order."""
    first = {message.event_id: message.value or b"" for message in scenario.arrived() if message.key == key}
    return list(first.values())


def wait_for_refusal(scenario: PublishingScenario) -> None:
    # The large one and the 19 behind it.
    wait_for(lambda: scenario.refused() and scenario.waiting() == 20, 30, lambda: f"{scenario.waiting()} rows wait")


def allow_more(scenario: PublishingScenario) -> None:
    entry = ConfigEntry("max.message.bytes", "100000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, scenario.topic, incremental_configs=[entry])
    with AdminClient({"bootstrap.servers": scenario.bootstrap}) as admin:
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(30)


def test_it_holds_its_key_and_stays_visible_while_other_keys_flow(small: PublishingScenario) -> None:
    fill(small)
    relay = small.active_relay()

    wait_for_refusal(small)

    assert values(small, "a") == [f"a{number}".encode() for number in range(10)]
    assert values(small, "b") == [f"b{number}".encode() for number in range(30)]
    ((key, reason),) = small.refused()
    assert key == b"a"
    assert "MSG_SIZE_TOO_LARGE" in reason
    assert "x" * 10 not in reason + relay.output()


def test_other_keys_go_on_flowing_after_it(small: PublishingScenario) -> None:
    fill(small)
    small.active_relay()
    wait_for_refusal(small)

    small.insert("b30", key="b")
    small.insert("a30", key="a")

    wait_for(lambda: b"b30" in values(small, "b"), 10)
    assert small.waiting() == 21


@pytest.mark.faults
def test_a_retry_sends_it_and_its_key_follows_in_order(small: PublishingScenario) -> None:
    fill(small)
    small.active_relay()
    wait_for_refusal(small)

    allow_more(small)
    small.execute(f"UPDATE {OUTBOX} SET refused_at = NULL, refusal = ''")
    small.wait_empty()

    expected = [LARGE if number == 10 else f"a{number}" for number in range(30)]
    assert values(small, "a") == [value.encode() for value in expected]


def test_a_discard_lets_its_key_go_on(small: PublishingScenario) -> None:
    fill(small)
    small.active_relay()
    wait_for_refusal(small)

    small.execute(f"DELETE FROM {OUTBOX} WHERE refused_at IS NOT NULL")
    small.wait_empty()

    assert values(small, "a") == [f"a{number}".encode() for number in range(30) if number != 10]


def test_many_of_them_hold_many_keys_and_nothing_else(small: PublishingScenario) -> None:
    for number in range(60):
        small.insert(LARGE if number % 3 == 0 else "fits", key=f"key-{number}")
    small.active_relay()

    wait_for(lambda: small.waiting() == 20 and len(small.refused()) == 20, 60, lambda: f"{small.waiting()} rows wait")

    assert len({message.event_id for message in small.arrived()}) == 40
