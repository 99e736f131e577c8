"""A real Apache Kafka on loopback, without Docker: one broker or several, in KRaft mode.

`python -m tests.services.kafka` runs one in the foreground: that is `make kafka`.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests import orphans
from tests.processes import PROJECT, ChildProcess
from tests.services.kafka_jars import fetch_jars, missing_for_kafka
from tests.services.kafka_nodes import FAR, Node, server_properties
from tests.services.kafka_security import LISTENERS, KafkaSecurity, SecurityFiles, scram_arguments, security_properties
from tests.services.ports import accepts_connections, free_port
from tests.waiting import wait_for

_JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto", "-Djava.awt.headless=true")
# Start in seconds rather than reach the highest throughput: what a test wants, and a benchmark doesn't.
_QUICK_START = ("-XX:TieredStopAtLevel=1",)
_LOGGING = Path(__file__).with_name("kafka-log4j2.properties")


class KafkaCluster:
    """Brokers that are their own controllers; they keep ports and data over restarts, until `stop()`.

    They are of the version that the pom or KAFKA_VERSION names, or of another one. Without a `directory` the data is in
    a temporary one that goes with `stop()` or with this process. Broker numbers in the methods count from 0. With
    `through` each broker has a listener FAR besides: called with the broker's number and the port of that listener, it
    says by which `host:port` clients reach it.
    """

    def __init__(
        self,
        brokers: int = 1,
        port: int | None = None,
        directory: Path | None = None,
        properties: Mapping[str, object] | None = None,
        security: KafkaSecurity | None = None,
        quick_start: bool = True,
        through: Callable[[int, int], str] | None = None,
        version: str | None = None,
    ) -> None:
        self._temporary = directory is None
        # Brokers don't run where we do.
        self.directory = (directory or Path(tempfile.mkdtemp(prefix="kafka-"))).resolve()
        if self._temporary:
            orphans.adopt("directory", str(self.directory))
        self.security = security
        self.files: SecurityFiles | None = None
        self._properties = dict(properties or {})
        self._jvm = [*_JVM, *(_QUICK_START if quick_start else ())]
        self._version = version
        self._nodes = [self._plan(index, port, through) for index in range(brokers)]

    def __enter__(self) -> KafkaCluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port,…` of the plain listeners."""
        return self.bootstrap_of("PLAIN")

    def bootstrap_of(self, listener: str) -> str:
        """`host:port,…` of a listener: PLAIN, FAR, or with security also SASL, TLS, SASL_TLS and MISNAMED."""
        return ",".join(node.advertised.get(listener, f"127.0.0.1:{node.ports[listener]}") for node in self._nodes)

    def log(self, broker: int = 0) -> Path:
        return self._nodes[broker].directory / "broker.log"

    def pid(self, broker: int = 0) -> int:
        process = self._nodes[broker].process
        assert process is not None, "the broker was never started"
        return process.pid

    def start(self) -> KafkaCluster:
        """Starts what isn't running and waits until all of it answers."""
        fetch_jars(self._version)
        if self.security is not None and self.files is None:
            self.files = SecurityFiles.make(self.directory / "tls")
        for node in self._nodes:
            self._configure(node)
        self._format([node for node in self._nodes if not (node.directory / "data" / "meta.properties").exists()])
        for node in self._nodes:
            self._launch(node)
        self.wait_ready()
        return self

    def stop(self) -> None:
        """Ends all brokers: in order where the data stays, at once where it is temporary and goes too."""
        for node in self._nodes:
            if node.process is not None:
                if not self._temporary:
                    node.process.close(timeout=30)
                node.process.kill()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)
            orphans.release("directory", str(self.directory))

    def shut_down(self, broker: int = 0, timeout: float = 30.0) -> None:
        """An orderly end of one broker (SIGTERM)."""
        process = self._nodes[broker].process
        if process is not None:
            process.close(timeout)

    def kill(self, broker: int = 0) -> None:
        """SIGKILL: no goodbye to clients or to the other brokers."""
        process = self._nodes[broker].process
        if process is not None:
            process.kill()

    def freeze(self, broker: int = 0) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        process = self._nodes[broker].process
        if process is not None:
            process.freeze()

    def thaw(self, broker: int = 0) -> None:
        process = self._nodes[broker].process
        if process is not None:
            process.thaw()

    def restart(self, broker: int = 0, wait: bool = True) -> None:
        """Starts a broker again, on its ports and with its data; ends it first if it still runs."""
        self.shut_down(broker)
        self._launch(self._nodes[broker])
        if wait:
            self.wait_ready()

    def upgrade(self, broker: int) -> None:
        """Ends one broker in order, and starts it with the version that is the default; the others stay as they are."""
        self._nodes[broker].version = None
        self.restart(broker)

    def wait(self) -> None:
        """Returns when a broker has ended by itself."""
        for node in self._nodes:
            if node.process is not None:
                node.process.wait(timeout=threading.TIMEOUT_MAX)

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Returns once every broker that runs is in the cluster and a controller is elected."""
        running = [node for node in self._nodes if node.running]
        for node in running:
            wait_for(lambda node=node: self._listens(node), timeout, f"broker {node.number} listens", interval=0.1)
        bootstrap = ",".join(f"127.0.0.1:{node.ports['PLAIN']}" for node in running)
        # Lost connections are what it is here to see: it need not log them.
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        expected = {node.number for node in running}
        wait_for(lambda: expected <= _known_brokers(admin), timeout, self._last_words, interval=0.1)

    def _plan(self, index: int, port: int | None, through: Callable[[int, int], str] | None) -> Node:
        names = ["PLAIN", "CONTROLLER", *(LISTENERS if self.security else ()), *([FAR] if through else ())]
        ports = {name: free_port() for name in names}
        if port is not None:
            ports["PLAIN"] = port + index
        advertised = {FAR: through(index, ports[FAR])} if through else {}
        directory = self.directory / f"broker-{index + 1}"
        return Node(number=index + 1, directory=directory, ports=ports, advertised=advertised, version=self._version)

    def _configure(self, node: Node) -> None:
        node.directory.mkdir(parents=True, exist_ok=True)
        secured = security_properties(self.security, self.files) if self.security and self.files else {}
        properties = server_properties(node, self._nodes) | secured | self._properties
        lines = [f"{key}={value}\n" for key, value in properties.items()]
        (node.directory / "server.properties").write_text("".join(lines))

    def _format(self, nodes: list[Node]) -> None:
        scram = scram_arguments(self.security) if self.security else []
        running = []
        for node in nodes:
            config = str(node.directory / "server.properties")
            arguments = ["format", "-t", self._cluster_id(), "-c", config, *scram]
            command = self._java(node, "kafka.tools.StorageTool", *arguments)
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for process in running:
            output, _ = process.communicate(timeout=60)
            if process.returncode:
                raise RuntimeError(f"Kafka's storage could not be formatted:\n{output[-3000:]}")

    def _cluster_id(self) -> str:
        remembered = self.directory / "cluster-id"
        if not remembered.exists():
            # Base64 of 16 bytes; a leading hyphen would be read as an option.
            remembered.write_text(b64encode(uuid.uuid4().bytes, altchars=b"ab").decode().rstrip("="))
        return remembered.read_text()

    def _launch(self, node: Node) -> None:
        if node.running:
            return
        command = self._java(node, "kafka.Kafka", str(node.directory / "server.properties"))
        node.process = ChildProcess(command, log=node.directory / "broker.log", cwd=node.directory)

    def _java(self, node: Node, main: str, *arguments: str) -> list[str]:
        options = [*self._jvm, f"-Dlog4j2.configurationFile={_LOGGING}"]
        return ["java", *options, "-cp", f"{fetch_jars(node.version)}/*", main, *arguments]

    def _listens(self, node: Node) -> bool:
        if not node.running:
            raise AssertionError(f"Kafka broker {node.number} ended while starting:\n{self._last_words()}")
        return accepts_connections(node.ports["PLAIN"])

    def _last_words(self) -> str:
        texts = [f"broker {node.number}:\n{node.process.tail()}" for node in self._nodes if node.process]
        return "a cluster that answers\n" + "\n".join(texts)


def _known_brokers(admin: AdminClient) -> set[int]:
    try:
        metadata = admin.list_topics(timeout=2)
    except KafkaException:
        return set()
    return set(metadata.brokers) if metadata.controller_id >= 0 else set()


def main() -> None:
    options = _parse()
    if accepts_connections(options.port):
        sys.exit(f"Something listens on 127.0.0.1:{options.port} already: stop it, or choose another --port.")
    if missing := missing_for_kafka():
        sys.exit(f"Apache Kafka can't run here: {missing}.")
    # Not whatever SIGINT has now: a shell that starts us in the background has it ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    properties = {"auto.create.topics.enable": "true"}
    cluster = KafkaCluster(options.brokers, options.port, options.directory, properties, quick_start=False)
    with suppress(KeyboardInterrupt), cluster:
        print(f"Apache Kafka listens on {cluster.bootstrap}; its data is in {cluster.directory}. Ctrl-C stops it.")
        cluster.wait()
        sys.exit(f"Apache Kafka has ended by itself; its log: {cluster.log()}")
    print("Apache Kafka has stopped.")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Real Apache Kafka on loopback, without Docker.")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--brokers", type=int, default=1, choices=(1, 3))
    parser.add_argument("--directory", type=Path, default=PROJECT / ".kafka" / "data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
