"""``kafkaproduce`` and ``kafkatail``: a console to send from, and one to receive from."""

from __future__ import annotations

import io
import signal
import sys
import threading
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.topic_reader import TopicReader
from kafka_integration.client.transports.embedded import EmbeddedBroker
from kafka_integration.errors import BrokerError, ProduceTimeoutError
from kafka_integration.operating.tailing import shown
from kafka_integration.producing.delivery import Delivery
from kafka_integration.testing.embedding import EmbeddedKafka
from tests.processes import start_manage
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("kafka")


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


class Lines(io.StringIO):
    """What somebody types, who then presses Ctrl-C."""

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise KeyboardInterrupt
        return line


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_value_is_sent_with_key_and_headers(topic: str, kafka: EmbeddedKafka) -> None:
    output = run("kafkaproduce", topic, "Franz Kafka", "--key", "Metamorphosis", "--header", "a=1", "--header", "a=x=y")

    (message,) = kafka.consume(topic)
    assert output.strip() == f"{topic}[{message.partition}]@0"
    assert (message.key, message.value) == ("Metamorphosis", "Franz Kafka")
    assert message.headers == [("a", b"1"), ("a", b"x=y")]


def test_each_line_of_the_standard_input_is_a_message(
    topic: str, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, b"one\ntwo\r\n\n \xff\nlast")

    output = run("kafkaproduce", topic, "--key", "k")

    assert output.strip() == f"5 messages sent to {topic}"
    assert [message.value_bytes for message in kafka.consume(topic, 5)] == [b"one", b"two", b"", b" \xff", b"last"]


def test_ctrl_c_ends_the_lines_and_what_was_typed_is_sent(
    topic: str, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Lines("one\ntwo\n"))

    assert "2 messages" in run("kafkaproduce", topic, "--key", "k")
    assert [message.value for message in kafka.consume(topic, 2)] == ["one", "two"]


def test_a_value_given_empty_is_a_value(topic: str, kafka: EmbeddedKafka) -> None:
    run("kafkaproduce", topic, "")

    assert kafka.consume(topic)[0].value_bytes == b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kafkaproduce", "a b", "x"], "a_b"),
        (["kafkaproduce", "t", "x", "--header", "novalue"], "NAME=VALUE"),
        (["kafkaproduce", "t", "x", "--header", "=x"], "NAME=VALUE"),
        (["kafkatail", "ü"], "letters"),
        (["kafkatail", "t", "--from", "yesterday"], "neither"),
        (["kafkatail", "t", "--from", "2026-13-01"], "no time"),
        (["kafkatail", "t", "--max-messages", "0"], "no number of messages"),
        (["kafkatail", "t", "--max-messages", "-1"], "no number of messages"),
        (["kafkatail", "t", "--max-messages", "x"], "no number of messages"),
    ],
)
def test_wrong_arguments_are_wrong_usage(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command(*arguments)


def test_wrong_usage_exits_with_2_and_a_failure_with_1(tmp_path: Any) -> None:
    wrong = start_manage("kafkatail", "a b", log=tmp_path / "wrong.log")
    refused = start_manage("kafkaproduce", "not-configured", "x", log=tmp_path / "refused.log")

    assert wrong.wait() == 2, wrong.tail()
    assert refused.wait() == 1, refused.tail()
    assert "allow_any_topic" in refused.output()
    assert "Kaffe" not in refused.output()
    wrong.close()
    refused.close()


def test_a_topic_that_is_not_there_is_not_taken_for_a_key(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(delivery: Delivery, timeout: float | None = None) -> Any:
        raise ProduceTimeoutError("not confirmed") from BrokerError("no such topic", code="UNKNOWN_TOPIC_OR_PART")

    monkeypatch.setattr(Delivery, "result", time_out)

    with pytest.raises(CommandError, match=r"^not confirmed$"):
        run("kafkaproduce", topic, "x")


def test_tail_shows_what_is_there_and_stops_where_told(topic: str, kafka: EmbeddedKafka) -> None:
    for number in range(5):
        kafka.produce(topic, f"v{number}", key="k", partition=2)

    lines = run("kafkatail", topic, "--from", "earliest", "--max-messages", "3").splitlines()

    assert lines == [f"{topic}[2]@{number} k v{number}" for number in range(3)]


def test_tail_shows_the_message_at_an_offset(topic: str, kafka: EmbeddedKafka) -> None:
    for number in range(5):
        kafka.produce(topic, f"v{number}", key="k", partition=2)

    lines = run("kafkatail", f"{topic}:2", "--from", "3", "--max-messages", "1").splitlines()

    assert lines == [f"{topic}[2]@3 k v3"]


def test_tail_shows_nothing_that_a_terminal_obeys(topic: str, kafka: EmbeddedKafka) -> None:
    kafka.produce(topic, "\x1b[2J\r\n\u202eevil\x9b", key=b"\xff\x00")

    (line,) = run("kafkatail", topic, "--from", "earliest", "--max-messages", "1").splitlines()

    assert line.endswith(r"\xff\x00 \x1b[2J\r\n\u202eevil\x9b")


def test_null_and_empty_look_different() -> None:
    assert [shown(None), shown(b""), shown(b"x")] == ["(null)", "(empty)", "x"]


def test_tail_begins_with_the_next_message_unless_told(topic: str, kafka: EmbeddedKafka) -> None:
    kafka.produce(topic, "before", partition=0)
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(run("kafkatail", topic, "--max-messages", "1")))
    thread.start()

    # Again and again, since nothing says when the tail has begun.
    wait_for(lambda: kafka.produce(topic, "after", partition=0) or not thread.is_alive(), timeout=20)

    thread.join()
    assert "after" in seen[0]
    assert "before" not in seen[0]


@pytest.mark.parametrize("callback", ["on_error", "log"])
def test_ctrl_c_ends_tail_in_the_middle_of_a_callback_of_the_client(
    callback: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA = {"endpoints": ["127.0.0.1:1"]}
    presses: list[int] = []

    def press(*arguments: Any) -> None:
        if not presses:
            presses.append(1)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ClientLog, callback, press)

    assert run("kafkatail", "t") == ""
    assert presses


def test_tail_begins_at_a_time(topic: str, kafka: EmbeddedKafka) -> None:
    kafka.produce(topic, "now", key="k")

    assert "now" in run("kafkatail", topic, "--from", "2020-01-31T12:30", "--max-messages", "1")


def test_tail_waits_for_a_topic_that_is_not_there(
    topic: str, shared_broker: EmbeddedBroker, kafka: EmbeddedKafka, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = f"{topic}-later"
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(run("kafkatail", topic, "--max-messages", "1")))
    thread.start()
    said: list[str] = []
    wait_for(lambda: said.append(capsys.readouterr().err) or "waiting for it" in "".join(said))

    kafka.create_topics(topic)
    kafka.produce(topic, "first")

    thread.join(20)
    assert "first" in seen[0]
    assert "".join(said).count(topic) == 1


def test_a_reader_sees_partitions_that_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {"endpoints": "memory"}
    with override_settings(KAFKA=memory):
        from kafka_integration.client.transports.memory import memory_broker
        from kafka_integration.conf import get_settings

        broker = memory_broker()
        broker.reset()
        broker.create_topic("growing", partitions=1)
        with TopicReader(get_settings().connection, "growing", "latest") as reader:
            batches = reader.read(lambda: None)
            next(batches)
            broker.create_topic("growing", partitions=2)
            broker.produce("growing", b"in the new one", partition=1)

            found = wait_for(lambda: next(batches))

        assert [message.value() for message in found] == [b"in the new one"]
        broker.reset()
