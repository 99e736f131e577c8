"""`python -m benchmarks.pages`: what the operator's pages take where there is much to show, on real servers.

Each page is visited in turns with the others, so that a slow minute of the machine hits all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from ..environments import PROJECT
from ..servers import Servers, running_servers
from .sizes import EVENT, MESSAGES, PARTITIONS
from .table import Taken, table

DATABASES = ("postgresql", "sqlite")


def main() -> int:
    arguments = _arguments()
    with running_servers(with_database="postgresql" in arguments.databases) as servers:
        topics = _make_topics(servers)
        print(f"{arguments.rows:,} rows, {PARTITIONS} partitions; {servers.versions}", file=sys.stderr)
        found = {name: _measure(name, servers, topics, arguments) for name in arguments.databases}
    print(table(found, only_above_ms=arguments.above))
    return 0


def _make_topics(servers: Servers) -> tuple[str, str]:
    """One of many partitions, of which its group has read half, and a small one."""
    large, small = servers.make_topic(PARTITIONS), servers.make_topic()
    servers.fill(large, MESSAGES)
    servers.fill(small, 1000)
    _say_one(servers, small)
    group = Consumer({"bootstrap.servers": servers.bootstrap, "group.id": "orders"})
    halfway = MESSAGES // PARTITIONS // 2
    group.commit(offsets=[TopicPartition(large, number, halfway) for number in range(PARTITIONS)], asynchronous=False)
    group.close()
    return large, small


def _say_one(servers: Servers, topic: str) -> None:
    producer = Producer({"bootstrap.servers": servers.bootstrap})
    producer.produce(topic, b"{}", headers=[("ce_id", EVENT.encode())])
    producer.flush()


def _measure(
    database: str, servers: Servers, topics: tuple[str, str], arguments: argparse.Namespace
) -> dict[str, Taken]:
    with tempfile.TemporaryDirectory(prefix="pages-") as directory:
        output = Path(directory, "taken.json")
        url = servers.database_url if database == "postgresql" else f"sqlite:///{directory}/db.sqlite3"
        command = ["-m", "benchmarks.pages.site", str(arguments.rows), str(arguments.rounds), str(output)]
        subprocess.run([sys.executable, *command], check=True, cwd=PROJECT, env=_variables(str(url), servers, topics))
        return {name: Taken(**each) for name, each in _read(output).items()}


def _variables(url: str, servers: Servers, topics: tuple[str, str]) -> Mapping[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.pages.settings",
        "BENCH_DATABASE": url,
        "BENCH_SERVERS": servers.bootstrap,
        "BENCH_TOPIC": topics[0],
        "BENCH_OTHER_TOPIC": topics[1],
    }


def _read(output: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(output.read_text())
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__.splitlines()[0])
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES, help="(default: both)")
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N",
                        help="dead letters, and as many rows of the outbox (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--rounds", type=int, default=20, metavar="R", help="visits of each page (default: %(default)s)"
    )
    parser.add_argument("--above", type=float, default=0.0, metavar="MS", help="show what takes longer (p95)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
