"""Exceptions with code of their own that fails: each is the failure of its message, and of nothing else."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.utils.functional import SimpleLazyObject

from kafka_integration import BatchError, BrokerUnavailableError
from kafka_integration.models import DeadLetter
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write
from tests.unit.scripted import fail_on

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

BATCH = "tests.unit.scripted.Batch"
PARKING = {"on_failure": "dead_letter", "retry": {"attempts": 2, "backoff_seconds": 0.01}}
STORAGES = pytest.mark.parametrize("storage", ["kafka", "database"])


def broken(*_):
    raise LookupError("an exception's own code")


class StrangeGroupError(ExceptionGroup):
    exceptions = property(broken)


class StrangeError(Exception):
    __str__ = __repr__ = broken


@STORAGES
@pytest.mark.parametrize(
    "name",
    ["sqlstate", "pgcode", "sqlite_errorcode", "__cause__", "__context__", "__suppress_context__", "__traceback__"],
)
def test_an_attribute_that_cannot_be_read_says_nothing(storage, name):
    write("a", "b")
    fail_on("a", error=type("Odd", (StrangeError,), {name: property(broken)}))

    loop = consume(offset_storage=storage, **PARKING)

    assert loop.fault is None
    assert DeadLetter.objects.get().attempts == 2
    assert committed() == 2


@STORAGES
def test_a_group_that_does_not_tell_its_members_is_parked(storage):
    write("a", "b")
    fail_on("a", error=lambda text: StrangeGroupError(text, [ValueError()]))

    loop = consume(offset_storage=storage, **PARKING)

    assert loop.fault is None
    assert DeadLetter.objects.get().exception.endswith("StrangeGroupError")


@STORAGES
def test_a_lazy_object_that_met_an_outage_is_not_asked_for_its_class(storage):
    write("a")
    asked = []

    def look_up():
        asked.append(1)
        if len(asked) < 3:
            error = OperationalError("the server is shut down")
            error.sqlstate = "57P01"
            raise error
        return "found"

    scripted.script.append(lambda message: str(SimpleLazyObject(look_up)))

    loop = consume(offset_storage=storage, **PARKING)

    assert loop.fault is None
    assert len(asked) == len(scripted.seen) == 3
    assert {message.attempt for message in scripted.seen} == {1}


class NamelessError(BatchError):
    def __init__(self, failures):
        self.failures = failures


class UnreadableError(BatchError):
    failures = property(broken)

    def __init__(self):
        pass


@STORAGES
@pytest.mark.parametrize(
    "make",
    [
        lambda messages: NamelessError({0: ValueError()}),
        lambda messages: NamelessError({messages[0]: "bad"}),
        lambda messages: NamelessError(["a"]),
        lambda messages: UnreadableError(),
    ],
    ids=["offsets", "reasons", "a list", "a property that fails"],
)
def test_a_batch_error_that_names_no_messages_is_one_like_any_other(storage, make):
    write("a", "b")

    def fail(messages):
        if any(message.value == "a" for message in messages):
            raise make(messages)

    scripted.script.append(fail)

    loop = consume(message_handler=BATCH, offset_storage=storage, **PARKING)

    assert loop.fault is None
    assert [bytes(letter.value) for letter in DeadLetter.objects.all()] == [b"a"]
    assert committed() == 2


class EmptyError(Exception):
    def __len__(self):
        return 0


class EmptyOutageError(BrokerUnavailableError):
    def __len__(self):
        return 0


@STORAGES
def test_an_exception_that_is_false_is_one_like_any_other(storage):
    write("a", "b")
    fail_on("a", error=EmptyError)

    loop = consume(offset_storage=storage, **PARKING)

    assert loop.fault is None
    assert DeadLetter.objects.get().exception.endswith("EmptyError")
    assert committed() == 2


@STORAGES
def test_an_outage_that_is_false_is_waited_out(storage):
    write("a", "b")

    def fail(messages):
        if len(scripted.batches) <= 3:
            raise BatchError({message: EmptyOutageError("gone", retriable=True) for message in messages})

    scripted.script.append(fail)

    loop = consume(message_handler=BATCH, offset_storage=storage, **PARKING)

    assert loop.fault is None
    assert not DeadLetter.objects.exists()
    assert committed() == 2
