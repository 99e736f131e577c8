"""From `publish` to the handler, though the relay is killed between the acknowledgement and the removal.

Its successor sends again what was sent already, under the same event id. A consumer with `"deduplicate": True` knows
each by it: everything that was committed has one effect, in order, and nothing that was rolled back has any.
"""

from __future__ import annotations

import pytest

from tests.faults.scenario import Scenario
from tests.publishing.scenario import PublishingScenario


@pytest.mark.parametrize("offset_storage", ["kafka", pytest.param("database", marks=pytest.mark.faults)])
def test_each_event_has_one_effect_though_it_is_sent_twice(
    scenario: Scenario, publishing: PublishingScenario, offset_storage: str
) -> None:
    publishing.topic = scenario.topic
    writers = publishing.writers("--writers=8", "--transactions=40", "--delay-ms=5")
    assert writers.wait(60) == 0, writers.tail()
    worker = scenario.worker(offset_storage=offset_storage, deduplicate=True)
    publishing.relay_killed_before_removal()
    publishing.active_relay()
    publishing.wait_empty()

    published = sorted(publishing.published().values())
    scenario.wait_handled(40, count=len(published))
    assert worker.terminate() == 0
    assert publishing.repeats() >= 100
    assert sorted((effect.key, effect.seq) for effect in scenario.effects.read()) == published
    scenario.assert_in_order()
