"""The guide to handlers: its examples do what it says."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync

from kafka_integration.models import DeadLetter
from tests.processes import PROJECT
from tests.unit import scripted
from tests.unit.consumers import committed, consume, write

GUIDE = PROJECT / "docs" / "how-to" / "write-handlers.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def examples():
    names = {}
    for code in EXAMPLE.findall(GUIDE.read_text()):
        exec(compile(code, str(GUIDE), "exec"), names)  # noqa: S102 - our own page
    return names


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("handler", ["tests.unit.scripted.handle", "tests.unit.scripted.Batch"])
def test_the_examples_decide_as_they_say(memory_transport, examples, handler):
    one, many = examples["book"], examples["Bookings"]().handle_messages
    scripted.script.append(lambda argument: many(argument) if isinstance(argument, list) else one(argument))
    write('{"test": true}', "{}", '{"seats": 101}', '{"seats": 2}')

    loop = consume(message_handler=handler, on_failure="dead_letter", retry={"attempts": 2, "backoff_seconds": 0.01})

    letters = DeadLetter.objects.order_by("offset").values_list("offset", "attempts", "reason")
    assert list(letters) == [(1, 1, "an order without seats"), (2, 2, "")]
    assert loop.counts.read().skipped == 1
    assert committed() == 4


def test_the_async_example_keeps_what_a_service_answers(examples):
    kept = []

    async def keep(**fields):
        kept.append(fields)

    async def answer(order):
        return f"about {order}"

    examples.update(ask_a_service=answer, Answer=SimpleNamespace(objects=SimpleNamespace(acreate=keep)))
    async_to_sync(examples["look_up"])(SimpleNamespace(json=lambda: {"order": 7}))

    assert kept == [{"order": 7, "text": "about 7"}]
