"""The codealong: a message sent in three forms, and a consumer that prints what it gets."""

from __future__ import annotations

import pytest

from activitylog.example_producer import send_my_message
from kafka_integration.testing import captured_messages, deliver


@pytest.mark.parametrize(
    ("arguments", "topic", "key"),
    [
        ((("Metamorphosis", "Franz Kafka"), "another_topic"), "another_topic", "Metamorphosis"),
        (("Metamorphosis", "Franz Kafka"), "our_topic", "Metamorphosis"),
        (("Franz Kafka",), "our_topic", "sample_key"),
    ],
)
def test_a_message_is_sent_in_three_forms(arguments: tuple[object, ...], topic: str, key: str) -> None:
    with captured_messages() as messages:
        send_my_message(*arguments)

    assert [(message.topic, message.key, message.value) for message in messages.all()] == [(topic, key, "Franz Kafka")]


@pytest.mark.parametrize("arguments", [(), ("a", "b", "c"), (("a", "b"), "c", "d")])
def test_any_other_form_is_refused_with_the_three_that_there_are(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match=r"\(\(key, value\), topic\)"):
        send_my_message(*arguments)


@pytest.mark.parametrize("topic", ["our_topic", "another_topic"])
def test_the_consumer_prints_the_whole_message_and_then_key_and_value(
    topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = deliver("example", "Franz Kafka", key="Metamorphosis", topic=topic, headers={"author": "Max Brod"})

    whole, line = capsys.readouterr().out.splitlines()
    assert outcome.status == "handled"
    assert f"'topic': '{topic}'" in whole
    assert "'headers': [('author', b'Max Brod')]" in whole
    assert line == "Metamorphosis: Franz Kafka"
