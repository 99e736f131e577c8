"""Story: somebody has a Django project elsewhere, installs the package, and does what the README says, on real Kafka.

What its group has committed is then asked of a client that knows nothing of us.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.guides import Walk, five_minutes
from tests.processes import PROJECT
from tests.services.kafka import KafkaCluster

README = PROJECT / "README.md"
PARTITIONS = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def installed(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the package and what it asks for, and nothing else."""
    # A copy: building in place leaves a folder behind, from which later builds take stale files.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "kafka_integration"):
        subprocess.run(["cp", "-r", str(PROJECT / name), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--constraint", str(PROJECT / "requirements.txt"), str(source)], check=True)
    return python


@pytest.fixture
def walk(tmp_path: Path, installed: Path) -> Iterator[Walk]:
    folders = [tmp_path / name for name in ("project", "logs")]
    for folder in folders:
        folder.mkdir()
    walk = Walk(*folders, env={}, python=str(installed), skip="pip install|runbroker")
    yield walk
    walk.close()


def test_five_minutes_on_real_kafka(walk, start_kafka):
    kafka = start_kafka()
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic("orders", PARTITIONS)])["orders"].result(30)
    readme = README.read_text()
    assert '`"endpoints": ["localhost:9092"]`' in readme

    walk.follow(five_minutes(readme).replace('"embedded",', f'["{kafka.bootstrap}"],'), writes_files=True)

    # Stopping commits, so nothing has to be waited for.
    walk.stop()
    assert sum(ends(kafka).values()) == 2
    assert committed(kafka) == ends(kafka)


def committed(kafka: KafkaCluster) -> dict[int, int]:
    with Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "invoices"}) as client:
        found = client.committed([TopicPartition("orders", number) for number in range(PARTITIONS)], timeout=10)
        return {place.partition: place.offset for place in found if place.offset > 0}


def ends(kafka: KafkaCluster) -> dict[int, int]:
    with Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "nobody"}) as client:
        found = {
            number: client.get_watermark_offsets(TopicPartition("orders", number), timeout=10)[1]
            for number in range(PARTITIONS)
        }
        return {number: end for number, end in found.items() if end}
