"""A topic's name is one that Kafka does not take.

`manage.py check` and `runconsumer` refuse it, and so does the call that produces to it, with no broker in reach.
"""

from __future__ import annotations

import pytest

NAMES = ["a b", "..", "ü", "t" * 250, "nul\0"]


@pytest.mark.parametrize("command", [("check",), ("runconsumer", "workload")])
def test_settings_with_it_are_refused_before_any_network(scenario, command):
    scenario.kafka["endpoints"] = ["nowhere.invalid:9092"]
    consumer = {**scenario.consumer, "topics": NAMES}

    process = scenario.command(*command, consumers={"workload": consumer})

    assert process.wait(30) == 1
    assert "a b" in process.output()
    assert "249" in process.output()


def test_the_call_is_refused_before_any_network(scenario):
    scenario.kafka["endpoints"] = ["nowhere.invalid:9092"]
    program = (
        "from kafka_integration import InvalidMessageError, produce\n"
        f"for name in {NAMES!r}:\n"
        "    try: produce(name, 'x')\n"
        "    except InvalidMessageError as error: print('refused', len(name))\n"
    )

    process = scenario.command("shell", "-c", program, consumers={})

    assert process.wait(30) == 0
    assert process.output().count("refused") == len(NAMES)
