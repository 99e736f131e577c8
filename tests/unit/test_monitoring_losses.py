"""What was deleted before a group handled it, as monitoring is told: what is unknown is not there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop
from kafka_integration.models import LagSample
from kafka_integration.observing.measures import Measures
from kafka_integration.operating.groups.sampling import Sampling
from kafka_integration.operating.monitoring.consumers import Consumers
from kafka_integration.operating.monitoring.losses import question_of_losses
from kafka_integration.operating.monitoring.relays import Relays
from kafka_integration.operating.presence.watching import ConsumersWatch
from tests.unit.consumers import TOPIC, consumer_settings, write
from tests.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db]


def delete_before_they_are_handled(count: int) -> None:
    """The group has handled one message, and of the others these are gone."""
    write(*"a" * (count + 2))
    memory_broker().commit("group", TOPIC, 0, 1)
    memory_broker().delete_records(TOPIC, 0, count + 1)


def lost(samples) -> dict[str, float]:
    return {"/".join(text for _, text in sample.labels): sample.value for sample in samples if "lost" in sample.family}


def test_a_consumer_counts_what_it_leaves_out_because_it_was_deleted(settings):
    settings.KAFKA = consumer_settings()
    delete_before_they_are_handled(3)
    measures = Measures("c")

    ConsumerLoop(assemble(get_settings().consumers["c"], measures), until_caught_up=True).run()

    assert lost(measures.samples()) == {f"c/{TOPIC}": 3}


def test_a_consumer_that_left_out_nothing_says_zero_of_its_topics(settings):
    settings.KAFKA = consumer_settings()
    write("a")
    measures = Measures("c")

    ConsumerLoop(assemble(get_settings().consumers["c"], measures), until_caught_up=True).run()

    assert lost(measures.samples()) == {f"c/{TOPIC}": 0}


def test_a_group_that_nobody_runs_has_lost_what_was_deleted_meanwhile():
    delete_before_they_are_handled(3)
    Sampling(get_settings()).turn()

    assert lost(question_of_losses().ask()) == {f"group/{TOPIC}": 3}


def test_a_group_that_was_looked_at_and_has_lost_nothing_says_zero():
    write("a")
    Sampling(get_settings()).turn()

    assert lost(question_of_losses().ask()) == {f"group/{TOPIC}": 0}


def test_a_group_at_which_nobody_looked_lately_has_no_number():
    delete_before_they_are_handled(3)
    Sampling(get_settings()).turn()
    LagSample.objects.update(at=timezone.now() - timedelta(minutes=5))

    assert lost(question_of_losses().ask()) == {}


def test_where_a_partition_is_unknown_no_topic_is_said_to_have_lost_nothing():
    positions = {"safe": {"0": [0, 0, 5]}, "short": {"0": [7, 4, 9]}}
    LagSample.objects.create(group="group", at=timezone.now(), lag=None, positions=positions)

    assert lost(question_of_losses().ask()) == {"group/short": 3}


@pytest.mark.django_db(transaction=True)
def test_processes_of_consumers_and_of_relays_tell_it():
    delete_before_they_are_handled(3)
    Sampling(get_settings()).turn()
    watched = (Consumers([], ConsumersWatch([])), Relays([]))

    for each in watched:
        with each.asking():
            wait_for(lambda each=each: lost(each.samples()) == {f"group/{TOPIC}": 3})
