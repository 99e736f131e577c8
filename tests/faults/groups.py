"""What a consumer group looks like to a client that is no member."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

COORDINATOR_STARTS = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
"""A broker that has just started is still finding out for which groups it is the coordinator."""


def members_of(admin: AdminClient, group: str) -> int:
    """How many members the group has; none while nobody is its coordinator yet."""
    try:
        return len(admin.describe_consumer_groups([group])[group].result(10).members)
    except KafkaException as error:
        if error.args[0].code() not in COORDINATOR_STARTS:
            raise
        return 0
