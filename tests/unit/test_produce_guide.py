"""The guide to sending messages: each of its examples runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import override_settings

from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.testing import captured_messages
from tests.processes import PROJECT

GUIDE = PROJECT / "docs" / "how-to" / "produce.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _in_memory() -> Iterator[None]:
    with override_settings(KAFKA={"endpoints": "memory"}):
        yield
        memory_broker().reset()


def test_the_examples_run_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    with captured_messages() as messages:
        for code in EXAMPLE.findall(GUIDE.read_text()):
            exec(compile(code, str(GUIDE), "exec"), names)  # noqa: S102 - our own page

    assert [message.json() for message in messages["search_term"]] == [{"q": "kafka"}]
    assert [message.key for message in messages["another_topic"]] == ["Metamorphosis", "k1", "k2"]
    assert [message.key for message in messages["orders"]] == ["7"]
    assert capsys.readouterr().out == "delivered\n"
