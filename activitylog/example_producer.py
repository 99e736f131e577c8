"""The producer of the codealong: one function that sends a message in three forms.

>>> from activitylog.example_producer import send_my_message
>>> send_my_message(("Metamorphosis", "Franz Kafka"), "another_topic")
>>> send_my_message("Metamorphosis", "Franz Kafka")
>>> send_my_message("Franz Kafka")
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from kafka_integration import produce_sync
from kafka_integration.conf import get_settings

DEFAULT_KEY = "sample_key"


def send_my_message(*args: Any) -> None:
    """Sends a message and returns once Kafka has it.

    ``send_my_message((key, value), topic)`` names everything; ``send_my_message(key, value)`` goes to the first
    configured topic; ``send_my_message(value)`` goes there too, with the key "sample_key".
    """
    match args:
        case ((key, value), str(topic)):
            produce_sync(topic, value, key=key)
        case (key, value):
            produce_sync(first_topic(), value, key=key)
        case (value,):
            produce_sync(first_topic(), value, key=DEFAULT_KEY)
        case _:
            raise TypeError("send_my_message takes ((key, value), topic), or (key, value), or (value)")


def first_topic() -> str:
    """Returns the first topic of KAFKA["producer"]["topics"]."""
    topics = get_settings().producer.topics
    if not topics:
        raise ImproperlyConfigured('KAFKA["producer"]["topics"] names no topic: add one, or name it in the call.')
    return topics[0]
