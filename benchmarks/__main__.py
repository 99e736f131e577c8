"""``make bench``: this framework beside the raw client, on one real broker, in one run.

Each contender is a process of its own, so that none warms the other's caches; they take turns, so that a slow
minute of the machine hits all of them. What carries over to another machine are the ratios, not the rates.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack

from tests.services.kafka import KafkaCluster
from tests.services.postgres import PostgresServer, missing_for_postgres

from . import contenders, workload

CONSUMING = {
    "raw-poll": "the client's poll() loop, offsets stored per message",
    "raw-consume": "consume(500), fetch.queue.backoff.ms 10, offsets stored per batch",
    "raw-consume-default": "consume(500) with librdkafka's defaults",
    "message": "our handler called per message",
    "message-async": "the same, async def",
    "batch": "our handler called per batch",
    "columns": "our handler called per batch, messages.values()",
    "raw-poll-json": "poll() loop, json.loads of each value",
    "message-json": 'our handler per message, "value_deserializer": "json"',
}
PRODUCING = {
    "raw-produce": "Producer.produce with a delivery callback",
    "produce": "our produce()",
}
RELAYING = {
    "plain-relay": "SELECT a page, produce, flush, DELETE, COMMIT, in a loop",
    "relay": "our runrelay",
}
CONTENDERS = {**CONSUMING, **PRODUCING, **RELAYING}
RATIOS = (
    ("message", "raw-poll", 4.0),
    ("batch", "raw-consume", 0.8),
    ("columns", "raw-consume", 0.92),
    ("message-async", "message", 0.4),
    ("message-json", "raw-poll-json", None),
    ("produce", "raw-produce", None),
    ("relay", "plain-relay", None),
)


def main() -> int:
    arguments = _arguments()
    names = arguments.only or [*CONTENDERS]
    missing = missing_for_postgres()
    left_out = [name for name in names if missing and name in RELAYING]
    names = [name for name in names if name not in left_out]
    with ExitStack() as servers:
        properties = {"num.partitions": workload.PARTITIONS}
        kafka = servers.enter_context(KafkaCluster(quick_start=False, properties=properties))
        workload.fill(kafka.bootstrap, arguments.messages if {*names} & {*CONSUMING} else 0)
        environment = {"BENCH_SERVERS": kafka.bootstrap}
        if {*names} & {*RELAYING}:
            environment["BENCH_DATABASE"] = servers.enter_context(PostgresServer()).create_database("bench")
        figures = _measure(names, environment, arguments)
    _print(figures, arguments.messages)
    if left_out:
        print(f"\nNOT RUN: {', '.join(left_out)}: {missing}", file=sys.stderr)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000, help="records to read (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--only", nargs="*", choices=[*CONTENDERS], help="contenders (default: all)")
    return parser.parse_args()


def _measure(
    names: list[str], environment: dict[str, str], arguments: argparse.Namespace
) -> dict[str, list[contenders.Figures]]:
    figures: dict[str, list[contenders.Figures]] = {name: [] for name in names}
    for run in range(arguments.runs):
        for name in names:
            count = min(arguments.messages, _most(name))
            figures[name].append(_run(name, environment, count))
            print(f"run {run + 1}: {name:20} {figures[name][-1]['rate']:>12,.0f} /s", flush=True)
    return figures


def _most(name: str) -> int:
    if name in RELAYING:
        return workload.MOST_RELAYED
    return sys.maxsize if name in CONSUMING else workload.MOST_PRODUCED


def _run(name: str, environment: dict[str, str], messages: int) -> contenders.Figures:
    command = [sys.executable, "-m", "benchmarks.contenders", name, environment["BENCH_SERVERS"], str(messages)]
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.settings", **environment}
    done = subprocess.run(command, check=False, env=variables, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    figures: contenders.Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _print(figures: dict[str, list[contenders.Figures]], messages: int) -> None:
    print(f"\n{messages:,} records of about {workload.VALUE_BYTES} bytes, {workload.PARTITIONS} partitions; medians")
    print(f"{'':20} {'records/s':>12} {'min':>12} {'max':>12} {'CPU µs':>7} {'peak MiB':>9}")
    medians = {}
    for name, runs in figures.items():
        rates = sorted(run["rate"] for run in runs)
        medians[name] = statistics.median(rates)
        cpu = statistics.median(run["cpu_us"] for run in runs)
        peak = statistics.median(run["peak_mib"] for run in runs)
        print(f"{name:20} {medians[name]:>12,.0f} {rates[0]:>12,.0f} {rates[-1]:>12,.0f} {cpu:>7.2f} {peak:>9.0f}")
    print()
    for ours, theirs, goal in RATIOS:
        if ours in medians and theirs in medians:
            wanted = f" (goal: {goal})" if goal else ""
            print(f"{ours} / {theirs}: {medians[ours] / medians[theirs]:.2f}{wanted}")


if __name__ == "__main__":
    sys.exit(main())
