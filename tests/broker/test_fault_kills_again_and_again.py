"""Twenty thousand records, two workers, and every few seconds one of them is killed (-9).

With "database" every record has its effect once, in order; with "kafka" none is lost.
"""

from __future__ import annotations

import random
from itertools import count

import pytest

from tests.faults.scenario import consumer_of
from tests.faults.watching import elapse

RECORDS = 20_000


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("offset_storage", "handler", "transaction", "protocol"),
    [
        ("database", "each", "message", "range"),
        ("database", "each", "batch", "cooperative-sticky"),
        ("database", "Batch", "batch", "range"),
        ("kafka", "each", "message", "range"),
        ("kafka", "Batch", "message", "cooperative-sticky"),
    ],
)
def test_no_record_is_lost(scenario, offset_storage, handler, transaction, protocol):
    scenario.consumer |= {
        **consumer_of(protocol),
        "offset_storage": offset_storage,
        "message_handler": f"tests.workload.handlers.{handler}",
        "transaction": transaction,
        "batch_size": 100,
    }
    slowly = {"HANDLER_SECONDS": "0.002"}
    chance = random.Random(20_000)
    scenario.load.sent(RECORDS)
    workers = [scenario.worker(env=slowly), scenario.worker(env=slowly)]
    kills = 0
    with scenario.watch_commits() as commits:
        for kills in count():
            if scenario.effects.count() == RECORDS or kills > 60:
                break
            elapse(chance.uniform(3, 6))
            victim = chance.randrange(2)
            workers[victim].kill()
            workers[victim] = scenario.worker(env=slowly)
        scenario.wait_handled(120)

    print(f"{kills} kills, {len(scenario.repeated())} of {RECORDS} records repeated")
    assert kills >= 5
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
    assert commits.samples > 10
    assert not commits.too_high
    assert scenario.effects.dead_letters() == 0
    if offset_storage == "database":
        scenario.assert_nothing_twice()
        scenario.assert_no_key_in_two_places()
