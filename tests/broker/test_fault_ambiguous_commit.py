"""The connection to PostgreSQL is lost at a COMMIT: did it happen?

Three moments, all the same to the worker: the COMMIT never reached the server; it was done and the answer got lost;
it is still being done. A new claim waits for the transaction in doubt and tells: each record has one effect, and no
attempt of a handler is spent on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.faults.proxy import Link, Proxy

pytestmark = pytest.mark.faults

COMMIT = b"COMMIT\x00"
RECORDS = 40
# A deferred constraint is checked at COMMIT.
COMMIT_SLOWLY = """
    CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON workload_effect DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.seq = 3) EXECUTE FUNCTION take_long();
"""
SHAPES = [
    ("each", "message"),
    ("each", "batch"),
    ("Batch", "batch"),
    ("each_async", "message"),
]


def never_sent(link: Link, data: bytes) -> None:
    link.cut()


def answer_lost(link: Link, data: bytes) -> None:
    link.mute()
    link.forward_and_wait(data)
    link.cut()


def cut_meanwhile(link: Link, data: bytes) -> None:
    link.forward(data)
    link.cut()


def cut_if_slow(link: Link, data: bytes) -> None:
    if not link.forward_and_wait(data, timeout=0.3):
        link.cut()


class CommitsCut:
    """What a proxy does to every so manieth COMMIT, its fates in turn."""

    def __init__(self, every: int, *fates: Callable[[Link, bytes], None]) -> None:
        self._every = every
        self._fates = itertools.cycle(fates)
        self._seen = itertools.count(1)
        self.cut = 0

    def __call__(self, link: Link, data: bytes) -> None:
        if not data.endswith(COMMIT) or next(self._seen) % self._every:
            link.forward(data)
            return
        self.cut += 1
        next(self._fates)(link, data)


@pytest.fixture
def cut_worker(scenario, postgres):
    """Starts a worker whose way to its database is cut at COMMITs."""
    proxies = []

    def start(cutter):
        proxy = Proxy(postgres.port, cutter).__enter__()
        proxies.append(proxy)
        url = scenario.database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
        assert conninfo_to_dict(url)["port"] == str(proxy.port)
        return scenario.worker(env={"DATABASE_URL": url})

    yield start
    for proxy in proxies:
        proxy.__exit__()


@pytest.mark.parametrize(("handler", "transaction"), SHAPES)
def test_each_record_has_one_effect_whatever_became_of_its_commit(scenario, cut_worker, handler, transaction):
    scenario.consumer |= {
        "message_handler": f"tests.workload.handlers.{handler}",
        "offset_storage": "database",
        "transaction": transaction,
        "batch_size": 5,
    }
    cutter = CommitsCut(5 if transaction == "message" else 3, never_sent, answer_lost, cut_meanwhile)
    scenario.load.sent(RECORDS)
    worker = cut_worker(cutter)

    scenario.wait_handled()

    assert worker.terminate() == 0
    assert cutter.cut >= 3, "each fate has to be met"
    scenario.assert_nothing_lost()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
    assert {effect.attempt for effect in scenario.effects.read()} == {1}
    assert scenario.effects.dead_letters() == 0


def test_a_commit_still_under_way_is_waited_for(scenario, cut_worker):
    """COMMIT takes the server two seconds: meanwhile the worker is back and asks."""
    scenario.consumer |= {"offset_storage": "database", "retry": {"attempts": 5, "backoff_seconds": 0.05}}
    with psycopg.connect(scenario.database_url) as connection:
        connection.execute(COMMIT_SLOWLY)
    scenario.load.sent(5, partition=0, key="the key")
    worker = cut_worker(CommitsCut(1, cut_if_slow))

    scenario.wait_handled()

    assert worker.terminate() == 0
    assert "waits" in worker.output()
    scenario.assert_nothing_twice()
    scenario.assert_in_order()
