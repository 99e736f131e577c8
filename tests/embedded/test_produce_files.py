"""``kafkaproduce --file``: each line of a file is a message, none is left out in silence."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.errors import BrokerError, ProduceTimeoutError
from kafka_integration.producing import console
from kafka_integration.producing.delivery import Delivery
from kafka_integration.testing.embedding import EmbeddedKafka

pytestmark = pytest.mark.usefixtures("kafka")


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[bytes], str]:
    def write(data: bytes) -> str:
        path = tmp_path / "lines.txt"
        path.write_bytes(data)
        return str(path)

    return write


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(*arguments: str, stderr: Any = None) -> str:
    output = io.StringIO()
    call_command("kafkaproduce", *arguments, stdout=output, stderr=stderr or io.StringIO())
    return output.getvalue()


def values(kafka: EmbeddedKafka, topic: str, count: int) -> list[bytes | None]:
    return [message.value_bytes for message in kafka.consume(topic, count)]


def test_each_line_of_a_file_is_a_message(topic: str, kafka: EmbeddedKafka, file_of: Callable[[bytes], str]) -> None:
    path = file_of(b"one\ntwo\r\n\n \xff\nlast")

    assert run(topic, "--file", path, "--key", "k", "--header", "a=1") == f"5 messages sent to {topic}\n"

    messages = kafka.consume(topic, 5)
    assert [message.value_bytes for message in messages] == [b"one", b"two", b"", b" \xff", b"last"]
    assert {(message.key, message.headers[0]) for message in messages} == {("k", ("a", b"1"))}


def test_a_hyphen_is_the_standard_input(topic: str, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))

    assert run(topic, "--file", "-", "--key", "k") == f"2 messages sent to {topic}\n"
    assert values(kafka, topic, 2) == [b"a", b"b"]


def test_an_empty_file_sends_nothing(topic: str, file_of: Callable[[bytes], str]) -> None:
    assert run(topic, "--file", file_of(b"")) == f"0 messages sent to {topic}\n"


def test_the_key_of_each_line_can_be_a_field(topic: str, kafka: EmbeddedKafka, file_of: Callable[[bytes], str]) -> None:
    path = file_of(b'{"user": 7, "n": 1}\n{"user": "ann"}\n{"user": null}\n')

    run(topic, "--file", path, "--key-field", "user")

    assert sorted(str(message.key) for message in kafka.consume(topic, 3)) == ["7", "None", "ann"]


@pytest.mark.parametrize("line", [b"no json", b"[1]", b'{"other": 1}', b"7", b'"user"'])
def test_a_line_without_the_field_is_refused_by_its_number(
    line: bytes, topic: str, kafka: EmbeddedKafka, file_of: Callable[[bytes], str]
) -> None:
    path = file_of(b'{"user": 1}\n' + line + b'\n{"user": 3}\n')

    with pytest.raises(CommandError) as raised:
        run(topic, "--file", path, "--key-field", "user")

    assert str(raised.value).startswith(
        f"line 2 was not sent: topic {topic}: the line is no JSON object with the field"
    )
    assert str(raised.value).endswith(f"1 message sent to {topic}; nothing was read after line 2.")
    assert values(kafka, topic, 1) == [b'{"user": 1}']


@pytest.mark.parametrize("length", [1_000_001, 3_000_000])
def test_a_line_that_is_too_long_is_refused_and_never_sent_in_part(
    length: int, topic: str, kafka: EmbeddedKafka, file_of: Callable[[bytes], str]
) -> None:
    path = file_of(b"first\n" + b"x" * length + b"\nlast\n")

    with pytest.raises(CommandError, match=r"line 2 was not sent: .* more than 1000000 bytes.*1 message sent"):
        run(topic, "--file", path)

    assert values(kafka, topic, 1) == [b"first"]


def test_a_line_that_fails_ends_it_and_is_named(
    topic: str, file_of: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = Delivery.result
    asked: list[None] = []

    def fail_once(delivery: Delivery, timeout: float | None = None) -> Any:
        asked.append(None)
        if len(asked) == 3:
            raise ProduceTimeoutError("not confirmed") from BrokerError("away")
        return result(delivery, timeout)

    monkeypatch.setattr(Delivery, "result", fail_once)

    with pytest.raises(CommandError) as raised:
        run(topic, "--file", file_of(b"x\n" * 5))

    assert str(raised.value).startswith("line 3 was not sent: not confirmed")
    assert raised.value.returncode == 1


def test_without_a_broker_what_was_not_sent_is_counted_and_nobody_waits_for_each(
    topic: str, file_of: Callable[[bytes], str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA = {"endpoints": ["127.0.0.1:1"], "producer": {"shutdown_grace_seconds": 0}}
    monkeypatch.setattr(console, "CONFIRMATION_SECONDS", 0.5)

    with pytest.raises(CommandError) as raised:
        run(topic, "--file", file_of(b"x\n" * 100))

    assert "line 1 was not sent" in str(raised.value)
    assert "Nor lines 2, 3, 4, 5, 6, 7, 8, 9, 10 and 90 more." in str(raised.value)
    assert f"0 messages sent to {topic}; nothing was read after line 100." in str(raised.value)


def test_ctrl_c_says_how_many_were_sent(
    topic: str, kafka: EmbeddedKafka, file_of: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    produce = console.produce

    def press_at_the_third(topic: str, value: Any, **options: Any) -> Delivery:
        if value == "3":
            os.kill(os.getpid(), signal.SIGINT)
        return produce(topic, value, **options)

    monkeypatch.setattr(console, "produce", press_at_the_third)
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(CommandError) as raised:
        run(topic, "--key", "k", "--file", file_of(b"1\n2\n3\n4\n5\n"))

    assert str(raised.value) == f"interrupted: 3 messages sent to {topic}, which are the lines up to 3"
    assert raised.value.returncode == 130
    assert values(kafka, topic, 3) == [b"1", b"2", b"3"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_the_waiting_for_a_line(topic: str, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a\nb\n")

    def press_once_they_are_there() -> None:
        kafka.consume(topic, 2)
        os.kill(os.getpid(), signal.SIGINT)

    with open(reading, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        thread = threading.Thread(target=press_once_they_are_there)
        thread.start()
        with pytest.raises(CommandError, match=f"interrupted: 2 messages sent to {topic}, which are the lines up to 2"):
            run(topic, "--file", "-")
        thread.join()
    os.close(writing)


def test_a_second_ctrl_c_leaves_and_says_what_is_not_known(
    topic: str, file_of: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_twice(delivery: Delivery, timeout: float | None = None) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second one leaves")

    monkeypatch.setattr(Delivery, "result", press_twice)

    with pytest.raises(CommandError) as raised:
        run(topic, "--file", file_of(b"1\n"))

    assert f"0 messages sent to {topic}; of 1 more, up to line 1, it isn't known" in str(raised.value)
    assert raised.value.returncode == 130


def test_a_terminal_shows_a_bar_and_nothing_else_does(topic: str, file_of: Callable[[bytes], str]) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    path = file_of(b"x\n" * 3)

    run(topic, "--file", path, stderr=terminal)
    run(topic, "--file", path, stderr=pipe)

    assert "[##########--------------------]  33%  " in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert pipe.getvalue() == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["value", "--file", "x"], "not both"),
        (["value", "--key-field", "x"], "not both"),
        (["--file", "-", "--key", "k", "--key-field", "x"], "not allowed with"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("t", *arguments)


def test_a_file_that_cannot_be_read_is_one_line(topic: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nothing-here can't be read: No such file"):
        run(topic, "--file", str(tmp_path / "nothing-here"))
    with pytest.raises(CommandError, match=r"can't be read: Is a directory"):
        run(topic, "--file", str(tmp_path))
