"""The nodes of a test cluster and what their server.properties say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ChildProcess
from tests.services.kafka_security import LISTENERS

# A listener whose clients come through something of a test's own.
FAR = "FAR"
# Small and quick, where Kafka's own defaults are for large clusters.
DEFAULTS: dict[str, object] = {
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.num.partitions": 4,
    "num.partitions": 4,
    "auto.create.topics.enable": "false",
    "num.network.threads": 2,
    "num.io.threads": 4,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    "controlled.shutdown.enable": "true",
    # Sessions and leaders move within seconds, so that a test of it takes seconds.
    "group.min.session.timeout.ms": 1000,
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.min.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 500,
}


@dataclass(kw_only=True)
class Node:
    number: int
    directory: Path
    # By listener: PLAIN, CONTROLLER and, with security, those of `LISTENERS`.
    ports: dict[str, int]
    # None for the one that the pom names.
    version: str | None = None
    process: ChildProcess | None = None
    # By listener: what clients are told, where that is not where the broker listens.
    advertised: dict[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running


def server_properties(node: Node, nodes: Sequence[Node]) -> dict[str, object]:
    """One node's properties; each is broker and controller."""
    protocols = {"PLAIN": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", FAR: "PLAINTEXT", **LISTENERS}
    addresses = {name: f"{name}://127.0.0.1:{port}" for name, port in node.ports.items()}
    told = addresses | {name: f"{name}://{address}" for name, address in node.advertised.items()}
    voters = (f"{each.number}@127.0.0.1:{each.ports['CONTROLLER']}" for each in nodes)
    return {
        **DEFAULTS,
        **_replication(len(nodes)),
        "process.roles": "broker,controller",
        "node.id": node.number,
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAIN",
        "listeners": ",".join(addresses.values()),
        "advertised.listeners": ",".join(text for name, text in told.items() if name != "CONTROLLER"),
        "listener.security.protocol.map": ",".join(f"{name}:{protocols[name]}" for name in node.ports),
        "log.dirs": node.directory / "data",
    }


def _replication(brokers: int) -> dict[str, object]:
    replicas, in_sync = min(3, brokers), min(2, brokers)
    return {
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
