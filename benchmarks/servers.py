"""The servers of a run: a real Kafka and, where rows need it, a real PostgreSQL; and the topics in that Kafka."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.services.kafka import KafkaCluster
from tests.services.kafka_jars import POM
from tests.services.postgres import PostgresServer

from . import workload

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where the servers are; `versions` names them with theirs."""

    bootstrap: str
    database_url: str | None
    versions: str

    def make_topic(self, partitions: int = workload.PARTITIONS) -> str:
        """The name of a new topic."""
        name = f"bench-{next(_numbers)}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        return name

    def fill(self, topic: str, messages: int, size: int = workload.VALUE_BYTES) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "linger.ms": 5,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        for number in range(messages):
            _produce(producer, topic, workload.value(number, size), workload.key(number))
            if number % 1000 == 0:
                producer.poll(0)
        if left := producer.flush(120):
            raise RuntimeError(f"{left} messages could not be written to {topic}")

    def count(self, topic: str, partitions: int = workload.PARTITIONS) -> int:
        """How many messages a topic has."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "bench-count"})
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, number), 30) for number in range(partitions)]
        consumer.close()
        return sum(end - start for start, end in ends)


@contextmanager
def running_servers(*, with_database: bool) -> Iterator[Servers]:
    with ExitStack() as stack:
        properties = {"num.partitions": workload.PARTITIONS}
        kafka = stack.enter_context(KafkaCluster(quick_start=False, properties=properties))
        versions, url = [f"Kafka {_kafka_version()}"], None
        if with_database:
            postgres = stack.enter_context(PostgresServer(durable=True))
            url = postgres.create_database("bench")
            ((version,),) = postgres.execute("SELECT split_part(current_setting('server_version'), ' ', 1)")
            versions.append(f"PostgreSQL {version}")
        yield Servers(bootstrap=kafka.bootstrap, database_url=url, versions=", ".join(versions))


def _kafka_version() -> str:
    """The version that the pom names."""
    found = re.search(r"<kafka.version>([\d.]+)", POM.read_text())
    assert found is not None, f"{POM} names no version of Kafka"
    return found[1]


def _produce(producer: Producer, topic: str, value: bytes, key: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
            return
        except BufferError:
            producer.poll(0.05)
