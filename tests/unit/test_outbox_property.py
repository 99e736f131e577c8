"""Whatever happens to relays and broker, in any order: what is committed arrives, per key in order, and nothing else.

Hypothesis plays publishers, the broker, and an operator with a sense for bad moments: it writes batches, refuses them,
loses acknowledgements, kills relays, freezes them and lets them send what they still had when another one is active.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kafka_integration import publish
from kafka_integration.conf import get_settings
from kafka_integration.models import OutboxMessage, RelayLease
from kafka_integration.outbox.operations import discard, retry
from kafka_integration.outbox.relay import Relay
from tests.unit.scripted_broker import POISON, ScriptedBroker, ScriptedProducer
from tests.unit.scripted_transport import connect

BATCH = 4
KEYS = st.sampled_from(["a", "b", None])
VALUES = st.sampled_from([b"fine", b"fine", POISON])
KAFKA = {"endpoints": "memory", "outbox": {"batch_size": BATCH, "lease_seconds": 10}}


class OutboxMachine(RuleBasedStateMachine):
    """One outbox, one active relay at a time, and those that were frozen."""

    broker: ScriptedBroker

    @initialize()
    def begin(self) -> None:
        OutboxMessage.objects.all().delete()
        RelayLease.objects.all().delete()
        self.broker.log.clear()
        self.broker.producers.clear()
        self.broker.takes_poison = False
        self.now = 0.0
        self.order: dict[str, int] = {}
        self.given_up: set[str] = set()
        self.frozen: list[tuple[Relay, ScriptedProducer | None]] = []
        self.relay = self._new_relay()

    # --- Publishing

    @rule(messages=st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=5))
    def publish_some(self, messages: list[tuple[str | None, bytes]]) -> None:
        for key, value in messages:
            event_id = publish("t", value, key=key)
            self.order[event_id] = len(self.order)

    @rule(key=KEYS)
    def roll_back(self, key: str | None) -> None:
        with transaction.atomic():
            publish("t", b"rolled back", key=key)
            transaction.set_rollback(True)

    # --- The relay and the broker

    @rule(turns=st.integers(1, 3))
    def turn(self, turns: int) -> None:
        for _ in range(turns):
            self.now += 1
            self.relay.turn()

    @rule(count=st.integers(1, 2 * BATCH), turns=st.integers(1, 4))
    def turn_and_write(self, count: int, turns: int) -> None:
        """The usual case: the relay sends, the broker takes a batch, the relay hears of it."""
        self.turn(turns)
        self.write(count)
        self.turn(1)

    @rule(count=st.integers(1, 2 * BATCH))
    def write(self, count: int) -> None:
        if producer := self._producer():
            producer.write(count)

    @rule(count=st.integers(0, 2 * BATCH))
    def kill(self, count: int) -> None:
        """The last it had on its way may arrive, and nobody hears of it."""
        if producer := self._producer():
            producer.write(count, acknowledge=False)
            producer.queue.clear()
        self._replace()

    @rule()
    def freeze(self) -> None:
        self.frozen.append((self.relay, self._producer()))
        self._replace()

    @precondition(lambda self: self.frozen)
    @rule(count=st.integers(0, 2 * BATCH))
    def thaw(self, count: int) -> None:
        """The client's own threads are quicker than the relay, which then finds that it has lost the lease."""
        relay, producer = self.frozen.pop()
        if producer is not None:
            producer.write(count)
        self.now += 11
        relay.turn()
        assert not relay.is_active

    def _replace(self) -> None:
        RelayLease.objects.update(expires_at="2020-01-01T00:00:00Z")
        self.relay = self._new_relay()
        self.relay.turn()

    def _new_relay(self) -> Relay:
        return Relay("default", get_settings(), clock=lambda: self.now)

    def _producer(self) -> ScriptedProducer | None:
        forwarder = self.relay._forwarder
        producer = forwarder._producer if forwarder else None
        return producer._producer if producer else None

    # --- The operator

    @rule()
    def retry_what_was_refused(self) -> None:
        retry(list(OutboxMessage.objects.values_list("pk", flat=True)), "default")

    @rule()
    def change_the_mind_of_the_broker(self) -> None:
        """It takes what it refused, or no longer."""
        self.broker.takes_poison = not self.broker.takes_poison

    @rule()
    def discard_what_was_refused(self) -> None:
        refused = OutboxMessage.objects.filter(refused_at__isnull=False)
        self.given_up.update(_event_id(row) for row in refused)
        discard(list(refused.values_list("pk", flat=True)), "default")

    # --- What has to be true, always

    @invariant()
    def nothing_arrives_that_was_not_committed(self) -> None:
        assert {sent.event_id for sent in self.broker.log} <= self.order.keys()

    @invariant()
    def first_appearances_of_a_key_are_in_order(self) -> None:
        newest: dict[bytes, int] = {}
        for event_id, key in self._first_appearances().items():
            if key is not None:
                assert self.order[event_id] > newest.get(key, -1)
                newest[key] = self.order[event_id]

    @invariant()
    def what_is_gone_from_the_outbox_has_arrived(self) -> None:
        waiting = {_event_id(row) for row in OutboxMessage.objects.all()}
        assert self.order.keys() - waiting <= self._first_appearances().keys() | self.given_up

    @invariant()
    def only_what_the_broker_refuses_is_marked(self) -> None:
        for row in OutboxMessage.objects.filter(refused_at__isnull=False):
            assert bytes(row.value or b"") == POISON

    @invariant()
    def a_refused_message_holds_its_key(self) -> None:
        appeared = self._first_appearances()
        for row in OutboxMessage.objects.filter(refused_at__isnull=False, key__isnull=False):
            refused = _event_id(row)
            # One that arrived and is refused as a repeat is in nobody's way.
            if refused not in appeared:
                later = [event_id for event_id in appeared if self.order[event_id] > self.order[refused]]
                assert bytes(row.key or b"") not in {appeared[event_id] for event_id in later}

    def _first_appearances(self) -> dict[str, bytes | None]:
        return {sent.event_id: sent.key for sent in self.broker.log}

    # --- And in the end

    def teardown(self) -> None:
        if not hasattr(self, "relay"):
            return
        for _ in range(40 + 4 * len(self.order)):
            self.now += 1
            self.relay.turn()
            self.write(BATCH)
        held: set[bytes | None] = set()
        for row in OutboxMessage.objects.order_by("id"):
            assert row.refused_at is not None or bytes(row.key or b"") in held, f"{row} was left behind"
            held.add(None if row.key is None else bytes(row.key))
        self.first_appearances_of_a_key_are_in_order()
        self.what_is_gone_from_the_outbox_has_arrived()


def _event_id(row: OutboxMessage) -> str:
    return str(dict(row.headers)["ce_id"])


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.timeout(600)  # a failure is worth the time to find the shortest way to it
def test_what_is_committed_arrives_in_order_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = ScriptedBroker()
    connect(monkeypatch, producer=broker.connect)

    class Machine(OutboxMachine):
        def __init__(self) -> None:
            self.broker = broker
            super().__init__()

    # A server takes five times as long for each, and SQLite has tried the most.
    examples = 100 if connection.vendor == "sqlite" else 30
    options: Any = {"max_examples": examples, "stateful_step_count": 40, "deadline": None}
    with override_settings(KAFKA=KAFKA):
        run_state_machine_as_test(
            Machine, settings=settings(**options, suppress_health_check=list(HealthCheck), print_blob=True)
        )
