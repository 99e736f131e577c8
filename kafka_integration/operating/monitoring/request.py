"""What the command line asks of monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class MonitoringRequest:
    """``--metrics-port``, ``--metrics-address`` and ``--heartbeat-file``."""

    port: int | None = None
    address: str = "127.0.0.1"
    heartbeat_file: Path | None = None

    @property
    def is_made(self) -> bool:
        return self.port is not None or self.heartbeat_file is not None
