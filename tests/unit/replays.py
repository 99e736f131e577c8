"""Replays without a thread: what the tests of replaying share."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.committing.store import OffsetStore
from kafka_integration.consuming.ordering.stream import Claim
from kafka_integration.consuming.partition import Partition
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter
from tests.unit import scripted
from tests.unit.consumers import consumer_settings

PLAIN = {"offset_storage": "kafka"}
DATABASE = {"offset_storage": "database"}
REMEMBERING = {"offset_storage": "kafka", "deduplicate": True}
MODES = pytest.mark.parametrize("mode", [PLAIN, DATABASE, REMEMBERING], ids=["kafka", "database", "deduplicate"])
TRANSACTIONAL = pytest.mark.parametrize("mode", [DATABASE, REMEMBERING], ids=["database", "deduplicate"])

Parked, Requested = DeadLetter.State.PARKED, DeadLetter.State.REPLAY


class Lane:
    """One lane's replays, and a partition that it owns, without a thread."""

    def __init__(self, settings, **options):
        settings.KAFKA = consumer_settings(on_failure="dead_letter", **options)
        consumer = get_settings().consumers["c"]
        self.replays = assemble(consumer).make_tasks()
        self.partition = Partition("events", 0)
        if consumer.offset_storage == "database":
            store = OffsetStore(database="default", group="group")
            epoch = store.claim(topic="events", topic_id="", partition=0, fallback=0).epoch
            self.partition.grant(Claim(epoch=epoch), 0)
        self.partition.start.place()

    def next(self):
        return self.replays.next([self.partition])

    def replay(self):
        """Do what there is to do next; True if the partition has to be claimed again."""
        task = self.next()
        assert task is not None, "there is nothing to replay"
        return task.run()

    def look_again(self):
        """As if a second were over."""
        self.replays._look_at = self.replays._lookout._look_at = 0.0


def requested(**fields):
    return make_letter(**{"consumer": "c", "group": "group", "topic": "events", "state": Requested, **fields})


def reread(letter):
    return DeadLetter.objects.get(pk=letter.pk)


def do(effect):
    scripted.script[:] = [effect]


def leave_a_trace_and(error):
    def follow(_):
        Group.objects.create(name="effect")
        if error is not None:
            raise error

    do(follow)


def traces():
    return Group.objects.filter(name="effect").count()
