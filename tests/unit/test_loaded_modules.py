"""What is loaded: every module that is not used costs the time until the first message, in each process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.processes import PROJECT

START = """
import json, sys
import django
django.setup()
from django.core.management import execute_from_command_line
from kafka_integration.consuming.loop import ConsumerLoop
turn = ConsumerLoop.turn

def last_turn(loop):
    turn(loop)
    loop.stop()
    print(json.dumps(list(sys.modules)))

ConsumerLoop.turn = last_turn
execute_from_command_line(["manage.py", "runconsumer"])
"""
# Nobody listens there: a consumer waits for its broker inside its turns.
NOWHERE = "127.0.0.1:1"
UNUSED = (
    "admin",
    "client.topic_reader",
    "client.transports.embedded",
    "client.transports.memory",
    "dead_letters.operations",
    "dead_letters.texts",
    "operating.groups",
    "operating.monitoring.consumers",
    "operating.monitoring.monitor",
    "operating.monitoring.relays",
    "operating.monitoring.server",
    "operating.relays",
    "operating.tailing",
    "operating.topics",
    "outbox.decorator",
    "outbox.forwarder",
    "outbox.publish",
    "outbox.relay",
    "outbox.table",
    "producing.aproduce",
    "producing.console",
    "producing.produce",
    "testing",
)


def modules_after(program: str, **env: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, **env},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_none_of_its_modules():
    before = modules_after("import json, sys; print(json.dumps(list(sys.modules)))")

    after = modules_after("import json, sys, kafka_integration; print(json.dumps(list(sys.modules)))")

    assert {name for name in after - before if name.split(".")[0] not in sys.stdlib_module_names} == {
        "kafka_integration"
    }


def test_a_consumer_that_has_started_has_loaded_nothing_that_it_does_not_use():
    consumer = {"topics": ["visits"], "consumer_group": "visits", "message_handler": "tests.workload.handlers.each"}
    kafka = {"endpoints": NOWHERE, "consumers": {"visits": consumer}}

    loaded = modules_after(START, DJANGO_SETTINGS_MODULE="tests.workload.settings", WORKLOAD_KAFKA=json.dumps(kafka))

    ours = {name.removeprefix("kafka_integration.") for name in loaded if name.startswith("kafka_integration.")}
    assert "consuming.loop" in ours
    assert {name for name in ours for unused in UNUSED if f"{name}.".startswith(f"{unused}.")} == set()
    assert {"confluent_kafka.admin", "pytest", "hypothesis", "prometheus_client", "opentelemetry"} & loaded == set()


def test_a_relay_loads_no_consumer():
    program = (
        "import json, sys, django; django.setup(); import kafka_integration.management.commands.runrelay; "
        "print(json.dumps(list(sys.modules)))"
    )

    loaded = modules_after(program, DJANGO_SETTINGS_MODULE="tests.workload.settings")

    assert "kafka_integration.outbox.relay" in loaded
    assert "kafka_integration.consuming.loop" not in loaded
