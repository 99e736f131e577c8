"""Story: somebody goes through the second part of the tutorial, on a real Kafka that is stopped and started again."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guides import Walk
from tests.processes import PROJECT
from tests.services.kafka import KafkaCluster
from tests.services.kcat import missing_for_kcat
from tests.services.presence import require

PART = PROJECT / "docs" / "tutorial" / "2-real-kafka.md"
# What `python -m tests.services.kafka` has, which is `make kafka`.
PROPERTIES = {"auto.create.topics.enable": "true"}
FIRST_PORT = 9092
# Which broker leads and which one answers; and whether the other topic is there already, if the machine is slow.
DIFFERS = (r" \(controller\)", r"(?<=leader )\d.*", r"(?<=^Metadata for our_topic ).*", r"^.*assigned our_topic.*")

# Each change has the first part and README's five minutes, this one `make faults`.
pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture
def walk_on(tmp_path: Path, sqlite_url: str) -> Iterator[Callable[[KafkaCluster, str], None]]:
    """Does what a text says, on this cluster, and stops what it started."""
    walks: list[Walk] = []

    def walk_on(kafka: KafkaCluster, text: str) -> None:
        logs = tmp_path / str(len(walks))
        logs.mkdir()
        env = {"DATABASE_URL": sqlite_url, "KAFKA_ENDPOINTS": kafka.bootstrap}
        skip = "make kafka|tests.services.kafka|bin/activate|export"
        walks.append(Walk(PROJECT, logs, env=env, python=sys.executable, skip=skip))
        walks[-1].follow(at(kafka, text), writes_files=False)
        walks[-1].stop()

    yield walk_on
    for walk in walks:
        walk.close()


def test_the_tutorial_says_what_happens_on_real_kafka(walk_on, start_kafka):
    require(missing_for_kcat())
    alone, three = PART.read_text().split("## Leader and replicas")
    fresh, kept = alone.split("Start Kafka again")
    kafka = start_kafka(properties=PROPERTIES)

    walk_on(kafka, fresh)
    kafka.restart()
    walk_on(kafka, kept)
    walk_on(start_kafka(3, properties=PROPERTIES), three)


def at(kafka: KafkaCluster, text: str) -> str:
    """The text with the addresses of these brokers, and without what differs each time."""
    for number, address in enumerate(kafka.bootstrap.split(",")):
        text = re.sub(rf"(localhost|127\.0\.0\.1):{FIRST_PORT + number}\b", address, text)
    return re.sub("|".join(DIFFERS), "", text, flags=re.MULTILINE)
