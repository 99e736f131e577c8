"""``manage.py demo`` as a process of the tests, with a database and an embedded broker of its own."""

from __future__ import annotations

from pathlib import Path

from tests.processes import ChildProcess, start_manage
from tests.services.ports import free_port


class RunningDemo:
    """Everything of the reference project, ready to be visited at ``url``."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.database = folder / "demo.sqlite3"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process: ChildProcess = start_manage(
            "demo",
            f"--port={port}",
            *arguments,
            log=folder / "demo.log",
            # The embedded broker announces itself in the folder for temporary files.
            env={"DATABASE_URL": f"sqlite:///{self.database}", "TMPDIR": str(folder)},
        )
        self.process.wait_for_output("Ready", 90)

    def pid_of(self, command: str) -> int:
        """The process of one part, by its command."""
        for pid in self.process.descendants():
            if command in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                return pid
        raise LookupError(f"no {command} among the demo's processes")

    def close(self) -> None:
        self.process.close(timeout=60)
