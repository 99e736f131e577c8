"""Lines about messages and partitions carry what they are about as fields, beside their text."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError

from kafka_integration import Skip
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.dead_letters.operations import Selection, discard
from tests.dead_letters import make_letter
from tests.unit import scripted
from tests.unit.consumers import consume, running, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db(transaction=True)]

NAMES = ("consumer", "group", "topic", "partition", "offset")


@pytest.fixture
def fields_of(caplog):
    """The fields of the only line with these words."""
    caplog.set_level("INFO", logger="kafka_integration")

    def fields_of(words: str) -> dict[str, object]:
        (record,) = [record for record in caplog.records if words in record.getMessage()]
        return {name: getattr(record, name) for name in NAMES if hasattr(record, name)}

    return fields_of


def test_what_becomes_of_a_message_says_which_it_is(fields_of):
    write(*"abc", partition=2)

    def decide(message):
        if message.value == "b":
            raise ValueError("no")
        if message.value == "c":
            raise Skip("not for us")

    scripted.script.append(decide)
    consume(on_failure="dead_letter", retry={"attempts": 2, "backoff_seconds": 0})

    place = {"consumer": "c", "group": "group", "topic": "events", "partition": 2}
    assert fields_of("attempt 1 at") == place | {"offset": 1}
    assert fields_of("is a dead letter") == place | {"offset": 1}
    assert fields_of("skipped: not") == place | {"offset": 2}


def test_what_is_about_several_partitions_says_whose_they_are(fields_of):
    write("a")

    consume()

    assert fields_of("assigned events") == {"consumer": "c", "group": "group"}
    assert fields_of("revoked events") == {"consumer": "c", "group": "group"}


def test_what_is_about_one_partition_says_which(fields_of, monkeypatch, caplog):
    def refuse(*_, **__):
        raise OperationalError("the table is locked")

    monkeypatch.setattr(OffsetStore, "claim", refuse)
    write("a", topic="one")
    # With the only partition of its topic there is one such line.
    with running(offset_storage="database", topics=["one"]):
        wait_for(lambda: "one[0] can't be claimed" in caplog.text, 20)

    (record,) = [record for record in caplog.records if "one[0] can't be claimed" in record.getMessage()][:1]
    assert {name: getattr(record, name, None) for name in NAMES} == {
        "consumer": "c",
        "group": "group",
        "topic": "one",
        "partition": 0,
        "offset": None,
    }


def test_a_dead_letter_that_is_given_up_says_which_message_it_was(fields_of):
    letter = make_letter(partition=3, offset=17)

    discard(Selection(ids=[letter.pk]), "default")

    assert fields_of("is discarded") == {
        "consumer": "shop",
        "group": "shop",
        "topic": "orders",
        "partition": 3,
        "offset": 17,
    }


def test_a_formatter_finds_the_fields(caplog):
    caplog.set_level("INFO", logger="kafka_integration")
    write("a")
    scripted.fail_on("a")
    consume(on_failure="skip")

    formatter = logging.Formatter("%(topic)s/%(partition)d@%(offset)d", defaults=dict.fromkeys(NAMES))
    (record,) = [record for record in caplog.records if "skipped:" in record.getMessage()]
    assert formatter.format(record) == "events/0@0"
