"""Observers: they hear what happened, and a broken one disturbs nothing."""

import pytest
from django.contrib.auth.models import Group

from kafka_integration import BatchError, signals
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write

pytestmark = pytest.mark.usefixtures("memory_transport")


@pytest.fixture
def heard():
    """What each signal said, by its name; every receiver raises after it has listened."""
    facts, receivers = {}, []
    for name in [name for name in vars(signals) if name.islower() and hasattr(getattr(signals, name), "connect")]:

        def receive(name=name, **said):
            facts.setdefault(name, []).append(said)
            raise RuntimeError("a broken observer")

        getattr(signals, name).connect(receive, weak=False, dispatch_uid=name)
        receivers.append(name)
    yield facts
    for name in receivers:
        getattr(signals, name).disconnect(dispatch_uid=name)


def test_observers_hear_of_the_assignment_and_of_commits(heard):
    write("a", "b")

    consume()

    assert heard["partitions_assigned"][0]["consumer"] == "c"
    assert ("events", 0) in heard["partitions_assigned"][0]["partitions"]
    assert heard["offsets_committed"][-1]["offsets"][("events", 0)] == 2
    assert heard["partitions_revoked"][-1]["lost"] is False


def test_observers_hear_of_failures_and_how_they_ended(heard):
    write("a", "b")
    scripted.script.append(lambda message: 1 / 0 if message.value == "a" else None)

    consume(on_failure="skip", retry={"attempts": 2, "backoff_seconds": 0, "max_backoff_seconds": 0})

    assert [fact["message"].attempt for fact in heard["message_failed"]] == [1]
    assert isinstance(heard["message_skipped"][0]["exception"], ZeroDivisionError)
    assert committed() == 2


@pytest.mark.django_db(transaction=True)
def test_what_an_observer_writes_is_no_part_of_a_transaction_that_is_rolled_back():
    def write_down(message, **unused):
        Group.objects.create(name=message.value)

    def fail(messages):
        if messages[0].attempt == 1:
            raise BatchError({messages[0]: ValueError()})

    write("a")
    scripted.script.append(fail)
    signals.message_failed.connect(write_down)
    try:
        consume(
            message_handler="tests.unit.scripted.Batch",
            offset_storage="database",
            retry={"attempts": 2, "backoff_seconds": 0, "max_backoff_seconds": 0},
        )
    finally:
        signals.message_failed.disconnect(write_down)

    assert [group.name for group in Group.objects.all()] == ["a"]
    assert committed() == 1
