"""kcat, a Kafka client that nobody here wrote: the other side of the interoperability tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tests.services.presence import missing_command


def missing_for_kcat() -> str | None:
    """What this machine lacks to run kcat, or None."""
    return missing_command("kcat", "kcat")


@dataclass(frozen=True, kw_only=True)
class KcatRecord:
    topic: str
    partition: int
    offset: int
    timestamp: int
    headers: list[str]
    key: str | None
    payload: str | None

    @property
    def header_pairs(self) -> list[tuple[str, str]]:
        return list(zip(self.headers[::2], self.headers[1::2], strict=True))


class Kcat:
    """Runs kcat against `bootstrap`; each call is bounded by `timeout` seconds."""

    def __init__(self, bootstrap: str, properties: Sequence[str] = ()) -> None:
        self._connection = ["-b", bootstrap, *(word for each in properties for word in ("-X", each))]

    def consume(
        self, topic: str, count: int | None = None, offset: str = "beginning", timeout: float = 30.0
    ) -> list[KcatRecord]:
        """The first `count` records from `offset`, or all up to the end of each partition, oldest first."""
        limit = ["-c", str(count)] if count is not None else ["-e"]
        output = self.run("-C", "-J", "-t", topic, "-o", offset, "-u", *limit, timeout=timeout)
        records = [_record(json.loads(line)) for line in output.splitlines()]
        return sorted(records, key=lambda record: (record.timestamp, record.partition, record.offset))

    def produce(
        self,
        topic: str,
        value: str | bytes,
        key: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        partition: int | None = None,
        timeout: float = 30.0,
    ) -> None:
        """One record, acknowledged."""
        # -k rather than -K: the value may then hold any character; without a delimiter a line is a value.
        arguments = ["-P", "-t", topic, "-D", "\x1e", *(["-k", key] if key is not None else [])]
        arguments += [word for name, text in headers for word in ("-H", f"{name}={text}")]
        arguments += ["-p", str(partition)] if partition is not None else []
        text = value if isinstance(value, bytes) else value.encode()
        self.run(*arguments, given=text, timeout=timeout)

    def produce_many(self, topic: str, records: Sequence[tuple[str, str]], timeout: float = 60.0) -> None:
        """Keys and values, in this order; neither may hold a line feed or a tab."""
        lines = "".join(f"{key}\t{value}\n" for key, value in records)
        self.run("-P", "-t", topic, "-K", "\t", given=lines.encode(), timeout=timeout)

    def run(self, *arguments: str, given: bytes = b"", timeout: float = 30.0) -> str:
        command = ["kcat", *self._connection, "-q", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=timeout)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")


def _record(document: dict[str, object]) -> KcatRecord:
    fields = {name: document.get(name) for name in ("topic", "partition", "offset", "key", "payload")}
    return KcatRecord(**fields, timestamp=document.get("ts", -1), headers=document.get("headers", []))  # type: ignore[arg-type]
